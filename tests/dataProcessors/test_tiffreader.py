"""Image maps as tiles, prepared and read directly, against what rasterio reads, over many kinds of GeoTIFFs."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import CORNER, corners_in, counted, noise, patches, write_map
from rasterio.enums import ColorInterp
from rasterio.windows import Window as RasterWindow

from config import UserError
from dataProcessors.prepared import preparation, prepared_map
from dataProcessors.prepared.blocks import block_pixels
from dataProcessors.prepared.prepared_map import PreparedMap
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import LabelReader, TiffReader

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


def read_by_rasterio(path, positions, size, bands=None):
    with rasterio.open(path) as file:
        return np.stack([file.read(bands, window=RasterWindow(x, y, size, size)) for x, y in positions.tolist()])


def both_ways(path, tmp_path, **options):
    return TiffReader(path, cache=tmp_path / "cache", **options), TiffReader(path, **options)


def assert_reads(path, tmp_path, expected=read_by_rasterio, sizes=(1, 37, 96), **options):
    """Prepared and direct reading give what `expected` gives for tiles all over the map; gives the two readers.

    A validity, if there is one, is left to `assert_nodata`.
    """
    readers = both_ways(path, tmp_path, **options)
    for reader in readers:
        for size in sizes:
            size = min(size, *reader.window[2:])
            positions = corners_in(reader.window, size, 12)
            tiles = reader.read(positions, size)[:, : len(reader.bands)]
            wanted = expected(path, positions, size)
            assert tiles.dtype == wanted.dtype and tiles.shape == wanted.shape
            assert np.array_equal(tiles, wanted, equal_nan=tiles.dtype.kind == "f")
    return readers


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 4, 13, 64])
def test_kinds_of_pixels(tmp_path, dtype, bands):
    path = write_map(tmp_path / "a.tif", noise((bands, 150, 300), dtype), photometric="MINISBLACK")
    reader = assert_reads(path, tmp_path)[0]
    assert (reader.width, reader.height, reader.crs.to_epsg()) == (300, 150, 32632)
    assert reader.transform == CORNER
    assert (reader.dtype, len(reader.bands)) == (dtype, bands)
    assert not reader.has_validity


TILED = {"tiled": True, "blockxsize": 256, "blockysize": 256}


@pytest.mark.parametrize("shape", [(100, 60), (128, 128), (129, 257), (300, 1000), (1000, 130)])
@pytest.mark.parametrize(
    "layout",
    [{}, {"blockysize": 7}, TILED, TILED | {"interleave": "band", "compress": "deflate"},
     TILED | {"blockxsize": 16, "blockysize": 48}],
    ids=["striped", "strips of 7", "tiled 256", "deflated bands", "tiled 16 x 48"],
)  # fmt: skip
def test_layouts_and_odd_sizes(tmp_path, shape, layout):
    path = write_map(tmp_path / "a.tif", noise((3, *shape)), **layout)
    assert_reads(path, tmp_path, sizes=(50, 200))


def test_tiles_over_many_blocks(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((2, 700, 900)), photometric="MINISBLACK")
    assert_reads(path, tmp_path, sizes=(127, 128, 129, 300, 513, 700))


def test_chunks_are_as_wide_as_a_wide_striped_map_and_many(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 1100, 4200)))
    reader = assert_reads(path, tmp_path, sizes=(96,), threads=3)[0]
    assert reader.source.chunk == (512, 4200)


def test_stripes_of_many_bytes_are_decoded_in_smaller_chunks(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((20, 260, 4200)).astype(np.float32), photometric="MINISBLACK")
    reader = assert_reads(path, tmp_path, sizes=(96,), threads=2)[0]
    assert reader.source.chunk == (128, 4200)


def test_shares_without_data_of_any_number_of_tiles(tmp_path, monkeypatch):
    pixels = noise((2, 300, 300))
    pixels[:, 100:180, :150] = 0
    reader = TiffReader(write_map(tmp_path / "a.tif", pixels, photometric="MINISBLACK"), nodata=0)
    positions = np.random.default_rng(0).integers(0, 260, (50, 2))
    expected = [(pixels[:, y : y + 40, x : x + 40] == 0).all(0).mean() for x, y in positions]
    monkeypatch.setattr("dataProcessors.tiffreader.MAX_BATCH_BYTES", 40 * 40 * 4 * 7)  # 7 tiles
    assert np.allclose(reader.nodata_share(positions, 40), expected)
    assert reader.nodata_share(positions[:0], 40).shape == (0,)


def test_chosen_bands(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((5, 140, 140)), photometric="MINISBLACK")
    for bands in ((3,), (5, 1, 2)):
        reader = assert_reads(path, tmp_path, lambda *a, b=bands: read_by_rasterio(*a, list(b)), bands=bands)[0]
        assert reader.bands == bands
    with pytest.raises(MapError, match="has band 6, but the file has bands 1 to 5"):
        TiffReader(path, bands=(1, 6))


def test_a_rectangle_of_the_map(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 700, 800)))
    west, south, east, north = TiffReader(path).grid.lonlat_bounds()
    rect = (west + 0.3 * (east - west), south + 0.2 * (north - south), east - 0.1 * (east - west), north)
    reader = assert_reads(path, tmp_path, rect=rect)[0]
    x, y, width, height = reader.window
    assert 220 < x < 260 and 460 < width < 500 and y < 10 and 530 < height < 570
    assert 0 <= x - reader.summary.window.x < 128  # positions count from the image's corner, blocks from one near
    for outside in ((x - 1, y), (x + width - 49, y), (x, y + height - 49)):
        with pytest.raises(ValueError, match="not inside"):
            reader.read(np.array([outside]), 50)


@pytest.mark.parametrize(
    "place",
    [Affine(10, 0, 600_000, 0, 10, 5_490_000),
     Affine.translation(600_000, 5_500_000) @ Affine.rotation(30) @ Affine.scale(10, -10)],
    ids=["south-up", "rotated"],
)  # fmt: skip
def test_transforms_leave_the_pixels_alone(tmp_path, place):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 300)), place=place)
    bounds = TiffReader(path).grid.lonlat_bounds()
    middle = [(2 * low + high) / 3 for low, high in zip(bounds[:2], bounds[2:])]
    reader = assert_reads(path, tmp_path, rect=(*middle, *bounds[2:]))[0]
    assert 100 < reader.window.width < 300


# nodata: what stands for no data, and where


def filled(bands=3, dtype="uint8", value=0, seed=3):
    """Pixels with rectangles and single pixels of one value in all bands, others with it in one band, and where."""
    pixels = noise((bands, 300, 400), dtype, seed)
    pixels[pixels == value] = 1
    nothing = patches(300, 400, [True, False, False], 60, seed) | (noise((300, 400), seed=seed) == 9)
    pixels[0, 200:230] = value  # one band alone
    pixels[:, nothing] = value
    return pixels, nothing


def cut(pixels, nothing):
    """A function that gives tiles of pixels that hold 0, or NaN, where there is nothing."""
    kept = np.where(nothing, np.nan if pixels.dtype.kind == "f" else 0, pixels).astype(pixels.dtype)

    def expected(path, positions, size):
        return np.stack([kept[:, y : y + size, x : x + size] for x, y in positions.tolist()])

    return expected


def assert_nodata(readers, nothing):
    """Tiles are marked exactly where `nothing` is set, and summary and shares say so."""
    prepared, direct = readers
    for reader in readers:
        positions = corners_in(reader.window, 50, 20)
        marked = ~valid_mask(reader.read(positions, 50), reader.has_validity)
        assert np.array_equal(marked, [nothing[y : y + 50, x : x + 50] for x, y in positions.tolist()])
        wanted = np.array([nothing[y : y + 50, x : x + 50].mean() for x, y in positions.tolist()])
        assert np.allclose(reader.nodata_share(positions, 50), wanted, atol=1e-12)
    assert prepared.summary.exact and not direct.summary.exact
    assert np.array_equal(prepared.summary.counts[0], counted(~nothing))
    assert np.abs(direct.summary.counts[0].astype(int) - counted(~nothing)).max() < 0.15 * 128**2  # every 16th pixel
    assert (direct.summary.counts[0] <= block_pixels(direct.summary.window)).all()


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 0), ("int16", -9999), ("uint16", 65534)])
@pytest.mark.parametrize("bands", [2, 4])
def test_declared_nodata(tmp_path, dtype, value, bands):
    """A shared 0 of an unsigned type must be in all bands; any other value in one."""
    pixels, nothing = filled(bands, dtype, value)
    nothing[200:230] |= value != 0
    path = write_map(tmp_path / "a.tif", pixels, nodata=value, photometric="MINISBLACK")
    assert_nodata(assert_reads(path, tmp_path, cut(pixels, nothing)), nothing)


def test_nodata_that_the_config_names(tmp_path):
    pixels, nothing = filled(value=7)
    nothing[200:230] = True
    path = write_map(tmp_path / "a.tif", pixels)
    assert_nodata(assert_reads(path, tmp_path, cut(pixels, nothing), nodata=7), nothing)
    assert not TiffReader(path).has_validity
    with pytest.raises(MapError, match=r"'maps\.nodata' is 300, but pixels of type uint8"):
        TiffReader(path, nodata=300)


def test_float_nodata_nan_and_infinity(tmp_path):
    pixels, nothing = noise((2, 300, 400), "float32"), patches(300, 400, [0, 0, 1, 2, 3], 40)
    for kind, value in enumerate((np.nan, np.inf, -9999), 1):
        pixels[:, nothing == kind] = value
    pixels[1, 5, 5] = np.nan  # of one band alone: no data either
    path = write_map(tmp_path / "a.tif", pixels, nodata=-9999)
    nothing[5, 5] = 1
    assert_nodata(assert_reads(path, tmp_path, cut(pixels, nothing > 0)), nothing > 0)


def test_internal_mask_and_alpha_band(tmp_path):
    pixels, there = noise((3, 300, 400)), ~patches(300, 400, [True, False, False], 60)
    pixels[:, 30:50] = 0  # a value like any other
    masked = write_map(tmp_path / "mask.tif", pixels, mask=there)
    with_alpha = np.concatenate([pixels, 255 * there[None].astype(np.uint8)])
    alpha = write_map(tmp_path / "alpha.tif", with_alpha, photometric="RGB", colorinterp=RGBA)
    for path in (masked, alpha):
        readers = assert_reads(path, tmp_path, cut(pixels, ~there))
        assert_nodata(readers, ~there)
        assert readers[0].bands == (1, 2, 3)


def test_an_alpha_band_named_in_bands_is_data(tmp_path, caplog):
    """Near infrared as fourth of four bands is called alpha by many programs."""
    path = write_map(tmp_path / "a.tif", noise((4, 150, 150)), photometric="RGB", colorinterp=RGBA)
    assert TiffReader(path).bands == (1, 2, 3)
    assert "band 4 is read as alpha" in caplog.text
    reader = assert_reads(path, tmp_path, bands=(1, 2, 3, 4))[0]
    assert not reader.has_validity


@pytest.mark.parametrize("nodata", [-9999, 256, float("nan"), 0.5])
def test_a_declared_nodata_that_pixels_cannot_have_is_none(tmp_path, nodata):
    """GDAL itself refuses to write most of them; files of other programs have them all the same."""
    path = write_map(tmp_path / "a.tif", noise((1, 130, 130)))
    Path(f"{path}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><NoDataValue>{nodata}</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    assert not ImageSource(path).has_validity


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_a_whole_map_is_prepared_without_validity(tmp_path, dtype):
    """It declares a nodata value that no pixel holds; direct reading cannot know."""
    pixels = noise((3, 300, 400), dtype)
    pixels[pixels == 7] = 8
    prepared, direct = assert_reads(write_map(tmp_path / "a.tif", pixels, nodata=7), tmp_path)
    assert (prepared.has_validity, direct.has_validity) == (False, True)
    assert_nodata((prepared, direct), np.zeros((300, 400), bool))
    assert np.array_equal(prepared.overview()[0], pixels)


@pytest.mark.parametrize("shape", [(300, 300), (257, 1000), (128, 129), (97, 130)])
def test_an_estimated_summary_of_a_map_full_of_data_is_exact(tmp_path, shape):
    path = write_map(tmp_path / "image.tif", noise((1, *shape)) | 1, nodata=0)
    readers = both_ways(path, tmp_path)
    assert all(reader.summary.counts.sum() == shape[0] * shape[1] for reader in readers)
    labels = LabelReader(write_map(tmp_path / "labels.tif", noise((1, *shape)) % 3), "land", readers[0])
    assert labels.classes.labelled == pytest.approx(1, abs=0.001)


def test_summary_of_a_map_full_of_data(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 200)))
    for reader in both_ways(path, tmp_path):
        assert np.array_equal(reader.summary.counts, [[[128**2, 72 * 128], [128**2, 72 * 128], [44 * 128, 44 * 72]]])
        assert (reader.nodata_share(corners_in(reader.window, 50, 5), 50) == 0).all()


# what cannot be used


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_pixels_are_refused_with_the_reason(tmp_path, dtype):
    path = write_map(tmp_path / "a.tif", np.ones((1, 50, 50), dtype))
    with pytest.raises(MapError, match=r"complex numbers.* gdal_calc\.py"):
        TiffReader(path)


def test_files_that_are_no_maps(tmp_path):
    with pytest.raises(MapError, match="no such file"):
        TiffReader(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("no raster")
    for path in (tmp_path / "text.tif", tmp_path):
        with pytest.raises(MapError, match="cannot be opened as a raster"):
            TiffReader(path)


def test_a_url_stays_a_url(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 60, 60)))
    reader = TiffReader(f"file://{path}")
    assert np.array_equal(reader.read(np.array([[3, 4]]), 20), read_by_rasterio(path, np.array([[3, 4]]), 20))
    assert reader.fingerprint()["path"] == f"file://{path}"


# preparation


def folders(cache):
    return sorted(entry.name for entry in Path(cache).iterdir())


def test_a_map_is_prepared_once(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 200)))
    first = TiffReader(path, cache=tmp_path / "cache")
    monkeypatch.setattr(preparation.Preparation, "run", lambda *_: pytest.fail("it is there already"))
    assert TiffReader(path, cache=tmp_path / "cache").key == first.key
    assert folders(tmp_path / "cache") == [first.key]


def test_a_changed_file_is_prepared_anew(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 200)))
    before = TiffReader(path, cache=tmp_path / "cache")
    modified = path.stat().st_mtime_ns + 10**9
    write_map(path, noise((3, 300, 200), seed=1))
    os.utime(path, ns=(modified, modified))
    after = assert_reads(path, tmp_path)[0]
    assert after.key != before.key and len(folders(tmp_path / "cache")) == 2


def test_what_is_read_otherwise_is_prepared_otherwise(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 200)))
    bounds = TiffReader(path).grid.lonlat_bounds()
    middle = [(low + high) / 2 for low, high in zip(bounds[:2], bounds[2:])]
    ways = [{}, {"bands": (2, 1)}, {"nodata": 0}, {"rect": (*middle, *bounds[2:])}]
    assert len({TiffReader(path, **way).key for way in ways}) == 4


def test_another_palette_is_prepared_otherwise(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 300, 200)))
    keys = set()
    for red in (1, 2):
        table = f'<ColorInterp>Palette</ColorInterp><ColorTable><Entry c1="{red}" c2="0" c3="0" c4="255"/></ColorTable>'
        band = f'<PAMDataset><PAMRasterBand band="1">{table}</PAMRasterBand></PAMDataset>'
        Path(f"{path}.aux.xml").write_text(band)
        assert len(TiffReader(path).bands) == 3
        keys.add(TiffReader(path).key)
    assert len(keys) == 2


def test_what_a_file_beside_a_map_says_of_it_counts(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 300, 200)))
    before = TiffReader(path, cache=tmp_path / "cache")
    band = '<PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand>'
    Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
    after = TiffReader(path, cache=tmp_path / "cache")
    assert (before.has_validity, after.has_validity) == (False, True)
    assert before.key != after.key
    assert (
        after.summary.counts.sum()
        == (before.read([[0, 0]], 200) != 7).sum()
        + (before.read([[0, 200]], 100) != 7).sum()
        + (before.read([[100, 200]], 100) != 7).sum()
    )


def test_a_prepared_map_is_kept_where_the_system_cannot_open_it_now(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((1, 300, 200)))
    key = TiffReader(path, cache=tmp_path / "cache").key

    def refused(*arguments, **keywords):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(np, "load", refused)
        with pytest.raises(MapError, match=r"cannot be opened: .*Cannot allocate memory"):
            TiffReader(path, cache=tmp_path / "cache")
    monkeypatch.setattr(preparation.Preparation, "run", lambda *_: pytest.fail("it is there already"))
    assert TiffReader(path, cache=tmp_path / "cache").key == key


def test_an_interrupted_preparation_leaves_nothing(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((1, 1100, 4200)))  # several chunks
    read, calls = ImageSource.read_window, []

    def interrupted(self, *window):
        calls.append(window)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return read(self, *window)

    monkeypatch.setattr(ImageSource, "read_window", interrupted)
    with pytest.raises(KeyboardInterrupt):
        TiffReader(path, cache=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []
    monkeypatch.undo()
    assert_reads(path, tmp_path, sizes=(96,))


def test_a_damaged_source_is_found_in_the_preparation(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 600, 600)), **TILED, compress="deflate")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = bytes(5000)
    path.write_bytes(content)
    with pytest.raises(MapError, match="cannot be read"):
        TiffReader(path, cache=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []


def test_two_that_prepare_the_same_map_both_end_well(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)))
    together, renamed = threading.Barrier(2, timeout=20), prepared_map.rename_folder
    monkeypatch.setattr(prepared_map, "rename_folder", lambda *a: together.wait() + renamed(*a))  # both come to the end

    def prepare(_):
        return TiffReader(path, cache=tmp_path / "cache").read(np.array([[200, 150]]), 96)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(prepare, range(2)))
    expected = read_by_rasterio(path, np.array([[200, 150]]), 96)
    assert all(np.array_equal(tiles, expected) for tiles in found)
    assert len(folders(tmp_path / "cache")) == 1


def test_a_full_disk_is_told_before_it_is_written(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)))
    monkeypatch.setattr(preparation.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(MapError, match=r"needs 0\.00 GB, 0\.00 GB are free"):
        TiffReader(path, cache=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []


def test_a_prepared_map_is_mapped_not_loaded(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)))
    reader = TiffReader(path, cache=tmp_path / "cache")
    opened = PreparedMap(tmp_path / "cache" / reader.key, Window(0, 0, 400, 300), reader.dtype, 3, 3)
    assert isinstance(opened.blocks, np.memmap) and opened.blocks.shape == (3, 4, 128, 128, 3)
    assert opened.window == Window(0, 0, 400, 300)


def test_many_threads_read_one_map(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)), **TILED)
    for reader in both_ways(path, tmp_path):
        positions = corners_in(reader.window, 40, 30)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(reader.read, [positions] * 8, [40] * 8))
        assert all(np.array_equal(tiles, read_by_rasterio(path, positions, 40)) for tiles in found)


def test_overview_and_no_tiles(tmp_path):
    pixels = noise((3, 300, 3100))
    path = write_map(tmp_path / "a.tif", pixels)
    reader = TiffReader(path, cache=tmp_path / "cache")
    picture, step, corner = reader.overview()
    assert (step, tuple(corner)) == (4, (0, 0))
    assert np.array_equal(picture, pixels[:, ::4, ::4])
    direct, *same = TiffReader(path).overview()
    assert direct.shape == picture.shape and same == [4, corner]
    assert reader.read(np.empty((0, 2), int), 30).shape == (0, 3, 30, 30)
    assert isinstance(MapError("x"), UserError)


@pytest.mark.skipif(not prepared_map.CAN_PREFETCH, reason="this system does not tell what was read from disks")
def test_blocks_are_announced_only_while_tiles_come_from_the_disk(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)))
    plain = TiffReader(path)
    reader = TiffReader(path, cache=tmp_path / "cache")
    announced, read = [], iter([0, 5, 5, 5, 5, 5, 5, 9])  # units read from disks before and after each batch
    monkeypatch.setattr(prepared_map, "_disk_reads", lambda: next(read))
    monkeypatch.setattr(os, "posix_fadvise", lambda file, start, length, advice: announced.append((start, length)))
    positions, calls = np.array([[0, 0], [100, 100]]), []
    for _ in range(4):
        np.testing.assert_array_equal(reader.read(positions, 64), plain.read(positions, 64))
        calls.append(len(announced))
    assert calls == [3, 6, 6, 6], "one place for the first tile, two for the second; then memory has it all"
