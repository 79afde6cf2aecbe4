"""What this project claims of its speed: one script per claim, beside what a user would otherwise use.

`python -m benchmarks --help` says how to run them.
"""
