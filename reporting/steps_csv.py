"""CSV files to which every evaluation adds rows that begin with its step, and which a resumed run cuts back."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from storage import atomic_write, convert_write_errors


class StepsFile:
    """A CSV file of evaluations, whose first column is the step.

    Args:
        path: of the file; if it exists, rows are added at its end
        header: names of the columns
    Raises:
        ValueError: the file exists and has another header
    """

    def __init__(self, path: Path, header: tuple[str, ...]):
        self.path, self.header = path, header
        if not path.exists() or path.stat().st_size == 0:
            self._append([header])
        with path.open(encoding="utf8") as file:
            found = file.readline().rstrip("\r\n")
        if found != ",".join(header):
            raise ValueError(
                f"{path} starts with '{found[:100]}' instead of '{','.join(header)}', so no scores can be "
                "added to it. Move the file away, or give the run another 'name'."
            )

    def keep_until(self, step: int) -> list[list[str]]:
        """Remove the rows of later steps and incomplete lines of a killed process. Return the remaining rows."""
        remaining = [row for row in complete_rows(self.path, self.header) if int(row[0]) <= step]
        with atomic_write(self.path) as temporary:
            temporary.write_text(_csv_text([self.header, *remaining]), encoding="utf8", newline="")
        return remaining

    def _append(self, rows: Iterable[Iterable]) -> None:
        """Add rows; they are on the disk when this returns."""
        with convert_write_errors(self.path), self.path.open("a", encoding="utf8", newline="") as file:
            file.write(_csv_text(rows))  # in one call, so that no reader sees half an evaluation
            file.flush()
            os.fsync(file.fileno())


def complete_rows(path: Path, header: tuple[str, ...]) -> list[list[str]]:
    """Return the rows of a file below its header, without a line that is still being written.

    Raises:
        OSError: the file cannot be read
    """
    text = path.read_text(encoding="utf8")
    complete_lines = text[: text.rfind("\n") + 1].splitlines()  # a line without its end is still being written
    return [row for row in list(csv.reader(complete_lines))[1:] if len(row) == len(header)]


def _csv_text(rows: Iterable[Iterable]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
