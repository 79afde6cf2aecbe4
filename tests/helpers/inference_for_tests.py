"""A network that is not trained in the folder of a run, and its embeddings one tile at a time."""

from pathlib import Path

import numpy as np
import torch
from runs_for_tests import small_config

from benchmarks.runs import save_untrained
from config import validate
from dataProcessors.maps import OpenMaps, open_maps
from training.runs.folder import create_folder


def link_maps(map_folder: Path, folder: Path) -> None:
    """Let a folder have image.tif and labels.tif of another one, without a copy."""
    for name in ("image.tif", "labels.tif"):
        (folder / name).symlink_to(map_folder / name)


def write_run(maps: dict, name: str = "net", **changes) -> tuple[Path, OpenMaps]:
    """Write results/NAME of a run on maps in the working folder, with its best.pt; return it and its maps."""
    config = validate(small_config(name=name, maps=maps, output_size=8) | changes)
    opened = open_maps(config, 1)
    folder = create_folder(name, config, opened.fingerprints())
    save_untrained(folder, config, opened)
    return folder, opened


def one_by_one(folder: Path, opened: OpenMaps, positions: np.ndarray) -> np.ndarray:
    """Return the embeddings (n, D) of tiles, each read and embedded alone."""
    from training.trained import trained_network

    network = trained_network(folder / "best.pt")
    with torch.no_grad():
        return np.concatenate([network(torch.from_numpy(opened.read(each[None]))).numpy() for each in positions])
