"""report.html: a run on one page that needs nothing else, made from what lies in the run's folder."""

from reporting.report.writing import write_report

__all__ = ["write_report"]
