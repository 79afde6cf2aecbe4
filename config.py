"""The typed config of a run: every key once, with type, range, unit, default and one line of help.

A config file is JSON with `//` comments and trailing commas allowed; booleans may be written true, "True" or "False".
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import json5
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from configContradictions import contradictions
from configLibrary import LIBRARY_LOSSES, LIBRARY_MINERS, checked_loss, checked_miner, name_and_parameters
from configMessages import explain, explain_json, key_help, one_line

LOSS_NAMES = Literal["tripletloss", "quadrupletloss", "magnetloss"]
MODEL_NAMES = Literal["knn", "svc", "rfc", "mlp", "dt"]
MINING_NAMES = Literal["HARD_NEGATIVE", "HARD_POSITIVE", "RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"]
LIBRARY_LOSS_NAMES = Literal[*LIBRARY_LOSSES]
LIBRARY_MINER_NAMES = Literal[*LIBRARY_MINERS]
WITHOUT_EFFECT = (  # on what is learned, up to rounding
    "name", "threads", "device", "precision", "channels_last", "compile", "cache", "checkpoint_minutes",
)  # fmt: skip
CHANGEABLE = ("epochs", "evaluate_every", "checkpoint_minutes", "device")  # when a run is resumed
# what a run is scored by: task -> metrics of each of its models, and of the embeddings themselves
MODEL_METRICS = {"single_class": ("accuracy", "balanced_accuracy", "weighted_F1"), "multi_class": ("sum_error",)}
RETRIEVAL_METRICS = ("MAP@R", "MAP@1", "MAP@5", "MAP@10", "graded_MAP@R")
EMBEDDING_METRICS = {"retrieval": RETRIEVAL_METRICS, "single_class": ("silhouette",), "multi_class": ("gSil",)}
LESS_IS_BETTER = ("sum_error",)
SEGMENTATION_METRICS = ("pixel_accuracy", "mean_IoU")  # of each single-class model, where `segmentation` is on


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do next."""


class ConfigError(UserError):
    """One or more problems of a config."""


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a boolean is no number")
    return value


def _one_or_many(value: Any) -> Any:
    if isinstance(value, str):
        return [value] if value.strip("[] ") else []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return value
    return [each for place, each in enumerate(value) if each not in value[:place]]


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Models = Annotated[tuple[MODEL_NAMES, ...], BeforeValidator(_one_or_many)]
One = Field(min_length=1, max_length=1)
LibraryMiner = Annotated[dict[LIBRARY_MINER_NAMES, dict[str, Any]], One]  # name -> parameters
OneOfMining = Annotated[MINING_NAMES | LIBRARY_MINER_NAMES | LibraryMiner, AfterValidator(checked_miner)]
Mining = Annotated[tuple[OneOfMining, ...], BeforeValidator(_one_or_many)]
LibraryLoss = Annotated[dict[LIBRARY_LOSS_NAMES, dict[str, Any]], One]
LowerCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


