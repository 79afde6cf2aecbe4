"""The verb embed, as a user calls it, on a small map of fields."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from apply_for_tests import SIZE, centre, pixels, said
from inference_for_tests import one_by_one, write_run
from runs_for_tests import MAPS, SIDE

from inference.core.embedded_map import open_embedded
from training.runs.checkpoint import load, save


def test_raster_vectors_table_and_tiles_one_by_one_are_equal(embedded, capsys):
    _, opened = write_run(MAPS)
    tiles = np.array([0, 25, 300, 575])
    positions = embedded.tiles.positions(tiles)
    expected = one_by_one(Path("results/net"), opened, positions)
    assert np.abs(embedded.embeddings(tiles) - expected).max() <= 0.5001 / 127
    with rasterio.open(embedded.folder / "embeddings.tif") as file:
        values, scale = file.read(), file.scales[0]
        assert (file.nodata, file.crs.to_epsg(), file.transform.a) == (-128, 32632, 160)
    columns, rows = (positions // SIZE).T
    assert np.array_equal(values[:, rows, columns].T, embedded.vectors[tiles])
    assert scale == embedded.scale
    places = [",".join([*centre(*each), str(tile)]) for tile, each in zip(tiles, positions.tolist())]
    Path("points.csv").write_text("\n".join(["lon,lat,tile", *places]))
    assert "The table is points-embeddings.csv" in said(capsys, "embed", "results/net", "--at", "points.csv")
    with open("points-embeddings.csv", newline="") as file:
        table = [[float(row[f"e{number}"]) for number in range(1, 9)] for row in csv.DictReader(file)]
    np.testing.assert_allclose(table, expected, atol=1e-5)


def test_where_an_option_stands_does_not_matter(embedded, capsys):
    words = ["results/net", "--stride", "48", "--float32", "maps.rect=[8.9,49,9.04,50]"]
    for order in ([0, 1, 2, 3, 4], [3, 4, 1, 2, 0], [4, 0, 3, 1, 2]):
        assert "numbers each. They are in" in said(capsys, "embed", *(words[number] for number in order))
    folders = list(Path("results/net/embedded").glob("image-48px-*"))
    assert len(folders) == 1
    part = open_embedded(folders[0])
    assert (part.about["type"], part.tiles.stride) == ("float32", 48)
    assert 0 < part.tiles.window.width < SIDE


@pytest.mark.parametrize("name", ["out/e.tif", "out/e.parquet"])
def test_a_file_for_other_programs_where_the_user_wants_it(embedded, capsys, name):
    if name.endswith("parquet"):
        parquet = pytest.importorskip("pyarrow.parquet")
    assert said(capsys, "embed", "results/net", "-o", name).strip().endswith(name)
    assert json.loads(Path(f"{name}.json").read_text())["assets"]["embeddings"]["href"] == Path(name).name
    if name.endswith("parquet"):
        stored = np.stack(parquet.read_table(name).to_pandas()["embedding"])
        assert np.array_equal(stored, embedded.vectors)
    else:
        assert np.array_equal(pixels(name), pixels(embedded.folder / "embeddings.tif"))


def test_classes_beside_the_embeddings(embedded, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    said(capsys, "embed", "results/net", "-o", "out/classes.parquet", "--classes")
    table = parquet.read_table("out/classes.parquet")
    shares = np.stack([table[name] for name in table.column_names if name.startswith("share of ")], 1)
    assert shares.shape == (len(embedded.tiles), 4)
    assert np.allclose(shares.sum(1), 1)
    assert set(table["class"].to_pylist()) <= {f"class {code}" for code in (1, 2, 3, 4)}


def test_a_network_of_a_gpu_is_used_on_a_machine_without(embedded, capsys, caplog):
    checkpoint = load(Path("results/net/best.pt"))
    Path("results/gpu").mkdir()
    checkpoint["config"] |= {"device": "cuda", "precision": "bf16", "channels_last": True}
    save(Path("results/gpu/best.pt"), checkpoint)
    said(capsys, "embed", "results/gpu/best.pt", "--stride", "100")
    assert "This machine has no cuda, on which the network was trained: cpu is used" in caplog.text
    assert list(Path("results/gpu/embedded").glob("image-100px-*/embeddings.tif"))
