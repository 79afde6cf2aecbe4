"""report.html: one page about a run, without other files, made from the files in the run's folder."""

from reporting.report.writing import write_missing_report, write_report

__all__ = ["write_missing_report", "write_report"]
