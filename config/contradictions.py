"""Values of a config that are valid one by one but contradict each other."""

from config.library import LIBRARY_LOSSES, LOSSES_WITH_MINERS, NEED_LABELS, OWN_LOSSES, is_invalid_combination
from config.run_config import Config
from config.types import BUILT_IN_FEATURES, Maps

NETWORK_PATCH = {"transformer": 8}  # network -> pixels that 'image_size' must be a multiple of


def contradictions(config: Config) -> list[tuple[set[str], str]]:
    """Return the contradictions of a config as a list of (keys concerned, message)."""
    patch = NETWORK_PATCH.get(config.network, 1)
    checks = [
        (config.min_pos_dist > config.max_pos_dist, {"min_pos_dist", "max_pos_dist"},
         f"'min_pos_dist' ({config.min_pos_dist:g}) must not exceed 'max_pos_dist' ({config.max_pos_dist:g})."),
        (config.min_neg_dist > config.max_neg_dist, {"min_neg_dist", "max_neg_dist"},
         f"'min_neg_dist' ({config.min_neg_dist:g}) must not exceed 'max_neg_dist' ({config.max_neg_dist:g})."),
        (config.image_size % patch != 0, {"network", "image_size"},
         f"'image_size' must be divisible by {patch} for network {config.network}. Got {config.image_size}."),
        (config.loss_name == "magnetloss" and config.batch_size < 2, {"loss", "batch_size"},
         "'batch_size' (tiles per cluster) must be at least 2 for magnetloss. Got 1."),
    ]  # fmt: skip
    checks += _date_contradictions(config) + _size_contradictions(config)
    checks += _unlabelled_contradictions(config) if config.validation_map is None else _label_contradictions(config)
    checks += _loss_contradictions(config) + _mining_contradictions(config) + _yardstick_contradictions(config)
    if not isinstance(config.maps, str):
        checks += _map_contradictions(config.maps)
    return [(keys, message) for wrong, keys, message in checks if wrong]


def _label_contradictions(config: Config) -> list[tuple[bool, set[str], str]]:
    names = ["osm", "clc"] if isinstance(config.maps, str) else list(config.maps.labels)
    known = f"one of the label maps: {', '.join(names)}" if names else "one of 'maps.labels', which names none, or null"
    return [
        (config.validation_map not in [name.lower() for name in names], {"validation_map", "maps"},
         f"'validation_map' must be {known}. Got '{config.validation_map}'."),
        (config.best_metric not in (None, *config.metrics),
         {"best_metric", "single_class_classifiers", "multi_class_classifiers"},
         f"'best_metric' must be a score of this run: {', '.join(config.metrics)}. Got '{config.best_metric}'."),
        (config.segmentation and not config.single_class_classifiers, {"segmentation", "single_class_classifiers"},
         "'segmentation' is by the 'single_class_classifiers', and there are none. Name one, or set it to false."),
    ]  # fmt: skip


def _unlabelled_contradictions(config: Config) -> list[tuple[bool, set[str], str]]:
    """What a run without a label map cannot do."""
    needs = [
        (config.supervised, "supervised", "training by label", "Set it to false"),
        (config.loss_name in NEED_LABELS, "loss", f"{config.loss_name}, which compares the classes of tiles,",
         "Take another one"),
        (config.segmentation, "segmentation", "the land cover of pixels", "Set it to false"),
    ]  # fmt: skip
    return [
        (wrong, {key, "validation_map"},
         f"'{key}': {what} needs a label map, and 'validation_map' is null. {advice}, or name a label map.")
        for wrong, key, what, advice in needs
    ]  # fmt: skip


def _map_contradictions(maps: Maps) -> list[tuple[bool, set[str], str]]:
    west, south, east, north = maps.rect or (0, 0, 1, 1)
    unknown = sorted(set(maps.legends) - set(maps.labels))
    lower = [name.lower() for name in maps.labels]
    of_image = {"image", *(f"image {date}".lower() for date in maps.images if date)}  # what checkpoints call them
    return [
        (not of_image.isdisjoint(lower), {"maps"},
         "'maps.labels': no label map may be called 'image', as the image map is. Give it another name."),
        (not (west < east and south < north and west >= -180 and east <= 180 and south >= -90 and north <= 90),
         {"maps"},
         f"'maps.rect' must be west < east (-180..180), south < north (-90..90). Got {list(maps.rect or ())}."),
        (bool(unknown), {"maps"}, f"'maps.legends' has names that 'maps.labels' does not have: {', '.join(unknown)}."),
        (len(set(lower)) < len(lower), {"maps"},
         "'maps.labels' has names that differ only in upper and lower case. Rename one of them."),
        (maps.validation_date not in (None, *maps.images), {"maps"},
         f"'maps.validation_date' must be one of the dates of 'maps.image': {', '.join(filter(None, maps.images))}. "
         f"Got '{maps.validation_date}'." if any(maps.images) else
         "'maps.validation_date' names a date, and 'maps.image' has none. Remove it, or give 'maps.image' as "
         '{"2019": path, "2022": path}.'),
    ]  # fmt: skip


