"""Images as people have them, opened as a run opens them: how much is without data, and what the network's input is."""

import numpy as np
import pytest
from affine import Affine
from maps_for_tests import CORNER, UTM32, patches, write_map

from config import validate
from dataProcessors.maps import open_maps
from dataProcessors.statistics import normalisation

SIDE = 640
CLASSES = patches(SIDE, SIDE, range(5), 32).astype(int)
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[:, : SIDE * 2 // 5] = True


def values(bands: int, low: float, gain: float, noise: float = 8.0, seed: int = 1) -> np.ndarray:
    """Bands whose values follow the classes, with noise; 0 does not occur."""
    clean = np.stack([low + gain * ((CLASSES + band) % 5) for band in range(bands)])
    return clean + np.random.default_rng(seed).normal(0, noise, clean.shape).clip(1 - low)


def vrt(path, bands) -> None:
    """A mosaic of bands: (name of the type, nodata value, file, its band)."""
    inside = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{number}"><NoDataValue>{nodata}</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{file}</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource>'
        "</VRTRasterBand>"
        for number, (kind, nodata, file, band) in enumerate(bands, 1)
    )
    place = ", ".join(map(str, CORNER.to_gdal()))
    path.write_text(
        f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><SRS>{UTM32.to_string()}</SRS>'
        f"<GeoTransform>{place}</GeoTransform>{inside}</VRTDataset>"
    )


def opened(tmp_path, monkeypatch, image, **maps):
    """The maps of a run on this image and a label map of codes."""
    monkeypatch.chdir(tmp_path)
    labels = write_map(tmp_path / "labels.tif", (10 * (CLASSES[None] + 1)).astype(np.uint8), nodata=0)
    return open_maps(
        validate({"network": "test_resnet", "loss": "tripletloss", "image_size": 16, "validation_nb": 100,
                  "validation_map": "lc", "maps": {"image": str(image), "labels": {"lc": str(labels)}} | maps}), 1,
    )  # fmt: skip


def without_data(maps) -> float:
    return 1 - maps.image.summary.counts.sum() / SIDE**2


def test_a_nodata_value_of_each_band(tmp_path, monkeypatch):
    """Reflectance without data is 0, height is -32768: none of both may reach the statistics."""
    reflectance, height = values(2, 1000, 300).astype(np.int16), values(1, 500, 35, seed=4).astype(np.int16)
    reflectance[:, HOLE], height[:, HOLE] = 0, -32768
    write_map(tmp_path / "reflectance.tif", reflectance, nodata=0, photometric="MINISBLACK")
    write_map(tmp_path / "height.tif", height, nodata=-32768)
    sources = [
        ("Int16", 0, "reflectance.tif", 1),
        ("Int16", 0, "reflectance.tif", 2),
        ("Int16", -32768, "height.tif", 1),
    ]
    vrt(tmp_path / "image.vrt", sources)
    maps = opened(tmp_path, monkeypatch, tmp_path / "image.vrt")
    assert without_data(maps) == 0.4
    offset, scale = normalisation(maps.image, 16)
    kept = height[0][~HOLE]
    assert offset[2] == pytest.approx(kept.mean(), abs=3) and 1 / scale[2] == pytest.approx(kept.std(), rel=0.1)


def test_a_declared_and_a_named_value(tmp_path, monkeypatch):
    pixels = values(4, 1000, 300).astype(np.uint16)
    pixels[:, :, :128], pixels[:, :, 128:256] = 65535, 0
    path = write_map(tmp_path / "image.tif", pixels, nodata=65535, photometric="MINISBLACK")
    assert without_data(opened(tmp_path, monkeypatch, path, nodata=0)) == 0.4
    assert without_data(opened(tmp_path, monkeypatch, path)) == pytest.approx(0.2)


def test_floats_whose_tag_is_rounded(tmp_path, monkeypatch):
    pixels = values(3, 20, 35).astype(np.float32)
    pixels[:, HOLE] = np.finfo(np.float32).min
    path = write_map(tmp_path / "image.tif", pixels, nodata=-3.4e38)
    maps = opened(tmp_path, monkeypatch, path)
    assert without_data(maps) == 0.4
    assert np.abs(normalisation(maps.image, 16)[0]).max() < 200


def test_doubles_are_taken_as_floats_and_nan_is_no_data(tmp_path, monkeypatch):
    pixels = values(3, 20, 35) / 255
    pixels[:, HOLE] = np.nan
    maps = opened(tmp_path, monkeypatch, write_map(tmp_path / "image.tif", pixels))
    assert without_data(maps) == 0.4
    tile = maps.read(np.array([[300, 40]]))[0]
    assert tile.dtype == np.float32 and np.array_equal(tile, pixels[:, 40:56, 300:316].astype(np.float32))


def test_a_public_embedding_map(tmp_path, monkeypatch):
    """64 bands of int8, -128 is no data, rows from south to north: the labels lie where they belong."""
    grid = np.random.default_rng(2).normal(0, 40, (64, 20, 20)).repeat(32, 1).repeat(32, 2)
    pixels = grid.clip(-127, 127).astype(np.int8)
    pixels[:, HOLE] = -128
    northwards = Affine(10, 0, CORNER.c, 0, 10, CORNER.f - 10 * SIDE)
    path = write_map(tmp_path / "image.tif", pixels[:, ::-1], place=northwards, nodata=-128, photometric="MINISBLACK")
    maps = opened(tmp_path, monkeypatch, path)
    assert without_data(maps) == 0.4 and len(maps.image.bands) == 64
    row, column = 100, 400  # of the file, whose first row lies in the south
    tile, classes = maps.read(np.array([[column, row]]))[0], maps.read_classes(np.array([[column, row]]))[0]
    there = SIDE - 1 - np.arange(row, row + 16)
    assert np.array_equal(tile[:64], pixels[:, there, column : column + 16])
    assert np.array_equal(classes, CLASSES[there, column : column + 16])
