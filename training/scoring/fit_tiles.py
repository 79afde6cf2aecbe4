"""The embeddings of the tiles to fit on that the evaluation of the best network has computed, beside its checkpoint.

They name the checkpoint by its SHA-256, so that those of another network are never taken for its own.
"""

import logging
from pathlib import Path

import numpy as np

from dataProcessors.sampling.pool import DAMAGE_ERRORS
from storage import atomic_write
from training.execution.device import Execution
from training.runs.checkpoint import file_digest

log = logging.getLogger(__name__)


def fit_tiles_file(checkpoint: Path) -> Path:
    """Return the file of the tiles to fit on that belongs to a checkpoint."""
    return checkpoint.with_name(f"{checkpoint.stem}-fit-tiles.npz")


def save_fit_tiles(checkpoint: Path, positions: np.ndarray, embeddings: np.ndarray, execution: Execution) -> None:
    """Keep the embeddings (N, D) of the tiles at positions (N, 2), which differ, by the network of a checkpoint.

    execution: how the network has computed them

    Raises:
        StorageError: the disk refuses the write
    """
    of = np.array(_source(file_digest(checkpoint), execution))
    with atomic_write(fit_tiles_file(checkpoint)) as temporary, temporary.open("wb") as file:
        np.savez(file, positions=positions, embeddings=embeddings, of=of)


def load_fit_tiles(checkpoint: Path, digest: str, positions: np.ndarray, execution: Execution) -> np.ndarray | None:
    """Return the embeddings (n, D) float32 of the tiles at positions (n, 2); None where they are not all kept.

    digest: of the checkpoint; embeddings of another network, or computed in another way, do not count
    """
    path = fit_tiles_file(checkpoint)
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in ("positions", "embeddings", "of")}
    except FileNotFoundError:
        return None
    except DAMAGE_ERRORS as error:
        log.warning("%s is damaged: %s. The embeddings are computed again", path, error)
        return None
    if content["of"].tolist() != _source(digest, execution):
        return None
    rows = {tuple(position): row for row, position in enumerate(content["positions"].tolist())}
    found = [rows.get(tuple(position), -1) for position in positions.tolist()]
    return None if -1 in found else content["embeddings"][found]


def _source(digest: str, execution: Execution) -> list[str]:
    """Return what the embeddings depend on beside the tiles, which are those of the run's own maps."""
    return [digest, execution.precision, execution.device.type]
