"""The trained network of a run, ready to embed tiles of a map."""

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from config import Config, ConfigError, Maps, UserError
from config.reading import apply_override, validate
from dataProcessors.maps import named_maps, open_image
from dataProcessors.rasters.image_files import image_files
from dataProcessors.statistics import band_levels
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import EmbeddedMap
from networks import Embedder
from training.execution.device import Execution, resolve_device, resolve_threads
from training.runs.checkpoint import BEST, config_as_dict, load
from training.scoring.evaluator import in_batches
from training.trained import network_of

log = logging.getLogger(__name__)
OVERRIDES = ("device", "threads", "maps.image", "maps.rect", "maps.crs")


@dataclass(frozen=True)
class TrainedRun:
    """A trained network and how it executes; `open_trained` opens it.

    Attributes:
        folder: of the run, or that of the checkpoint
        checkpoint: path of the checkpoint
        digest: SHA-256 of the checkpoint's file, which says which network it is
        config: of the run, with the device and threads that were given
        maps: of the run, with the image and rectangle that were given
        trained_on: maps of the run, name -> fingerprint
        network: in evaluation mode
        execution: device, threads, number format and memory layout, as the run resolved them
    """

    folder: Path
    checkpoint: Path
    digest: str
    config: Config
    maps: Maps
    trained_on: dict[str, dict]
    network: Embedder
    execution: Execution

    def open_image(self) -> TiffReader:
        """Open, and prepare, the map that is embedded: the run's own, or `maps.image`.

        Raises:
            UserError: it cannot be used, or has other bands or another type than the run's
        """
        missing = [file for file in image_files(self.maps.image) if not os.path.exists(file) and "://" not in file]
        if missing:
            raise UserError(f"{missing[0]}: there is no such file. Give the path of the map: maps.image=PATH.")
        image = open_image(self.config, self.maps, self.execution.threads)
        trained_on = self.trained_on["image"]
        bands = len(self.network.normalisation.offset)
        if len(image.bands) != bands or image.dtype.name != trained_on["type"]:
            raise UserError(
                f"{image.path} has {len(image.bands)} bands of {image.dtype.name}, and the network of {self.folder} "
                f"was trained on {bands} of {trained_on['type']}. Give a map of the same bands and type as "
                f"{trained_on['path']}."
            )
        return image

    def embed(self, tiles: np.ndarray) -> np.ndarray:
        """Return the embeddings (N, D) float32 of tiles (N, channels, size, size) as the map's reader gives them.

        Raises:
            UserError: one is not finite
        """
        parts = [self.start_embedding(self.execution.to_device(part))() for part in in_batches(tiles, tiles.shape[-1])]
        return np.concatenate(parts) if parts else np.zeros((0, self.config.output_size), np.float32)

    @torch.inference_mode()
    def start_embedding(self, tiles: Tensor) -> Callable[[], np.ndarray]:
        """Start to embed tiles (n, channels, size, size) on the device; return a function that waits for (n, D)."""
        with self.execution.autocast():
            pending = self.execution.start_download(self.network(tiles))

        def wait() -> np.ndarray:
            embeddings = pending().numpy()
            if not np.isfinite(embeddings).all():
                raise UserError(
                    f"{self.checkpoint}: its embedding of a tile is not finite. Use another map, or the network of "
                    "another run."
                )
            return embeddings

        return wait


def open_trained(path: Path, overrides: Sequence[str] = ()) -> TrainedRun:
    """Open the best network of a run, or that of a checkpoint.

    Args:
        path: results/NAME, or a checkpoint in it
        overrides: key=value items, for the keys of OVERRIDES
    Raises:
        UserError: there is no checkpoint, it is damaged, or an override cannot be used
    """
    checkpoint_path = _checkpoint_of(path)
    checkpoint = load(checkpoint_path)
    config = validate(checkpoint["config"], str(checkpoint_path))
    config, maps = _with_overrides(config, overrides)
    network = network_of(checkpoint, str(checkpoint_path))
    execution = _execution(config, is_chosen=any(each.startswith("device=") for each in overrides))
    network.to(execution.device).to(memory_format=execution.layout)
    digest = hashlib.sha256(checkpoint_path.read_bytes()).hexdigest()
    return TrainedRun(
        checkpoint_path.parent, checkpoint_path, digest, config, maps, checkpoint["maps"], network, execution
    )


