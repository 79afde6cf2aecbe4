"""Report scores and figures of runs: console, metrics.csv, TensorBoard, figures/, report.html, comparison of runs."""
