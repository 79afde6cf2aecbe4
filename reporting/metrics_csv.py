"""metrics.csv: a file of all scores of a run, to be read by programs."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from evaluation.scoring import Score
from storage import atomic_write, convert_write_errors

HEADER = ("step", *Score._fields)


def read_scores(path: Path) -> dict[int, list[Score]]:
    """Read metrics.csv: step -> scores, in the order of the file. An incomplete line is skipped."""
    scores: dict[int, list[Score]] = {}
    for step, *row in _complete_rows(path):
        scores.setdefault(int(step), []).append(score_of_row(row))
    return scores


def score_of_row(texts: list[str]) -> Score:
    """Return the score of a row of metrics.csv without its step.

    Raises:
        ValueError: the row is incomplete, or a value is no number
    """
    features, task, model, metric, mean, std = texts
    return Score(features, task, model, metric, float(mean), float(std))


def _complete_rows(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf8")
    complete_lines = text[: text.rfind("\n") + 1].splitlines()  # a line without its end is still being written
    return [row for row in list(csv.reader(complete_lines))[1:] if len(row) == len(HEADER)]


class MetricsFile:
    """A CSV file with the columns `step,features,task,model,metric,mean,std`, to which evaluations are appended.

    Args:
        path: of the file; if it exists, scores are added at its end
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
                f"{path} starts with '{header[:100]}' instead of '{','.join(HEADER)}', so no scores can be "
                "added to it. Move the file away, or give the run another 'name'."
            )

    def append(self, step: int, scores: Iterable[Score]) -> None:
        """Add the scores of one evaluation with six significant digits; they are on the disk when this returns."""
        self._append([step, *score[:-2], f"{score.mean:.6g}", f"{score.std:.6g}"] for score in scores)

    def drop_after(self, step: int) -> list[Score]:
        """Remove the scores of later steps and incomplete lines of a killed process. Return the remaining scores."""
        remaining = [row for row in _complete_rows(self.path) if int(row[0]) <= step]
        with atomic_write(self.path) as temporary:
            temporary.write_text(_csv_text([HEADER, *remaining]), encoding="utf8", newline="")
        return [score_of_row(row[1:]) for row in remaining]

    def _append(self, rows: Iterable[Iterable]) -> None:
        with convert_write_errors(self.path), self.path.open("a", encoding="utf8", newline="") as file:
            file.write(_csv_text(rows))  # in one call, so that no reader sees half an evaluation
            file.flush()
            os.fsync(file.fileno())


def _csv_text(rows: Iterable[Iterable]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
