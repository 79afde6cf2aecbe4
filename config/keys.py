"""Every key of a config once, with type, range, unit, default and one line of help."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.types import (
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
CHANGEABLE_ON_RESUME = ("epochs", "evaluate_every", "checkpoint_minutes", "device")


class Keys(BaseModel):
    """The keys of a config and their values. What follows from them is in config.run_config."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    # maps and tiles
    maps: Literal["demo", "demo_seasons", "germany"] | Maps = key(
        'demo, demo_seasons, germany, or {"image": path, "labels": {name: path}, "rect": [west, south, east, north], '
        '"bands": [..]}',
        "germany",
    )
    image_size: Integer = key("side of a tile in pixels", 96, ge=8, le=4096)
    max_nodata: Number = key("largest share of a tile's pixels that may be nodata", 0.1, ge=0, lt=1)
    cache: bool = key("decode the maps once into data/cache; false: read windows from the GeoTIFFs", True)

    # network
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
    minimum_noise_fraction: Integer = key(
        "how many coordinates follow head_inputs, along the axes on which near tiles have most in common (minimum "
        "noise fraction transform)",
        0, ge=0, le=100_000,
    )  # fmt: skip
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
    output_size: Integer = key("length of an embedding, Fourier features included", 64, ge=1, le=100_000)
    norm_output: bool = key("scale every embedding to length 1", True)
    test_time_augmentation: bool = key(
        "outside training, the embedding of a tile is the mean over its eight rotations and mirror images: steadier, "
        "and eight times as long to compute",
        False,
    )

    # loss and sampling
    loss: Loss = key('the loss; one of pytorch-metric-learning with parameters: {"ntxentloss": {"temperature": 0.07}}')
    margin: Number = key("margin of the loss", 0.5, gt=0)
    alt_loss: bool = key("softmax ratio of distances instead of the margin (triplet and quadruplet loss)", False)
    supervised: bool = key("tuples by label (true) or by map distance (false)", False)
    batch_size: Integer = key("anchors per step; with magnetloss tiles per cluster", 24, ge=1, le=100_000)
    mining: Mining = key(
        "hard mining, online (HARD_) and offline (RANDOM_HARD_), in any combination; instead of online modes a miner "
        'of pytorch-metric-learning, with parameters: {"MultiSimilarityMiner": {"epsilon": 0.1}}',
        (),
    )
    min_pos_dist: Number = key("smallest distance of a positive along each axis, in tile sides", 1, ge=0)
    max_pos_dist: Number = key("largest distance of a positive along each axis, in tile sides", 5, ge=0)
    positive_dates: Literal["same", "other", "any"] = key(
        "where 'maps.image' has several dates: an anchor and its positive are of the same date, the positive is of "
        "another one, or of any",
        "same",
    )
    min_neg_dist: Number = key("smallest distance of a negative along each axis, in tile sides", 10, gt=0)
    max_neg_dist: Number = key("largest distance of a negative along each axis, in tile sides", 25, gt=0)
    random_reset: Number = key(
        "probability that the next anchor is drawn anywhere (1.0: random, 0.0: cluster sampling, near the last anchor)",
        1.0, ge=0, le=1,
    )  # fmt: skip
    magnet_clusters: Integer = key("clusters in a batch (magnetloss)", 12, ge=2, le=10_000)
    magnet_clusters_per_class: Integer = key("clusters that a class is split into (supervised magnetloss)", 3, ge=1)

    # training
    epochs: Integer = key("epochs", 1000, ge=1)
    iterations: Integer = key("training steps per epoch", 250, ge=1)
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
    checkpoint_minutes: Number = key(
        "largest time between two checkpoints, in minutes; one is also written after every epoch", 10, gt=0
    )
    name: str | None = key(
        "folder of the run under results/: letters, digits and _ . + - without blanks, the first no . + or -; "
        "FOLDER/NAME: within a folder of results/; null: loss-network",
        None, pattern=r"^\w[\w.+-]*(/\w[\w.+-]*)*$",
    )  # fmt: skip

    # evaluation
    validation_map: Annotated[str | None, LowerCase] = key(
        "label map of the evaluation (and of supervised training): osm, clc, or a name in maps.labels; null: there is "
        "none, and nothing is scored"
    )
    validation_nb: Integer = key(
        "tiles that the simple models are fitted on; a tenth as many are scored", 5000, ge=20, le=1_000_000
    )
    valIteration: Integer = key("evaluations on different draws; mean and spread are reported", 5, ge=1, le=1000)
    validation_spacing: Integer = key("distance from one reserved cell to the next, in tile sides", 6, ge=4)
    single_class_classifiers: Models = key("models that predict a tile's dominant class", ("knn", "linear"))
    multi_class_classifiers: Models = key(
        "models that predict a tile's class proportions (svc: SVR)", ("knn", "linear")
    )
    yardsticks: dict[FeatureName, YardstickFile] = key(
        "rasters whose mean and deviation over a tile are scored beside the network: name (letters, digits and _ . + "
        "-) -> {path, dequantise}, with dequantise alphaearth, scale_offset or none",
        {},
    )
    singleClassTreshold: Number = key(  # the documented spelling
        "single-class evaluation uses only tiles whose dominant class covers at least this share", 0.0, ge=0, le=1
    )
    evaluate_every: Integer = key("number of epochs from one evaluation to the next", 1, ge=1)
    best_metric: str | None = key(
        "score by which best.pt is chosen, named as in TensorBoard: multi_class/sum_error/knn, retrieval/MAP@R, ...; "
        "null: summed error by the first multi-class model, else accuracy by the first single-class model, else MAP@R",
        None,
    )

    # segmentation
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

    # machine
    device: str = key("auto, cpu, cuda, cuda:N or mps", "auto", pattern=r"^(auto|cpu|mps|cuda(:(0|[1-9]\d?))?)$")
    threads: Annotated[Integer, Field(ge=1, le=100_000)] | Literal["auto"] = key("CPU cores this run may use", "auto")
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
