"""report.html of a run: its pictures, config, maps and facts, and how large it may be."""

import base64
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from reported_runs_for_tests import MAPS, add_figures, make_run, undrawn, write_events
from reports_for_tests import checked, image_of
from runs_for_tests import ROOT

from config import Config
from reporting.report import write_report
from reporting.report.facts import format_duration


def test_page_of_a_complete_run(tmp_path):
    folder = make_run(tmp_path / "results" / "my-run")
    write_events(
        folder, {"loss": np.linspace(1, 0.25, 100), "tiles_per_second": [80] * 100, "wait_share": [0.031] * 100}
    )
    names = ["confusion_matrix-knn", "proportions-knn", "distances", "neighbours", "umap", "umap_tiles", "umap_3d"]
    add_figures(folder, [*names, "sampled_tiles"])
    add_figures(folder, names, "last")
    (folder / "figures" / "umap-000100.png").write_bytes(b"of an older version")
    address = "https://www.openstreetmap.org/?mlat=-49.6&mlon=9.0#map=14/-49.6/9.0"
    rows = [
        "x,y,lon,lat,class,address,query",
        f"1,2,9.0,-49.6,water,{address},2",
        "1,2,9.0,49.6,ice,,1",
        "1,2,9,4,ice,,",
    ]
    (folder / "figures" / "best" / "tiles.csv").write_text("\n".join(rows) + "\n")
    path = write_report(folder)
    assert path == folder / "report.html"
    page = checked(path)
    assert "my-run" in page.text
    assert "Complete: all 100 steps." in page.text
    assert "ynthetic" not in page.text
    alternatives = [attributes["alt"] for attributes in page.all("img")]
    assert len(alternatives) == 15 + 3 + 3  # figures, scores, and what was logged
    assert "Confusion matrix of knn, best network" in alternatives
    assert "Confusion matrix of knn, last network" in alternatives
    assert "Loss: loss 1 at step 1, 0.25 at step 100." in alternatives
    (link,) = (attributes for attributes in page.all("a") if not attributes["href"].startswith("#"))
    assert link == {"href": address, "rel": "noreferrer"}
    assert "ice : 49.60000° N, 9.00000° E".replace(" :", ":") in page.text
    assert [attributes["value"] for attributes in page.all("li")] == ["1", "2"]
    assert page.row("steps per second while training (median)") == ["1.00"]
    assert page.row("tiles per second (median)") == ["80"]
    assert page.row("time waiting for data (mean)") == ["3.1%"]
    assert page.row("from the start to the last logged step") == ["1 min 50 s"]
    assert page.row("machine") == ["a machine"]
    assert page.row("command") == ["python main.py 'x y'"]
    assert page.row("fields") == ["labels.tif", "EPSG:3035", "[0, 0, 384, 384]", "real"]


@undrawn
def test_land_cover_and_searches_of_the_whole_map(tmp_path):
    folder = make_run(tmp_path / "run")
    assert "On the whole map" not in checked(write_report(folder)).text
    names = ["embedded/map-16px-0/land-cover-knn.png", *(f"searches/{number}/search.png" for number in range(13))]
    for name in names:
        (folder / name).parent.mkdir(parents=True)
        Image.new("RGB", (9, 9), "red").save(folder / name)
    (folder / "searches/2/search.png").write_bytes(b"damaged")
    page = checked(write_report(folder))
    assert "On the whole map" in page.text
    assert "Land cover by knn (embedded/map-16px-0/land-cover-knn.png)" in page.text
    assert [each["alt"] for each in page.all("img")].count("Search") == 10
    assert "searches/2/search.png cannot be read" in page.text
    assert "And 2 more in the folder of the run." in page.text


@undrawn
def test_config_shows_every_key_with_default_and_marks_what_differs(tmp_path):
    page = checked(write_report(make_run(tmp_path / "run", margin=0.75, mining=["HARD_NEGATIVE"])))
    for name, field in Config.model_fields.items():
        if name != "maps":
            assert len(page.row(name)) == 2
            assert f"{name}|{field.description}" in [cells[0] for cells in page.cells]
    assert page.row("margin") == ["*0.75*", "0.5"]
    assert page.row("norm_output") == ["true", "true"]
    assert page.row("max_neg_dist") == ["*10*", "25"]
    assert page.row("loss") == ["tripletloss", "required"]
    assert page.row("mining") == ['*["HARD_NEGATIVE"]*', "[]"]
    assert page.row("maps.labels") == ['*{"fields": "labels.tif"}*', "{}"]
    assert page.row("validation_map") == ["fields", "required"]
    assert page.row("maps.bands") == ["null", "null"]


@undrawn
def test_synthetic_maps_are_said_to_be_so(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "run.json").write_text(json.dumps({"maps": MAPS | {"fields": MAPS["fields"] | {"synthetic": True}}}))
    page = checked(write_report(folder))
    assert "Synthetic map (fields)" in page.text
    assert page.row("fields")[-1] == "*synthetic*"
    assert page.row("image")[-1] == "real"


@undrawn
def test_bands_and_what_stands_for_no_data_are_shown(tmp_path):
    folder = make_run(tmp_path / "run")
    rule = {"values": [0, None], "in_all_bands": False, "source": "nodata 0 of the file"}
    bands = {"bands": [3, 1], "band_names": ["nir", ""], "scales": [0.0001, 1], "offsets": [0, 0]}
    image = MAPS["image"] | bands | {"type": "uint16", "nodata": [rule]}
    (folder / "run.json").write_text(json.dumps({"maps": MAPS | {"image": image}}))
    page = checked(write_report(folder))
    assert page.row("3") == ["nir", "0.0001", "0"]
    assert "Bands of the image, uint16" in page.text
    assert "No data: nodata 0 of the file, in any band of a pixel." in page.text


@pytest.mark.parametrize(("seconds", "told"), [(12.4, "12 s"), (245, "4 min 05 s"), (7380, "2 h 03 min")])
def test_duration(seconds, told):
    assert format_duration(seconds) == told


def test_page_stays_small_whatever_the_pictures(tmp_path):
    folder = make_run(tmp_path / "run")
    add_figures(folder, ["sampled_tiles"], shape=(1600, 2000))  # 10 MB of noise, which is the worst there is
    add_figures(folder, [f"confusion_matrix-{i}" for i in range(6)], shape=(600, 800))
    add_figures(folder, ["distances"])
    small = (folder / "figures" / "best" / "distances.png").read_bytes()
    page = checked(write_report(folder))
    images = {attributes["alt"]: attributes for attributes in page.all("img")}
    assert base64.b64encode(small).decode() in images["Distances of tiles, best network"]["src"]  # as it is
    assert min(int(attributes["width"]) for attributes in images.values()) >= 80
    assert image_of(images["Confusion matrix of 3, best network"]).format == "WEBP"


def test_grids_are_planned_and_runs_compared_and_reported_without_torch(tmp_path):
    folder = make_run(tmp_path / "run")
    program = (
        "import sys; from pathlib import Path; import grid.making, reporting.comparison; "
        "print({'torch', 'rasterio'} & set(sys.modules)); from reporting.report import write_report; "
        "write_report(Path(sys.argv[1])); print({'torch', 'umap'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout.split(), done.returncode) == (["set()", "set()"], 0), done.stderr
