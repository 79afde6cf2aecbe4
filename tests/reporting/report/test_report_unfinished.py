"""Reports of runs that have only begun or go on, of damaged or hostile files, and of what is no run."""

import json

import pytest
from reported_runs_for_tests import add_figures, make_run, undrawn, write_events
from reports_for_tests import checked

from config import UserError
from evaluation.scores import Score
from reporting.metrics_csv import MetricsFile
from reporting.report import write_report
from reporting.report.run import read_scores

EVIL = "<script>alert('1')</script>\"><img src=http://evil.example/x>&amp;"


def test_run_that_has_only_begun(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "metrics.csv").unlink()
    (folder / "run.json").unlink()
    page = checked(write_report(folder))
    assert "Step 0 of 100 so far (0%)." in page.text
    assert not (folder / "verdict.txt").exists()
    assert "No evaluation has finished yet." in page.text
    assert "Nothing has been logged yet." in page.text
    assert "No pictures yet: map and sampling, confusion matrices, UMAP of the embeddings" in page.text
    assert not page.all("img")


@undrawn
@pytest.mark.parametrize("about", ["", "{", "[1]", '{"maps": 7, "packages": [], "resumed": {"at": 1}, "command": "x"}'])
def test_damaged_run_json_is_passed_over(tmp_path, about):
    folder = make_run(tmp_path / "run")
    (folder / "run.json").write_text(about)
    assert "Complete" in checked(write_report(folder)).text


@undrawn
def test_metrics_may_end_anywhere(tmp_path):
    folder = make_run(tmp_path / "run")
    whole = (folder / "metrics.csv").read_bytes()
    lines = whole.splitlines(keepends=True)
    expected = read_scores(folder / "metrics.csv")
    for cut in range(len(whole) - len(lines[-1]), len(whole)):  # also where all commas are there, and half a number
        (folder / "metrics.csv").write_bytes(whole[:cut])
        scores = read_scores(folder / "metrics.csv")
        assert sum(map(len, scores.values())) == sum(map(len, expected.values())) - 1
    assert "Complete" in checked(write_report(folder)).text
    (folder / "metrics.csv").write_bytes(b"")
    assert read_scores(folder / "metrics.csv") == {}
    (folder / "metrics.csv").write_bytes(whole + b"150,trained,single_class,knn,acc\n\0\0\n,,,,,,\n\xff\n")
    assert list(read_scores(folder / "metrics.csv")) == [0, 50, 100]


def test_run_that_is_going_on(tmp_path):
    folder = make_run(tmp_path / "run", epochs=8)
    write_events(folder, {"loss": [float("nan"), *range(119)]})
    text = checked(write_report(folder)).text
    assert "Step 120 of 400 so far (30%)." in text
    assert "trained, step 50 (best)" in text
    write_events(folder, {"loss": range(400)}, "2")
    assert "All 400 steps are trained; the last evaluation has not finished yet." in checked(write_report(folder)).text


@undrawn
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_evaluations_that_were_left_out_are_counted(tmp_path, device):
    page = checked(write_report(make_run(tmp_path / "run", iterations=10, epochs=10, device=device))).text
    told = "8 of 10 evaluations were left out, because training does not wait for them."
    assert (told in page) == (device == "cuda")


@undrawn
def test_damaged_picture_is_named_and_left_out(tmp_path):
    folder = make_run(tmp_path / "run")
    add_figures(folder, ["umap", "distances", "umap_3d"])
    best = folder / "figures" / "best"
    (best / "umap.png").write_bytes((best / "umap.png").read_bytes()[:2000])
    (best / "distances.png").write_bytes(b"")
    page = checked(write_report(folder))
    assert "figures/best/umap.png cannot be read" in page.text
    assert "figures/best/distances.png cannot be read" in page.text
    assert "UMAP in three dimensions, best network" in [attributes["alt"] for attributes in page.all("img")]


def test_hostile_names_are_only_text(tmp_path):
    labels = {EVIL.lower(): EVIL}
    folder = make_run(tmp_path / "run", maps={"image": EVIL, "labels": labels}, validation_map=EVIL)
    about = {"machine": EVIL + "\ud800", "command": [EVIL], "packages": {EVIL: EVIL}, "maps": {EVIL: {"path": EVIL}}}
    (folder / "run.json").write_text(json.dumps(about | {"resumed": [{"at": EVIL}], "started": EVIL, "python": [EVIL]}))
    MetricsFile(folder / "metrics.csv").append(100, [Score(EVIL, EVIL, EVIL, EVIL, 0.5, 0.1)])
    add_figures(folder, ["neighbours"])
    evil = EVIL.replace('"', '""')
    tiles = f'x,y,lon,lat,class,address,query\n1,2,"{evil}","{evil}","{evil}",javascript:alert(1),1\n'
    (folder / "figures" / "best" / "tiles.csv").write_text(tiles)
    page = checked(write_report(folder))
    assert page.text.count("<script>alert('1')</script>") > 8
    assert "javascript" not in json.dumps(page.all("a"))


def test_what_is_no_run_is_said_in_one_line(tmp_path):
    folder = tmp_path / "nothing"
    with pytest.raises(UserError, match=r"nothing: there is no such folder\. Give the folder of a run") as error:
        write_report(folder)
    assert "\n" not in str(error.value)
    folder.mkdir()
    with pytest.raises(UserError, match=r"nothing: this is not a run: it has no config\.json\."):
        write_report(folder)
    (folder / "config.json").write_text('{"los": 1, "network": 2}')
    with pytest.raises(UserError, match=r"config\.json: .* Restore the config\.json") as error:
        write_report(folder)
    assert "\n" not in str(error.value)
    assert [path.name for path in folder.iterdir()] == ["config.json"]
