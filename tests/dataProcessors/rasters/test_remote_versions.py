"""Remote maps that change or are half fetched: no two versions are mixed, and nothing is fetched twice."""

import itertools

import numpy as np
import pytest
from remote_for_tests import START, TILE, one_line, random_tiles, write_cog

from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.map_file import ChangedError, ConnectionLostError, RemoteFile
from dataProcessors.tiffreader import TiffReader

pytestmark = pytest.mark.usefixtures("pauses")


def test_a_remote_file_is_known_by_its_version(far, cog):
    file, size = RemoteFile(far.url), str(cog.stat().st_size)
    assert file.identity() == {
        "name": "map.tif", "size": size, "etag": '"1"', "modified": "Sat, 03 Oct 2026 10:00:00 GMT",
    }  # fmt: skip


def test_a_server_that_tells_no_version_is_warned_of(server, cog, caplog):
    reader = TiffReader(server.put(cog.read_bytes(), etag="", modified="").url)
    assert "neither ETag nor Last-Modified" in caplog.text
    reader.read(random_tiles(1), TILE)


def test_a_prepared_map_belongs_to_a_version_of_the_file_and_not_to_its_server(server, cog, tmp_path):
    content = cog.read_bytes()
    keys = [TiffReader(server.put(content, etag=etag).url + query).key
            for etag, query in (('"1"', ""), ('W/"1"', "?sig=secret"), ('"2"', ""))]  # fmt: skip
    assert keys[0] == keys[1] != keys[2] and "secret" not in keys[1]


@pytest.mark.parametrize("change", [{"etag": '"2"'}, {"modified": "Sat, 03 Oct 2026 10:00:01 GMT"}])
def test_a_map_that_changes_while_tiles_are_read_is_refused(far, change):
    reader = TiffReader(far.url)
    reader.read(random_tiles(3), TILE)
    far.behave(**change)
    with pytest.raises(ChangedError, match="has changed on the server since it was opened") as error:
        reader.read(random_tiles(9), TILE)
    one_line(error)


def test_a_map_that_changes_while_it_is_prepared_is_refused_and_then_read_anew(server, cog, far, tmp_path, monkeypatch):
    other = write_cog(tmp_path / "other.tif", seed=5)
    read, calls = ImageSource.read_counted, []

    def changing(self, *window):
        calls.append(window)
        if len(calls) == 2:
            far.put(other.read_bytes())
            far.behave(etag='"2"')
        return read(self, *window)

    with monkeypatch.context() as patch:
        patch.setattr(ImageSource, "read_counted", changing)
        with pytest.raises(ChangedError):
            TiffReader(far.url, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    positions = random_tiles(5)
    now = TiffReader(far.url, cache=tmp_path / "cache").read(positions, TILE)
    assert np.array_equal(now, TiffReader(other).read(positions, TILE))


def test_a_map_half_fetched_goes_on_where_it_was(cog, far, tmp_path, monkeypatch):
    whole = TiffReader(cog, cache=tmp_path / "whole")
    read, calls = ImageSource.read_counted, itertools.count(1)

    def dies(self, *window):
        if next(calls) > 1:
            raise KeyboardInterrupt
        return read(self, *window)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ImageSource, "read_counted", dies)
        TiffReader(far.url, cache=tmp_path / "cache")  # one chunk of four
    far.behave(breaks=10**6, breaks_after=60_000)
    with pytest.raises(ConnectionLostError) as error:
        TiffReader(far.url, cache=tmp_path / "cache")
    assert "What was fetched is kept" in "".join(error.value.__notes__)
    sent = far.behaviour().sent
    far.behave(breaks=0, asked=[])
    reader = TiffReader(far.url, cache=tmp_path / "cache")
    assert far.behaviour().sent <= 0.78 * cog.stat().st_size + START < sent + cog.stat().st_size
    folders = [tmp_path / name / key for name, key in (("cache", reader.key), ("whole", whole.key))]
    for name in ("blocks.npy", "counts.npy", "overview.npy"):
        assert folders[0].joinpath(name).read_bytes() == folders[1].joinpath(name).read_bytes()
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [reader.key]
