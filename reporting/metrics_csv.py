"""metrics.csv: every score of a run, for programs."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from evaluation.scoring import Score
from storage import atomic_write, convert_write_errors

HEADER = ("step", *Score._fields)


def read_scores(path: Path) -> dict[int, list[Score]]:
    """Step -> scores of a run's metrics.csv, in the order of the file; a line that is not whole is left out."""
    scores: dict[int, list[Score]] = {}
    for step, *row in _whole_rows(path):
        scores.setdefault(int(step), []).append(Score(*row[:-2], float(row[-2]), float(row[-1])))
    return scores


def _whole_rows(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf8")
    whole = text[: text.rfind("\n") + 1].splitlines()  # what has no end of line is still being written
    return [row for row in list(csv.reader(whole))[1:] if len(row) == len(HEADER)]


class MetricsFile:
    """A CSV file `step,features,task,model,metric,mean,std` to which evaluations are appended.

    Args:
        path: of the file; one that exists is continued
    Raises:
        ValueError: the file exists and has another header
    """

    def __init__(self, path: Path):
        self.path = path
        if not path.exists() or path.stat().st_size == 0:
            self._append([HEADER])
        with path.open(encoding="utf8") as file:
            header = file.readline().rstrip("\r\n")
        if header != ",".join(HEADER):
            raise ValueError(
                f"{path} starts with '{header[:100]}' instead of '{','.join(HEADER)}', so it is no file of scores that "
                "could be continued. Move it away, or give the run another 'name'."
            )

    def append(self, step: int, scores: Iterable[Score]):
        """Add the scores of one evaluation, six significant digits each; they are on the disk when this returns."""
        self._append([step, *score[:-2], f"{score.mean:.6g}", f"{score.std:.6g}"] for score in scores)

    def drop_after(self, step: int) -> list[Score]:
        """Drop the scores of later steps, and what a killed process left unfinished. Gives the scores that are kept."""
        kept = [row for row in _whole_rows(self.path) if int(row[0]) <= step]
        with atomic_write(self.path) as temporary:
            temporary.write_text(_as_text([HEADER, *kept]), encoding="utf8", newline="")
        return [Score(*row[1:-2], float(row[-2]), float(row[-1])) for row in kept]

    def _append(self, rows: Iterable[Iterable]):
        with convert_write_errors(self.path), self.path.open("a", encoding="utf8", newline="") as file:
            file.write(_as_text(rows))  # all at once, so no reader sees half an evaluation
            file.flush()
            os.fsync(file.fileno())


def _as_text(rows: Iterable[Iterable]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
