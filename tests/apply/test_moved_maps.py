"""The verbs after the maps of a run were moved: these are known by their content; what is missing is told at once."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from apply_for_tests import centre, pixels, refused, said
from inference_for_tests import write_run
from maps_for_tests import write_map
from runs_for_tests import MAPS, SIDE

from config.reading import load
from inference.core.embedded_map import open_embedded
from training.runs.folder import log_resume

NEW = {"image": "new/place.tif", "labels": "new/labels.tif"}
IMAGE, LABELS = f"maps.image={NEW['image']}", f"maps.labels.fields={NEW['labels']}"
PART, RUNS_PART = "[9.002,49.62,9.03,49.645]", [9.0, 49.62, 9.04, 49.66]  # west, south, east, north


@pytest.fixture
def here(map_folder, tmp_path, monkeypatch):
    """A working folder with copies of the maps of fields, in which searches draw no picture."""
    monkeypatch.setattr("reporting.search_page.write_picture", lambda folder, search: None)
    for name in ("image.tif", "labels.tif"):
        shutil.copy2(map_folder / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def move() -> None:
    """Move both maps, and give the image another name."""
    Path("new").mkdir()
    for name, path in NEW.items():
        Path(f"{name}.tif").rename(path)


def store_anew(path: str) -> None:
    """Write a map as a compressed file: other bytes, another time, the same pixels."""
    with rasterio.open(path) as file:
        content, profile = file.read(), file.profile
    with rasterio.open(path, "w", **profile | {"compress": "deflate"}) as file:
        file.write(content)


def classes_of(folder: str) -> list[str]:
    """The classes that a search has named; [] if it has named none."""
    head, *rows = [line.split(",") for line in Path(folder, "results.csv").read_text().splitlines()]
    return [row[-1] for row in rows] if head[-1] == "class" else []


def embedded_by(run: Path) -> list[Path]:
    return sorted((run / "embedded").glob("*"))


@pytest.mark.parametrize("keys", [{}, {"rect": RUNS_PART}, {"crs": "EPSG:3035"}], ids=["all", "a part", "warped"])
def test_land_cover_and_scores_are_those_of_before(here, capsys, keys):
    run, _ = write_run(MAPS | keys)
    before = said(capsys, "classify", str(run), "--with", "knn", "--stride", "8", "-o", "before.tif")
    assert "pixel_accuracy" in before
    move()
    store_anew(NEW["image"])
    after = said(capsys, "classify", str(run), "--with", "knn", "--stride", "8", "-o", "after.tif", IMAGE, LABELS)
    assert after == before.replace("before.tif", "after.tif")
    assert np.array_equal(pixels("after.tif"), pixels("before.tif"))
    assert Path("after.png").read_bytes() == Path("before.png").read_bytes(), "the label map is drawn"


def test_what_was_embedded_before_a_file_was_moved_is_used(here, capsys):
    run, _ = write_run(MAPS | {"rect": RUNS_PART})
    said(capsys, "embed", str(run))
    before = embedded_by(run)
    Path("new").mkdir()
    Path("image.tif").rename("new/image.tif")
    for image in ("maps.image=new/image.tif", f"maps.image={here / 'new/image.tif'}"):
        said(capsys, "embed", str(run), image)
    assert embedded_by(run) == before
    said(capsys, "embed", str(run), "maps.image=new/image.tif", "maps.rect=null")
    (whole,) = set(embedded_by(run)) - set(before)
    assert open_embedded(whole).tiles.window[2:] == (SIDE, SIDE)


@pytest.mark.parametrize("keys", [{}, {"rect": RUNS_PART}], ids=["all", "a part"])
def test_another_part_and_crs_of_a_moved_map(here, capsys, keys):
    run, _ = write_run(MAPS | keys)
    move()
    store_anew(NEW["image"])
    place = ["--at", *centre_of(NEW["image"], 100, 100), "-k", "3"]
    part = [IMAGE, LABELS, f"maps.rect={PART}"]
    assert "pixel_accuracy" in said(capsys, "classify", str(run), "--with", "knn", *part, "--stride", "8")
    said(capsys, "search", str(run), *place, *part, "-o", "in part")
    said(capsys, "search", str(run), *place, *part, "maps.crs=EPSG:3035", "-o", "warped")
    assert len(classes_of("in part")) == len(classes_of("warped")) == 3
    told = said(capsys, "classify", str(run), "--with", "knn", *part, "maps.crs=EPSG:3035", "-o", "warped.tif")
    assert "no scores: the embedded map is not the one that the run's reserved cells lie on" in told


def centre_of(path: str, x: int, y: int) -> list[str]:
    """As `centre`, of a map that is not image.tif."""
    Path("image.tif").symlink_to(path)
    place = centre(x, y)
    Path("image.tif").unlink()
    return place


def test_classes_are_named_however_the_path_is_written(here, capsys):
    run, _ = write_run(MAPS)
    shutil.copy("image.tif", "copy.tif")
    Path("alias.tif").symlink_to("image.tif")
    place = ["--at", *centre(32, 64), "-k", "2"]
    said(capsys, "search", str(run), *place, "-o", "expected")
    assert classes_of("expected")
    for number, path in enumerate((here / "image.tif", "./image.tif", "copy.tif", "alias.tif", "im*.tif")):
        said(capsys, "search", str(run), *place, f"maps.image={path}", "-o", f"found {number}")
        assert classes_of(f"found {number}") == classes_of("expected"), path


def test_a_map_of_the_same_grid_is_another_one(here, capsys):
    """Even under the path of the run's own map; of it nothing is prepared but the part in use."""
    run, _ = write_run(MAPS)
    with rasterio.open("image.tif") as file:
        content, profile = file.read(), file.profile
    with rasterio.open("later.tif", "w", **profile) as file:
        file.write(content[:, ::-1])
    place = ["--at", *centre(100, 100), "-k", "2"]
    for number, part in enumerate(([f"maps.rect={PART}"], []), 1):
        said(capsys, "search", str(run), *place, "maps.image=later.tif", *part, "-o", f"found {number}")
        assert not classes_of(f"found {number}")
        assert len(list(Path("data/cache").glob("later-*"))) == number
    Path("later.tif").replace("image.tif")
    said(capsys, "search", str(run), *place, "-o", "in its place")
    assert not classes_of("in its place")
    assert "image.tif is not the map that the run was started with" in refused(capsys, "classify", str(run))


