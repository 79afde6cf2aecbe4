"""Tables of points get the embeddings of the tiles around them."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine
from maps_for_tests import CORNER, UTM32, grid_of, noise, write_map
from rasterio.warp import transform

from config import UserError
from dataProcessors.rasters.grid import Window
from dataProcessors.tiffreader import TiffReader
from inference.core.centred_tiles import tiles_around
from inference.embedding import points
from inference.embedding.points import embed_points

SIZE = 16


def lonlat_of(pixels) -> np.ndarray:
    """Longitude and latitude of places on the map, given in pixels."""
    x, y = zip(*(CORNER @ tuple(pixel) for pixel in pixels))
    return np.stack(transform(UTM32, "EPSG:4326", x, y), -1)


def write_csv(path, pixels, header="longitude,latitude,name", names=None):
    comma = max(",;\t", key=header.count)
    rows = [[f"{lon:.9f}", f"{lat:.9f}"] for lon, lat in lonlat_of(pixels)]
    rows = [comma.join([*row, f"p{number}"]) for number, row in enumerate(rows)]
    path.write_text("\n".join([header, *rows, ""]))
    return path


@pytest.fixture
def image(tmp_path) -> TiffReader:
    """A map with a corner without data."""
    mask = np.ones((70, 90), bool)
    mask[40:, :40] = False
    return TiffReader(write_map(tmp_path / "map.tif", noise((2, 70, 90)), mask=mask))


def means(tiles: np.ndarray) -> np.ndarray:
    """A network: mean of each band, and of the first pixel's bands."""
    pixels = tiles[:, :2].astype(np.float32)
    return np.concatenate([pixels.mean((2, 3)), pixels[:, :, 0, 0].mean(1)[:, None]], 1).astype(np.float32)


RUN = SimpleNamespace(config=SimpleNamespace(image_size=SIZE, output_size=3, max_nodata=0.1), embed=means)


def rows_of(path, delimiter=",") -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.mark.parametrize("size", [1, 4, 5, 16])
def test_the_place_is_in_the_middle_of_its_tile(size):
    grid, window = grid_of(100, 80), Window(10, 5, 60, 50)
    rng = np.random.default_rng(0)
    pixels = rng.uniform((0, 0), (100, 80), (300, 2))
    found = tiles_around(grid, window, lonlat_of(pixels), size)
    for (x, y), position, inside, moved in zip(pixels, found.positions, found.inside, found.moved):
        assert inside == (10 <= x < 70 and 5 <= y < 55)
        if inside:
            low, high = np.array((10, 5)), np.array((70 - size, 55 - size))
            assert (position >= low).all() and (position <= high).all()
            off = np.abs(position + size / 2 - (x, y))
            cut = ((x, y) < low + size / 2 - 0.5) | ((x, y) > high + size / 2 + 0.5)
            assert (off[~cut] <= 0.5 + 1e-6).all()
            assert moved == cut.any()


def test_longitudes_may_be_counted_from_0_or_from_minus_180():
    grid = grid_of(720, 360, "EPSG:4326", Affine(0.5, 0, 0, 0, -0.5, 90))
    found = tiles_around(grid, grid.window, np.array([(-170, 5), (190, 5), (170, 5)]), SIZE)
    assert found.inside.all()
    assert (found.positions[:, 0] + SIZE / 2).tolist() == [380, 380, 340]


def test_places_that_are_nowhere_lie_outside():
    """Where the CRS of the map is undefined, too: such a place must not spoil the others."""
    nowhere = [(np.nan, np.nan), (190, 95), (9.0, np.nan), (99, 0), (-170, -50)]
    found = tiles_around(grid_of(), grid_of().window, np.array([*nowhere, *lonlat_of([(100, 50)])]), SIZE)
    assert found.inside.tolist() == [False] * len(nowhere) + [True]
    assert not found.moved.any()
    assert found.positions[-1].tolist() == [92, 42]


@pytest.mark.parametrize("header", ["longitude,latitude,name", "lon;lat;name", "x\ty\tname"])
def test_table_of_embeddings(tmp_path, image, monkeypatch, caplog, header):
    monkeypatch.setattr(points, "max_batch", lambda size: 4)
    pixels = [(50, 30), (20, 60), (-5, 3), (2, 3), (89.5, 69.5), (45.2, 20.7), (70, 35), (60, 35), (200, 9), (44, 33)]
    source = write_csv(tmp_path / "points.csv", pixels, header)
    with caplog.at_level("INFO"):
        embed_points(RUN, image, source, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv", max(",;\t", key=header.count))
    assert list(rows[0]) == [*(header.replace(";", ",").replace("\t", ",").split(",")), "status", "e1", "e2", "e3"]
    given = rows_of(source, max(",;\t", key=header.count))
    assert [{name: row[name] for name in given[0]} for row in rows] == given
    expected = ["", "no data", "outside", "", "", "", "", "", "outside", ""]
    assert [row["status"] for row in rows] == expected
    for (x, y), row in zip(pixels, rows):
        values = [row[f"e{number}"] for number in (1, 2, 3)]
        if row["status"]:
            assert values == ["", "", ""]
            continue
        position = np.clip(np.rint(np.array([x, y]) - SIZE / 2), 0, (90 - SIZE, 70 - SIZE)).astype(int)
        alone = means(image.read(position[None], SIZE))[0]
        assert [np.float32(value) for value in values] == alone.tolist()
    assert "7 of 10 points" in caplog.text
    assert "2 lie outside the part of the map in use, 1 have too little data" in caplog.text
    assert "2 tiles reach beyond" in caplog.text


def test_rows_with_missing_cells(tmp_path, image):
    (lon, lat), *_ = lonlat_of([(60, 30)])
    (tmp_path / "p.csv").write_text(f"name,lon,lat,note\na,,\nb,{lon},{lat}\nc,{lon},{lat},x,\n")
    embed_points(RUN, image, tmp_path / "p.csv", tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [(row["name"], row["note"], row["status"]) for row in rows] == [
        ("a", "", "outside"), ("b", "", ""), ("c", "x", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "longitude,latitude\n50,9\n49,9\n",
            r"none of the 2 points lies in the part of .*map\.tif in use.*interchanged",
        ),
        ("longitude,latitude,e2\n10,49,1\n", "the column 'e2' would be there twice"),
        ("longitude,latitude,name\n10,49,a,b\n", "row 1 has 4 cells, and there are 3 columns"),
        ("longitude,name\n10,a\n", "there is no column 'latitude'"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, image, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        embed_points(RUN, image, tmp_path / "p.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_map_without_a_place_on_earth(tmp_path):
    image = TiffReader(write_map(tmp_path / "map.tif", noise((1, 40, 40)), crs=None))
    source = write_csv(tmp_path / "p.csv", [(20, 20)])
    with pytest.raises(UserError, match=r"map\.tif: The map declares no CRS"):
        embed_points(RUN, image, source, tmp_path / "out.csv")


def test_a_broken_write_leaves_nothing(tmp_path, image, monkeypatch):
    monkeypatch.setattr(points, "max_batch", lambda size: 1)
    calls = []

    def broken(tiles):
        calls.append(tiles)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return means(tiles)

    run = SimpleNamespace(config=RUN.config, embed=broken)
    with pytest.raises(KeyboardInterrupt):
        embed_points(run, image, write_csv(tmp_path / "p.csv", [(60, 30)] * 3), tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif", "p.csv"]