def _checkpoint_of(path: Path) -> Path:
    """Return the checkpoint that a path names: results/NAME stands for its best one."""
    if not path.exists():
        raise UserError(f"{path}: there is no such run or checkpoint. Runs are folders in results/.")
    if path.is_file():
        return path
    if not (path / BEST).exists():
        raise UserError(f"{path}: there is no {BEST} in it: no run, or one whose network is not evaluated yet.")
    return path / BEST


def _with_overrides(config: Config, overrides: Sequence[str]) -> tuple[Config, Maps]:
    """Return the config, and the maps, with what was given in place of the run's own.

    Another image is used as a whole and in its own CRS, unless others are given too: the run's own belong to its image.
    """
    given: dict[str, Any] = {}
    for override in overrides:
        key = override.partition("=")[0]
        if key not in OVERRIDES:
            raise ConfigError(f"'{key}' cannot be set here. Keys that can: {', '.join(OVERRIDES)}.")
        apply_override(given, override)
    changed = given.pop("maps", {})
    if "image" in changed:
        changed = {"rect": None, "crs": None} | changed
    maps = named_maps(config).model_dump() | changed
    config = validate({**config_as_dict(config), **given, "maps": maps}, "the command line")
    assert isinstance(config.maps, Maps)
    return config, config.maps


def _execution(config: Config, is_chosen: bool) -> Execution:
    """Return how the network executes: as the run resolved it, but on a device that this machine has.

    is_chosen: whether the user has named the device; then no other is used
    """
    threads = resolve_threads(config)
    try:
        device = resolve_device(config.device)
    except UserError:
        if is_chosen:
            raise
        device = resolve_device("auto")
        log.warning("This machine has no %s, on which the network was trained: %s is used", config.device, device)
    layout = config.channels_last is True  # "auto": never resolved, then the plain layout
    precision = "fp32" if config.precision == "auto" else config.precision
    return Execution(device, threads, precision, layout)


def check_belongs(run: TrainedRun, embedded: EmbeddedMap, image: TiffReader) -> None:
    """Raise a UserError if an embedded map is not of this network, or not of the image map that the run is opened with.

    image: the map that the run is opened with
    """
    if embedded.about["network"]["sha256"] != run.digest:
        raise UserError(f"{embedded.folder}: another network than {run.checkpoint} made it. Run embed again.")
    then, now = embedded.about["map"], image.fingerprint()
    same_pixels = (then["content"], tuple(embedded.about["window"])) == (now["content"], tuple(image.window))
    if not same_pixels or not embedded.map_grid.has_same_pixels(image.grid):
        raise UserError(
            f"{embedded.folder} is the embedding of {then['path']}, not of {image.path} and the part of it in use. "
            "Give the same 'maps.image' and 'maps.rect' as when it was embedded, or run embed again."
        )


def warn_about_other_statistics(run: TrainedRun, image: TiffReader) -> None:
    """Log a warning where a map's bands have other means or deviations than those of the map that was trained on."""
    before = run.trained_on["image"].get("statistics")
    if before is None:
        log.warning("%s: an earlier revision of the program trained it; its map's statistics are not known", run.folder)
        return
    now = band_levels(image, run.config.image_size)
    for band, (mean, deviation) in enumerate(zip(now["mean"], now["deviation"])):
        mean_before, deviation_before = before["mean"][band], before["deviation"][band]
        unit = deviation_before or 1.0
        if abs(mean - mean_before) > unit or not 0.5 <= (deviation or unit) / unit <= 2:
            log.warning(
                "%s: band %d has mean %.4g and deviation %.4g; %s, which the network was trained on, has %.4g and "
                "%.4g. The embeddings may mean little there",
                image.path, band + 1, mean, deviation, run.trained_on["image"]["path"], mean_before, deviation_before,
            )  # fmt: skip
