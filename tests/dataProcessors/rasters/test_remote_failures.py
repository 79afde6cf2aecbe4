"""Servers that fail, refuse or are not there: tried again after pauses, or told in one line."""

import logging

import numpy as np
import pytest
from remote_for_tests import TILE, one_line, random_tiles

from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.map_file import ConnectionLostError
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader

pytestmark = pytest.mark.usefixtures("pauses")


@pytest.mark.parametrize("faults", [{"statuses": [503, 429]}, {"breaks": 3}, {"breaks": 2, "breaks_after": 30_000}])
def test_what_fails_is_tried_again_after_growing_pauses(cog, far, faults, pauses, caplog):
    reader, positions = TiffReader(far.url), random_tiles(4)
    far.behave(**faults)
    assert np.array_equal(reader.read(positions, TILE), TiffReader(cog).read(positions, TILE))
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
def test_what_a_server_refuses_is_one_line(server, cog, pauses, faults, told):
    far = server.put(cog.read_bytes(), **faults)
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


def test_a_server_that_answers_no_question_for_headers_alone(server, cog):
    far = server.put(cog.read_bytes(), takes_head=False)
    positions = random_tiles(2)
    assert np.array_equal(TiffReader(far.url).read(positions, TILE), TiffReader(cog).read(positions, TILE))
