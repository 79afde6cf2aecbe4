"""The trained network of a run, ready to embed tiles of a map."""

import logging
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
from dataProcessors.rasters.remote_options import is_missing
from dataProcessors.tiffreader import TiffReader
from networks import Embedder, fuse_batchnorm
from training.execution.device import Execution, resolve_device, resolve_threads
from training.execution.processes import ALONE, Processes
from training.runs.checkpoint import BEST, config_as_dict, file_digest, load
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
        maps: of the run, with the image and rectangle that were given; the image is that of one date
        date: the one that is used; "": the image is of no date
        trained_on: maps of the run, name -> fingerprint
        network: in evaluation mode, its batch norms folded into convolutions; its values differ by rounding from before
        execution: device, threads, number format and memory layout, as the run resolved them
        processes: those that work on whole maps together; the first one reports, and writes what is not shared out
    """

    folder: Path
    checkpoint: Path
    digest: str
    config: Config
    maps: Maps
    date: str
    trained_on: dict[str, dict]
    network: Embedder
    execution: Execution
    processes: Processes = ALONE

    @property
    def own_image(self) -> dict:
        """Fingerprint of the image that the network was trained on: of the date in use, else of the scored date."""
        return next((each for each in self.own_images if each.get("date") == self.date), self.trained_on["image"])

    @property
    def own_images(self) -> list[dict]:
        """Fingerprints of the images of all dates that the network was trained on."""
        return [each for name, each in self.trained_on.items() if name == "image" or "date" in each]

    def open_image(self) -> TiffReader:
        """Open, and prepare, the map that is embedded: the run's own of its date, or `maps.image`.

        Raises:
            UserError: it cannot be used, or has other bands or another type than the run's
        """
        (files,) = self.maps.images.values()
        missing = [file for file in image_files(files) if is_missing(file)]
        if missing:
            key = f"maps.image.{self.date}" if self.date else "maps.image"
            raise UserError(f"{missing[0]}: there is no such file. Give the path of the map: {key}=PATH.")
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


def open_trained(
    path: Path, overrides: Sequence[str] = (), date: str | None = None, processes: Processes = ALONE
) -> TrainedRun:
    """Open the best network of a run, or that of a checkpoint.

    Args:
        path: results/NAME, or a checkpoint in it
        overrides: key=value items, for the keys of OVERRIDES
        date: name of the date of the image map that is used; None: that on which the run is scored
        processes: those that open it
    Raises:
        UserError: there is no checkpoint, it is damaged, an override cannot be used, or there is no such date
    """
    checkpoint_path = _checkpoint_of(path)
    checkpoint = load(checkpoint_path)
    config = validate(checkpoint["config"], str(checkpoint_path))
    config, maps = _with_overrides(config, overrides)
    date = _chosen_date(maps, date)
    maps = maps.of_date(date)
    config = config.model_copy(update={"maps": maps})
    network = network_of(checkpoint, str(checkpoint_path))
    fuse_batchnorm(network.backbone)
    execution = _execution(config, any(each.startswith("device=") for each in overrides), processes)
    network.to(execution.device).to(memory_format=execution.layout)
    digest = file_digest(checkpoint_path)
    return TrainedRun(
        checkpoint_path.parent, checkpoint_path, digest, config, maps, date, checkpoint["maps"], network, execution,
        processes,
    )  # fmt: skip


def dates_of_run(path: Path, overrides: Sequence[str] = ()) -> list[str]:
    """Return the names of all dates of a run's image map, in the order of the config; [""]: it is of no date.

    path, overrides: as for `open_trained`
    """
    checkpoint_path = _checkpoint_of(path)
    config = validate(load(checkpoint_path)["config"], str(checkpoint_path))
    return list(_with_overrides(config, overrides)[1].images)


def _chosen_date(maps: Maps, date: str | None) -> str:
    """Return the name of the date that is used; log it where there are several."""
    if date is None:
        if len(maps.images) > 1:
            log.info("The image map of the date %s is used, on which everything is scored", maps.scored_date)
        return maps.scored_date
    if date not in maps.images:
        known = ", ".join(filter(None, maps.images))
        raise UserError(
            f"--date {date}: " + (f"the image map has the dates {known}." if known else "the image map is of no date.")
        )
    return date


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
    It has no dates then, and nothing is trained, so that the keys that ask for dates are not those of the run. The
    files of the run's own dates may be given one by one, wherever they are now: maps.image.DATE.
    """
    given: dict[str, Any] = {}
    for override in overrides:
        key = override.partition("=")[0]
        if key not in OVERRIDES and not key.startswith("maps.image."):
            raise ConfigError(f"'{key}' cannot be set here. Keys that can: {', '.join(OVERRIDES)}.")
        apply_override(given, override)
    changed, own = given.pop("maps", {}), named_maps(config)
    if any(override.startswith("maps.image.") for override in overrides):
        changed["image"] = own.images | changed["image"]
    elif "image" in changed:
        changed = {"rect": None, "crs": None, "validation_date": None} | changed
        given |= {key: Config.model_fields[key].default for key in ("positive_dates", "min_pos_dist", "max_pos_dist")}
    maps = own.model_dump() | changed
    config = validate({**config_as_dict(config), **given, "maps": maps}, "the command line")
    assert isinstance(config.maps, Maps)
    return config, config.maps


def _execution(config: Config, is_chosen: bool, processes: Processes) -> Execution:
    """Return how the network executes: as the run resolved it, but on a device that this machine has.

    is_chosen: whether the user has named the device; then no other is used
    """
    threads = resolve_threads(config, processes)
    try:
        device = resolve_device(config.device, processes)
    except UserError:
        if is_chosen:
            raise
        device = resolve_device("auto", processes)
        log.warning("This machine has no %s, on which the network was trained: %s is used", config.device, device)
    layout = config.channels_last is True  # "auto": never resolved, then the plain layout
    precision = "fp32" if config.precision == "auto" else config.precision
    return Execution(device, threads, precision, layout)