def test_labels_that_were_moved(here, capsys, caplog):
    pytest.importorskip("pyarrow")
    run, _ = write_run(MAPS)
    move()
    place = ["--at", *centre_of(NEW["image"], 32, 64), "-k", "2", IMAGE]
    said(capsys, "search", str(run), *place, "-o", "unnamed")
    assert not classes_of("unnamed") and "Give the path of it: maps.labels.fields=PATH" in caplog.text
    said(capsys, "search", str(run), *place, LABELS, "-o", "named")
    assert len(classes_of("named")) == 2
    table = ["embed", str(run), "--classes", "-o", "table.parquet", IMAGE]
    assert "maps.labels.fields=PATH" in refused(capsys, *table)
    said(capsys, *table, LABELS)


def test_a_label_map_keeps_its_band_and_its_legend_may_have_moved_too(here, capsys):
    with rasterio.open("labels.tif") as file:
        codes, profile = file.read(1), file.profile
    with rasterio.open("labels.tif", "w", **profile | {"count": 2}) as file:
        file.write(np.stack([codes * 0 + 9, codes]))
    classes = [{"name": f"kind {code}", "color": [code, 0, 0], "code": code} for code in (1, 2, 3, 4)]
    Path("legend.json").write_text(json.dumps({"classes": classes}))
    maps = {"labels": {"fields": {"path": "labels.tif", "band": 2}}, "legends": {"fields": "legend.json"}}
    run, _ = write_run(MAPS | maps)
    move()
    Path("legend.json").rename("new/legend.json")
    legend = "maps.legends.fields=new/legend.json"
    for labels in (LABELS, f"maps.labels.fields.path={NEW['labels']}"):
        said(capsys, "classify", str(run), "--with", "knn", IMAGE, labels, legend)
    other = 'maps.labels.fields={"path": "new/labels.tif", "band": 1}'
    assert "new/labels.tif" in refused(capsys, "classify", str(run), IMAGE, other, legend)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "image.tif: there is no such file. Give the path of the map: maps.image=PATH"),
        ([IMAGE], "labels.tif: there is no such file. A simple model is fitted on the run's own maps. Give its path: "
         "maps.labels.fields=PATH"),
        (["maps.image=other.tif", LABELS], "write its path into results/net/config.json"),
        ([IMAGE, "maps.labels.fields=turned.tif"], "turned.tif is not the map that the run was started with"),
        ([IMAGE, "maps.labels.lulc=new/labels.tif"], "the run has no such file. It has: maps.labels.fields."),
        ([IMAGE, "maps.legends.fields=new/legend.json"], "the run has no such file. It has: none."),
        (["maps.image.2019=new/place.tif"], "the run has no such file. It has: maps.image."),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_before_the_map_is_embedded(here, capsys, given, message):
    run, _ = write_run(MAPS)
    move()
    write_map(Path("other.tif"), np.random.default_rng(0).integers(1, 255, (3, 90, 90), np.uint8))
    with rasterio.open(NEW["labels"]) as file:
        content, profile = file.read(), file.profile
    with rasterio.open("turned.tif", "w", **profile) as file:
        file.write(content[:, ::-1])
    assert message in refused(capsys, "classify", str(run), *given)
    assert not embedded_by(run)


def test_that_no_tile_can_be_fitted_on_is_told_before_too(here, capsys):
    run, _ = write_run(MAPS, singleClassTreshold=1.0, image_size=64, validation_nb=20, validation_spacing=4)
    assert "Choose --proportions" in refused(capsys, "classify", str(run))
    assert not embedded_by(run)


def test_the_paths_of_a_resumed_run_are_used(here, capsys):
    """They are in its config.json, and not yet in best.pt."""
    run, maps = write_run(MAPS)
    move()
    paths = [f"maps.image={NEW['image']}", f"maps.labels.fields={NEW['labels']}"]
    log_resume(run, load(run / "config.json", paths), 2, maps.fingerprints())
    assert "pixel_accuracy" in said(capsys, "classify", str(run), "--with", "knn", "--stride", "8")
    said(capsys, "search", str(run), "--tile", NEW["image"], "-k", "2", "-o", "found")
    assert len(classes_of("found")) == 2
    Path("elsewhere").mkdir()
    shutil.copy(run / "best.pt", "elsewhere")
    config = json.loads((run / "config.json").read_text()) | {"seed": 5}
    Path("elsewhere/config.json").write_text(json.dumps(config))  # of another run
    assert "image.tif: there is no such file" in refused(capsys, "embed", "elsewhere/best.pt")


def test_another_map_is_classified_where_the_runs_own_has_moved(here, capsys):
    run, _ = write_run(MAPS)
    move()
    write_map(Path("other.tif"), np.random.default_rng(0).integers(1, 255, (3, 90, 90), np.uint8))
    config = json.loads((run / "config.json").read_text())
    config["maps"] |= {"image": NEW["image"]}
    (run / "config.json").write_text(json.dumps(config))
    told = said(capsys, "classify", str(run), "--with", "knn", "maps.image=other.tif", LABELS, "-o", "of other.tif")
    assert "no scores: the embedded map is not the one" in told
