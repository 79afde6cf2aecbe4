"""Which of a map's many files are named, opened, read and prepared anew."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from maps_for_tests import at, noise, pieces, write_map
from mosaics_for_tests import whole

from dataProcessors.rasters import alike_files
from dataProcessors.rasters.image_files import image_files
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.mosaic import Mosaic
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader


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


def open_files(folder: Path) -> int:
    """How many files of a folder this process has open."""
    links = [Path("/proc/self/fd") / number for number in os.listdir("/proc/self/fd")]
    return sum(str(link.resolve()).startswith(str(folder)) for link in links)


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
