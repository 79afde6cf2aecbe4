"""Open the benchmark's maps as `python main.py` does; all files are written to the benchmark's folder."""

import logging
from pathlib import Path

from benchmarks.maps import BenchmarkMaps
from benchmarks.measure import Setting
from config import Config, validate
from dataProcessors import maps as map_module
from dataProcessors.maps import OpenMaps, open_maps
from dataProcessors.statistics import normalisation
from networks import Architecture, Normalise, build
from training.runs.checkpoint import BEST, save
from training.runs.compatibility import config_as_dict

THREADS = 2


def run_config(paths: BenchmarkMaps, **keys) -> Config:
    """Return the config of a run on two CPU cores; keys: config keys with other values."""
    maps = {"image": str(paths.image), "labels": {"osm": str(paths.labels)}, "legends": {"osm": "osm"}}
    plain = {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm", "maps": maps, "device": "cpu"}
    return validate(plain | {"threads": THREADS} | keys)


def open_run(setting: Setting, paths: BenchmarkMaps, **keys) -> tuple[Config, OpenMaps]:
    """Return the config and the open maps of a run; prepared maps are in the benchmark's folder."""
    logging.disable(logging.INFO)
    map_module.CACHE = setting.folder / "cache"
    config = run_config(paths, **keys)
    return config, open_maps(config, THREADS)


def save_untrained(folder: Path, config: Config, maps: OpenMaps) -> Path:
    """Write the checkpoint of a network with its initial weights, as that of a run; return its path."""
    scaling = normalisation(maps.image, config.image_size, maps.area)
    network = build(Architecture.of(config, len(maps.image.bands)), Normalise(*scaling), config.seed)
    metadata = {"config": config_as_dict(config), "maps": maps.fingerprints()}
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / BEST, metadata | {"network": network.state_dict(), "step": 0})
    return folder / BEST
