"""metrics.csv: every score of a run, for programs."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from evaluation.scoring import Score

HEADER = ("step", *Score._fields)


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

    def _append(self, rows: Iterable[Iterable]):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        with self.path.open("a", encoding="utf8", newline="") as file:
            file.write(text.getvalue())  # all at once, so no reader sees half an evaluation
            file.flush()
            os.fsync(file.fileno())
