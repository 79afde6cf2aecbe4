"""One sentence that says whether a trained embedding is better than cheap features, and what to look at if it is not.

It compares a trained network with the best of all yardsticks (every other feature set but chance and coarsened labels)
in the figures that people choose an embedding by: accuracy and summed error of each simple model, MAP@1, MAP@10, MAP@R
and graded MAP@R. All feature sets are scored on the same draws of tiles. A figure is better or worse if the mean of its
differences, draw by draw, is beyond two standard errors of that mean.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evaluation.differences import is_compared, less_is_better, paired_difference
from reporting.feature_sets import BAND_STATISTICS, TRAINED, UNTRAINED, feature_title, is_yardstick

SIMPLEST = BAND_STATISTICS
MANY_FALSE_PAIRS = 0.2  # share of the pairs from which on they are named
FEW_DIMENSIONS = 0.1  # share of the dimensions in use up to which they are named
PAGE = "doc/evaluation.md#the-verdict"

Values = Mapping[str, list[float]]  # tag of a score -> its value in each draw, NaN where it is undefined


@dataclass(frozen=True)
class Facts:
    """What is known of a run beside its scores.

    Attributes:
        best_metric: tag of the score that chooses the network that is judged
        evaluated: the steps at which a network was evaluated, rising
        best_step: the step of the network that is judged
        total_steps: of the whole run
        has_best_metric: whether any evaluation has a value of `best_metric`
        false_negatives, false_positives: mean shares in [0, 1] of the pairs; NaN: not logged
        used_dimensions: share in [0, 1] of the dimensions that the embedding uses; NaN: unknown
    """

    best_metric: str
    evaluated: list[int]
    best_step: int
    total_steps: int
    has_best_metric: bool = True
    false_negatives: float = math.nan
    false_positives: float = math.nan
    used_dimensions: float = math.nan


class Comparison(NamedTuple):
    """A figure of the trained network beside that of a yardstick.

    Attributes:
        tag: of the score
        yardstick: its feature set
        trained, other: both means, over the draws in which both are defined
        verdict: the trained network is "better" or "worse", or "": the draws do not tell them apart
    """

    tag: str
    yardstick: str
    trained: float
    other: float
    verdict: str

    def __str__(self) -> str:
        title = feature_title(self.yardstick)
        return f"{figure_title(self.tag)} ({self.trained:.3f}, {title} {self.other:.3f})"


def verdict(draws: Mapping[str, Values], facts: Facts) -> str:
    """Return the verdict on the network of `facts.best_step`, in a few plain sentences of one line.

    Args:
        draws: feature set -> its values; those of "trained" are of this network
        facts: of the run
    """
    if facts.best_step == 0:  # it is the trained network itself
        draws = {name: values for name, values in draws.items() if name != UNTRAINED}
    found = comparisons(draws)
    if not found:
        return f"Nothing could be compared: {why_nothing(draws)}."
    sentences = [_worse_than_the_simplest(draws), f"{_network(facts)} {_result(found)}."]
    if any(each.verdict != "better" for each in found):
        sentences.append(_advice(list(evidence(facts))))
    return " ".join(filter(None, sentences))


def comparisons(draws: Mapping[str, Values], yardstick: str | None = None) -> list[Comparison]:
    """Compare the trained network in every figure with the yardstick that is best in it, or with the named one."""
    trained = draws.get(TRAINED, {})
    others = [name for name in draws if is_yardstick(name) and yardstick in (None, name)]
    found = []
    for tag in filter(is_compared, trained):
        rivals = [compare(tag, name, trained[tag], draws[name][tag]) for name in others if tag in draws[name]]
        defined = [rival for rival in rivals if rival is not None]
        if defined:
            found.append((min if less_is_better(tag) else max)(defined, key=lambda rival: rival.other))
    return found


def compare(tag: str, yardstick: str, trained: list[float], other: list[float]) -> Comparison | None:
    """Compare two feature sets in the draws in which both have a value; None: there are fewer than two such draws."""
    if len(trained) != len(other):
        return None
    found = paired_difference(tag, [trained], [other])
    return Comparison(tag, yardstick, found.ours, found.theirs, found.verdict) if found.pairs > 1 else None


def figure_title(tag: str) -> str:
    """Return the name of a figure for people: "summed error of knn"."""
    _, metric, *model = tag.split("/")
    name = {"sum_error": "summed error", "graded_MAP@R": "graded MAP@R"}.get(metric, metric)
    return " of ".join([name, *model])


def why_nothing(draws: Mapping[str, Values]) -> str:
    """Return why no figure could be compared."""
    if TRAINED not in draws:
        return "no evaluation of the network with values of each draw is there"
    values = [value for tag, each in draws[TRAINED].items() if is_compared(tag) for value in each]
    if not np.isfinite(values).any():
        return "no figure is defined, as where the scored tiles have a single class or no labels"
    if not any(map(is_yardstick, draws)):
        return "no values of a yardstick in each draw are there, as in a run that an earlier revision began"
    return "each figure has a value in fewer than two draws; set 'valIteration' to 2 or more"


def evidence(facts: Facts) -> Iterator[str]:
    """Yield what the run's own numbers say about why it is not better, as "what is seen (what to try)"."""
    if facts.has_best_metric:
        yield from _evidence_of_steps(facts)
    if facts.false_negatives >= MANY_FALSE_PAIRS:
        share = f"{facts.false_negatives:.0%} of the pairs used as negatives are of one class"
        yield f"train/false_negatives: {share} (try another 'loss', 'mining' or 'min_neg_dist')"
    if facts.false_positives >= MANY_FALSE_PAIRS:
        share = f"{facts.false_positives:.0%} of the pairs used as positives are of two classes"
        yield f"train/false_positives: {share} (try a smaller 'max_pos_dist')"
    if facts.used_dimensions <= FEW_DIMENSIONS:
        share = f"the embedding uses about {facts.used_dimensions:.0%} of its dimensions"
        yield f"{share} (try a smaller 'learning_rate', or less or other 'mining')"


