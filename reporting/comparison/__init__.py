"""Comparison of runs: a table for the console, comparison.csv, comparison.md, and a figure."""

from reporting.comparison.writing import write_comparison

__all__ = ["write_comparison"]
