"""Which maps a trained network is applied to: the run's own, wherever they lie now, or those of the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from config import Config, ConfigError, Maps
from config.reading import apply_override, load, validate
from dataProcessors.named_maps import named_maps
from training.runs.compatibility import check_config, config_as_dict

OVERRIDES = ("device", "threads", "maps.image", "maps.rect", "maps.crs")
PATHS = ("maps.image.DATE", "maps.labels.NAME", "maps.legends.NAME")  # of the run's own maps, one by one
PREFIXES = tuple(key.rpartition(".")[0] + "." for key in PATHS)
CONFIG = "config.json"  # of a run, beside its checkpoints
SOURCE = "the command line"  # of values, for errors


class Chosen(NamedTuple):
    """What a trained network is applied to.

    Attributes:
        config: of the run, with what was given in place of its values
        maps: those of `config`, at all dates
        as_own: the same, but for an image that is the run's own: its part and its CRS are those of the run
        own: the run's own maps at all dates, with the paths where they lie now, as far as is known
    """

    config: Config
    maps: Maps
    as_own: Maps
    own: Maps


def located_config(path: Path, checkpoint: dict) -> Config:
    """Return the config of a checkpoint, with the paths of maps that the run's config.json beside it has.

    A run that is resumed with new paths writes them there at once, but into best.pt only with a better network.

    Args:
        path: of the checkpoint
        checkpoint: its content
    """
    config = validate(checkpoint["config"], str(path))
    try:
        now = load(path.with_name(CONFIG))
        check_config(path, now, checkpoint)
    except ConfigError:  # there is none, or it is no config of this run
        return config
    return config.model_copy(update={"maps": now.maps})


def choose_maps(config: Config, overrides: Sequence[str]) -> Chosen:
    """Return the maps that a trained network is applied to.

    Another image is used as a whole and in its own CRS, unless others are given too: the run's own belong to its image.
    It has no dates then, and nothing is trained, so that the keys that ask for dates are not those of the run.

    Args:
        config: of the run
        overrides: key=value items, for the keys of OVERRIDES and PATHS
    Raises:
        ConfigError: an override cannot be used
    """
    given, moved = _parsed(overrides)
    values, changed = config_as_dict(config), given.pop("maps", {})
    own = _moved(named_maps(config).model_dump(), moved)
    own_maps = _maps(validate(values | {"maps": own}, SOURCE))
    of_own = {key: getattr(own_maps, key) for key in ("rect", "crs") if key not in changed}
    if "image" in changed:
        given |= {key: Config.model_fields[key].default for key in ("positive_dates", "min_pos_dist", "max_pos_dist")}
        changed = {"rect": None, "crs": None, "validation_date": None} | changed
    chosen = validate(values | given | {"maps": own | changed}, SOURCE)
    maps = _maps(chosen)
    return Chosen(chosen, maps, maps.model_copy(update=of_own), own_maps)


def _parsed(overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of the keys of OVERRIDES, and the part of `maps` that the paths of PATHS make."""
    given: dict[str, Any] = {}
    moved: dict[str, Any] = {}
    for override in overrides:
        key = override.partition("=")[0]
        if key not in OVERRIDES and not key.startswith(PREFIXES):
            raise ConfigError(f"'{key}' cannot be set here. Keys that can: {', '.join((*OVERRIDES, *PATHS))}.")
        apply_override(given if key in OVERRIDES else moved, override)
    return given, moved.get("maps", {})


def _moved(maps: dict[str, Any], moved: dict[str, Any]) -> dict[str, Any]:
    """Return the values of maps with new paths of some of their files: "labels" -> name of the map -> path, and so on.

    Raises:
        ConfigError: there is no file of such a name
    """
    for kind, files in moved.items():
        before = maps[kind] if isinstance(maps[kind], dict) else {}  # a single image without a date
        for name, file in files.items():
            if name not in before:
                known = [f"maps.{kind}.{each}" for each in before] or [f"maps.{kind}" if maps[kind] else "none"]
                raise ConfigError(f"'maps.{kind}.{name}': the run has no such file. It has: {', '.join(known)}.")
            before[name] = _as_label(before[name]) | _as_label(file) if kind == "labels" else file
    return maps


def _as_label(file: Any) -> dict[str, Any]:
    """Return a label map as a dict: where only its path is new, its band, layer and column stay."""
    return file if isinstance(file, dict) else {"path": file}


def _maps(config: Config) -> Maps:
    """Return the maps of a config that names each file."""
    assert isinstance(config.maps, Maps)
    return config.maps