def _evidence_of_steps(facts: Facts) -> Iterator[str]:
    trained = [step for step in facts.evaluated if step > 0]
    if trained and facts.best_step == 0:
        seen = f"no trained network has a better {facts.best_metric} than the untrained one"
        yield f"{seen} (try a smaller 'learning_rate', or another 'best_metric')"
    elif len(trained) == 1:
        seen = "a single trained network was evaluated, which does not say whether more steps would help"
        yield f"{seen} (try more 'epochs', or a smaller 'evaluate_every')"
    elif trained and facts.best_step == trained[-1]:
        yield f"{facts.best_metric} was still getting better at the last evaluation (try more 'epochs')"
    elif trained and facts.best_step == trained[0]:
        seen = f"{facts.best_metric} was best at the first evaluation of a trained network, and worse later"
        yield f"{seen} (try a smaller 'learning_rate')"


def _worse_than_the_simplest(draws: Mapping[str, Values]) -> str:
    """Return a sentence if the network is worse than band statistics in most figures, else ""."""
    found = comparisons(draws, SIMPLEST)
    worse = sum(each.verdict == "worse" for each in found)
    if 2 * worse <= len(found):
        return ""
    return f"Worse than {feature_title(SIMPLEST)} in {worse} of {len(found)} figures."


def _network(facts: Facts) -> str:
    last = facts.evaluated[-1]
    so_far = "" if last >= facts.total_steps else f"So far, at step {last:,} of {facts.total_steps:,}, t"
    why = f"the best by {facts.best_metric}" if facts.has_best_metric else f"the last; none has a {facts.best_metric}"
    kind = f"trained network (step {facts.best_step:,}" if facts.best_step else "untrained network (step 0"
    return f"{so_far or 'T'}he {kind}, {why})"


def _result(found: list[Comparison]) -> str:
    """Return the rest of the sentence: "is better than the best yardstick in 1 of 2 figures: ..."."""
    better, same, worse = ([each for each in found if each.verdict == kind] for kind in ("better", "", "worse"))
    start = f"is better than the best yardstick in {len(better) or 'none'} of {len(found)} figures"
    parts = [start + (f": {_listed(better)}" if better else "")]
    if worse:
        parts.append(f"worse in {len(worse)}: {_listed(worse)}")
    if same:
        parts.append(f"not clearly different in {len(same)}: {', '.join(figure_title(each.tag) for each in same)}")
    return "; ".join(parts)


def _listed(found: list[Comparison]) -> str:
    return ", ".join(map(str, found))


def _advice(reasons: list[str]) -> str:
    if not reasons:
        return f"The numbers of this run do not say why; {PAGE} names what to try."
    return f"Look at: {'; '.join(reasons)}."
