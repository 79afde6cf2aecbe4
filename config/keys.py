"""Every key of a config once, with type, range, unit, default and one line of help."""

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from config.library import LIBRARY_LOSSES, LIBRARY_MINERS, OWN_LOSSES, name_and_parameters
from config.redaction import redacted_content
from config.types import (
    NAMED_DATES,
    BoolOrInteger,
    BoolOrPath,
    FeatureName,
    HeadInputs,
    Integer,
    Loss,
    LowerCase,
    Maps,
    Mining,
    Models,
    Number,
    Widths,
    YardstickFile,
    key,
)

NO_EFFECT_ON_RESULTS = (  # keys that do not change what is learned, except for rounding
    "name", "threads", "device", "precision", "channels_last", "compile", "cuda_graphs", "cache",
    "checkpoint_minutes",
)  # fmt: skip
KEEP_CREDENTIALS = object()  # context in which a config becomes plain values as it is
CHANGEABLE_ON_RESUME = ("epochs", "evaluate_every", "checkpoint_minutes", "device")
# the scores of a run: task -> metrics of each of its models, and metrics of the embeddings themselves
MODEL_METRICS = {"single_class": ("accuracy", "balanced_accuracy", "weighted_F1"), "multi_class": ("sum_error",)}
RETRIEVAL_METRICS = ("MAP@R", "MAP@1", "MAP@5", "MAP@10", "graded_MAP@R")
EMBEDDING_METRICS = {"retrieval": RETRIEVAL_METRICS, "single_class": ("silhouette",), "multi_class": ("gSil",)}
LESS_IS_BETTER = ("sum_error",)
USED_DIMENSIONS = "embedding/used_dimensions"  # needs no labels, and is no score: more is not better
SEGMENTATION_METRICS = ("pixel_accuracy", "mean_IoU")  # of each single-class model, if `segmentation` is true


