"""Which pixels of a map hold data is said by that map alone, not by what the map of the training declares."""

from pathlib import Path

import numpy as np
import pytest
import torch
from inference_for_tests import write_run
from maps_for_tests import write_map

import inference
from config import validate
from dataProcessors.maps import open_maps
from dataProcessors.statistics import normalisation
from inference.core.trained_run import open_trained
from networks import Normalise
from training.runs.checkpoint import load
from training.trained import trained_network

SIZE, SIDE = 16, 96
KINDS = {  # type of the pixels, nodata of the run's map, what stands for it in the other map
    "zero of all bands": ("uint8", 0, (0, 0, 0)),
    "a value of any band": ("uint16", 7, (7, 900, 900)),
    "about a float": ("float32", -9999.0, (-9999.0, 5.0, 5.0)),
}


def pixels_of(kind: str, seed: int) -> np.ndarray:
    """Random pixels (3, SIDE, SIDE), none of which has the value that stands for no data."""
    dtype, _, _ = KINDS[kind]
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(50, 20, (3, SIDE, SIDE)).astype(dtype)
    return rng.integers(10, 250, (3, SIDE, SIDE)).astype(dtype)


def write_maps(kind: str) -> np.ndarray:
    """Write image.tif with a nodata value, and other.tif of the same kind without one. Return its pixels."""
    _, nodata, filler = KINDS[kind]
    pixels = pixels_of(kind, 0)
    pixels[:, :20, :20] = nodata
    write_map(Path("image.tif"), pixels, nodata=nodata)
    write_map(Path("labels.tif"), np.random.default_rng(1).integers(1, 4, (1, SIDE, SIDE), np.uint8))
    pixels = pixels_of(kind, 2)
    pixels[:, 2::5, 1::7] = np.array(filler)[:, None, None]
    write_map(Path("other.tif"), pixels)
    return pixels


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run_on(image: str | dict) -> Path:
    maps = {"image": image, "labels": {"fields": "labels.tif"}}
    return write_run(maps, validation_nb=20, validation_spacing=4, min_neg_dist=1, max_neg_dist=3)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_another_map_is_embedded_by_its_own_rules(here, kind):
    pixels = write_maps(kind)
    run = run_on("image.tif")
    embedded = inference.embed(run, overrides=["maps.image=other.tif"], float32=True)
    assert embedded.valid.all()
    tiles = np.stack([pixels[:, y : y + SIZE, x : x + SIZE] for x, y in embedded.tiles.positions(range(36))])
    network, everywhere = trained_network(run / "best.pt"), torch.ones(36, SIZE, SIZE)
    with torch.no_grad():
        expected = network(torch.from_numpy(tiles), everywhere).numpy()
        by_rules = network(torch.from_numpy(tiles)).numpy()
    np.testing.assert_allclose(embedded.vectors, expected, atol=1e-5)
    assert np.abs(by_rules - expected).max() > 0.01, "a program of one's own has no reader: there the rules hold"


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_scaled_as_in_training(here, kind):
    pixels = write_maps(kind)
    run = open_trained(run_on("image.tif"))
    maps = open_maps(run.config, 1)
    in_training = Normalise(*normalisation(maps.image, SIZE, maps.area))
    tile = torch.from_numpy(pixels[None])
    assert torch.equal(run.network.normalisation(tile), in_training(tile))
    assert (in_training(tile)[0, :, 2, 1] != 0).all()


def test_a_date_that_declares_none_beside_one_that_does(here):
    pixels = write_maps("zero of all bands")
    run = run_on({"2019": "other.tif", "2022": "image.tif"})
    maps = open_maps(validate(load(run / "best.pt")["config"]), 1)
    embedded = inference.embed(run, date="2019", float32=True)
    assert embedded.valid.all()
    in_training = maps.read(np.array([[0, 0, 1]]))  # of the second date, 2019, as a batch of the training has it
    assert np.array_equal(in_training[0, :3], pixels[:, :SIZE, :SIZE]) and in_training[0, 3].all()
    with torch.no_grad():
        expected = trained_network(run / "best.pt")(torch.from_numpy(in_training)).numpy()
    np.testing.assert_allclose(embedded.vectors[:1], expected, atol=1e-5)
