"""Whether a run can go on with another config, other paths of its maps, or a checkpoint of an earlier revision."""

import json
import logging
from pathlib import Path

from config import CHANGEABLE_ON_RESUME, Config, ConfigError, Maps, UserError, validate

log = logging.getLogger(__name__)
# what of a map must be as before when a run is resumed -> how a difference is described; {}: now, before
MAP_FACTS = {
    "bytes": "{} bytes instead of {}",
    "crs": "CRS {} instead of {}",
    "size": "size {} instead of {}",
    "transform": "transform {} instead of {}",
    "type": "type {} instead of {}",
    "window": "part in use {} instead of {}",
    "content": "other pixels",
}


def check_revision(path: Path, checkpoint: dict) -> None:
    """Raise a UserError if the run cannot go on as it began.

    Earlier revisions of the program marked pixels without data by a value, which was then missing from the data.
    """
    if "normalisation.fill" in checkpoint["network"]:
        raise UserError(
            f"{path}: the run was started by an earlier revision of the program, which read this map's pixels without "
            "data in another way. Start a new run; its report and its network can still be used."
        )


def config_as_dict(config: Config) -> dict:
    """Return the config as a dict, as stored in a checkpoint."""
    return json.loads(config.to_json())


def check_config(path: Path, config: Config, checkpoint: dict) -> None:
    """Raise a ConfigError that lists the keys of a config that contradict the checkpoint to resume from."""
    before, now = (
        _fixed_settings(validate(content, str(path)))
        for content in (checkpoint["config"], config_as_dict(config))  # both as stored, without credentials
    )
    changed = [name for name in now | before if repr(now.get(name)) != repr(before.get(name))]  # True == 1
    if changed:
        lines = "\n".join(f"  '{name}' is {now.get(name)!r}, and was {before.get(name)!r}" for name in changed)
        raise ConfigError(
            f"{path}: the config contradicts the checkpoint:\n{lines}\n"
            f"Only {', '.join(CHANGEABLE_ON_RESUME)} and the paths of maps may change when a run is resumed. "
            "Start a new run for anything else."
        )


def _fixed_settings(config: Config) -> dict[str, object]:
    """Return all that must not change when a run is resumed: key -> value. Paths of maps are not among it."""
    settings = {name: value for name, value in config if name not in CHANGEABLE_ON_RESUME}
    if isinstance(config.maps, Maps):
        maps = dict(settings.pop("maps"))
        labels, legends = maps.pop("labels"), maps.pop("legends")
        maps |= {"image": list(config.maps.images), "labels": sorted(labels)}
        maps |= {f"labels.{name}.{key}": each for name, file in labels.items() for key, each in file if key != "path"}
        maps |= {f"legends.{name}": "a file" if Path(each).suffix else each for name, each in legends.items()}
        settings |= {f"maps.{key}": value for key, value in maps.items()}
    return settings


def check_maps(path: Path, maps: dict[str, dict], checkpoint: dict) -> None:
    """Compare the fingerprints of the maps with those of the maps that the run was started with.

    Where both have a hash of the content, the files themselves may be others. Checkpoints of earlier revisions have
    none; there the files must have as many bytes as before, and a warning says what was not compared.

    Raises:
        UserError: a map differs; the message says in what
    """
    for name, before in checkpoint["maps"].items():
        now = maps.get(name, {})
        file = now.get("path", before["path"])
        compared = [key for key in MAP_FACTS if key in before and not (key == "bytes" and "content" in before)]
        changed = [MAP_FACTS[key].format(now.get(key), before[key]) for key in compared if now.get(key) != before[key]]
        if changed:
            raise UserError(
                f"{path}: {file} is not the map that the run was started with ({before['path']}): "
                f"{', '.join(changed)}. Give the path of the same map, or start a new run."
            )
        if "content" not in before and file != before["path"]:
            log.warning(
                "%s: %s takes the place of %s. Its pixels could not be compared: an earlier revision of the program, "
                "which kept no hash of them, started the run", path, file, before["path"],
            )  # fmt: skip
