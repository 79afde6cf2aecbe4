"""Image maps in many files: against slow loops over all files, and what cannot be one map."""

import logging
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import CORNER, UTM32, around, at, grid_of, looked_up, noise, pieces, write_map
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from dataProcessors.rasters import alike_files, placed_image
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.image_files import image_files
from dataProcessors.rasters.image_map import open_image_map
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.mosaic import Mosaic
from dataProcessors.rasters.mosaic_grid import is_same_crs
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.rasters.opening import MapError
from dataProcessors.rasters.placed_image import interpolated
from dataProcessors.tiffreader import TiffReader

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
UTM33 = CRS.from_epsg(32633)


def whole(source) -> tuple[np.ndarray, np.ndarray]:
    """The bands (C, h, w) of a map, and where they hold data (h, w)."""
    pixels = source.read_window(*source.grid.window)
    return pixels[: len(source.bands)], valid_mask(pixels, source.has_validity)


def composed(paths, grid: Grid, **options) -> tuple[np.ndarray, np.ndarray]:
    """The bands and the mask of files on one grid, pixel by pixel the first file painted last."""
    sources = [(each, *whole(each)) for each in (ImageSource(path, **options) for path in paths)]
    first = sources[0][0]
    bands = np.full((len(first.bands), grid.height, grid.width), first.padding, first.dtype)
    valid = np.zeros((grid.height, grid.width), bool)
    for source, pixels, mask in sources[::-1]:
        to_file = ~source.grid.transform @ grid.transform
        for row, column in np.ndindex(grid.height, grid.width):
            x, y = (int(value // 1) for value in to_file @ (column + 0.5, row + 0.5))
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]:
                bands[:, row, column], valid[row, column] = pixels[:, y, x], True
    return bands, valid


def assert_same(found, expected) -> None:
    for one, other in zip(found, expected):
        assert one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


@pytest.mark.parametrize(
    ("across", "down", "dtype", "layout"),
    [(8, 5, "uint8", {}), (3, 2, "uint16", {"tiled": True, "blockxsize": 64, "blockysize": 64}),
     (2, 3, "float32", {"nodata": -1})],
)  # fmt: skip
def test_files_cut_from_a_map_are_the_map(tmp_path, across, down, dtype, layout):
    pixels = noise((3, 300, 420), dtype)
    pixels[:, 100:140, 200:290] = -1 if dtype == "float32" else 0
    one = write_map(tmp_path / "one.tif", pixels, **layout)
    pieces(tmp_path / "cut", pixels, across, down, **layout)
    readers = [TiffReader(path, cache=tmp_path / "cache", threads=2) for path in (one, tmp_path / "cut" / "*.tif")]
    alone, cut = readers
    assert (cut.grid, cut.window, cut.has_validity, cut.bands) == (
        alone.grid, alone.window, alone.has_validity, alone.bands,
    )  # fmt: skip
    folders = [tmp_path / "cache" / reader.key for reader in readers]
    assert folders[0] != folders[1]
    for name in ("blocks.npy", "counts.npy", "overview.npy"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    about, other = cut.fingerprint(), alone.fingerprint()
    assert about["content"] == other["content"] and len(about["files"]) == across * down
    assert about["bytes"] == sum(os.path.getsize(path) for path in about["files"])
    assert about["path"].endswith(f"00 00.tif and {across * down - 1} more files") and cut.key.startswith("00_00-")
    direct = TiffReader(about["files"])  # without preparing, as programs of one's own may do
    assert np.array_equal(direct.read(np.array([[3, 90]]), 200), alone.read(np.array([[3, 90]]), 200), equal_nan=True)
    assert np.array_equal(direct.overview()[0], alone.overview()[0], equal_nan=True)
    decimated = direct.source.read_decimated(Window(5, 7, 400, 290), 16)
    bands = np.where(pixels == -1, np.nan, pixels) if dtype == "float32" else pixels
    assert np.array_equal(decimated, bands[:, 7:297:16, 5:405:16], equal_nan=True)


def overlapping(folder: Path) -> list[str]:
    """Files that overlap in different ways, with nodata, an alpha band, a mask, and none; there are gaps between."""
    holes = np.random.default_rng(1).random((60, 70)) < 0.4
    values = [noise((3, 60, 70), seed=seed) for seed in range(4)]
    values[0][:, holes] = 7
    alpha = np.concatenate([values[1], np.where(holes, 255, 0)[None].astype(np.uint8)])
    files = [
        write_map(folder / "nodata.tif", values[0], nodata=7),
        write_map(folder / "alpha.tif", alpha, place=at(20, -15), colorinterp=RGBA),
        write_map(folder / "mask.tif", values[2], place=at(-30, 25), mask=np.where(holes, 0, 255).astype(np.uint8)),
        write_map(folder / "plain.tif", values[3][:, :30, :20], place=at(150, 10)),
    ]
    return [str(path) for path in files]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_the_first_file_with_data_counts(tmp_path, order):
    files = overlapping(tmp_path)
    files = [files[i] for i in order]
    mosaic = Mosaic(files)
    assert (mosaic.grid.width, mosaic.grid.height) == (200, 100)
    assert mosaic.grid.transform.almost_equals(at(-30, -15), 1e-6)
    expected = composed(files, mosaic.grid)
    assert_same(whole(mosaic), expected)
    assert mosaic.without_data == {"no file has data": (~expected[1]).sum()}
    part = mosaic.read_window(25, 30, 60, 50)
    assert np.array_equal(part[:3], expected[0][:, 30:80, 25:85]) and np.array_equal(part[3], expected[1][30:80, 25:85])
    reader = TiffReader(files, cache=tmp_path / "cache")
    assert np.array_equal(reader.read(np.array([[0, 0]]), 100)[0], mosaic.read_window(0, 0, 100, 100))
    assert TiffReader(files[::-1], cache=tmp_path / "cache").key != reader.key


def test_floats_and_a_value_that_the_config_names(tmp_path):
    values = noise((2, 40, 50), "float32"), noise((2, 40, 50), "float32", 1)
    values[0][0, :20] = np.nan
    values[0][:, :, :9] = 5
    values[1][1, 10:30, 20:40] = np.inf
    files = [str(write_map(tmp_path / f"{i}.tif", each, place=at(12 * i, 5 * i))) for i, each in enumerate(values)]
    mosaic = Mosaic(files, nodata=5)
    assert not mosaic.has_validity
    assert_same(whole(mosaic), composed(files, mosaic.grid, nodata=5))
    assert mosaic.description["nodata"] == ImageSource(files[0], nodata=5).description["nodata"]


def test_rules_on_nodata_that_hold_everywhere_are_told(tmp_path):
    files = overlapping(tmp_path)
    assert Mosaic(files).description["nodata"] == [] != Mosaic(files[:1] * 2).description["nodata"]


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


def test_what_holds_for_all_files_is_said_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    pixels = noise((4, 10, 10))
    files = [str(write_map(tmp_path / f"{i}.tif", pixels, place=at(10 * i, 0), colorinterp=RGBA)) for i in range(5)]
    Mosaic(files)
    assert [record.message.partition(":")[0] for record in caplog.records if "alpha" in record.message] == files[:1]
    assert f"{files[0]} and 4 more files: 5 files on one grid of 50 x 10 pixels of 10 x 10 in EPSG:32632" in caplog.text
    assert not logging.getLogger("dataProcessors.rasters.bands").filters


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


def test_a_crs_that_is_written_otherwise_is_the_same(tmp_path):
    pixels = noise((1, 30, 40))
    other = CRS.from_string("+proj=tmerc +lat_0=0 +lon_0=9 +k=0.9996 +x_0=500000 +y_0=0 +ellps=WGS84 +units=m")
    assert other != UTM32
    files = [str(write_map(tmp_path / f"{i}.tif", pixels, crs, at(40 * i, 0))) for i, crs in enumerate((UTM32, other))]
    assert np.array_equal(whole(Mosaic(files))[0], np.concatenate([pixels, pixels], 2))
    without = [str(write_map(tmp_path / f"x{i}.tif", pixels, None, at(40 * i, 0))) for i in range(2)]
    assert Mosaic(without).grid == Grid(None, CORNER, 80, 30)
    assert is_same_crs(None, grid_of(crs=None)) and not is_same_crs(UTM32, grid_of(crs=None))


def two_zones(folder: Path) -> list[str]:
    """Files of neighbouring zones that overlap around 12 degrees east, the second one with holes."""
    west = grid_of(90, 70, UTM32, Affine(1000, 0, 660_000, 0, -1000, 5_540_000))
    place, height, width = around(west, UTM33, 1000, (0.4, -0.1, 1.5, 0.9))
    east = noise((2, height, width), seed=2)
    east[:, 10:30, 5:60] = 0
    return [
        str(write_map(folder / "west.tif", noise((2, 70, 90)), place=west.transform)),
        str(write_map(folder / "east.tif", east, UTM33, place, nodata=0)),
    ]


def by_lookup(files, mosaic: Mosaic) -> tuple[np.ndarray, np.ndarray]:
    """As `composed`, for files in other CRSs: each file is transformed on its own."""
    bands = np.zeros((len(mosaic.bands), mosaic.grid.height, mosaic.grid.width), mosaic.dtype)
    valid = np.zeros(bands.shape[1:], bool)
    for path in files[::-1]:
        values, inside = looked_up(path, mosaic.grid)
        with rasterio.open(path) as file:
            inside &= ~(values == file.nodata).all(0) if file.nodata is not None else True
        bands[:, inside], valid[inside] = values[:, inside], True
    return bands, valid


@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:4326", "EPSG:32632", "EPSG:32633"])
def test_zones_are_warped_onto_the_grid_that_is_stated(tmp_path, crs):
    files = two_zones(tmp_path)
    mosaic = Mosaic(files, crs=crs)
    assert is_same_crs(CRS.from_string(crs), mosaic.grid)
    assert_same(whole(mosaic), by_lookup(files, mosaic))
    left, bottom, right, top = (round(value, 6) for value in rasterio.transform.array_bounds(
        mosaic.grid.height, mosaic.grid.width, mosaic.grid.transform))  # fmt: skip
    for path in files:
        with rasterio.open(path) as file:
            bounds = rasterio.warp.transform_bounds(file.crs, crs, *file.bounds)
        assert max(left - bounds[0], bottom - bounds[1], bounds[2] - right, bounds[3] - top) <= 1e-6
    if crs == "EPSG:32632":  # the first file's own: its pixels stay
        with rasterio.open(files[0]) as file:
            x, y = ~mosaic.grid.transform @ file.transform @ (0, 0)
            assert np.array_equal(mosaic.read_window(round(x), round(y), 90, 70)[:2], file.read())
    if crs == "EPSG:3035":
        assert (mosaic.grid.transform.a, mosaic.grid.transform.e) == (1000, -1000)


def test_a_single_file_and_other_resolutions_are_warped_too(tmp_path):
    pixels = noise((1, 50, 60))
    path = str(write_map(tmp_path / "a.tif", pixels))
    alone = open_image_map(path, crs="EPSG:32632")
    assert isinstance(alone, Mosaic) and np.array_equal(whole(alone)[0], pixels) and not alone.has_validity
    fine = np.kron(noise((1, 25, 30), seed=1), np.ones((5, 5), np.uint8))
    other = str(write_map(tmp_path / "b.tif", fine, place=at(60, 3) @ Affine.scale(0.2)))
    turned = str(write_map(tmp_path / "c.tif", pixels[:, ::-1], place=at(-60, 50) @ Affine.scale(1, -1)))
    mosaic = Mosaic([path, other, turned], crs="EPSG:32632")
    assert (mosaic.grid.width, mosaic.grid.height) == (150, 50)
    assert_same(whole(mosaic), composed([path, other, turned], mosaic.grid))


def test_a_coarse_grid_reads_a_fine_file_in_parts(tmp_path, monkeypatch):
    coarse = write_map(tmp_path / "a.tif", noise((1, 8, 8)), place=CORNER @ Affine.scale(40))
    fine = write_map(tmp_path / "b.tif", noise((1, 400, 300), seed=1), place=at(320, 0))
    files = [str(coarse), str(fine)]
    monkeypatch.setattr(placed_image, "MAX_SIDE", 100)
    sizes, read = [], ImageSource.read_window

    def measured(self, x, y, width, height):
        sizes.append(width * height)
        return read(self, x, y, width, height)

    mosaic = Mosaic(files, crs="EPSG:32632")
    expected = composed(files, mosaic.grid)
    monkeypatch.setattr(ImageSource, "read_window", measured)
    assert_same(whole(mosaic), expected)
    assert len(sizes) > 10 and max(sizes) <= 100 * 100


@pytest.mark.parametrize("crs", ["EPSG:99999", "nonsense", ""])
def test_a_crs_that_nobody_knows(tmp_path, crs):
    path = write_map(tmp_path / "a.tif", noise((1, 9, 9)))
    with pytest.raises(MapError, match=r"'maps\.crs' is .*, which is no CRS"):
        open_image_map(path, crs=crs)


def test_a_file_without_crs_cannot_be_warped(tmp_path):
    named, nameless = (str(write_map(tmp_path / f"{crs}.tif", noise((1, 9, 9)), crs)) for crs in (UTM32, None))
    for files in ([nameless], [named, nameless]):
        with pytest.raises(MapError, match=r"None\.tif.* (declares no CRS|is in no CRS)"):
            open_image_map(files, crs="EPSG:3035")


def test_positions_are_interpolated_only_where_that_is_exact():
    window, calls = Window(3, 5, 200, 130), []

    def saddle(x, y, strength=1e-6):  # the curvatures cancel each other in the middle of any square
        calls.append(np.size(x))
        return np.array([x + strength * (x**2 - y**2), y + 2 * strength * x * y])

    x, y = np.meshgrid(window.x + 0.5 + np.arange(200), window.y + 0.5 + np.arange(130))
    for strength, at_most in ((0, 100), (1e-6, 10_000), (1e-2, 60_000)):
        calls.clear()
        found = interpolated(partial(saddle, strength=strength), window)
        assert found.shape == (2, 130, 200) and np.abs(found - saddle(x, y, strength)).max() <= 1e-4
        assert sum(calls[:-1]) <= at_most
    undefined = interpolated(lambda x, y: np.array([np.where(x < 50, np.inf, x), y]), window)
    assert np.array_equal(undefined[0], np.where(x < 50, np.inf, x))
    assert np.allclose(interpolated(saddle, Window(4, 6, 1, 1))[:, 0, 0], saddle(4.5, 6.5), atol=1e-4)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="this system does not list open files")
@pytest.mark.parametrize("rows", [8, pytest.param(40, marks=pytest.mark.long)])
def test_of_many_files_few_are_open_and_only_those_of_a_window_are_read(tmp_path, monkeypatch, rows):
    pixels = noise((1, 8 * rows, 250))
    mosaic = Mosaic(pieces(tmp_path / "many", pixels, 25, rows))
    assert len(mosaic.files) == 25 * rows and open_files(tmp_path) <= alike_files.OPEN_FILES
    touched, read = [], ImageSource.read_window
    monkeypatch.setattr(ImageSource, "read_window", lambda self, *args: touched.append(self.path) or read(self, *args))
    assert np.array_equal(mosaic.read_window(11, 9, 18, 6), pixels[:, 9:15, 11:29])
    assert touched == [str(tmp_path / "many" / f"01 0{column}.tif") for column in (1, 2)]
    assert np.array_equal(whole(mosaic)[0], pixels)
    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(lambda top: mosaic.read_window(0, top, 250, 8), range(0, 8 * rows, 8)))
        assert open_files(tmp_path) <= 4 * alike_files.OPEN_FILES
    assert np.array_equal(np.concatenate(parts, 1), pixels)