def _date_contradictions(config: Config) -> list[tuple[bool, set[str], str]]:
    dates, rule = len(config.dates), config.positive_dates
    same_place = config.max_pos_dist == 0 and not config.supervised  # where distances count
    tiles = config.batch_size if config.loss_name == "magnetloss" else 0
    return [
        (rule == "other" and dates < 2, {"positive_dates", "maps"},
         "'positive_dates' is \"other\", and 'maps.image' has a single date. Set it to \"same\", or give several: "
         '{"2019": path, "2022": path}.'),
        (same_place and rule == "same", {"max_pos_dist", "positive_dates", "supervised"},
         "'max_pos_dist' is 0, and no tile is its own positive. Choose a larger one, or, where 'maps.image' has "
         "several dates, 'positive_dates' \"other\": then the positive is the same place at another date."),
        (same_place and tiles > dates > 1, {"max_pos_dist", "batch_size", "loss", "maps", "supervised"},
         f"'max_pos_dist' is 0, so a place has {dates} tiles, one a date, and a cluster of magnetloss needs "
         f"{tiles} ('batch_size'). Choose a larger 'max_pos_dist', or a smaller 'batch_size'."),
    ]  # fmt: skip


def _loss_contradictions(config: Config) -> list[tuple[bool, set[str], str]]:
    pairs, vicreg = config.loss_name in OWN_LOSSES, config.loss_name == "vicregloss"
    return [
        (config.loss_name in NEED_LABELS and not config.supervised, {"loss", "supervised"},
         f"'supervised' must be true for {config.loss_name}, which compares the classes of tiles."),
        (pairs and config.batch_size < 2, {"loss", "batch_size"},
         f"'batch_size' must be at least 2 for {config.loss_name}, which takes its statistics from the batch. Got 1."),
        (vicreg and config.norm_output and not config.projection, {"loss", "norm_output", "projection"},
         f"'norm_output' must be false for {config.loss_name}: a vector of length 1 cannot vary enough in every "
         "dimension. Or set 'projection', such as [512, 512]: then only the embedding has length 1."),
        *((config.loss_name == "quadrupletloss" and bool(getattr(config, key)), {"loss", key},
           f"'{key}' cannot be used with quadrupletloss, whose second negatives are embedded one by one. Remove it "
           "or take tripletloss.")
          for key in ("projection", "test_time_augmentation")),
    ]  # fmt: skip


def _size_contradictions(config: Config) -> list[tuple[bool, set[str], str]]:
    number = config.fourier_features
    return [
        (bool(config.minimum_noise_fraction) and not config.head_inputs, {"minimum_noise_fraction", "head_inputs"},
         "'minimum_noise_fraction' is of 'head_inputs', and there are none. Set them, such as "
         '["band_statistics", "random_convolutions"], or \'minimum_noise_fraction\' to 0.'),
        (number >= config.output_size, {"fourier_features", "output_size"},
         f"'output_size' must be larger than 'fourier_features' ({number}): the rest is what the network learns. "
         f"Got {config.output_size}."),
    ]  # fmt: skip


def _yardstick_contradictions(config: Config) -> list[tuple[bool, set[str], str]]:
    lower = [name.lower() for name in config.yardsticks]  # names of folders, which differ by more than case
    taken = [name for name in config.yardsticks if name.lower() in BUILT_IN_FEATURES]
    return [
        (bool(taken), {"yardsticks"},
         f"'yardsticks' has names that are taken: {', '.join(taken)}. Rename them; taken are "
         f"{', '.join(BUILT_IN_FEATURES)}."),
        (len(set(lower)) < len(lower), {"yardsticks"},
         "'yardsticks' has names that differ only in upper and lower case. Rename one of them."),
    ]  # fmt: skip


def _mining_contradictions(config: Config) -> list[tuple[bool, set[str], str]]:
    miners = dict(config.library_miners)
    named, loss = ", ".join(miners), config.loss_name
    online = [mode for mode in config.mining if mode in ("HARD_NEGATIVE", "HARD_POSITIVE")]
    both = {"loss", "mining"}
    return [
        (loss in OWN_LOSSES and bool(config.mining), both,
         f"'mining' cannot be used with {loss}, which has no tuples to choose. Set it to []."),
        (bool(miners) and loss not in LOSSES_WITH_MINERS, both,
         f"'mining' has {named}, which {loss} cannot use. Losses that can: {', '.join(LOSSES_WITH_MINERS)}."),
        (len(config.library_miners) > 1, {"mining"},
         f"'mining' may have one miner of pytorch-metric-learning at most. Got {len(config.library_miners)}: "
         f"{', '.join(name for name, _ in config.library_miners)}."),
        (bool(miners and online), {"mining"},
         f"'mining' has {named} and {', '.join(online)}: both choose among the tiles of the batch. Use one; the "
         "offline RANDOM_HARD_ modes can be combined with either."),
        (loss in LIBRARY_LOSSES and bool(online), both,
         f"'mining' has {', '.join(online)}, which choose one tile for each tuple; {loss} uses all pairs. Use a "
         "miner of pytorch-metric-learning instead, or no miner."),
    ] + [
        (is_invalid_combination(name, given), {"mining"},
         f"'mining.{name}': these strategies cannot be combined. Got {given}.")
        for name, given in miners.items()
    ]  # fmt: skip
