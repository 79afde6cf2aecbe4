"""The picture of a search, and the folder that a search writes."""

import numpy as np
import pytest
import rasterio
from maps_for_tests import noise, patches, write_map
from matplotlib.text import Text
from PIL import Image
from searches_for_tests import embedded_image, run_of

from config import UserError
from dataProcessors.tiffreader import TiffReader
from inference.similar_places.searching import Query
from reporting.figures import Overview
from reporting.figures.search import LABEL, MAX_FOUND, Heat, Tiles, _label_places, search_picture
from reporting.search_page import make_search

NONE = Tiles(np.empty((0, 1, 1, 3), np.uint8), np.empty((0, 2)))


def texts(figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def tiles(n, seed=0, side=16) -> Tiles:
    positions = np.random.default_rng(seed).integers(0, 400, (n, 2))
    return Tiles(noise((n, side, side, 3), seed=seed), positions)


def picture(found=12, examples=1, counter_examples=0, heat=True, shape=(200, 250)):
    values = np.random.default_rng(0).normal(size=(20, 25)).astype(np.float32)
    values[:2] = np.nan
    similarity = np.linspace(0.99, 0.5, found)
    overview = Overview(noise((*shape, 3)), 2, (0, 0))
    unlike = tiles(counter_examples, 2) if counter_examples else NONE
    shown = Heat(values, (0, 500, 400, 0), "cosine") if heat else None
    return search_picture(tiles(examples, 1), unlike, tiles(found), similarity, overview, 16, shown, "title")


def test_ranks_and_similarities_are_written_below_the_tiles_and_ranks_on_the_map():
    written = texts(picture(found=3, examples=2, counter_examples=1))
    assert {"title", "1:  0.990", "2:  0.745", "3:  0.500", "found: 3", "cosine"} <= set(written)
    assert {"1", "2", "3", "example", "unlike"} <= set(written)
    assert "4" not in written


def test_of_many_tiles_the_first_are_shown():
    written = texts(picture(found=40))
    assert f"found: the first {MAX_FOUND} of 40" in written
    assert f"{MAX_FOUND}:" in " ".join(written)
    assert f"{MAX_FOUND + 1}:" not in " ".join(written)


def test_without_the_similarity_of_all_tiles_there_is_one_map():
    assert "similarity of all tiles" in texts(picture())
    assert "similarity of all tiles" not in texts(picture(heat=False))


@pytest.mark.parametrize("shape", [(40, 900), (900, 40), (10, 10)])
def test_maps_of_any_shape(shape, tmp_path):
    picture(found=1, shape=shape).savefig(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert max(image.size) < 4000


def test_a_map_without_any_similarity():
    empty = Heat(np.full((3, 4), np.nan, np.float32), (0, 4, 3, 0), "cosine")
    figure = search_picture(
        tiles(1), NONE, tiles(1), np.ones(1), Overview(noise((30, 40, 3)), 1, (0, 0)), 8, empty, "title"
    )
    assert "similarity of all tiles" in texts(figure)


def test_ranks_lie_inside_the_map_and_apart_where_there_is_room():
    centres = np.array([[5, 5], [95, 5], [5, 95], [95, 95], [50, 50], [50, 58]], float)
    places = _label_places(centres, 4, 3.0, np.zeros(2), np.full(2, 100.0))
    assert (places > 0).all()
    assert (places < 100).all()
    apart = np.abs(places[:, None] - places) * 3.0 >= LABEL
    assert apart.any(-1)[~np.eye(6, dtype=bool)].all()


def opened(folder, **options) -> TiffReader:
    pixels = patches(128, 160, np.uint8([30, 60, 90, 120, 150]), 32)
    return TiffReader(write_map(folder / "image.tif", np.stack([pixels, pixels[::-1], pixels]), **options))


FILES = ["query.json", "results.csv", "results.geojson", "search.png", "similarity.tif"]


def test_a_search_writes_all_of_its_files_at_once(tmp_path):
    image = opened(tmp_path, nodata=30)  # its tiles have a validity, those of the file none
    run, embedded = run_of(tmp_path / "run", 16), embedded_image(tmp_path / "embedded", image, 16, 8)
    fields = np.array([[x, y] for x in range(8, 160, 32) for y in range(8, 128, 32)])
    place = tuple(image.source.grid.lonlat(fields[image.nodata_share(fields, 16) == 0][:1] + 8)[0].tolist())
    tile = write_map(tmp_path / "$tile.tif", noise((3, 20, 20)))
    folder = make_search(run, embedded, image, Query((place,), tile=tile, k=4))
    assert folder.parent == tmp_path / "run" / "searches"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    with Image.open(folder / "search.png") as picture:
        assert picture.width > 1000
    assert make_search(run, embedded, image, Query((place,), tile=tile, k=4)) == folder
    assert list(folder.parent.iterdir()) == [folder]
    chosen = make_search(run, embedded, image, Query((place,), k=4), output=tmp_path / "mine")
    assert sorted(path.name for path in chosen.iterdir()) == FILES
    with pytest.raises(UserError, match="exists already"):
        make_search(run, embedded, image, Query((place,), k=4), output=chosen)


def test_a_search_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    image = opened(tmp_path)
    run, embedded = run_of(tmp_path / "run", 16), embedded_image(tmp_path / "embedded", image, 16, 8)
    place = tuple(image.source.grid.lonlat(np.array([[40.0, 40.0]]))[0].tolist())

    def fail(*arguments, **options):
        raise rasterio.errors.RasterioIOError("no space left")

    monkeypatch.setattr("inference.files.raster_file.rasterio.open", fail)
    with pytest.raises(UserError, match=r"similarity.tif: cannot be written"):
        make_search(run, embedded, image, Query((place,), k=2))
    assert not list((tmp_path / "run" / "searches").iterdir())
