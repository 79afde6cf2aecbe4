"""The rows that compared runs are shown as: one of each run, and the baselines, each as seldom as can be."""

from math import isfinite
from typing import Any, NamedTuple

from evaluation.scoring import Score
from reporting.columns import heading
from reporting.comparison.runs import Run, Scores

BASELINES = ("untrained", "band_statistics", "chance", "coarsened_labels")
MAX_BASELINES = 3  # rows of one kind of baseline; where runs have more different ones, they share a row
ROUNDING = 0.25  # standard deviations; bf16 instead of fp32 moves a baseline by a tenth, other tiles by far more


class Row(NamedTuple):
    """One set of features: a trained network, or a baseline of all the runs for which it is the same."""

    runs: list[Run]
    features: str
    scores: Scores

    @property
    def step(self) -> int:
        """At which it was scored; baselines were before the training."""
        return self.runs[0].step if self.features == "trained" else 0

    def shared(self, key: str) -> Any:
        """The value of a config key, None where it is not the same in all the runs."""
        first, *others = (run.settings.get(key) for run in self.runs)
        return first if all(other == first for other in others) else None


class Line(NamedTuple):
    """A row as it is shown, under a short name; several rows where the runs have too many different baselines."""

    label: str
    rows: list[Row]

    @property
    def is_run(self) -> bool:
        """Whether it is a trained network."""
        return self.rows[0].features == "trained"

    def values(self, tag: str) -> list[Score]:
        """The finite scores of this name, one of a row at most."""
        found = (row.scores.get(tag) for row in self.rows)
        return [score for score in found if score and isfinite(score.mean)]


def differing(runs: list[Run]) -> list[str]:
    """The config keys that have different values in those runs that have them."""
    values: dict[str, list] = {}
    for run in runs:
        for key, value in run.settings.items():
            values.setdefault(key, []).append(value)
    return [key for key, (first, *others) in values.items() if any(other != first for other in others)]


def score_tags(runs: list[Run]) -> list[str]:
    """Every score of any trained network: groups together, in them metrics together, in them models."""
    tags = dict.fromkeys(tag for run in runs for tag in run.scores["trained"])
    parts = [tag.split("/") for tag in tags]
    places = [list(dict.fromkeys(part[level] for part in parts if level < len(part))) for level in range(3)]
    return sorted(tags, key=lambda tag: [place.index(part) for place, part in zip(places, tag.split("/"))])


def baseline_rows(runs: list[Run], features: str) -> list[Row]:
    """The different baselines of this kind among the runs, each with the scores that any of its runs has.

    Runs of one seed share one where it is the same up to rounding; the values are those of the first that has them.
    """
    rows: list[Row] = []
    for run in runs:
        scores = run.scores.get(features, {})
        same = next((row for row in rows if _share(row, run, scores)), None)
        if same:
            same.runs.append(run)
            same.scores.update(scores | same.scores)
        elif scores:
            rows.append(Row([run], features, dict(scores)))
    return rows


def _share(row: Row, run: Run, scores: Scores) -> bool:
    pairs = [(row.scores[tag], scores[tag]) for tag in row.scores.keys() & scores.keys()]
    finite = [(one, other) for one, other in pairs if isfinite(one.mean) or isfinite(other.mean)]
    close = all(abs(one.mean - other.mean) <= ROUNDING * min(one.std, other.std) for one, other in finite)
    return bool(finite) and close and row.runs[0].settings["seed"] == run.settings["seed"]


def lines_of(runs: list[Run]) -> list[Line]:
    """The runs, then their baselines."""
    lines = [Line(run.name, [Row([run], "trained", run.scores["trained"])]) for run in runs]
    for features in BASELINES:
        rows, words = baseline_rows(runs, features), heading(features)
        if len(rows) > MAX_BASELINES:
            lines.append(Line(f"{words} ({len(rows)} different)", rows))
        elif len(rows) == 1:
            lines.append(Line(words, rows))
        else:
            lines += [Line(f"{words} ({_some([run.name for run in row.runs])})", [row]) for row in rows]
    return lines


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def shortened(names: list[str], most: int) -> list[str]:
    """Names of at most so many letters, cut in the middle; longer where they would not differ any more."""
    short = [name if len(name) <= most else f"{name[: most // 2]}…{name[most // 2 + 1 - most :]}" for name in names]
    return short if len(set(short)) == len(set(names)) else shortened(names, most + 4)