def open_files(folder: Path) -> int:
    """How many files of a folder this process has open."""
    links = [Path("/proc/self/fd") / number for number in os.listdir("/proc/self/fd")]
    return sum(str(link.resolve()).startswith(str(folder)) for link in links)


def test_files_are_read_once_and_those_below_others_not_at_all(tmp_path, monkeypatch):
    pixels = noise((2, 300, 420))
    files = pieces(tmp_path / "cut", pixels, 4, 3)
    below = [str(write_map(tmp_path / "below.tif", pixels[:, 5:200, 9:300], place=at(9, 5)))]
    read, counted = ImageSource.read_window, Counter()

    def counting(self, x, y, width, height):
        counted[self.path] += width * height
        return read(self, x, y, width, height)

    monkeypatch.setattr(ImageSource, "read_window", counting)
    TiffReader(files + below, cache=tmp_path / "cache")
    assert set(counted) == set(files) and sum(counted.values()) == 300 * 420


def test_a_changed_file_is_prepared_anew(tmp_path):
    pixels = noise((1, 40, 40))
    files = pieces(tmp_path / "cut", pixels, 2, 2)
    before = TiffReader(files, cache=tmp_path / "cache").key
    assert TiffReader(files, cache=tmp_path / "cache").key == before
    write_map(Path(files[3]), 255 - pixels[:, 20:, 20:], place=at(20, 20))
    changed = TiffReader(files, cache=tmp_path / "cache")
    assert changed.key != before
    assert np.array_equal(changed.read(np.array([[20, 20]]), 20)[0], 255 - pixels[:, 20:, 20:])
    assert TiffReader(files, crs="EPSG:32632", cache=tmp_path / "cache").key == changed.key
    assert TiffReader(files, crs="EPSG:3035", cache=tmp_path / "cache").key != changed.key


def test_files_of_a_pattern_a_list_and_literally(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.tif", "a.tif", "c[1].tif", "sub/d.tif"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert image_files("*.tif") == ("a.tif", "b.tif", "c[1].tif")
    assert image_files("c[1].tif") == ("c[1].tif",)
    assert image_files(Path("a.tif")) == ("a.tif",)
    assert image_files(["b.tif", "*.tif", "missing.tif"]) == ("b.tif", "a.tif", "c[1].tif", "missing.tif")
    assert image_files("**/d.tif") == ("sub/d.tif",)
    assert image_files("https://somewhere/a.tif?key=[1]*") == ("https://somewhere/a.tif?key=[1]*",)
    with pytest.raises(MapError, match=r"x/\*\.tif: no file matches this pattern"):
        image_files(["a.tif", "x/*.tif"])
