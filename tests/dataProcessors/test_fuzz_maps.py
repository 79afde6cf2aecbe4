"""Random maps of all kinds, against slow loops that follow the rules pixel by pixel."""

import numpy as np
import pytest
from label_rules_for_tests import expected_names
from maps_for_tests import write_map
from random_images_for_tests import random_image
from random_labels_for_tests import SHAPE, random_labels

from config import LabelFile
from dataProcessors.label_reader import LabelReader
from dataProcessors.labels import overlap
from dataProcessors.rasters.nodata import valid_mask
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


def check_labels(folder, seed: int, image: TiffReader) -> bool:
    """One random label map, read from the file and prepared. Return whether it is one that may be read."""
    labels = random_labels(folder, np.random.default_rng([2, seed]))
    expected = expected_names(labels)
    file = LabelFile(path=str(labels.path), band=labels.band)
    message = f"seed {seed}: {labels}"
    for cache in (None, folder / "cache"):
        try:
            reader = LabelReader(file, labels.name, image, labels.hint, cache)
        except MapError as error:
            assert expected is None, f"{error}\n{message}"
            return False
        assert expected is not None, f"{message} must be refused"
        classes = reader.source.read_window(*reader.window)[0] if cache is None else whole_map(reader)[0]
        names = np.array([*reader.legend.names, *[""] * (256 - len(reader.legend))], object)[classes]
        pairs = set(zip(names.ravel(), expected.ravel()))
        assert all(got == wanted for got, wanted in pairs), f"{[p for p in pairs if p[0] != p[1]][:3]} {message}"
    return True


@pytest.fixture
def image(tmp_path_factory, monkeypatch):
    """The image whose grid label maps are brought onto; few points are enough to find out that they overlap."""
    monkeypatch.setattr(overlap, "RANDOM_POINTS", 400)
    return TiffReader(write_map(tmp_path_factory.mktemp("image") / "image.tif", np.ones((1, *SHAPE), np.uint8)))


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


def check_all_labels(tmp_path_factory, seeds: range, image: TiffReader) -> None:
    read = [check_labels(tmp_path_factory.mktemp("map"), seed, image) for seed in seeds]
    assert 0.4 < np.mean(read) < 0.9, "both readable and refused maps are drawn"


@pytest.mark.parametrize("part", range(PARTS))
def test_random_label_maps(tmp_path_factory, image, part):
    check_all_labels(tmp_path_factory, range(part, FILES, PARTS), image)


@pytest.mark.long
def test_many_random_label_maps(tmp_path_factory, image):
    check_all_labels(tmp_path_factory, range(FILES, MANY_FILES), image)
