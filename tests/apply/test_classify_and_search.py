"""The verbs classify and search, as a user calls them, on a small map of fields."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from apply_for_tests import centre, pixels, refused, said
from inference_for_tests import one_by_one, write_run
from maps_for_tests import write_map
from runs_for_tests import MAPS, UNLABELLED

LAND_COVER = ["{}.tif", "{}-confidence.tif", "{}.tif.aux.xml", "{}.json", "{}.png"]
SEARCH = ["query.json", "results.csv", "results.geojson", "search.png", "similarity.tif"]


def rows_of(folder: Path) -> list[dict]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("model", ["linear", "knn"])
def test_land_cover(embedded, capsys, model):
    text = said(capsys, "classify", "results/net", "--with", model, "--stride", "16")
    name = str(embedded.folder / f"land-cover-{model}")
    assert text.startswith(f"The map is {name}.tif")
    assert all(Path(each.format(name)).exists() for each in LAND_COVER)
    assert np.isin(pixels(f"{name}.tif"), [1, 2, 3, 4]).all()
    assert pixels(f"{name}-confidence.tif").max() <= 100
    assert said(capsys, "classify", "results/net", "-o", f"mine/{model}.tif", "--with", model) == text.replace(
        f"{name}.tif", f"mine/{model}.tif"
    )
    for each in LAND_COVER[:3]:
        assert Path(each.format(f"mine/{model}")).read_bytes() == Path(each.format(name)).read_bytes()
    assert sorted(path.name for path in Path("mine").glob(f"{model}*")) == sorted(
        each.format(model) for each in LAND_COVER
    )


def test_how_borders_become_finer_is_told(embedded, capsys, caplog):
    with caplog.at_level("INFO"):
        said(capsys, "classify", "results/net", "--with", "knn", "--stride", "16")
    assert "Each tile of 16 px is of one class; --stride 4 would give finer borders" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        said(capsys, "classify", "results/net", "--with", "knn", "--stride", "12")
    assert "finer borders" not in caplog.text


def test_shares(embedded, capsys):
    said(capsys, "classify", "results/net", "--proportions", "--with", "knn", "device=cpu", "--stride", "16")
    shares = pixels(embedded.folder / "proportions-knn.tif").astype(int)
    assert len(shares) == 4
    assert np.abs(shares.sum(0) - 100).max() <= 2
    assert not (embedded.folder / "proportions-knn.png").exists()


def test_search(embedded, capsys):
    at = ["--at", *centre(32, 64)]
    text = said(capsys, "search", "results/net", *at, "-k", "3", "--stride", "16")
    folder = Path(text.strip().removeprefix("The results are in "))
    assert folder.parent == Path("results/net/searches")
    assert sorted(path.name for path in folder.iterdir()) == SEARCH
    found = rows_of(folder)
    assert [row["rank"] for row in found] == ["1", "2", "3"]
    assert ["32", "64"] not in [[row["x"], row["y"]] for row in found]
    cosines = (
        embedded.embeddings(slice(None)) @ one_by_one(Path("results/net"), write_run(MAPS)[1], np.array([[32, 64]]))[0]
    )
    np.testing.assert_allclose(pixels(folder / "similarity.tif").ravel(), cosines, atol=0.01)
    values = [float(row["similarity"]) for row in found]
    assert values == sorted(values, reverse=True)


def test_search_of_several_places_without_one_and_of_a_file(embedded, capsys):
    with rasterio.open("image.tif") as file:
        write_map(Path("tile.tif"), file.read(window=((64, 80), (32, 48))), place=file.transform)
    near, far, unlike = centre(32, 64), centre(200, 300), centre(100, 100)
    said(capsys, "search", "results/net", "--at", *near, "--at", *far, "--not", *unlike, "-o", "found")
    asked = json.loads(Path("found/query.json").read_text())
    assert asked["query"]["at"] == [[float(each) for each in place] for place in (near, far)]
    assert (asked["positions"], asked["counter_positions"]) == ([[32, 64], [200, 300]], [[100, 100]])
    assert len(rows_of(Path("found"))) == 20
    said(capsys, "search", "results/net", "--tile", "tile.tif", "-k", "1", "-o", "as file", "--stride", "16")
    (row,) = rows_of(Path("as file"))
    assert (row["x"], row["y"]) == ("32", "64")
    assert float(row["similarity"]) > 0.99


def test_a_run_without_labels(place, capsys):
    write_run(**{"name": "plain"} | UNLABELLED)
    assert "validation_map" in refused(capsys, "classify", "results/plain")
    said(capsys, "embed", "results/plain")
    said(capsys, "search", "results/plain", "--at", *centre(32, 64), "-k", "2", "-o", "plainly")
    assert "class" not in rows_of(Path("plainly"))[0]


def test_another_map_of_the_same_kind(embedded, capsys):
    rng = np.random.default_rng(1)
    write_map(
        Path("other.tif"), rng.integers(20, 200, (3, 90, 130), np.uint8), mask=np.arange(130) < np.full((90, 1), 99)
    )
    text = said(capsys, "classify", "results/net", "maps.image=other.tif", "-o", "of other.tif")
    assert "no scores: the embedded map is not the one" in text
    classes = pixels("of other.tif")[0]
    assert (classes[:, 99:] == 255).all() and (classes[:80, :96] != 255).all()
    said(capsys, "search", "results/net", "maps.image=other.tif", "--tile", "other.tif", "-k", "1", "-o", "in other")
    assert "class" not in rows_of(Path("in other"))[0], "the label map lies elsewhere"
