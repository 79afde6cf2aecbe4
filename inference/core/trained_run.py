"""The trained network of a run, ready to embed tiles of a map."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from config import Config, Maps, UserError
from dataProcessors.label_reader import LabelReader
from dataProcessors.maps import OpenMaps, open_image, open_labels
from dataProcessors.rasters.image_files import image_files
from dataProcessors.rasters.remote_options import is_missing
from dataProcessors.tiffreader import TiffReader
from inference.core.given_maps import choose_maps, located_config
from inference.core.own_maps import OwnMaps
from networks import Embedder, fuse_batchnorm
from training.execution.device import Execution, MissingDevice, resolve_device, resolve_threads
from training.execution.processes import ALONE, Processes
from training.execution.tile_batches import in_batches
from training.runs.checkpoint import BEST, LAST, load, load_with_digest
from training.trained import network_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedRun:
    """A trained network and how it executes; `open_trained` opens it.

    Attributes:
        folder: of the run, or that of the checkpoint
        checkpoint: path of the checkpoint
        digest: SHA-256 of the checkpoint's file, which says which network it is
        step: of the training, after which it was saved; 0: the network is untrained
        config: of the run, with the device and threads that were given
        maps: of the run, with the image and rectangle that were given; the image is that of one date
        as_own: the same, but for an image that is the run's own: its rectangle and its CRS are those of the run
        date: the one that is used; "": the image is of no date
        own: the maps that the network was trained and evaluated on
        network: in evaluation mode, its batch norms folded into convolutions; its values differ by rounding from before
        execution: device, threads, number format and memory layout, as the run resolved them
        processes: those that work on whole maps together; the first one reports, and writes what is not shared out
    """

    folder: Path
    checkpoint: Path
    digest: str
    step: int
    config: Config
    maps: Maps
    as_own: Maps
    date: str
    own: OwnMaps
    network: Embedder
    execution: Execution
    processes: Processes = ALONE

    def open_image(self) -> TiffReader:
        """Return the map that is embedded: the run's own of its date, or `maps.image`. It is opened once, and prepared.

        Raises:
            UserError: it cannot be used, or has other bands or another type than the run's
        """
        return self._image

    @cached_property
    def _image(self) -> TiffReader:
        (files,) = self.maps.images.values()
        missing = [file for file in image_files(files) if is_missing(file)]
        if missing:
            key = f"maps.image.{self.date}" if self.date else "maps.image"
            raise UserError(f"{missing[0]}: there is no such file. Give the path of the map: {key}=PATH.")
        is_own = self.as_own != self.maps and self.own.held_by(files) is not None  # only where it matters
        image = open_image(self.config, self.as_own if is_own else self.maps, self.execution.threads)
        trained_on = self.own.fingerprints["image"]
        bands = len(self.network.normalisation.offset)
        if len(image.bands) != bands or image.dtype.name != trained_on["type"]:
            raise UserError(
                f"{image.path} has {len(image.bands)} bands of {image.dtype.name}, and the network of {self.folder} "
                f"was trained on {bands} of {trained_on['type']}. Give a map of the same bands and type as "
                f"{trained_on['path']}."
            )
        return image

    def open_own_maps(self) -> OpenMaps:
        """Return the maps that the network was trained and evaluated on. They are opened once.

        Raises:
            UserError: one of them is missing, or not the same any more
        """
        return self._own_maps

    @cached_property
    def _own_maps(self) -> OpenMaps:
        return self.own.open(self.open_image())

    def open_labels(self, image: TiffReader) -> LabelReader | None:
        """Open the run's label map on the grid of an image; None: the run has none.

        Raises:
            UserError: it is missing, or cannot be used for this image
        """
        for name, file in self.maps.labels.items():
            if name.lower() == self.config.validation_map and is_missing(file.path):
                raise UserError(f"{file.path}: there is no such file. Give the path of it: maps.labels.{name}=PATH.")
        labels = open_labels(self.config, self.maps, image, self.execution.threads)
        return labels if isinstance(labels, LabelReader) else None

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
        overrides: key=value items, see `choose_maps`
        date: name of the date of the image map that is used; None: that on which the run is scored
        processes: those that open it
    Raises:
        UserError: there is no checkpoint, it is damaged, an override cannot be used, or there is no such date
    """
    checkpoint_path = _checkpoint_of(path)
    checkpoint, digest = load_with_digest(checkpoint_path)
    step = int(checkpoint["step"])
    if not step:
        _warn_untrained(checkpoint_path)
    of_run = located_config(checkpoint_path, checkpoint)
    chosen = choose_maps(of_run, overrides)
    date = _chosen_date(chosen.maps, date)
    maps, as_own = chosen.maps.of_date(date), chosen.as_own.of_date(date)
    config = chosen.config.model_copy(update={"maps": maps})
    network = network_of(checkpoint, str(checkpoint_path))
    fuse_batchnorm(network.backbone)
    execution = _execution(config, any(each.startswith("device=") for each in overrides), processes)
    network.to(execution.device).to(memory_format=execution.layout)
    own = OwnMaps(checkpoint_path, of_run, chosen.own, checkpoint["maps"], execution.threads)
    return TrainedRun(
        checkpoint_path.parent, checkpoint_path, digest, step, config, maps, as_own, date, own, network, execution,
        processes,
    )  # fmt: skip


def dates_of_run(path: Path, overrides: Sequence[str] = ()) -> list[str]:
    """Return the names of all dates of a run's image map, in the order of the config; [""]: it is of no date.

    path, overrides: as for `open_trained`
    """
    checkpoint_path = _checkpoint_of(path)
    config = located_config(checkpoint_path, load(checkpoint_path))
    return list(choose_maps(config, overrides).maps.images)


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


def _warn_untrained(checkpoint: Path) -> None:
    """Log that a network is that of before the first step, and where a trained one is."""
    last, reason = checkpoint.with_name(LAST), ""
    if checkpoint.name == BEST:
        reason = ": no network that was evaluated later is better"
        reason += f". {last} is that of the last step" if last.exists() else ""
    log.warning("%s: the network of step 0, which is untrained%s", checkpoint, reason)


def _execution(config: Config, is_chosen: bool, processes: Processes) -> Execution:
    """Return how the network executes: as the run resolved it, but on a device that this machine has.

    is_chosen: whether the user has named the device; then no other is used
    """
    threads, name = resolve_threads(config, processes), config.device
    if processes.are_many and not is_chosen:
        name = name.partition(":")[0]  # one GPU trained, and now each process has one
    try:
        device = resolve_device(name, processes)
    except MissingDevice:
        if is_chosen:
            raise
        device = resolve_device("auto", processes)
        log.warning("This machine has no %s, on which the network was trained: %s is used", name, device)
    layout = config.channels_last is True  # "auto": never resolved, then the plain layout
    precision = "fp32" if config.precision == "auto" else config.precision
    return Execution(device, threads, precision, layout)
