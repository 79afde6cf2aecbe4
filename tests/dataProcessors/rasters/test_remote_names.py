"""Names of remote maps, and what GDAL is told to read them: buckets, credentials, its own functions."""

import logging
import os

import numpy as np
import pytest
from remote_for_tests import SIDE, TILE, random_tiles

from dataProcessors.rasters import gdal_files
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.map_file import MapFile, RemoteFile
from dataProcessors.rasters.opening import MapError, error_text
from dataProcessors.rasters.remote_options import gdal_name, is_missing, is_remote, set_options
from dataProcessors.tiffreader import TiffReader

pytestmark = pytest.mark.usefixtures("pauses")


def test_names_of_gdal():
    assert gdal_name("https://u:p@host/a.tif?b=c") == "/vsicurl/https://u:p@host/a.tif?b=c"
    assert [gdal_name(each) for each in ("s3://b/k", "gs://b/k", "/vsis3/b/k")] == [
        "/vsis3/b/k", "/vsigs/b/k", "/vsis3/b/k",
    ]  # fmt: skip
    assert all(map(is_remote, ("HTTP://a/b", "s3://b/k", "/vsicurl/http://a", "/vsicurl?url=x", "/vsigs/b/k")))
    assert not any(map(is_remote, ("a.tif", "file:///a.tif", "/vsizip/a.zip/b.tif", "/data/a.tif")))
    assert is_missing("no.tif") and not any(map(is_missing, ("file:///a", "http://a", "/vsis3/b/k", "/vsizip/a/b")))


def test_a_map_in_a_bucket_is_read_by_gdal(server, cog, monkeypatch):
    far = server.put(cog.read_bytes())
    host, _, bucket = far.url.removeprefix("http://").partition("/")
    for name, value in {"AWS_S3_ENDPOINT": host, "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    positions = random_tiles(3)
    tiles = TiffReader(f"s3://{bucket}").read(positions, TILE)
    assert np.array_equal(tiles, TiffReader(cog).read(positions, TILE))
    assert np.array_equal(tiles, TiffReader(f"/vsis3/{bucket}").read(positions, TILE))


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


def test_where_gdal_cannot_be_called_remote_maps_alone_are_refused_in_one_line(monkeypatch, far, cog):
    monkeypatch.setitem(gdal_files.FUNCTIONS, "VSINoSuchFunction", (None, []))
    gdal_files.gdal.cache_clear()
    try:
        assert ImageSource(cog).grid.width == SIDE
        with pytest.raises(MapError, match=r"with this installation of rasterio .*VSINoSuchFunction"):
            RemoteFile(far.url)
    finally:
        monkeypatch.undo()
        gdal_files.gdal.cache_clear()


def test_neither_the_name_of_a_file_nor_the_beginning_of_a_reason_holds_credentials():
    assert MapFile("/vsigzip//vsicurl/https://host/a.tif.gz?sig=se.cret").name == "a.tif.gz?sig=***"
    assert MapFile("data/a.tif?sig=1").name == "a.tif?sig=1", "a file of this machine"
    reason = error_text(OSError(f"{'x' * 150} https://me:{'secret' * 20}@host/a.tif"))
    assert reason.endswith("https://***@host/a.tif")
