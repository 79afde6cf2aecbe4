"""The network of a run, used outside of it."""

import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.windows import Window
from runs_for_tests import MAPS, run_in_process

import main
from config import UserError
from training.runs.checkpoint import load, save
from training.trained import trained_network


def test_tiles_get_the_embeddings_that_the_run_shows_of_them(workplace, one_figure):
    """Read with rasterio, as one would read tiles of another map."""
    maps = MAPS | {"bands": [3, 1], "nodata": 1}
    folder = run_in_process("used", maps=maps, single_class_classifiers=["dt"])
    with (folder / "figures/best/tiles.csv").open(encoding="utf8") as file:
        places = [(int(row["x"]), int(row["y"])) for row in csv.DictReader(file)]
    with rasterio.open("image.tif") as image:
        tiles = np.stack([image.read(maps["bands"], window=Window(x, y, 16, 16)) for x, y in places])
    network = trained_network(folder / "best.pt")
    with torch.no_grad():
        embeddings = network(torch.from_numpy(tiles)).numpy()
    (shown,) = folder.glob("tensorboard/trained/*/best/tensors.tsv")
    np.testing.assert_allclose(embeddings, np.loadtxt(shown, delimiter="\t"), atol=1e-5)


def test_a_network_that_an_earlier_revision_saved(workplace, one_figure, capsys):
    """One value in all bands stood for no data, and lay among the weights: it is read; the run is not resumed."""
    folder = run_in_process("earlier", single_class_classifiers=["dt"])
    checkpoint = load(folder / "last.pt")
    checkpoint["network"]["normalisation.fill"] = torch.tensor(7.0)
    save(folder / "last.pt", {name: value for name, value in checkpoint.items() if name != "format"})
    network = trained_network(folder / "last.pt")
    tiles = torch.randint(10, 200, (1, 3, 16, 16), dtype=torch.uint8)
    tiles[0, :, 3:9], tiles[0, 1, 12] = 7, 7  # in all bands; in one
    valid = torch.ones(1, 16, 16)
    valid[0, 3:9] = 0
    with torch.no_grad():
        assert torch.equal(network(tiles), network(tiles, valid))
        assert not torch.equal(network(tiles), network(tiles, torch.ones(1, 16, 16)))
    assert main.main(["resume", str(folder), "epochs=9"]) == 2
    assert "earlier revision of the program" in capsys.readouterr().err


def test_what_is_no_checkpoint_is_told(workplace):
    with pytest.raises(UserError, match="there is no such checkpoint"):
        trained_network(Path("results/nowhere/best.pt"))


def test_weights_of_another_network_are_told_in_one_line(workplace, one_figure):
    folder = run_in_process("other_weights", single_class_classifiers=["dt"])
    checkpoint = load(folder / "last.pt")
    del checkpoint["network"]["head.weight"]
    save(folder / "last.pt", {name: value for name, value in checkpoint.items() if name != "format"})
    with pytest.raises(UserError, match=r"weights do not fit the network that its config describes .*train again") as e:
        trained_network(folder / "last.pt")
    assert "\n" not in str(e.value)
