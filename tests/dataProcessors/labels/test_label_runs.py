"""Runs whose label maps are read by the names in them, and what the run and its report say about the classes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from runs_for_tests import MAPS, small_config, write_fields

import main
from training.runs.checkpoint import load


@pytest.fixture(autouse=True)
def fields(tmp_path, monkeypatch, no_figures):
    monkeypatch.chdir(tmp_path)
    write_fields(tmp_path)


def run(names: list[str], **changes) -> Path:
    """Run with category names in the label map's sidecar file; return the folder."""
    categories = "".join(f"<Category>{name}</Category>" for name in names)
    Path("labels.tif.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{categories}</CategoryNames></PAMRasterBand></PAMDataset>'
    )
    Path("config.json").write_text(json.dumps(small_config(maps=MAPS, **changes)))
    assert main.main(["config.json"]) == 0
    return Path("results/run")


def test_a_run_with_a_single_class_ends_without_scores(caplog, recwarn):
    with rasterio.open("labels.tif", "r+") as file:
        file.write((file.read(1) > 2).astype("uint8"), 1)
    folder = run(["No data", "Forest"], epochs=2)
    assert any("all labelled pixels are of one class, Forest" in record.message for record in caplog.records)
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows and {row["mean"] for row in rows} == {"nan"}
    assert load(folder / "best.pt")["step"] == load(folder / "last.pt")["step"] == 4
    page = (folder / "report.html").read_text()
    assert "Classes of fields: class names in labels.tif.aux.xml (no class by its name: No data (0))" in page
    assert "(best)" in page and "1.000" not in page
    assert not [warning for warning in recwarn if "sklearn" in str(warning.filename)]
    assert main.main(["compare"]) == 0


def test_classes_and_shares_are_in_run_json():
    folder = run(["", "Water", "Trees", "Grass", "Crops", "Ice"])
    legend = json.loads((folder / "run.json").read_text())["maps"]["fields"]["legend"]
    with rasterio.open("labels.tif") as file:
        codes = file.read(1)
    expected = {name: (codes == i).mean() for i, name in enumerate(["Water", "Trees", "Grass", "Crops", "Ice"], 1)}
    assert legend["exact"] and legend["labelled"] == 1
    assert {each["name"]: each["share"] for each in legend["classes"]} == pytest.approx(expected, abs=1e-6)
    assert [each["code"] for each in legend["classes"]] == [1, 2, 3, 4, 5]
    page = (folder / "report.html").read_text()
    assert f"{expected['Trees']:.2%}" in page and "Ice" in page
    assert np.isclose(sum(expected.values()), 1)
