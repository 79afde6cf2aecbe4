"""Every kind of step on tiles of several dates: pixels are those of the tile's date, and pairs obey the rule."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from config import validate
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.nodata_limit import NodataLimit, whole_summary
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.supervised_sampler import SupervisedSampler
from training.steps.history import HardestTuples
from training.steps.step import EmbedFunctions
from training.steps.step_table import make_step
from training.steps.used_pairs import false_shares

WINDOW, DATES = Window(0, 0, 640, 640), 3
MINED = ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE", "HARD_NEGATIVE", "HARD_POSITIVE"]
VALUES = {
    "network": "test_resnet", "validation_map": "osm", "batch_size": 5, "magnet_clusters": 3, "norm_output": False,
    "maps": {"image": {"a": "a.tif", "b": "b.tif", "c": "c.tif"}, "labels": {"osm": "l.tif"}},
}  # fmt: skip
STEPS = [
    {"loss": "tripletloss", "mining": MINED},
    {"loss": "quadrupletloss", "mining": MINED},
    {"loss": "vicregloss"},
    {"loss": "ntxentloss"},
    {"loss": "tripletloss", "mining": ["MultiSimilarityMiner"]},
    {"loss": "softcontrastloss", "supervised": True},
    {"loss": "tripletloss", "mining": MINED, "supervised": True},
    {"loss": "magnetloss"},
    {"loss": "magnetloss", "supervised": True},
]


def read(positions):
    """Tiles (N, 3, 1, 1) that hold their own column, row and date."""
    assert positions.shape[1] == 3
    return positions[:, :, None, None].astype(np.float32)


def places_as_embeddings(tiles):
    x, y, date = torch.from_numpy(np.ascontiguousarray(tiles)).reshape(len(tiles), 3).T
    return torch.stack([x % 97, y % 89, 11 * date], 1).requires_grad_()


def step_of(values, rule):
    limit = NodataLimit(whole_summary(WINDOW), 8)
    area = Area(WINDOW, 8, 6, limit, [limit] * (DATES - 1))
    rng = np.random.default_rng(0)
    tiles = np.unique(rng.integers(0, [600, 600, DATES], (90, 3)), axis=0)
    pool = Pool(tiles, np.eye(3, dtype=np.float32)[rng.integers(0, 3, len(tiles))])
    config = validate(VALUES | {"positive_dates": rule} | values)
    by_label, by_distance = SupervisedSampler(pool, 1.0, 3, rule), ImageSampler(area, 0, 3, 10, 25, 1.0, 3, rule)
    sampler = by_label if config.supervised else by_distance
    return make_step(config, SimpleNamespace(sampler=lambda: sampler, read=read, pools={"train": pool}))


@pytest.mark.parametrize("rule", ["same", "other", "any"])
@pytest.mark.parametrize("values", STEPS, ids=str)
def test_steps_on_tiles_of_several_dates(values, rule):
    step = step_of(values, rule)
    step.begin_epoch(1, lambda positions: places_as_embeddings(read(positions)).detach().numpy())
    batch = step.batches.task(1)()
    embed = EmbedFunctions(
        lambda batch: places_as_embeddings(batch.tiles), lambda tiles: places_as_embeddings(tiles).detach(),
        places_as_embeddings,
    )  # fmt: skip
    output = step(batch, embed)
    assert torch.isfinite(output.terms).all() and batch.positions.shape[1] == 3
    assert np.array_equal(batch.tiles[:, :, 0, 0], batch.positions), "also of tiles that mining has put in"
    pairs = output.used_pairs()
    one, other = pairs.positions[pairs.positive]
    is_index = values["loss"] == "magnetloss" and "supervised" in values
    if rule == "same" and not is_index:
        assert (one[:, 2] == other[:, 2]).all()
    if rule == "other" and values["loss"] != "magnetloss":
        assert (one[:, 2] != other[:, 2]).all()
    assert len(set(pairs.positions[:, 2].tolist())) > 1
    false_shares(pairs, lambda positions: np.zeros(len(positions), int))
    history = HardestTuples()
    history.add(output.terms.detach().numpy(), batch.positions, output.tiles_of_terms)
    assert history.tiles_by_role()[0].shape[1] == 3 or not history.positions