class Config(BaseModel):
    """The config of one run. Frozen; `config.load` creates it and reports all problems at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    network: str = key(  # networks.check tests whether the name exists: importing timm takes seconds
        "resnext50, transformer, or any model of timm; resnet10t and test_resnet are small ones for machines without "
        "a GPU; `python main.py networks` lists them",
        pattern=r"^\w[\w.-]*$",
    )
    pretrained: BoolOrPath = key(
        "initial weights: false: random; true: timm's weights from the Hugging Face hub; a path: those of a "
        ".safetensors, .pth, .pt, .bin or .ckpt file, also if it is for other bands",
        False,
    )
    freeze: BoolOrInteger = key(
        "false: train all; true: the head only; n: the last n stages and the head (a stage: the layers between two "
        "reductions of the resolution, such as a ResNet's four layers, or one block of a transformer)",
        False,
    )
    head_inputs: HeadInputs = key(
        "features that join the network's before the embedding: band_statistics, random_convolutions; what a network "
        "loses on the way, above all the level of the bands, is fed in there",
        (),
    )
    head_layers: Widths = key(
        "widths of hidden layers between the network's features and the embedding; []: a linear layer alone", ()
    )
    projection: Widths = key(
        "widths of the projection head: layers between embedding and loss, which are dropped after training; []: none",
        (),
    )
    fourier_features: Integer = key(
        "how many dimensions of an embedding are random Fourier features of what near tiles have in common, which are "
        "fitted to the trained network before each evaluation",
        0, ge=0, lt=100_000, multiple_of=2,
    )  # fmt: skip
    test_time_augmentation: bool = key(
        "outside training, the embedding of a tile is the mean over its eight rotations and mirror images: steadier, "
        "and eight times as long to compute",
        False,
    )
    loss: Loss = key('the loss; one of pytorch-metric-learning with parameters: {"ntxentloss": {"temperature": 0.07}}')
    alt_loss: bool = key("softmax ratio of distances instead of the margin (triplet and quadruplet loss)", False)
    single_class_classifiers: Models = key("models that predict a tile's dominant class", ("knn", "linear"))
    multi_class_classifiers: Models = key(
        "models that predict a tile's class proportions (svc: SVR)", ("knn", "linear")
    )
    image_size: Integer = key("side of a tile in pixels", 96, ge=8, le=4096)
    batch_size: Integer = key("anchors per step; with magnetloss tiles per cluster", 24, ge=1, le=100_000)
    mining: Mining = key(
        "hard mining, online (HARD_) and offline (RANDOM_HARD_), in any combination; instead of online modes a miner "
        'of pytorch-metric-learning, with parameters: {"MultiSimilarityMiner": {"epsilon": 0.1}}',
        (),
    )
    min_pos_dist: Number = key("smallest distance of a positive along each axis, in tile sides", 1, ge=0)
    max_pos_dist: Number = key("largest distance of a positive along each axis, in tile sides", 5, ge=0)
    min_neg_dist: Number = key("smallest distance of a negative along each axis, in tile sides", 10, gt=0)
    max_neg_dist: Number = key("largest distance of a negative along each axis, in tile sides", 25, gt=0)
    positive_dates: Literal["same", "other", "any"] = key(
        "where 'maps.image' has several dates: an anchor and its positive are of the same date, the positive is of "
        "another one, or of any",
        "same",
    )
    margin: Number = key("margin of the loss", 0.5, gt=0)
    validation_nb: Integer = key(
        "tiles that the simple models are fitted on; a tenth as many are scored", 5000, ge=20, le=1_000_000
    )
    validation_spacing: Integer = key("distance from one reserved cell to the next, in tile sides", 6, ge=4)
    validation_map: Annotated[str | None, LowerCase] = key(
        "label map of the evaluation (and of supervised training): osm, clc, or a name in maps.labels; null: there is "
        "none, and nothing is scored"
    )
    norm_output: bool = key("scale every embedding to length 1", True)
    supervised: bool = key("tuples by label (true) or by map distance (false)", False)
    output_size: Integer = key("length of an embedding, Fourier features included", 64, ge=1, le=100_000)
    singleClassTreshold: Number = key(  # the documented spelling
        "single-class evaluation uses only tiles whose dominant class covers at least this share", 0.0, ge=0, le=1
    )
    valIteration: Integer = key("evaluations on different draws; mean and spread are reported", 5, ge=1, le=1000)
    random_reset: Number = key(
        "probability that the next anchor is drawn anywhere (1.0: random, 0.0: cluster sampling, near the last anchor)",
        1.0, ge=0, le=1,
    )  # fmt: skip
    name: str | None = key(
        "folder of the run under results/: letters, digits and _ . + - without blanks, the first no . + or -; "
        "FOLDER/NAME: within a folder of results/; null: loss-network",
        None, pattern=r"^\w[\w.+-]*(/\w[\w.+-]*)*$",
    )  # fmt: skip
    maps: Literal["demo", "demo_seasons", "germany"] | Maps = key(
        'demo, demo_seasons, germany, or {"image": path, "labels": {name: path}, "rect": [west, south, east, north], '
        '"bands": [..]}',
        "germany",
    )
    max_nodata: Number = key("largest share of a tile's pixels that may be nodata", 0.1, ge=0, lt=1)
    magnet_clusters: Integer = key("clusters in a batch (magnetloss)", 12, ge=2, le=10_000)
    magnet_clusters_per_class: Integer = key("clusters that a class is split into (supervised magnetloss)", 3, ge=1)
    yardsticks: dict[FeatureName, YardstickFile] = key(
        "rasters whose mean and deviation over a tile are scored beside the network: name (letters, digits and _ . + "
        "-) -> {path, dequantise}, with dequantise alphaearth, scale_offset or none",
        {},
    )
    segmentation: bool = key(
        "predict the land cover of reserved cells pixel by pixel, and draw a region as the best and the last network "
        "predict it",
        False,
    )
    segmentation_stride: Annotated[Integer, Field(ge=1)] | None = key(
        "step from one window of the segmentation to the next, in pixels; null: half a tile", None
    )
    segmentation_cells: Integer = key(
        "largest number of reserved cells in which the segmentation is scored, drawn from all", 100, ge=1, le=100_000
    )
    segmentation_region: Integer = key(
        "side of the square region whose segmentation is drawn, in tile sides; at most 2048 pixels are used",
        16, ge=2, le=256,
    )  # fmt: skip
    epochs: Integer = key("epochs", 1000, ge=1)
    iterations: Integer = key("training steps per epoch", 250, ge=1)
    evaluate_every: Integer = key("number of epochs from one evaluation to the next", 1, ge=1)
    best_metric: str | None = key(
        "score by which best.pt is chosen, named as in TensorBoard: multi_class/sum_error/knn, retrieval/MAP@R, ...; "
        "null: summed error by the first multi-class model, else accuracy by the first single-class model, else MAP@R",
        None,
    )
    checkpoint_minutes: Number = key(
        "largest time between two checkpoints, in minutes; one is also written after every epoch", 10, gt=0
    )
    learning_rate: Number = key("learning rate of Adam; with a schedule the largest one", 2e-4, gt=0)
    schedule: Literal["constant", "cosine"] = key(
        "learning rate over the run; cosine: rises during the first twentieth of the steps, then falls to 0 along a "
        "cosine",
        "constant",
    )
    weight_decay: Number = key(
        "weight decay of AdamW: per step, weights shrink by this times the learning rate", 0, ge=0, le=1
    )
    seed: Integer = key("seed of all random draws", 0, ge=0, lt=2**31)
    threads: Annotated[Integer, Field(ge=1)] | Literal["auto"] = key("CPU cores this run may use", "auto")
    precision: Literal["auto", "fp32", "bf16"] = key(
        "auto: bf16 on GPUs; on a CPU where it gains a tenth, measured once for a machine and network and kept in "
        "data/cache, whatever `cache` says",
        "auto",
    )
    channels_last: bool | Literal["auto"] = key(
        "bands of a pixel side by side in memory; auto: on GPUs; on a CPU as for `precision`", "auto"
    )
    compile: bool = key("compile the network with torch.compile: a minute or more at start, seldom faster", False)
    cuda_graphs: bool = key(
        "on a GPU, capture a training step as CUDA graphs and replay it in one call; this keeps its memory reserved",
        True,
    )
    device: str = key("auto, cpu, cuda, cuda:N or mps", "auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    cache: bool = key("decode the maps once into data/cache; false: read windows from the GeoTIFFs", True)

    def is_evaluated_after(self, step: int) -> bool:
        """Return whether the network is evaluated after this step, which always holds for the last one."""
        epoch, beyond = divmod(step, self.iterations)
        return not beyond and step > 0 and (epoch % self.evaluate_every == 0 or epoch == self.epochs)

    @property
    def run_name(self) -> str:
        """Name of the run's folder under results/ (a number is appended if that folder exists)."""
        return self.name or f"{self.loss_name}-{self.network}"

    @property
    def loss_name(self) -> str:
        """Name of the loss, without its parameters."""
        return name_and_parameters(self.loss)[0]

    @property
    def library_miners(self) -> list[tuple[str, dict[str, Any]]]:
        """Miners of pytorch-metric-learning with their parameters; more than one is a contradiction."""
        named = [name_and_parameters(each) for each in self.mining]
        return [(name, parameters) for name, parameters in named if name in LIBRARY_MINERS]

    @property
    def metrics(self) -> list[str]:
        """Names of all scores of the network, as TensorBoard shows them; without a label map of what needs none."""
        if self.validation_map is None:
            return [USED_DIMENSIONS]
        models = {"single_class": self.single_class_classifiers, "multi_class": self.multi_class_classifiers}
        of_models = [
            f"{task}/{m}/{model}" for task, names in MODEL_METRICS.items() for m in names for model in models[task]
        ]
        if self.segmentation:
            of_models += [f"segmentation/{m}/{model}" for m in SEGMENTATION_METRICS for model in models["single_class"]]
        return [f"{task}/{metric}" for task, names in EMBEDDING_METRICS.items() for metric in names] + of_models

    @property
    def best_score(self) -> str:
        """Name of the score by which the best network is chosen.

        By default it is one that training without labels can improve: MAP@R asks for one heap of tiles for each class,
        and is often best before the training.
        """
        choices = [
            self.best_metric,
            *(f"multi_class/sum_error/{model}" for model in self.multi_class_classifiers),
            *(f"single_class/accuracy/{model}" for model in self.single_class_classifiers),
        ]
        return next((choice for choice in choices if choice is not None), "retrieval/MAP@R")

    @property
    def has_negatives(self) -> bool:
        """Whether tiles are negatives by their distance: not where labels decide, nor with losses that have none."""
        return not (self.supervised or self.loss_name in OWN_LOSSES)

    @property
    def dates(self) -> list[str]:
        """Names of the dates of the image map, in the order of the config; [""]: there is one image without a date."""
        return list(self.maps.images if isinstance(self.maps, Maps) else NAMED_DATES.get(self.maps, ("",)))

    @property
    def legend_hints(self) -> dict[str, str]:
        """Name of a label map -> its legend, for the label maps whose legend the config declares."""
        return dict(self.maps.legends) if isinstance(self.maps, Maps) else {"osm": "osm", "clc": "clc"}

    @model_serializer(mode="wrap")
    def _plain_values(self, to_values: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Return the keys as plain values; without credentials in URLs, unless the context says that they are kept."""
        values = to_values(self)
        return values if info.context is KEEP_CREDENTIALS else redacted_content(values)

    def to_json(self, keep_credentials: bool = False) -> str:
        """Return the config as JSON that `load` can read.

        `validation_nb` is left out unless the user set it: a map that cannot hold so many tiles is an error only then.

        Args:
            keep_credentials: for another process, which must read the same maps; nobody may store or show that
        """
        context = KEEP_CREDENTIALS if keep_credentials else None
        values = self.model_dump(exclude={"validation_nb"} - self.model_fields_set, context=context)
        return json.dumps(values, indent=4) + "\n"

    def with_credentials(self) -> dict[str, Any]:
        """Return the keys of which `to_json` leaves out a part: key -> its whole plain value, as JSON has it."""
        stored, whole = json.loads(self.to_json()), json.loads(self.to_json(keep_credentials=True))
        return {name: value for name, value in whole.items() if value != stored[name]}

    def warnings(self) -> list[str]:
        """Return messages about settings that are valid but probably not intended."""
        messages = [
            f"{', '.join(map(repr, keys))}: no effect {where}; ignored."
            for where, keys in self.without_effect().items()
        ]
        if self.validation_map is None and isinstance(self.maps, Maps) and self.maps.labels:
            messages.append(
                "'maps.labels': not used where 'validation_map' is null; name one of them there to be scored."
            )
        if self.has_negatives and self.max_pos_dist > self.min_neg_dist:
            messages.append("'max_pos_dist' is over 'min_neg_dist': some tiles count as positive and negative at once.")
        return messages

    def without_effect(self) -> dict[str, list[str]]:
        """Return the keys that differ from their default but have no effect: where that is so -> keys."""
        is_magnet, is_library = self.loss_name == "magnetloss", self.loss_name in LIBRARY_LOSSES
        is_pairs = self.loss_name in OWN_LOSSES
        has_parameters = is_library or is_pairs
        distances = ["min_pos_dist", "max_pos_dist", "min_neg_dist", "max_neg_dist"]
        ignored = {
            "with magnetloss": ["alt_loss", "mining"] if is_magnet else [],
            f"in supervised training with {self.loss_name}":
                [*distances, *(["random_reset", "positive_dates"] if is_magnet else [])] if self.supervised else [],
            "where 'maps.image' has a single date": ["positive_dates"] if len(self.dates) < 2 else [],
            f"with {self.loss_name}, which has its own parameters": ["alt_loss", "margin"] if has_parameters else [],
            f"with {self.loss_name}, which has no negatives":
                ["min_neg_dist", "max_neg_dist"] if not (self.has_negatives or self.supervised) else [],
            "where 'validation_map' is null, because nothing is scored":
                ["singleClassTreshold", "yardsticks"] if self.validation_map is None else [],
        }  # fmt: skip
        changed = {where: [key for key in keys if self.is_changed(key)] for where, keys in ignored.items()}
        return {where: keys for where, keys in changed.items() if keys}

    def is_changed(self, key: str) -> bool:
        """Return whether a key has another value than its default."""
        return getattr(self, key) != type(self).model_fields[key].default
