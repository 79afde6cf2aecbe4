"""Random maps of all kinds, against slow loops that follow the rules pixel by pixel."""

import numpy as np
import pytest
from random_images_for_tests import random_image

from dataProcessors.prepared.blocks import valid_mask
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader

FILES, MANY_FILES, PARTS = 250, 10_000, 5


def check_image(folder, seed: int) -> None:
    """One random image, read from the file and prepared."""
    image = random_image(folder, np.random.default_rng([1, seed]))
    pixels, valid = image.expected()
    for cache in (None, folder / "cache"):
        reader = TiffReader(image.path, bands=image.bands, nodata=image.named, cache=cache)
        whole = reader.source.read_window(*reader.window) if cache is None else whole_map(reader)
        has_validity = reader.source.has_validity if cache is None else reader.has_validity
        message = f"seed {seed}: {image.path.name}, bands {image.bands}, nodata {image.nodata} and {image.named}"
        assert np.array_equal(valid_mask(whole, has_validity), valid), message
        bands = whole[: len(pixels)]
        assert np.array_equal(bands[:, valid], pixels.astype(whole.dtype)[:, valid]), message
        if cache is not None:
            assert reader.summary.counts.sum() == valid.sum(), message


def whole_map(reader: TiffReader) -> np.ndarray:
    """The prepared map, put together from tiles of one pixel."""
    _, _, width, height = reader.window
    positions = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2)
    tiles = reader.read(positions, 1)[:, :, 0, 0]
    return tiles.T.reshape(-1, height, width)


def check_all(tmp_path_factory, seeds: range) -> None:
    for seed in seeds:
        folder = tmp_path_factory.mktemp("map")
        try:
            check_image(folder, seed)
        except MapError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("part", range(PARTS))
def test_random_images(tmp_path_factory, part):
    check_all(tmp_path_factory, range(part, FILES, PARTS))


@pytest.mark.long
def test_many_random_images(tmp_path_factory):
    check_all(tmp_path_factory, range(FILES, MANY_FILES))
