"""Miners and losses that a config may give parameters, and these parameters: above all pytorch-metric-learning's.

Musgrave et al. 2020, arXiv:2008.09164. This is the only table of them: to add one, add a line here. It holds plain
values, so that a config is checked without importing the library; a test compares it with the library.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

COMPLETE_MESSAGE = "in_words"  # pydantic's type of an error whose message is complete


@dataclass(frozen=True)
class NumberRange:
    """A parameter that is a number.

    Attributes:
        default: the library's default
        minimum, maximum: smallest and largest value allowed
        integer: only integers are allowed
    """

    default: float
    minimum: float
    maximum: float
    integer: bool = False

    def allows(self, value: Any) -> bool:
        """Return whether the parameter may have this value."""
        kinds = int if self.integer else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.minimum <= value <= self.maximum

    def __str__(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        return f"{kind} of at least {self.minimum:g} and at most {self.maximum:g}"


@dataclass(frozen=True)
class Interval:
    """A parameter that is null, or a range [low, high] of distances; both ends lie in minimum .. maximum."""

    minimum: float
    maximum: float
    default: None = None

    def allows(self, value: Any) -> bool:
        """Return whether the parameter may have this value."""
        ends: list[Any] = value if isinstance(value, list) and len(value) == 2 else [None]
        each = NumberRange(0, self.minimum, self.maximum)
        return value is None or (all(map(each.allows, ends)) and ends[0] <= ends[-1])

    def __str__(self) -> str:
        return f"null or [low, high] within {self.minimum:g} and {self.maximum:g}"


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of several words."""

    default: str
    options: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        """Return whether the parameter may have this value."""
        return isinstance(value, str) and value in self.options

    def __str__(self) -> str:
        return f"one of {', '.join(self.options)}"


Parameters = dict[str, NumberRange | Interval | Choice]
NameOrParameters = str | dict[str, dict[str, Any]]  # a name, or {name: parameters}

SMALL = 1e-4  # smallest value of a parameter that the library divides by
STRATEGIES = ("hard", "semihard", "easy", "all")
# miner -> its parameters. Embeddings have unit length, so distances lie in 0 to 2 and cosines in -1 to 1
LIBRARY_MINERS: dict[str, Parameters] = {
    "AngularMiner": {"angle": NumberRange(20, 0, 90)},  # degrees
    "BatchEasyHardMiner": {
        "pos_strategy": Choice("easy", STRATEGIES), "neg_strategy": Choice("semihard", STRATEGIES),
        "allowed_pos_range": Interval(0, 2), "allowed_neg_range": Interval(0, 2),
    },
    "BatchHardMiner": {},
    "DistanceWeightedMiner": {
        "cutoff": NumberRange(0.5, SMALL, 1.9), "nonzero_loss_cutoff": NumberRange(1.4, SMALL, 2),
    },
    "MultiSimilarityMiner": {"epsilon": NumberRange(0.1, 0, 2)},  # a difference of cosines
    "PairMarginMiner": {"pos_margin": NumberRange(0.2, 0, 2), "neg_margin": NumberRange(0.8, 0, 2)},
    "TripletMarginMiner": {"margin": NumberRange(0.2, 0, 2), "type_of_triplets": Choice("all", STRATEGIES)},
    "UniformHistogramMiner": {
        "num_bins": NumberRange(100, 1, 10_000, integer=True), "pos_per_bin": NumberRange(10, 1, 10_000, integer=True),
        "neg_per_bin": NumberRange(10, 1, 10_000, integer=True),
    },
}  # fmt: skip
# loss -> its class in the library and its parameters
LIBRARY_LOSSES: dict[str, tuple[str, Parameters]] = {
    "contrastiveloss": ("ContrastiveLoss", {"pos_margin": NumberRange(0, 0, 2), "neg_margin": NumberRange(1, 0, 2)}),
    "ntxentloss": ("NTXentLoss", {"temperature": NumberRange(0.07, SMALL, 100)}),
    "multisimilarityloss": (
        "MultiSimilarityLoss",
        {"alpha": NumberRange(2, SMALL, 1000), "beta": NumberRange(50, SMALL, 1000), "base": NumberRange(0.5, -1, 1)},
    ),
    "circleloss": ("CircleLoss", {"m": NumberRange(0.4, 0, 1), "gamma": NumberRange(80, SMALL, 1000)}),
    "supconloss": ("SupConLoss", {"temperature": NumberRange(0.1, SMALL, 100)}),
}  # fmt: skip
# the project's own losses that have parameters -> these; see losses/
OWN_LOSSES: dict[str, Parameters] = {
    "vicregloss": {
        "invariance": NumberRange(25, SMALL, 1000), "variance": NumberRange(25, SMALL, 1000),
        "covariance": NumberRange(1, SMALL, 1000),
    },
    "softcontrastloss": {
        "temperature": NumberRange(0.1, 0.01, 100), "sharpness": NumberRange(4, 0.1, 100),
        "readout": NumberRange(0, 0, 1000),
    },
}  # fmt: skip
NEED_LABELS = ("softcontrastloss",)  # losses for supervised training only
LOSSES_WITH_MINERS = ("tripletloss", *LIBRARY_LOSSES)  # losses whose tuples a miner of the library may choose
# values that the library refuses in combination: miner -> parameters, and the refused combinations of their values
INVALID_COMBINATIONS = {
    "BatchEasyHardMiner": (
        ("pos_strategy", "neg_strategy"), {("semihard", "semihard"), ("semihard", "all"), ("all", "semihard")},
    ),
}  # fmt: skip


def name_and_parameters(value: NameOrParameters) -> tuple[str, dict[str, Any]]:
    """Return the name and the parameters of an entry; a plain name has no parameters."""
    return (value, {}) if isinstance(value, str) else next(iter(value.items()))


def validate_miner(value: NameOrParameters) -> NameOrParameters:
    """Return an entry of the key `mining`; {name: {}} becomes the plain name.

    Raises:
        PydanticCustomError: the miner has no such parameter, or the parameter cannot have such a value
    """
    return _validate("mining", value, LIBRARY_MINERS)


def validate_loss(value: NameOrParameters) -> NameOrParameters:
    """Return the value of the key `loss`; {name: {}} becomes the plain name.

    Raises:
        PydanticCustomError: the loss has no such parameter, or the parameter cannot have such a value
    """
    return _validate("loss", value, {name: known for name, (_, known) in LIBRARY_LOSSES.items()} | OWN_LOSSES)


def _validate(key: str, value: NameOrParameters, tables: dict[str, Parameters]) -> NameOrParameters:
    name, given = name_and_parameters(value)
    wrong = [_problem(f"'{key}.{name}.{parameter}'", parameter, given, name, tables[name]) for parameter in given]
    if any(wrong):
        raise PydanticCustomError(COMPLETE_MESSAGE, "{words}", {"words": " ".join(filter(None, wrong))})
    return value if given else name


def _problem(key: str, parameter: str, given: dict[str, Any], name: str, known: Parameters) -> str | None:
    if parameter not in known:
        return f"{key} is not a parameter of {name}. Its parameters: {', '.join(known) or 'none'}."
    if not known[parameter].allows(given[parameter]):
        return f"{key} must be {known[parameter]}. Got {repr(given[parameter])[:80]}."
    return None


def is_invalid_combination(name: str, given: dict[str, Any]) -> bool:
    """Return whether a miner's parameters, each of them valid, cannot be combined."""
    parameters, combinations = INVALID_COMBINATIONS.get(name, ((), set()))
    known = LIBRARY_MINERS[name]
    return tuple(given.get(parameter, known[parameter].default) for parameter in parameters) in combinations
