"""Maps that a server of this machine sends: how much is fetched, and what happens where it misbehaves."""

import itertools
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from maps_for_tests import CORNER, grid_of, noise, patches, write_map
from server_for_tests import FarFile, Server, running_server

from dataProcessors.prepared.preparation import BLOCKS
from dataProcessors.rasters import gdal_files, map_file
from dataProcessors.rasters.feature_raster import AlignedRaster, FeatureRaster
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.map_file import ChangedError, ConnectionLostError, RemoteFile
from dataProcessors.rasters.opening import MapError
from dataProcessors.rasters.remote_options import gdal_name, is_missing, is_remote, set_options
from dataProcessors.tiffreader import LabelReader, TiffReader

SIDE, BLOCK = 1024, 128  # pixels: of the map; of its blocks, some 48 kB each
START = map_file.START
TILE = 64


@pytest.fixture(scope="module")
def server():
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """The pauses that were made; they take no time."""
    made: list[float] = []
    monkeypatch.setattr(map_file.time, "sleep", made.append)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.001")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "2")
    return made


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A COG of noise, which does not compress."""
    return write_cog(tmp_path_factory.mktemp("cog") / "map.tif")


def write_cog(path: Path, seed: int = 0, **options) -> Path:
    plain = write_map(path.with_name("plain.tif"), noise((3, SIDE, SIDE), seed=seed), **options)
    rasterio.shutil.copy(plain, path, driver="COG", BLOCKSIZE=BLOCK, COMPRESS="DEFLATE", OVERVIEWS="NONE")
    return path


@pytest.fixture(scope="module")
def declaring(tmp_path_factory) -> Path:
    """A COG that declares a nodata value."""
    return write_cog(tmp_path_factory.mktemp("declaring") / "map.tif", nodata=0)


@pytest.fixture
def far(server: Server, path: Path) -> FarFile:
    return server.put(path.read_bytes())


def bytes_of_blocks(path: Path, windows) -> int:
    """The compressed bytes of the distinct blocks that windows (x, y, width, height) touch."""
    touched = set()
    for x, y, width, height in windows:
        columns, rows = (
            range(x // BLOCK, (x + width - 1) // BLOCK + 1),
            range(y // BLOCK, (y + height - 1) // BLOCK + 1),
        )
        touched |= set(itertools.product(columns, rows))
    with rasterio.open(path) as file:
        return sum(int(file.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1)) for x, y in touched)


def random_tiles(number: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, SIDE - TILE, (number, 2))


def rect_of(window: Window) -> tuple[float, float, float, float]:
    return grid_of(SIDE, SIDE).part(window).lonlat_bounds()


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message and len(message) < 600, message
    return message


# how much is fetched


def test_only_the_rectangle_is_fetched_and_only_once(path, far, tmp_path):
    window = Window(300, 200, 350, 300)
    readers = [TiffReader(each, rect=rect_of(window), cache=tmp_path / name, threads=3)
               for each, name in ((path, "near"), (far.url, "far"))]  # fmt: skip
    near, remote = readers
    sent = far.behaviour().sent
    assert sent <= 1.05 * bytes_of_blocks(path, [near.window]) + START
    assert sent < 0.4 * path.stat().st_size
    blocks = [np.load(tmp_path / name / reader.key / BLOCKS) for name, reader in zip(("near", "far"), readers)]
    assert np.array_equal(*blocks)
    far.behave(asked=[])
    assert TiffReader(far.url, rect=rect_of(window), cache=tmp_path / "far").key == remote.key
    assert far.behaviour().sent <= START  # an unchanged map is not fetched again


@pytest.mark.parametrize("number", [5, 40, 300])
def test_tiles_without_a_cache_fetch_each_block_once(path, far, number):
    reader, positions = TiffReader(far.url, threads=3), random_tiles(number)
    far.behave(asked=[])
    with ThreadPoolExecutor(2) as pool:  # as batches are read ahead
        tiles = np.concatenate(list(pool.map(lambda part: reader.read(part, TILE), np.array_split(positions, 5))))
    assert far.behaviour().sent <= 1.3 * bytes_of_blocks(path, [(*xy, TILE, TILE) for xy in positions.tolist()])
    assert np.array_equal(tiles, TiffReader(path).read(positions, TILE))


def test_a_map_that_holds_data_everywhere_is_opened_by_its_header_alone(far):
    assert TiffReader(far.url).summary.counts.sum() == SIDE * SIDE
    assert far.behaviour().sent <= START


# a server that misbehaves


@pytest.mark.parametrize("faults", [{"statuses": [503, 429]}, {"breaks": 3}, {"breaks": 2, "breaks_after": 30_000}])
def test_what_fails_is_tried_again_after_growing_pauses(path, far, faults, pauses, caplog):
    reader, positions = TiffReader(far.url), random_tiles(4)
    far.behave(**faults)
    assert np.array_equal(reader.read(positions, TILE), TiffReader(path).read(positions, TILE))
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    if "breaks" in faults:  # GDAL itself tries again after the others
        assert pauses == [1, 2, 4][: len(told)] and 0 < len(pauses) <= faults["breaks"]
        assert all("Trying again in" in each for each in told)
    else:
        assert not pauses and len(told) == 2


def test_a_server_that_stays_away_is_told_in_one_line(far, pauses):
    reader = TiffReader(far.url)
    far.behave(status=503)
    with pytest.raises(ConnectionLostError) as error:
        reader.read(random_tiles(1), TILE)
    assert "Run the same command again when the connection works" in one_line(error)
    assert pauses == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("length", [0, 1, 200, 400, 500, 560, 600, 700, 1500, 16_000])
def test_a_connection_that_breaks_in_the_header_loses_nothing_of_it(server, declaring, length):
    far = server.put(declaring.read_bytes(), breaks=1, breaks_after=length)
    source, here = ImageSource(far.url), ImageSource(declaring)
    assert (source.grid, source.nodata, source.chunk) == (here.grid, here.nodata, here.chunk)


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ({"status": 403}, "403. Give the whole URL"),
        ({"status": 404}, "404. Correct the URL"),
        ({"status": 503}, "503. Correct the URL if it is wrong, or try again later"),
        ({"takes_ranges": False}, "only whole files, and no parts of them. Download the file"),
    ],
)
def test_what_a_server_refuses_is_one_line(server, path, pauses, faults, told):
    far = server.put(path.read_bytes(), **faults)
    with pytest.raises(MapError) as error:
        TiffReader(far.url + "?token=secret")
    message = one_line(error)
    assert told in message and message.startswith(far.url) and "secret" not in message and not pauses


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/map.tif", "http://no.such.host.invalid/map.tif"])
def test_a_server_that_is_not_there_is_one_line(url, pauses):
    with pytest.raises(MapError, match=r"cannot be had from the server: .*(connect|resolve)") as error:
        TiffReader(url)
    assert one_line(error).startswith(url) and not pauses


def test_a_page_instead_of_a_map_is_one_line(server, pauses):
    far = server.put(b"<html>Not found</html>" * 2000)
    with pytest.raises(MapError, match="not recognized as being in a supported file format") as error:
        TiffReader(far.url)
    assert one_line(error) and not pauses


def test_a_map_that_is_refused_later_is_told_at_once(far, pauses):
    reader = TiffReader(far.url)
    far.behave(status=403)  # as where the signature of a URL expires
    with pytest.raises(MapError, match=r"403\. Give the whole URL"):
        reader.read(random_tiles(1), TILE)
    assert not pauses


def test_a_server_that_answers_no_question_for_headers_alone(server, path):
    far = server.put(path.read_bytes(), takes_head=False)
    positions = random_tiles(2)
    assert np.array_equal(TiffReader(far.url).read(positions, TILE), TiffReader(path).read(positions, TILE))


# files that change


@pytest.mark.parametrize("change", [{"etag": '"2"'}, {"modified": "Sat, 03 Oct 2026 10:00:01 GMT"}])
def test_a_map_that_changes_while_tiles_are_read_is_refused(far, change):
    reader = TiffReader(far.url)
    reader.read(random_tiles(3), TILE)
    far.behave(**change)
    with pytest.raises(ChangedError, match="has changed on the server since it was opened") as error:
        reader.read(random_tiles(9), TILE)
    one_line(error)


def test_a_map_that_changes_while_it_is_prepared_is_refused_and_then_read_anew(
    server, path, far, tmp_path, monkeypatch
):
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


def test_a_prepared_map_belongs_to_a_version_of_the_file_and_not_to_its_server(server, path, tmp_path):
    content = path.read_bytes()
    keys = [TiffReader(server.put(content, etag=etag).url + query).key
            for etag, query in (('"1"', ""), ('W/"1"', "?sig=secret"), ('"2"', ""))]  # fmt: skip
    assert keys[0] == keys[1] != keys[2] and "secret" not in keys[1]


def test_a_server_that_tells_no_version_is_warned_of(server, path, caplog):
    reader = TiffReader(server.put(path.read_bytes(), etag="", modified="").url)
    assert "neither ETag nor Last-Modified" in caplog.text
    reader.read(random_tiles(1), TILE)


# a map that is half fetched


def test_a_map_half_fetched_goes_on_where_it_was(path, far, tmp_path, monkeypatch):
    whole = TiffReader(path, cache=tmp_path / "whole")
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
    assert far.behaviour().sent <= 0.78 * path.stat().st_size + START < sent + path.stat().st_size
    folders = [tmp_path / name / key for name, key in (("cache", reader.key), ("whole", whole.key))]
    for name in ("blocks.npy", "counts.npy", "overview.npy"):
        assert folders[0].joinpath(name).read_bytes() == folders[1].joinpath(name).read_bytes()
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [reader.key]


# other kinds of maps and of names


def test_label_maps_and_rasters_of_features_may_be_far_away(server, path, tmp_path):
    codes = patches(SIDE // 2, SIDE // 2, np.arange(1, 5, dtype=np.uint8), 16)[None]
    place = CORNER @ CORNER.scale(2)
    labels = write_map(tmp_path / "labels.tif", codes, place=place, tiled=True, compress="deflate")
    url = server.put(labels.read_bytes(), "labels.tif").url
    image, positions = TiffReader(path), random_tiles(20)
    far, near = (LabelReader(each, "fields", image, threads=2) for each in (url, labels))
    assert np.array_equal(far.read(positions, TILE), near.read(positions, TILE))
    assert far.legend.codes == near.legend.codes
    values = [AlignedRaster(FeatureRaster(str(each)), image.grid, image.window) for each in (url, labels)]
    assert np.array_equal(*(each.read(positions, TILE) for each in values))


def test_files_of_one_map_may_be_here_and_far_away(server, tmp_path):
    pixels = noise((1, 200, 400))
    west = write_map(tmp_path / "west.tif", pixels[:, :, :250])
    east = write_map(tmp_path / "east.tif", pixels[:, :, 250:], place=CORNER @ CORNER.translation(250, 0))
    far = server.put(east.read_bytes())
    reader = TiffReader([str(west), far.url], cache=tmp_path / "cache")
    assert np.array_equal(reader.read(np.array([[150, 0]]), 200)[0], pixels[:, :, 150:350])
    far.behave(etag='"2"')
    assert TiffReader([str(west), far.url], cache=tmp_path / "cache").key != reader.key


def test_a_map_in_a_bucket_is_read_by_gdal(server, path, monkeypatch):
    far = server.put(path.read_bytes())
    host, _, bucket = far.url.removeprefix("http://").partition("/")
    for name, value in {"AWS_S3_ENDPOINT": host, "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    positions = random_tiles(3)
    tiles = TiffReader(f"s3://{bucket}").read(positions, TILE)
    assert np.array_equal(tiles, TiffReader(path).read(positions, TILE))
    assert np.array_equal(tiles, TiffReader(f"/vsis3/{bucket}").read(positions, TILE))


def test_names_of_gdal():
    assert gdal_name("https://u:p@host/a.tif?b=c") == "/vsicurl/https://u:p@host/a.tif?b=c"
    assert [gdal_name(each) for each in ("s3://b/k", "gs://b/k", "/vsis3/b/k")] == [
        "/vsis3/b/k", "/vsigs/b/k", "/vsis3/b/k",
    ]  # fmt: skip
    assert all(map(is_remote, ("HTTP://a/b", "s3://b/k", "/vsicurl/http://a", "/vsicurl?url=x", "/vsigs/b/k")))
    assert not any(map(is_remote, ("a.tif", "file:///a.tif", "/vsizip/a.zip/b.tif", "/data/a.tif")))
    assert is_missing("no.tif") and not any(map(is_missing, ("file:///a", "http://a", "/vsis3/b/k", "/vsizip/a/b")))


def test_without_credentials_a_bucket_is_asked_as_a_public_one(monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_NO_SIGN_REQUEST", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN",
                 "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "me")
        set_options("s3://b/k")
        assert "AWS_NO_SIGN_REQUEST" not in os.environ
    set_options("s3://b/k")
    assert os.environ["AWS_NO_SIGN_REQUEST"] == "YES" and "asked for as a public file" in caplog.text
    assert os.environ["GDAL_HTTP_MAX_RETRY"] == "2"  # what the user has set stays
    monkeypatch.delenv("AWS_NO_SIGN_REQUEST")


def test_a_remote_file_is_known_by_its_version(far, path):
    file, size = RemoteFile(far.url), str(path.stat().st_size)
    assert file.identity() == {
        "name": "map.tif", "size": size, "etag": '"1"', "modified": "Sat, 03 Oct 2026 10:00:00 GMT",
    }  # fmt: skip


def test_where_gdal_cannot_be_called_remote_maps_alone_are_refused_in_one_line(monkeypatch, far, path):
    monkeypatch.setitem(gdal_files.FUNCTIONS, "VSINoSuchFunction", (None, []))
    gdal_files.gdal.cache_clear()
    try:
        assert ImageSource(path).grid.width == SIDE
        with pytest.raises(MapError, match=r"with this installation of rasterio .*VSINoSuchFunction"):
            RemoteFile(far.url)
    finally:
        monkeypatch.undo()
        gdal_files.gdal.cache_clear()
