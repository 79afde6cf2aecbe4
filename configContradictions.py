"""Settings of a config that are legal one by one and cannot all be meant."""

NETWORK_PATCH = {"transformer": 8}  # networks that take only multiples of so many pixels


def contradictions(config) -> list[tuple[set[str], str]]:
    """Pairs of keys that cannot both be meant: (keys concerned, message)."""
    label_names = ["osm", "clc"] if isinstance(config.maps, str) else list(config.maps.labels)
    patch = NETWORK_PATCH.get(config.network, 1)
    checks = [
        (config.min_pos_dist > config.max_pos_dist, {"min_pos_dist", "max_pos_dist"},
         f"'min_pos_dist' ({config.min_pos_dist:g}) must not exceed 'max_pos_dist' ({config.max_pos_dist:g})."),
        (config.min_neg_dist > config.max_neg_dist, {"min_neg_dist", "max_neg_dist"},
         f"'min_neg_dist' ({config.min_neg_dist:g}) must not exceed 'max_neg_dist' ({config.max_neg_dist:g})."),
        (config.image_size % patch != 0, {"network", "image_size"},
         f"'image_size' must be divisible by {patch} for network {config.network}. Got {config.image_size}."),
        (config.loss == "magnetloss" and config.batch_size < 2, {"loss", "batch_size"},
         "'batch_size' (tiles per cluster) must be at least 2 for magnetloss. Got 1."),
        (config.validation_map not in [name.lower() for name in label_names], {"validation_map", "maps"},
         f"'validation_map' must be one of the label maps: {', '.join(label_names)}. Got '{config.validation_map}'."),
        (config.best_metric not in config.metrics,
         {"best_metric", "single_class_classifiers", "multi_class_classifiers"},
         f"'best_metric' must be a score of this run: {', '.join(config.metrics)}. Got '{config.best_metric}'."),
    ]  # fmt: skip
    if not isinstance(config.maps, str):
        checks += _map_contradictions(config.maps)
    return [(keys, message) for wrong, keys, message in checks if wrong]


def _map_contradictions(maps) -> list[tuple[bool, set[str], str]]:
    west, south, east, north = maps.rect or (0, 0, 1, 1)
    strangers = sorted(set(maps.legends) - set(maps.labels))
    lower = [name.lower() for name in maps.labels]
    return [
        (not (west < east and south < north and west >= -180 and east <= 180 and south >= -90 and north <= 90),
         {"maps"},
         f"'maps.rect' must be west < east (-180..180), south < north (-90..90). Got {list(maps.rect or ())}."),
        (bool(strangers), {"maps"}, f"'maps.legends' names no label map of 'maps.labels': {', '.join(strangers)}."),
        (len(set(lower)) < len(lower), {"maps"}, "'maps.labels' has names that differ only in upper and lower case."),
    ]  # fmt: skip
