"""Which files can be one map, and what is told of those that cannot."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import CORNER, UTM32, at, grid_of, noise, write_map
from mosaics_for_tests import UTM33, assert_same, composed, whole
from rasterio.crs import CRS

from dataProcessors.rasters.grid import Grid
from dataProcessors.rasters.mosaic import Mosaic
from dataProcessors.rasters.mosaic_grid import is_same_crs
from dataProcessors.rasters.opening import MapError

DIFFERENT = {
    "bands": (dict(pixels=noise((2, 20, 20))), "they differ in bands: 2 and 3"),
    "type": (dict(pixels=noise((3, 20, 20), "uint16")), "they differ in type: uint16 and uint8"),
    "resolution": (dict(place=CORNER @ Affine.scale(2)), r"has pixels of 20 x 20, and .*a\.tif of 10 x 10\. Set 'maps"),
    "half a pixel": (dict(place=at(0.5, 3)), r"lie [+-]0\.5 columns and [+-]0 rows off those of .*a\.tif"),
    "south up": (dict(place=CORNER @ Affine.scale(1, -1)), "Rows or columns of .* run in another direction"),
    "turned": (dict(place=CORNER @ Affine.rotation(20)), "Rows or columns of .* run in another direction"),
    "zone": (dict(crs=UTM33), r"b\.tif is in EPSG:32633, and .*a\.tif in EPSG:32632\. Set 'maps\.crs', such as "
             "\"EPSG:32632\", and all files are warped onto one grid"),
    "no CRS": (dict(crs=None), "b.tif is in no CRS, and"),
    "missing": (None, r"b\.tif: there is no such file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DIFFERENT)
def test_files_that_are_no_single_map_are_refused_in_one_line(tmp_path, kind):
    changes, told = DIFFERENT[kind]
    first = write_map(tmp_path / "a.tif", noise((3, 20, 20)))
    if changes is not None:
        write_map(tmp_path / "b.tif", **{"pixels": noise((3, 20, 20)), **changes})
    with pytest.raises(MapError, match=told) as caught:
        Mosaic([str(first), str(tmp_path / "b.tif")])
    assert "\n" not in str(caught.value) and "b.tif" in str(caught.value)


def test_scales_and_offsets_are_not_mixed(tmp_path):
    files = [write_map(tmp_path / f"{i}.tif", noise((1, 9, 9), "uint16"), place=at(9 * i, 0)) for i in range(2)]
    with rasterio.open(files[1], "r+") as file:
        file.offsets = [-1000]
    with pytest.raises(MapError, match=r"they differ in offset: -1000\.0 and 0\.0\. Bring them to one scale"):
        Mosaic([str(path) for path in files])


def test_palettes_and_names_of_bands_are_of_each_file(tmp_path):
    codes = noise((1, 20, 30)) % 3
    colours = [{0: (1, 2, 3), 1: (4, 5, 6), 2: (7, 8, 9)}, {0: (7, 8, 9), 1: (1, 1, 1), 2: (3, 2, 1)}]
    files = [
        str(write_map(tmp_path / f"{i}.tif", codes, place=at(30 * i, 0), colormap=each))
        for i, each in enumerate(colours)
    ]
    mosaic = Mosaic(files)
    assert_same(whole(mosaic), composed(files, mosaic.grid))
    with pytest.raises(MapError, match=r"1\.tif and .*0\.tif cannot be one map: they differ in colours of codes"):
        Mosaic(files, (1,))
    pixels = noise((2, 20, 30))
    for name, order in (("a", ("Red", "nir")), ("b", ("nir", "red")), ("c", ())):
        with rasterio.open(write_map(tmp_path / f"{name}.tif", pixels), "r+") as file:
            for band, description in enumerate(order, 1):
                file.set_band_description(band, description)
    a, b, c = (str(tmp_path / f"{name}.tif") for name in "abc")
    with pytest.raises(MapError, match=r"in names: nir, red and red, nir\. Name the bands in 'maps\.bands'"):
        Mosaic((a, b))
    assert Mosaic((a, c)).bands == (1, 2)
    with pytest.raises(MapError, match="they differ in names"):  # not seen from the first one
        Mosaic((c, a, b))
    assert np.array_equal(whole(Mosaic((b, a), ("red",)))[0], pixels[1:])


def test_a_crs_that_is_written_otherwise_is_the_same(tmp_path):
    pixels = noise((1, 30, 40))
    other = CRS.from_string("+proj=tmerc +lat_0=0 +lon_0=9 +k=0.9996 +x_0=500000 +y_0=0 +ellps=WGS84 +units=m")
    assert other != UTM32
    files = [str(write_map(tmp_path / f"{i}.tif", pixels, crs, at(40 * i, 0))) for i, crs in enumerate((UTM32, other))]
    assert np.array_equal(whole(Mosaic(files))[0], np.concatenate([pixels, pixels], 2))
    without = [str(write_map(tmp_path / f"x{i}.tif", pixels, None, at(40 * i, 0))) for i in range(2)]
    assert Mosaic(without).grid == Grid(None, CORNER, 80, 30)
    assert is_same_crs(None, grid_of(crs=None)) and not is_same_crs(UTM32, grid_of(crs=None))
