"""draws.csv: the value of each score in each draw of tiles.

All feature sets are scored on the same draws, so that their values can be compared draw by draw.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from evaluation.scores import Evaluation
from reporting.feature_sets import TRAINED
from reporting.steps_csv import StepsFile, complete_rows

DRAWS_NAME = "draws.csv"
HEADER = ("step", "features", "score", "values")

Draws = dict[str, dict[str, list[float]]]  # features -> tag of a score -> its value in each draw, NaN: undefined


class DrawsFile(StepsFile):
    """A CSV file with the columns `step,features,score,values`; values: one for each draw, with blanks between them.

    Args:
        path: of the file; see StepsFile
    """

    def __init__(self, path: Path):
        super().__init__(path, HEADER)

    def append(self, step: int, evaluations: Iterable[Evaluation]) -> None:
        """Add the values of an evaluation with six significant digits; they are on the disk when this returns."""
        self._append(
            [step, evaluation.features, tag, " ".join(f"{value:.6g}" for value in values)]
            for evaluation in evaluations
            for tag, values in evaluation.by_draw.items()
        )


def read_draws(path: Path) -> dict[int, Draws]:
    """Read draws.csv: step -> values. A row that is damaged is skipped, and a missing file is {}."""
    draws: dict[int, Draws] = {}
    with suppress(OSError, ValueError):
        for step, features, tag, texts in complete_rows(path, HEADER):
            with suppress(ValueError):
                values = [float(text) for text in texts.split()]
                draws.setdefault(int(step), {}).setdefault(features, {})[tag] = values
    return draws


def draws_at(draws: dict[int, Draws], step: int) -> Draws:
    """Return the values of the trained network at this step, and of yardsticks, which are scored once, at any step."""
    others = {name: values for each in draws.values() for name, values in each.items() if name != TRAINED}
    trained = draws.get(step, {}).get(TRAINED)
    return others | ({TRAINED: trained} if trained else {})
