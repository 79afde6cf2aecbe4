"""Prepared maps: when one that is there is used again, and how it is read from the disk."""

import errno
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from maps_for_tests import noise, write_map
from readers_for_tests import assert_reads, folders
from vrt_for_tests import vrt_band, vrt_mask, vrt_source, write_vrt

from dataProcessors.cache import entries
from dataProcessors.prepared import preparation, prepared_map
from dataProcessors.prepared.prepared_map import PreparedMap
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader


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


def test_a_changed_folder_is_prepared_anew(tmp_path):
    """A Zarr is a folder: what changes is a file in it, and not what GDAL opens."""
    first = write_map(tmp_path / "a.tif", noise((1, 300, 200)))
    rasterio.shutil.copy(first, tmp_path / "a.zarr", driver="Zarr")
    before = assert_reads(tmp_path / "a.zarr", tmp_path)[0]
    assert TiffReader(tmp_path / "a.zarr").key == before.key
    assert [each.is_unused for each in entries(tmp_path / "cache")] == [False]
    with rasterio.open(tmp_path / "a.zarr", "r+") as file:
        file.write(noise((1, 300, 200), seed=1))
    assert [each.is_unused for each in entries(tmp_path / "cache")] == [True]
    assert assert_reads(tmp_path / "a.zarr", tmp_path)[0].key != before.key


@pytest.mark.parametrize(
    "name", ["/vsizip/{}/maps.zip/a.tif", "/vsizip/{{{}/maps.zip}}/a.tif", "zip://{}/maps.zip!a.tif", "file://{}/a.tif"]
)
def test_a_changed_archive_is_prepared_anew(tmp_path, name):
    def pack(seed):
        with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive:
            for file in ("a.tif", "b.tif"):
                archive.write(write_map(tmp_path / file, noise((1, 300, 200), seed=seed)), file)

    pack(0)
    path = name.format(tmp_path)
    before = assert_reads(path, tmp_path)[0]
    assert TiffReader(path).key == before.key != TiffReader(path.replace("a.tif", "b.tif")).key
    assert [each.is_unused for each in entries(tmp_path / "cache")] == [False]
    pack(1)
    assert [each.is_unused for each in entries(tmp_path / "cache")] == [True]
    assert assert_reads(path, tmp_path)[0].key != before.key


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


def test_a_prepared_map_is_mapped_not_loaded(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)))
    reader = TiffReader(path, cache=tmp_path / "cache")
    opened = PreparedMap(tmp_path / "cache" / reader.key, Window(0, 0, 400, 300), reader.dtype, 3, 3)
    assert isinstance(opened.blocks, np.memmap) and opened.blocks.shape == (3, 4, 128, 128, 3)
    assert opened.window == Window(0, 0, 400, 300)


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


@pytest.mark.parametrize("is_linked", [False, True])
@pytest.mark.parametrize("changed", ["inner.tif", "masking.tif", "masked.tif.msk"])
def test_a_changed_part_of_a_vrt_is_prepared_anew(tmp_path, changed, is_linked):
    """GDAL lists neither the parts of a VRT in a VRT, nor those of masks, nor the masks beside parts."""
    shape, mask = (150, 140), np.ones((150, 140), bool)
    for name in ("inner.tif", "masking.tif"):
        write_map(tmp_path / name, noise((1, *shape)) | 1)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        write_map(tmp_path / "masked.tif", noise((1, *shape)))
        with rasterio.open(tmp_path / "masked.tif", "r+") as file:
            file.write_mask(mask)
    write_vrt(tmp_path / "inner.vrt", shape, vrt_band(1, "uint8", vrt_source("inner.tif"), vrt_mask("masking.tif")))
    rasterio.shutil.copy(tmp_path / "masked.tif", tmp_path / "masked.vrt", driver="VRT")
    outer = [write_vrt(tmp_path / "outer.vrt", shape, vrt_band(1, "uint8", vrt_source("inner.vrt")))]
    paths = [*outer, tmp_path / "inner.vrt", tmp_path / "masked.vrt"]
    if is_linked:  # parts lie beside the file that a link leads to
        (tmp_path / "links").mkdir()
        for path in paths:
            (tmp_path / "links" / path.name).symlink_to(path)
        paths = [tmp_path / "links" / path.name for path in paths]
    before = [TiffReader(path).key for path in paths]
    assert [TiffReader(path).key for path in paths] == before
    later = (tmp_path / changed).stat().st_mtime_ns + 10**9
    os.utime(tmp_path / changed, ns=(later, later))
    after = [TiffReader(path).key for path in paths]
    is_part = [changed != "masked.tif.msk"] * 2 + [changed == "masked.tif.msk"]
    assert [one != two for one, two in zip(after, before)] == is_part
