"""A run on a map of two dates, and its network on the map of each date, called as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from maps_for_tests import write_map
from runs_for_tests import losses_of, run_in_process, without_figures

import main
from config import validate
from dataProcessors.maps import open_maps
from inference.core.embedded_map import open_embedded
from training.runs.checkpoint import load
from training.trained import trained_network

DATED = {"image": {"2019": "image.tif", "2022": "later.tif"}, "labels": {"fields": "labels.tif"}}
SAME_PLACE = {"positive_dates": "other", "min_pos_dist": 0, "max_pos_dist": 0}


@pytest.fixture(scope="module")
def run(workplace_of_module) -> Path:
    """The folder of a run that is scored on the first of two dates; at the second a strip is under clouds."""
    with rasterio.open("image.tif") as file:
        pixels, place = file.read(), file.transform
    pixels = pixels[::-1] // 2 + 60
    pixels[:, :, 200:240] = 0
    write_map(Path("later.tif"), pixels, place=place, nodata=0)
    with pytest.MonkeyPatch.context() as patch:
        without_figures(patch)
        return run_in_process("dated", maps=DATED | {"validation_date": "2019"}, iterations=3, **SAME_PLACE)


def said(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main.main([*arguments]) == 0
    return capsys.readouterr().out


def test_the_run_knows_its_dates(run):
    maps = json.loads((run / "run.json").read_text())["maps"]
    assert [(name, each["date"], each["path"]) for name, each in maps.items() if "date" in each] == [
        ("image", "2019", "image.tif"), ("image 2022", "2022", "later.tif")
    ]  # fmt: skip
    assert set(load(run / "best.pt")["maps"]) == set(maps)
    page = (run / "report.html").read_text()
    assert "image of 2019, on which everything is scored" in page and "image of 2022" in page


def test_equal_seeds_give_equal_runs(run, workplace, no_figures):
    again = run_in_process("again", maps=DATED | {"validation_date": "2019"}, iterations=3, **SAME_PLACE)
    assert losses_of(again) == losses_of(run)


def test_a_map_is_embedded_at_each_date(run, workplace, capsys):
    told = said(capsys, "embed", str(run))
    assert [line.partition(":")[0] for line in told.splitlines()] == ["2019", "2022"]
    config = validate(load(run / "best.pt")["config"])
    images, network = open_maps(config, 1).images.readers, trained_network(run / "best.pt")
    for date, name in (("2019", "image"), ("2022", "later")):
        (folder,) = (run / "embedded").glob(f"{name}-{date}-16px-*")
        embedded = open_embedded(folder)
        assert (folder / "embeddings.tif").exists() and embedded.about["map"]["date"] == date
        assert embedded.valid.all() == (date == "2019")
        tiles = np.flatnonzero(embedded.valid)[::40]
        pixels = images[date].read(embedded.tiles.positions(tiles), 16)
        with torch.no_grad():
            expected = network(torch.from_numpy(pixels)).numpy()
        assert np.abs(embedded.embeddings(tiles) - expected).max() < 0.01


def test_one_date_is_chosen_and_others_are_scored_too(run, workplace, capsys):
    told = said(capsys, "classify", str(run), "--date", "2022", "--with", "knn", "-o", "land.tif")
    assert "pixel_accuracy" in told
    with rasterio.open("land.tif") as file:
        assert (file.read_masks(1)[:, 205:235] == 0).all() and file.read_masks(1)[:, :190].all()
    assert len(list((run / "embedded").glob("later-2022-*"))) == 1
    said(capsys, "embed", str(run), "-o", "all.tif")
    assert Path("all-2019.tif").exists() and Path("all-2022.tif").exists()


def test_a_date_that_is_not_there(run, workplace, capsys):
    for arguments, part in (
        (["embed", str(run), "--date", "2020"], "--date 2020: the image map has the dates 2019, 2022."),
        (["search", str(run), "--date", "2019", "maps.image=later.tif", "--at", "9", "49"], "is of no date"),
    ):
        capsys.readouterr()
        assert main.main(arguments) == 2
        message = capsys.readouterr().err
        assert part in message and message.count("\n") == 1


def test_another_image_and_a_date_that_has_moved(run, workplace, capsys):
    assert "tiles have an embedding" in said(capsys, "embed", str(run), "maps.image=later.tif")
    Path("later.tif").rename("moved.tif")
    try:
        assert "already" not in said(capsys, "embed", str(run), "--date", "2022", "maps.image.2022=moved.tif")
        for date in ("2019", "2022"):
            told = said(capsys, "classify", str(run), "--date", date, "maps.image.2022=moved.tif", "-o", f"{date}.tif")
            assert "pixel_accuracy" in told
        told = said(capsys, "classify", str(run), "maps.image=moved.tif", "-o", "by its content.tif")
        assert "pixel_accuracy" in told
        capsys.readouterr()
        assert main.main(["classify", str(run), "-o", "gone.tif"]) == 2
        assert "maps.image.2022=PATH" in capsys.readouterr().err
    finally:
        Path("moved.tif").rename("later.tif")
