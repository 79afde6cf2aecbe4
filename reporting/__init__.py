"""Scores and figures -> console, metrics.csv, TensorBoard and pictures in a run's folder."""
