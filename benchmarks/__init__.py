"""Benchmarks: one script for each claim about speed, which also measures what a user would use otherwise.

`python -m benchmarks --help` says how to run them.
"""
