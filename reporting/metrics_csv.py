"""metrics.csv: a file of all scores of a run, to be read by programs."""

from collections.abc import Iterable
from pathlib import Path

from evaluation.scores import Score
from reporting.steps_csv import StepsFile, complete_rows

HEADER = ("step", *Score._fields)


def read_scores(path: Path) -> dict[int, list[Score]]:
    """Read metrics.csv: step -> scores, in the order of the file. An incomplete line is skipped."""
    scores: dict[int, list[Score]] = {}
    for step, *row in complete_rows(path, HEADER):
        scores.setdefault(int(step), []).append(score_of_row(row))
    return scores


def score_of_row(texts: list[str]) -> Score:
    """Return the score of a row of metrics.csv without its step.

    Raises:
        ValueError: the row is incomplete, or a value is no number
    """
    features, task, model, metric, mean, std = texts
    return Score(features, task, model, metric, float(mean), float(std))


class MetricsFile(StepsFile):
    """A CSV file with the columns `step,features,task,model,metric,mean,std`, to which evaluations are appended.

    Args:
        path: of the file; see StepsFile
    """

    def __init__(self, path: Path):
        super().__init__(path, HEADER)

    def append(self, step: int, scores: Iterable[Score]) -> None:
        """Add the scores of one evaluation with six significant digits; they are on the disk when this returns."""
        self._append([step, *score[:-2], f"{score.mean:.6g}", f"{score.std:.6g}"] for score in scores)

    def drop_after(self, step: int) -> list[Score]:
        """Remove the scores of later steps and incomplete lines of a killed process. Return the remaining scores."""
        return [score_of_row(row[1:]) for row in self.keep_until(step)]
