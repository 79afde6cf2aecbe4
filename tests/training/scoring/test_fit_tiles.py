"""The embeddings of the tiles to fit on that are kept beside the best network: its own, or none."""

import numpy as np
import pytest
import torch

from training.execution.device import Execution
from training.runs.checkpoint import file_digest
from training.scoring.fit_tiles import fit_tiles_file, load_fit_tiles, save_fit_tiles

POSITIONS = np.array([[7, 2], [3, 9], [3, 2], [500_000, 3]])
EMBEDDINGS = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
PLAIN = Execution(torch.device("cpu"), 1, "fp32")


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "best.pt"
    path.write_bytes(b"a network")
    save_fit_tiles(path, POSITIONS, EMBEDDINGS, PLAIN)
    return path


def kept(checkpoint, positions=POSITIONS, execution=PLAIN):
    return load_fit_tiles(checkpoint, file_digest(checkpoint), positions, execution)


def test_any_of_the_tiles_in_any_order(checkpoint):
    for rows in ([3, 0, 1], [2], [], [1, 1]):
        assert np.array_equal(kept(checkpoint, POSITIONS[rows].reshape(-1, 2)), EMBEDDINGS[rows])
    assert kept(checkpoint).dtype == np.float32


def test_none_of_other_tiles_networks_and_formats(checkpoint):
    assert kept(checkpoint, POSITIONS + [0, 1]) is None
    assert kept(checkpoint, execution=Execution(torch.device("cpu"), 2, "bf16")) is None
    assert kept(checkpoint, execution=Execution(torch.device("cpu"), 2, "fp32", False)) is not None
    checkpoint.write_bytes(b"another network")
    assert kept(checkpoint) is None
    assert kept(checkpoint.with_name("best.pt").rename(checkpoint.with_name("last.pt"))) is None


def test_a_damaged_file_is_told_and_not_used(checkpoint, caplog):
    path = fit_tiles_file(checkpoint)
    path.write_bytes(path.read_bytes()[:300])
    assert kept(checkpoint) is None
    assert "is damaged" in caplog.text