def _spelt_flag(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


FlagOrPath = Annotated[StrictBool | Annotated[str, Field(min_length=1, strict=True)], BeforeValidator(_spelt_flag)]
FlagOrNumber = Annotated[StrictBool | Annotated[int, Field(ge=1, strict=True)], BeforeValidator(_spelt_flag)]


def _key(help_line: str, default: Any = ..., **bounds):
    return Field(default, description=help_line, **bounds)


class Maps(BaseModel):
    """Maps of one's own: what `"maps": {...}` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = _key("path of the image GeoTIFF", min_length=1)
    labels: dict[str, str] = _key("name of each label map and its path", min_length=1)
    rect: tuple[Number, Number, Number, Number] | None = _key(
        "west, south, east, north in EPSG:4326: the part that is used; null: the whole image", None
    )
    bands: tuple[Annotated[Whole, Field(ge=1)], ...] | None = _key("bands in use, counted from 1; null: all", None)
    nodata: Number | None = _key("pixel value that stands for no data, where the file does not declare it", None)
    legends: dict[str, str] = _key(
        "label map's name -> its legend: osm, clc, or a JSON file of classes (name, color, code)", {}
    )


class Config(BaseModel):
    """One run. Frozen; made by `load`, which reports all problems at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    network: str = _key(  # whether there is one of this name is found out by networks.check: timm takes seconds to ask
        "resnext50, transformer, or any model of timm; resnet10t and test_resnet are small ones for machines without "
        "a GPU; `python main.py networks` lists them",
        pattern=r"^\w[\w.-]*$",
    )
    pretrained: FlagOrPath = _key(
        "weights that the network begins with: false: random; true: timm's, from the hub; a path: those of a "
        ".safetensors, .pth, .pt, .bin or .ckpt file, also for other bands",
        False,
    )
    freeze: FlagOrNumber = _key(
        "false: train all; true: the head only; n: the last n stages and the head (a stage: what lies between two "
        "reductions of the resolution, as a ResNet's four layers, or one block of a transformer)",
        False,
    )
    loss: Annotated[LOSS_NAMES | LIBRARY_LOSS_NAMES | LibraryLoss, AfterValidator(checked_loss)] = _key(
        'the loss; of pytorch-metric-learning with parameters: {"ntxentloss": {"temperature": 0.07}}'
    )
    alt_loss: bool = _key("softmax ratio of distances instead of the margin (triplet and quadruplet loss)", False)
    single_class_classifiers: Models = _key("models that predict a tile's dominant class", ("knn",))
    multi_class_classifiers: Models = _key("models that predict a tile's class proportions (svc: SVR)", ("knn",))
    image_size: Whole = _key("side of a tile in pixels", 96, ge=8, le=4096)
    batch_size: Whole = _key("anchors per step; with magnetloss tiles per cluster", 24, ge=1, le=100_000)
    mining: Mining = _key(
        "hard mining, online (HARD_) and offline (RANDOM_HARD_), in any combination; instead of online ones a miner of "
        'pytorch-metric-learning, with parameters: {"MultiSimilarityMiner": {"epsilon": 0.1}}',
        (),
    )
    min_pos_dist: Number = _key("distance of a positive along each axis, at least, in tile sides", 1, ge=0)
    max_pos_dist: Number = _key("distance of a positive along each axis, at most, in tile sides", 5, gt=0)
    min_neg_dist: Number = _key("distance of a negative along each axis, at least, in tile sides", 10, gt=0)
    max_neg_dist: Number = _key("distance of a negative along each axis, at most, in tile sides", 25, gt=0)
    margin: Number = _key("margin of the loss", 0.5, gt=0)
    validation_nb: Whole = _key(
        "tiles the simple models are fitted on; a tenth of it is scored", 5000, ge=20, le=1_000_000
    )
    validation_spacing: Whole = _key("a reserved cell every so many tile sides", 6, ge=4)
    validation_map: Annotated[str, LowerCase] = _key(
        "label map of the evaluation (and of supervised training): osm, clc, or a name given in maps.labels"
    )
    norm_output: bool = _key("scale every embedding to length 1", True)
    supervised: bool = _key("tuples by label (true) or by map distance (false)", False)
    output_size: Whole = _key("length of an embedding", 64, ge=1, le=100_000)
    singleClassTreshold: Number = _key(  # the documented spelling
        "single-class evaluation uses only tiles whose dominant class covers at least this share", 0.0, ge=0, le=1
    )
    valIteration: Whole = _key("evaluations on different draws; mean and spread are reported", 5, ge=1, le=1000)
    random_reset: Number = _key(
        "chance that the next anchor is drawn anywhere (1.0: random, 0.0: cluster sampling, near the last anchor)",
        1.0, ge=0, le=1,
    )  # fmt: skip
    name: str | None = _key("folder of the run under results/; null: loss-network", None, pattern=r"^[\w][\w.+-]*$")
    maps: Literal["demo", "germany"] | Maps = _key(
        'demo, germany, or {"image": path, "labels": {name: path}, "rect": [west, south, east, north], "bands": [..]}',
        "germany",
    )
    max_nodata: Number = _key("largest share of a tile's pixels that may be without data", 0.1, ge=0, lt=1)
    magnet_clusters: Whole = _key("clusters in a batch (magnetloss)", 12, ge=2, le=10_000)
    magnet_clusters_per_class: Whole = _key("clusters that a class is split into (supervised magnetloss)", 3, ge=1)
    segmentation: bool = _key(
        "predict the land cover of reserved cells pixel by pixel, and draw it for a region with the best and the last "
        "network",
        False,
    )
    segmentation_stride: Annotated[Whole, Field(ge=1)] | None = _key(
        "pixels from one window of the segmentation to the next; null: half a tile", None
    )
    segmentation_cells: Whole = _key(
        "reserved cells in which the segmentation is scored, drawn from all, at most", 100, ge=1, le=100_000
    )
    segmentation_region: Whole = _key(
        "side of the square region that the segmentation is drawn of, in tile sides; at most 2048 pixels are used",
        16, ge=2, le=256,
    )  # fmt: skip
    epochs: Whole = _key("epochs", 1000, ge=1)
    iterations: Whole = _key("steps per epoch", 250, ge=1)
    evaluate_every: Whole = _key("evaluate after every so many epochs", 1, ge=1)
    best_metric: str = _key(
        "score by which best.pt is chosen, named as in TensorBoard: retrieval/MAP@R, multi_class/sum_error/knn, ...",
        "retrieval/MAP@R",
    )
    checkpoint_minutes: Number = _key(
        "a checkpoint is written at least every so many minutes, and after every epoch", 10, gt=0
    )
    learning_rate: Number = _key("learning rate of Adam", 2e-4, gt=0)
    seed: Whole = _key("seed of everything that is drawn", 0, ge=0, lt=2**31)
    threads: Annotated[Whole, Field(ge=1)] | Literal["auto"] = _key("CPU cores this run may use", "auto")
    precision: Literal["auto", "fp32", "bf16"] = _key("auto: bf16 where it is faster, measured at start", "auto")
    channels_last: bool | Literal["auto"] = _key(
        "bands of a pixel side by side in memory; auto: where a step is faster so, measured at start", "auto"
    )
    compile: bool = _key("compile the network with torch.compile: a minute or more at start, seldom faster", False)
    device: str = _key("auto, cpu, cuda, cuda:N or mps", "auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    cache: bool = _key("decode the maps once into data/cache; false: read windows from the GeoTIFFs", True)

    @property
    def run_name(self) -> str:
        """Name of the run's folder under results/ (a number is added where it exists already)."""
        return self.name or f"{self.loss_name}-{self.network}"

    @property
    def loss_name(self) -> str:
        """Name of the loss, without its parameters."""
        return name_and_parameters(self.loss)[0]

    @property
    def library_miners(self) -> list[tuple[str, dict[str, Any]]]:
        """Miners of pytorch-metric-learning and their parameters; more than one is a contradiction."""
        named = [name_and_parameters(each) for each in self.mining]
        return [(name, parameters) for name, parameters in named if name in LIBRARY_MINERS]

    @property
    def metrics(self) -> list[str]:
        """Names of the scores of the network, as TensorBoard shows them."""
        models = {"single_class": self.single_class_classifiers, "multi_class": self.multi_class_classifiers}
        of_models = [
            f"{task}/{m}/{model}" for task, names in MODEL_METRICS.items() for m in names for model in models[task]
        ]
        if self.segmentation:
            of_models += [f"segmentation/{m}/{model}" for m in SEGMENTATION_METRICS for model in models["single_class"]]
        return [f"{task}/{metric}" for task, names in EMBEDDING_METRICS.items() for metric in names] + of_models

    @property
    def legend_hints(self) -> dict[str, str]:
        """Label map's name -> legend, as far as the config says."""
        return dict(self.maps.legends) if isinstance(self.maps, Maps) else {"osm": "osm", "clc": "clc"}

    def to_json(self) -> str:
        """The config as JSON that `load` reads back."""
        return json.dumps(self.model_dump(), indent=4) + "\n"

    def warnings(self) -> list[str]:
        """Settings that are legal and surely not what was meant."""
        found = []
        if self.loss_name == "magnetloss" and (self.alt_loss or self.mining):
            found.append("'alt_loss' and 'mining' have no meaning for magnetloss and are ignored.")
        idle = self._changed(self._without_meaning())
        if idle:
            found.append(f"{idle}: no meaning in supervised training with {self.loss_name}; ignored.")
        idle = self._changed(["alt_loss", "margin"]) if self.loss_name in LIBRARY_LOSSES else ""
        if idle:
            found.append(f"{idle}: no meaning for {self.loss_name}, which takes its own parameters; ignored.")
        if not self.supervised and self.max_pos_dist > self.min_neg_dist:
            found.append("'max_pos_dist' is over 'min_neg_dist': some tiles count as positive and negative at once.")
        return found

    def _without_meaning(self) -> list[str]:
        distances = ["min_pos_dist", "max_pos_dist", "min_neg_dist", "max_neg_dist"] if self.supervised else []
        return distances + (["random_reset"] if self.supervised and self.loss_name == "magnetloss" else [])

    def _changed(self, keys: list[str]) -> str:
        fields = type(self).model_fields
        return ", ".join(repr(key) for key in keys if getattr(self, key) != fields[key].default)


def load(path: str | Path, overrides: list[str] = ()) -> Config:
    """Read a config file, apply `key=value` overrides (nested keys with dots), and validate.

    Raises:
        ConfigError: all problems in one message
    """
    content = _parse(Path(path))
    for override in overrides:
        _override(content, override)
    return validate(content, str(path))


def _parse(path: Path) -> dict:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such config file. `python main.py train --help` lists the keys of one."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a config: {error}") from None
    if not text.strip():
        raise ConfigError(f"{path}: the file is empty. Copy config.json or one of configs/ and edit it.")
    try:
        content = _read_json(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {one_line(explain_json(error))}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a config is one JSON object, {{...}}. Got {type(content).__name__}.")
    return content


def _read_json(text: str) -> Any:
    return json5.loads(text, allow_duplicate_keys=False)


def _override(content: dict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"'{one_line(override)}' must be written key=value, for example batch_size=12.")
    try:
        value = _read_json(text)
    except (ValueError, RecursionError):
        value = text  # a plain word or a path needs no quotes
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(content.get(parent), dict):
            content[parent] = {}
        content = content[parent]
    content[last] = value


def validate(content: dict, source: str = "config") -> Config:
    """A Config from plain values.

    Raises:
        ConfigError: all problems in one message: types, ranges, unknown keys, contradictions
    """
    try:
        config, problems, wrong = Config(**content), [], set()
    except ValidationError as error:
        as_maps = isinstance(content.get("maps"), dict)  # then that it is no name of maps is beside the point
        found = [p for p in error.errors() if not (as_maps and str(p["loc"][1:2]).startswith('("literal'))]
        problems = list(dict.fromkeys(explain(problem, content, Config, Maps) for problem in found))
        wrong = {str(problem["loc"][0]) for problem in error.errors()}
        config = _placeholder(content, wrong)
    problems += [message for keys, message in contradictions(config) if not keys & wrong]
    if problems:
        raise ConfigError("\n".join(f"{source}: {one_line(problem)}" for problem in problems))
    return config


def _placeholder(content: dict, wrong: set[str]) -> Config:
    """A config in which every wrong key has some legal value, so that the others can still be checked against it."""
    required = {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm"}
    return Config(**required | {key: value for key, value in content.items() if key not in wrong})


def describe() -> str:
    """Every config key with its meaning, range and default, as text for `train --help`."""
    return "\n".join(
        f"  {prefix}{key_help(name, field)}"
        for model, prefix in ((Config, ""), (Maps, "maps."))
        for name, field in model.model_fields.items()
    )
