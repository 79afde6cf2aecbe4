"""Searches on a small map: what is found, and the files that are written."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from affine import Affine
from inference_for_tests import one_by_one, write_run
from maps_for_tests import CORNER, UTM32, patches, write_map
from runs_for_tests import MAPS
from searches_for_tests import embedded_image, run_of, slow_choice

from config import UserError
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader
from inference.core.trained_run import open_trained
from inference.embedding.whole_map import embed_map
from inference.similar_places.files import (
    ABOUT,
    POLYGONS,
    RASTER,
    TABLE,
    results_geojson,
    search_folder,
    search_name,
    write_search,
)
from inference.similar_places.searching import Query, search
from storage import StorageError

SIZE, STRIDE = 16, 8


def opened(folder: Path, crs=UTM32, place=CORNER) -> TiffReader:
    """A map of square fields, each of one of six colours."""
    pixels = patches(128, 160, [30, 60, 90, 120, 150, 180], 32)
    return TiffReader(write_map(folder / "image.tif", np.stack([pixels, pixels[::-1], pixels]), crs, place))


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> TiffReader:
    return opened(tmp_path_factory.mktemp("map"))


@pytest.fixture(scope="module")
def embedded(image, tmp_path_factory):
    valid = np.ones(19 * 15, bool)
    valid[5:9] = False
    return embedded_image(tmp_path_factory.mktemp("run") / "embedded", image, SIZE, STRIDE, valid)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("results"), SIZE)


def place(image, x, y):
    """The centre of the tile at a position."""
    return tuple(image.source.grid.lonlat(np.array([[x + SIZE / 2, y + SIZE / 2]]))[0].tolist())


def test_what_is_found_is_what_a_slow_search_finds(image, embedded, run):
    examples, unlike = (place(image, 3, 40), place(image, 100, 9)), (place(image, 64, 64),)
    for counter_examples in ((), unlike):
        found = search(run, embedded, image, Query(examples, counter_examples, k=9))
        every = embedded.tiles.positions(np.arange(len(embedded.tiles)))
        vectors = run.embed(image.read(every, SIZE)).astype(float)
        wanted = run.embed(image.read(np.array([[3, 40], [100, 9]]), SIZE)).astype(float)
        values = -((vectors[:, None] - wanted) ** 2).sum(-1).mean(1)
        if counter_examples:
            values += ((vectors - run.embed(image.read(np.array([[64, 64]]), SIZE))) ** 2).sum(-1)
        values[~embedded.valid] = np.nan
        expected = slow_choice(np.float32(values).round(2), every, SIZE, np.array([[3, 40], [100, 9]]))
        assert np.array_equal(np.isnan(found.similarity_of_all), np.isnan(values))
        assert np.array_equal(found.positions, every[expected[:9]])
        assert found.tiles.example_positions.tolist() == [[3, 40], [100, 9]]
        assert np.allclose(found.lonlat, image.source.grid.lonlat(found.positions + SIZE / 2))


def test_a_file_is_an_example_that_excludes_no_place(image, embedded, run, tmp_path):
    path = write_map(tmp_path / "tile.tif", image.read(np.array([[8, 16]]), SIZE)[0])
    found = search(run, embedded, image, Query(tile=path, k=1))
    assert found.similarity[0] == 0
    assert np.array_equal(run.embed(image.read(found.positions, SIZE)), run.embed(found.tiles.examples[0][None]))
    both = search(run, embedded, image, Query((place(image, 8, 16),), tile=path, k=3))
    assert [tile.shape for tile in both.tiles.examples] == [(3, SIZE, SIZE)] * 2
    assert (np.abs(both.positions - [8, 16]).max(1) >= SIZE).all()


def test_with_a_network_the_similarity_is_the_cosine(workplace):
    folder, opened = write_run(MAPS, name="searched")
    run = open_trained(folder)
    found = search(run, embed_map(run, run.open_image(), 12), opened.image, Query((place(opened.image, 101, 77),), k=5))
    vectors = one_by_one(folder, opened, found.embedded.tiles.positions(np.arange(len(found.embedded.tiles))))
    cosines = vectors @ one_by_one(folder, opened, np.array([[101, 77]]))[0]
    assert found.similarity_name == "cosine"
    assert np.allclose(found.similarity_of_all, cosines, atol=0.02)  # 8 bits


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"examples": ()}, "needs an example"),
        ({"examples": ((9, 50),), "k": 0}, "must be at least 1. Got 0"),
    ],
)
def test_queries_without_sense(query, message):
    with pytest.raises(UserError, match=message):
        Query(**query)


def test_more_tiles_than_there_are(image, embedded, run):
    with pytest.raises(UserError, match=r"^500 tiles are asked for, and the embedded map gives \d+: "):
        search(run, embedded, image, Query((place(image, 3, 40),), k=500))


def test_an_embedded_map_of_another_network_or_map_is_refused(image, embedded, run, tmp_path):
    query = Query((place(image, 3, 40),))
    run = run_of(tmp_path, SIZE)
    run.digest = "1" * 64
    with pytest.raises(UserError, match=r"another network than .* made it"):
        search(run, embedded, image, query)
    other = opened(tmp_path, place=CORNER @ Affine.translation(5, 0))
    with pytest.raises(UserError, match=r"is the embedding of .*, not of "):
        search(run_of(tmp_path, SIZE), embedded, other, query)


@pytest.fixture(scope="module")
def found(image, embedded, run):
    return search(run, embedded, image, Query((place(image, 3, 40),), (place(image, 64, 64),), k=7))


def test_the_table(found, tmp_path):
    write_search(tmp_path, found)
    with (tmp_path / TABLE).open(encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rank"]) for row in rows] == list(range(1, 8))
    assert [[int(row["x"]), int(row["y"])] for row in rows] == found.positions.tolist()
    assert np.allclose([[float(row["lon"]), float(row["lat"])] for row in rows], found.lonlat, atol=1e-7)
    assert np.allclose([float(row["similarity"]) for row in rows], found.similarity, rtol=1e-6)
    assert "class" not in rows[0]


def test_the_raster_has_a_pixel_for_each_tile(found, tmp_path):
    write_search(tmp_path, found)
    grid = found.embedded.tiles
    with rasterio.open(tmp_path / RASTER) as file:
        values = file.read(1)
        assert file.dtypes == ("float32",)
        assert np.isnan(file.nodata)
        assert (file.crs, file.shape) == (UTM32, (grid.rows, grid.columns))
        assert file.profile["tiled"]
        assert file.compression.name == "deflate"
        assert not file.overviews(1)
        place_of_first = file.xy(0, 0)
    assert place_of_first == CORNER @ (SIZE / 2, SIZE / 2)
    assert np.array_equal(values.ravel(), found.similarity_of_all, equal_nan=True)
    assert np.isnan(values).sum() == 4


def test_the_query_is_written(found, tmp_path, image):
    write_search(tmp_path, found)
    about = json.loads((tmp_path / ABOUT).read_text(encoding="utf8"))
    assert about["query"] == {
        "at": [list(place(image, 3, 40))], "not": [list(place(image, 64, 64))], "tile": None, "k": 7
    }  # fmt: skip
    assert (about["positions"], about["counter_positions"]) == ([[3, 40]], [[64, 64]])
    assert about["exact"]
    assert about["network"]["sha256"] == "0" * 64


SOUTH_UP = Affine(10, 0, 600_000, 0, 10, 5_500_000)


@pytest.mark.parametrize("transform", [CORNER, SOUTH_UP, CORNER @ Affine.rotation(70)])
def test_polygons_go_counterclockwise_around_their_tiles(tmp_path, transform):
    image = opened(tmp_path, place=transform)
    run, embedded = run_of(tmp_path, SIZE), embedded_image(tmp_path / "embedded", image, SIZE, STRIDE)
    found = search(run, embedded, image, Query((place(image, 3, 40),), k=4))
    write_search(tmp_path, found)
    table = json.loads((tmp_path / POLYGONS).read_text(encoding="utf8"))
    assert table["type"] == "FeatureCollection"
    for rank, feature in enumerate(table["features"]):
        (ring,) = feature["geometry"]["coordinates"]
        lon, lat = np.array(ring).T
        assert ring[0] == ring[-1]
        assert len(ring) == 5
        assert ((lon[1:] - lon[:-1]) * (lat[1:] + lat[:-1])).sum() < 0  # counterclockwise
        assert np.allclose([lon[:-1].mean(), lat[:-1].mean()], found.lonlat[rank], atol=1e-5)
        corner = image.source.grid.lonlat(found.positions[rank : rank + 1])[0]
        assert np.abs(np.array(ring) - corner).max(1).min() < 1e-6
        assert feature["properties"] == {"rank": rank + 1, "similarity": pytest.approx(found.similarity[rank])}


def test_a_tile_on_the_antimeridian_is_no_belt_around_the_earth(tmp_path):
    image = opened(tmp_path, "EPSG:4326", Affine(0.01, 0, 179.5, 0, -0.01, 10))
    run, embedded = run_of(tmp_path, SIZE), embedded_image(tmp_path / "embedded", image, SIZE, STRIDE)
    found = search(run, embedded, image, Query((place(image, 3, 40),), k=40))
    lon = 179.5 + (found.positions[:, 0] + SIZE / 2) * 0.01
    assert (lon > 180.1).any() and np.allclose(found.lonlat[:, 0], np.where(lon > 180, lon - 360, lon))
    for feature, middle in zip(results_geojson(found)["features"], found.lonlat[:, 0]):
        east = np.array(feature["geometry"]["coordinates"][0])[:4, 0]
        assert np.ptp(east) == pytest.approx(0.16, abs=1e-6)
        assert (east.mean() - middle) / 360 == pytest.approx(round((east.mean() - middle) / 360), abs=1e-6)
        assert np.abs(east).max() <= 180 or abs(middle) > 179.9, "only those that lie on both sides of it go on"


def test_without_a_crs_there_are_no_polygons_and_no_coordinates(tmp_path):
    image = opened(tmp_path, crs=None)
    run, embedded = run_of(tmp_path, SIZE), embedded_image(tmp_path / "embedded", image, SIZE, STRIDE)
    tile = write_map(tmp_path / "tile.tif", image.read(np.array([[8, 16]]), SIZE)[0])
    write_search(tmp_path, search(run, embedded, image, Query(tile=tile, k=2)))
    with (tmp_path / TABLE).open(encoding="utf8") as file:
        assert [(row["lon"], row["lat"]) for row in csv.DictReader(file)] == [("", "")] * 2
    features = json.loads((tmp_path / POLYGONS).read_text(encoding="utf8"))["features"]
    assert [feature["geometry"] for feature in features] == [None, None]


def test_classes_where_there_is_a_label_map(image, embedded, run, tmp_path):
    classes = patches(128, 160, [1, 2, 3], 32, seed=4)[None]
    labels = LabelReader(write_map(tmp_path / "labels.tif", classes), "fields", image)
    found = search(run, embedded, image, Query((place(image, 3, 40),), k=3), labels)
    shares = labels.proportions(found.positions, SIZE)
    assert found.classes == [labels.legend.names[i] for i in shares.argmax(1)]
    write_search(tmp_path, found)
    assert (tmp_path / TABLE).read_text(encoding="utf8").splitlines()[0].endswith(",similarity,class")
    features = json.loads((tmp_path / POLYGONS).read_text(encoding="utf8"))["features"]
    assert [feature["properties"]["class"] for feature in features] == found.classes


def test_a_search_replaces_the_same_one_as_a_whole(tmp_path):
    name = search_name(Query(((9, 50),)), Path("map"))
    for content in ("first", "second"):
        with search_folder(tmp_path, name) as writing:
            (writing.temporary / f"{content}.txt").write_text(content)
    assert [path.name for path in writing.target.iterdir()] == ["second.txt"]
    with pytest.raises(ZeroDivisionError), search_folder(tmp_path, name) as writing:
        (writing.temporary / "third.txt").write_text("half of it")
        raise ZeroDivisionError
    assert [path.name for path in writing.target.iterdir()] == ["second.txt"]
    assert [path.name for path in writing.target.parent.iterdir()] == [name]


def test_a_folder_that_the_user_chose_is_not_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="exists already"), search_folder(tmp_path, "x", tmp_path / "mine"):
        pass
    with search_folder(tmp_path, "x", tmp_path / "other") as writing:
        (writing.temporary / "a.txt").write_text("a")
    assert (tmp_path / "other" / "a.txt").exists()


def test_names_say_the_place_and_differ_with_the_query():
    queries = [
        Query(((9.5, 50.25),)), Query(((9.5, 50.25),), k=3), Query(((9.5, 50.25), (9, 51))),
        Query(tile=Path("a/x.tif")), Query(((9.5, 50.25),), ((9, 51),)),
    ]  # fmt: skip
    names = [search_name(query, Path("map")) for query in queries] + [search_name(queries[0], Path("other"))]
    assert len(set(names)) == len(names)
    assert names[0].startswith("9.50000_50.25000-")
    assert names[3].startswith("x-")
    assert search_name(queries[0], Path("elsewhere/map")) == names[0]


def test_a_full_disk_is_told_before_the_raster_is_written(found, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(StorageError, match=r"similarity.tif: writing it needs up to 0.0 MB"):
        write_search(tmp_path, found)
    assert not (tmp_path / RASTER).exists()
