"""The rows of a comparison: one for each run, and as few as possible for the yardsticks."""

from math import isfinite
from typing import Any, NamedTuple

from evaluation.differences import is_score, less_is_better
from evaluation.scores import Score
from reporting.comparison.runs import ComparedRun, Scores
from reporting.feature_sets import TRAINED, feature_title, in_order

MAX_YARDSTICK_ROWS = 3  # of one kind of yardstick; if runs have more different ones, all share one row
MAX_ROUNDING = 0.25  # standard deviations; bf16 changes a yardstick by a tenth of one, other tiles change it far more


class FeatureSet(NamedTuple):
    """The scores of a trained network, or those of a yardstick that is the same in several runs.

    Attributes:
        runs: the run of the network, or all runs with this yardstick
        features: "trained", a yardstick, "chance" or the coarsened labels
        scores: tag -> score
    """

    runs: list[ComparedRun]
    features: str
    scores: Scores

    @property
    def step(self) -> int:
        """The step that was evaluated: of a yardstick 0, before the training."""
        return self.runs[0].step if self.features == TRAINED else 0

    def shared(self, key: str) -> Any:
        """Return the value of a config key if it is the same in all the runs, else None."""
        first, *others = (run.settings.get(key) for run in self.runs)
        return first if all(other == first for other in others) else None


class TableRow(NamedTuple):
    """A row of the tables and the figure: a label, and one feature set, or several if there are too many yardsticks."""

    label: str
    feature_sets: list[FeatureSet]

    @property
    def is_run(self) -> bool:
        """Whether the row shows a trained network."""
        return self.feature_sets[0].features == TRAINED

    def finite_scores(self, tag: str) -> list[Score]:
        """Return the finite scores with this tag, at most one of each feature set."""
        scores = (feature_set.scores.get(tag) for feature_set in self.feature_sets)
        return [score for score in scores if score and isfinite(score.mean)]


def differing_keys(runs: list[ComparedRun]) -> list[str]:
    """Return the config keys whose values differ between the runs; runs without a key do not count."""
    values: dict[str, list] = {}
    for run in runs:
        for key, value in run.settings.items():
            values.setdefault(key, []).append(value)
    return [key for key, (first, *others) in values.items() if any(other != first for other in others)]


def score_tags(runs: list[ComparedRun]) -> list[str]:
    """Return the tags of all scores of trained networks, sorted by group, metric and model in order of appearance."""
    tags = dict.fromkeys(tag for run in runs for tag in run.scores[TRAINED] if is_score(tag))
    parts = [tag.split("/") for tag in tags]
    orders = [list(dict.fromkeys(part[level] for part in parts if level < len(part))) for level in range(3)]
    return sorted(tags, key=lambda tag: [order.index(part) for order, part in zip(orders, tag.split("/"))])


def header_words(tag: str) -> list[str]:
    """Return the words above a column of this score: metric, model, and whether less is better."""
    return [*tag.split("/")[1:], *(["(less is better)"] if less_is_better(tag) else [])]


def yardstick_sets(runs: list[ComparedRun], features: str) -> list[FeatureSet]:
    """Return the different yardsticks of one kind, each with the scores that any of its runs has.

    Runs with the same seed share a yardstick if it is equal up to rounding; its values are those of the first run.
    """
    feature_sets: list[FeatureSet] = []
    for run in runs:
        scores = run.scores.get(features, {})
        same = next((feature_set for feature_set in feature_sets if _is_same_yardstick(feature_set, run, scores)), None)
        if same:
            same.runs.append(run)
            same.scores.update(scores | same.scores)
        elif scores:
            feature_sets.append(FeatureSet([run], features, dict(scores)))
    return feature_sets


def _is_same_yardstick(feature_set: FeatureSet, run: ComparedRun, scores: Scores) -> bool:
    pairs = [(feature_set.scores[tag], scores[tag]) for tag in feature_set.scores.keys() & scores.keys()]
    finite = [(one, other) for one, other in pairs if isfinite(one.mean) or isfinite(other.mean)]
    close = all(abs(one.mean - other.mean) <= MAX_ROUNDING * min(one.std, other.std) for one, other in finite)
    return bool(finite) and close and feature_set.runs[0].settings["seed"] == run.settings["seed"]


def table_rows(runs: list[ComparedRun]) -> list[TableRow]:
    """Return the rows of the comparison: the runs, then their yardsticks."""
    rows = [TableRow(run.name, [FeatureSet([run], TRAINED, run.scores[TRAINED])]) for run in runs]
    for features in in_order(name for run in runs for name in run.scores if name != TRAINED):
        feature_sets, title = yardstick_sets(runs, features), feature_title(features)
        if len(feature_sets) > MAX_YARDSTICK_ROWS:
            rows.append(TableRow(f"{title} ({len(feature_sets)} different)", feature_sets))
        elif len(feature_sets) == 1:
            rows.append(TableRow(title, feature_sets))
        else:
            rows += [
                TableRow(f"{title} ({abbreviate([run.name for run in feature_set.runs])})", [feature_set])
                for feature_set in feature_sets
            ]
    return rows


def abbreviate(names: list[str]) -> str:
    """Return the names as a list for people; of three or more, the first and how many there are."""
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"
