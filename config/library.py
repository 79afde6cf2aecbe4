"""Miners and losses of pytorch-metric-learning that a config may name, with the parameters it may give them.

Musgrave et al. 2020, arXiv:2008.09164. This is the one table of them: another one is another line here. It is a table
of plain values so that a config is checked without importing the library; a test holds it against the library.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

OWN_MESSAGE = "in_words"  # type of a problem that comes as a whole sentence


@dataclass(frozen=True)
class Span:
    """A parameter that is a number.

    Attributes:
        default: of the library
        least, most: allowed, both included
        whole: only whole numbers
    """

    default: float
    least: float
    most: float
    whole: bool = False

    def allows(self, value: Any) -> bool:
        """Whether a value of a config is one of these."""
        kinds = int if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.least <= value <= self.most

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} of at least {self.least:g} and at most {self.most:g}"


@dataclass(frozen=True)
class Interval:
    """A parameter that is null, or a range [low, high] of distances; least and most bound both ends."""

    least: float
    most: float
    default: None = None

    def allows(self, value: Any) -> bool:
        """Whether a value of a config is one of these."""
        ends = value if isinstance(value, list) and len(value) == 2 else [None]
        each = Span(0, self.least, self.most)
        return value is None or (all(map(each.allows, ends)) and ends[0] <= ends[-1])

    def __str__(self) -> str:
        return f"null or [low, high] within {self.least:g} and {self.most:g}"


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of some words."""

    default: str
    options: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        """Whether a value of a config is one of these."""
        return isinstance(value, str) and value in self.options

    def __str__(self) -> str:
        return f"one of {', '.join(self.options)}"


Parameters = dict[str, Span | Interval | Choice]
Named = str | dict[str, dict[str, Any]]  # a name, or {name: parameters}

SMALL = 1e-4  # of a divisor
STRATEGIES = ("hard", "semihard", "easy", "all")
# miner -> its parameters. Distances are between embeddings of unit length, so in 0 to 2, cosines in -1 to 1
LIBRARY_MINERS: dict[str, Parameters] = {
    "AngularMiner": {"angle": Span(20, 0, 90)},  # degrees
    "BatchEasyHardMiner": {
        "pos_strategy": Choice("easy", STRATEGIES), "neg_strategy": Choice("semihard", STRATEGIES),
        "allowed_pos_range": Interval(0, 2), "allowed_neg_range": Interval(0, 2),
    },
    "BatchHardMiner": {},
    "DistanceWeightedMiner": {"cutoff": Span(0.5, SMALL, 1.9), "nonzero_loss_cutoff": Span(1.4, SMALL, 2)},
    "MultiSimilarityMiner": {"epsilon": Span(0.1, 0, 2)},  # a difference of cosines
    "PairMarginMiner": {"pos_margin": Span(0.2, 0, 2), "neg_margin": Span(0.8, 0, 2)},
    "TripletMarginMiner": {"margin": Span(0.2, 0, 2), "type_of_triplets": Choice("all", STRATEGIES)},
    "UniformHistogramMiner": {
        "num_bins": Span(100, 1, 10_000, whole=True), "pos_per_bin": Span(10, 1, 10_000, whole=True),
        "neg_per_bin": Span(10, 1, 10_000, whole=True),
    },
}  # fmt: skip
# loss -> its class in the library, and its parameters
LIBRARY_LOSSES: dict[str, tuple[str, Parameters]] = {
    "contrastiveloss": ("ContrastiveLoss", {"pos_margin": Span(0, 0, 2), "neg_margin": Span(1, 0, 2)}),
    "ntxentloss": ("NTXentLoss", {"temperature": Span(0.07, SMALL, 100)}),
    "multisimilarityloss": (
        "MultiSimilarityLoss", {"alpha": Span(2, SMALL, 1000), "beta": Span(50, SMALL, 1000), "base": Span(0.5, -1, 1)},
    ),
    "circleloss": ("CircleLoss", {"m": Span(0.4, 0, 1), "gamma": Span(80, SMALL, 1000)}),
    "supconloss": ("SupConLoss", {"temperature": Span(0.1, SMALL, 100)}),
}  # fmt: skip
TAKE_MINERS = ("tripletloss", *LIBRARY_LOSSES)  # losses on tuples that a miner of the library may choose
# values that the library does not take together: miner -> parameters, and their combinations
IMPOSSIBLE = {
    "BatchEasyHardMiner": (
        ("pos_strategy", "neg_strategy"), {("semihard", "semihard"), ("semihard", "all"), ("all", "semihard")},
    ),
}  # fmt: skip


def name_and_parameters(value: Named) -> tuple[str, dict[str, Any]]:
    """What a config names, and the parameters that it gives: of a plain name none, else those of {name: parameters}."""
    return (value, {}) if isinstance(value, str) else next(iter(value.items()))


def checked_miner(value: Named) -> Named:
    """An element of the key `mining` itself; {name: {}} becomes the plain name.

    Raises:
        PydanticCustomError: the miner does not have such parameters
    """
    return _checked("mining", value, LIBRARY_MINERS)


def checked_loss(value: Named) -> Named:
    """The key `loss` itself; {name: {}} becomes the plain name.

    Raises:
        PydanticCustomError: the loss does not have such parameters
    """
    return _checked("loss", value, {name: known for name, (_, known) in LIBRARY_LOSSES.items()})


def _checked(key: str, value: Named, tables: dict[str, Parameters]) -> Named:
    name, given = name_and_parameters(value)
    wrong = [_problem(f"'{key}.{name}.{parameter}'", parameter, given, name, tables[name]) for parameter in given]
    if any(wrong):
        raise PydanticCustomError(OWN_MESSAGE, "{words}", {"words": " ".join(filter(None, wrong))})
    return value if given else name


def _problem(place: str, parameter: str, given: dict[str, Any], name: str, known: Parameters) -> str | None:
    if parameter not in known:
        return f"{place} is no parameter of {name}. It has: {', '.join(known) or 'none'}."
    if not known[parameter].allows(given[parameter]):
        return f"{place} must be {known[parameter]}. Got {repr(given[parameter])[:80]}."
    return None


def impossible(name: str, given: dict[str, Any]) -> bool:
    """Whether the parameters of a miner, each of them allowed, do not go together."""
    parameters, combinations = IMPOSSIBLE.get(name, ((), set()))
    known = LIBRARY_MINERS[name]
    return tuple(given.get(parameter, known[parameter].default) for parameter in parameters) in combinations
