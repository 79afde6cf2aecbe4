"""report.html: its content for hand-made folders, and that damaged or hostile files do not break it."""

import base64
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from reports_for_tests import checked, image_of
from runs_for_tests import ROOT, small_config
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

import config as configuration
from config import Config, UserError
from evaluation.scoring import Evaluation, Score
from reporting.draws_csv import DrawsFile
from reporting.figures.curves import BINS, bin_steps, score_curve, step_curves
from reporting.metrics_csv import MetricsFile
from reporting.report import write_report
from reporting.report.facts import format_duration
from reporting.report.run import MAX_EVENT_BYTES, read_curves, read_run, read_scores

STARTED = 1_700_000_000  # seconds since 1970
EVIL = "<script>alert('1')</script>\"><img src=http://evil.example/x>&amp;"
MAPS = {
    "image": {"path": "image.tif", "crs": "EPSG:32632", "window": [0, 0, 384, 384], "synthetic": False},
    "fields": {"path": "labels.tif", "crs": "EPSG:3035", "window": [0, 0, 384, 384], "synthetic": False},
}
TRAINED = {0: (0.5, 0.9), 50: (0.8, 0.4), 100: (0.7, 0.5)}  # step -> accuracy and MAP@R, and summed error


def scores_of(features, value, error):
    return [
        Score(features, "single_class", "knn", "accuracy", value, 0.011),
        Score(features, "single_class", "-", "MAP@R", value, 0.02),
        Score(features, "single_class", "-", "MAP@R_chance", 0.125, 0.0),
        Score(features, "single_class", "-", "silhouette", float("nan"), float("nan")),
        Score(features, "multi_class", "knn", "sum_error", error, 0.03),
    ]


def make_run(folder, **changes):
    """Write a run of 100 steps with config, run.json and metrics.csv, without events and figures."""
    folder.mkdir(parents=True)
    content = small_config(maps={"image": "image.tif", "labels": {"fields": "labels.tif"}}, iterations=50, epochs=2)
    (folder / "config.json").write_text(configuration.validate(content | changes).to_json())
    about = {
        "started": "2023-11-14 22:13:20 +0000",
        "command": ["main.py", "x y"],
        "machine": "a machine",
        "maps": MAPS,
    }
    (folder / "run.json").write_text(json.dumps(about | {"python": "3.11.7", "packages": {"torch": "2.12.1"}}))
    metrics = MetricsFile(folder / "metrics.csv")
    for step, (value, error) in TRAINED.items():
        metrics.append(step, scores_of("trained", value, error))
    metrics.append(0, scores_of("untrained", 0.5, 0.9) + scores_of("band_statistics", 0.6, 0.3))
    return folder


def write_events(folder, values, name="1", big=b""):
    """Write events, one step a second; values: tag -> value of each step from 1 on. Return the path of the file."""
    events = folder / "tensorboard" / "trained"
    events.mkdir(parents=True, exist_ok=True)
    path = events / f"events.out.tfevents.{name}"
    with path.open("ab") as file:
        writer = RecordWriter(file)
        for tag, of_steps in values.items():
            for step, value in enumerate(of_steps, 1):
                event = Event(step=step, wall_time=STARTED + 10 + step)
                event.summary.value.add(tag=f"train/{tag}", simple_value=value)
                writer.write(event.SerializeToString())
            picture = Event(step=1)
            picture.summary.value.add(tag="train/picture").image.encoded_image_string = big
            writer.write(picture.SerializeToString())
    return path


def add_figures(folder, names, which="best", shape=(60, 80)):
    rng = np.random.default_rng(0)
    (folder / "figures" / which).mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "figures" / which / f"{name}.png", compress_level=1)


# --- the whole page


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


def test_scores_are_those_of_metrics_csv_and_the_best_of_a_row_is_marked(tmp_path):
    page = checked(write_report(make_run(tmp_path / "run")))
    heads = next(cells for cells in page.cells if cells[0] == "score")
    assert heads[1:] == [
        "trained, step 50 (best)",
        "trained, step 100 (last)",
        "untrained",
        "band statistics",
        "chance",
    ]
    assert page.row("accuracy, knn") == ["*0.800 ±0.011*", "0.700 ±0.011", "0.500 ±0.011", "0.600 ±0.011", "-"]
    assert page.row("MAP@R")[-1] == "0.125 ±0.000"
    assert page.row("silhouette") == ["-"] * 5
    assert page.row("sum_error, knn") == ["0.400 ±0.030", "0.500 ±0.030", "0.900 ±0.030", "*0.300 ±0.030*", "-"]
    assert "sum_error, knn|less is better" in [cells[0] for cells in page.cells]
    assert "multi_class/sum_error/knn: trained, step 50 (best): 0.400 ±0.030 ; trained, step 100 (last)" in page.text


def test_the_verdict_on_the_best_network_comes_first(tmp_path):
    folder = make_run(tmp_path / "run")
    write_events(folder, {"false_negatives": [0.5, 0.3, float("nan")], "false_positives": [0.1, 0.1, 0.1]})
    for step, (value, _) in TRAINED.items():
        add_draws(folder, step, "trained", value)
    add_draws(folder, 0, "band_statistics", 0.9)
    page = checked(write_report(folder))
    told = (folder / "verdict.txt").read_text(encoding="utf8").strip()
    assert told.startswith("Worse than band statistics in 1 of 1 figures. The trained network (step 50, the best by")
    assert "MAP@R (0.800, band statistics 0.900)" in told
    assert "40% of the pairs used as negatives" in told
    assert told in page.text
    assert page.text.index(told) < page.text.index("Learning curves")
    assert "Near 0 the pairs agree with the label map." in page.text
    assert any(attributes["alt"].startswith("False pairs: ") for attributes in page.all("img"))


def test_the_verdict_on_a_run_that_goes_on(tmp_path):
    folder = make_run(tmp_path / "run", epochs=4)
    add_draws(folder, 50, "trained", 0.8)
    add_draws(folder, 0, "untrained", 0.5)
    assert "So far, at step 100 of 200, the trained network (step 50, the best" in checked(write_report(folder)).text


def test_a_run_of_an_earlier_revision_has_no_values_of_each_draw(tmp_path):
    page = checked(write_report(make_run(tmp_path / "run")))
    assert "Nothing could be compared: no evaluation of the network with values of each draw is there." in page.text


def add_draws(folder, step, features, value):
    evaluation = Evaluation(features, [], {}, {}, np.zeros((0, 1)), by_draw={"retrieval/MAP@R": [value, value, value]})
    DrawsFile(folder / "draws.csv").append(step, [evaluation])


def test_best_step_is_the_one_of_the_best_metric_and_the_first_of_equals(tmp_path):
    run = read_run(make_run(tmp_path / "run", best_metric="multi_class/sum_error/knn"))
    assert (run.best_step, run.last_step) == (50, 100)
    metrics = MetricsFile(tmp_path / "run" / "metrics.csv")
    metrics.append(150, scores_of("trained", 0.1, 0.4))
    assert read_run(tmp_path / "run").best_step == 50
    metrics.append(200, scores_of("trained", 0.1, 0.2))
    assert read_run(tmp_path / "run").best_step == 200


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


def test_synthetic_maps_are_said_to_be_so(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "run.json").write_text(json.dumps({"maps": MAPS | {"fields": MAPS["fields"] | {"synthetic": True}}}))
    page = checked(write_report(folder))
    assert "Synthetic map (fields)" in page.text
    assert page.row("fields")[-1] == "*synthetic*"
    assert page.row("image")[-1] == "real"


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


# --- what is missing or unfinished


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


@pytest.mark.parametrize("about", ["", "{", "[1]", '{"maps": 7, "packages": [], "resumed": {"at": 1}, "command": "x"}'])
def test_damaged_run_json_is_passed_over(tmp_path, about):
    folder = make_run(tmp_path / "run")
    (folder / "run.json").write_text(about)
    assert "Complete" in checked(write_report(folder)).text


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


def test_event_file_may_end_anywhere(tmp_path):
    folder = make_run(tmp_path / "run")
    path = write_events(folder, {"loss": [3, 2, 1], "active_share": [1.0, 0.5, 0.25]}, big=bytes(MAX_EVENT_BYTES + 1))
    whole = path.read_bytes()
    found = set()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        curves = read_curves(path.parent)
        assert set(curves) <= {"loss", "active_share"}
        found.add(sum(len(curve.steps) for curve in curves.values()))
    assert found == set(range(7))
    path.write_bytes(whole + b"\xff" * 500)
    assert read_curves(path.parent)["active_share"].values.tolist() == [1.0, 0.5, 0.25]
    for cut in (0, 5, len(whole) // 2):
        path.write_bytes(whole[:cut])
        checked(write_report(folder))


def test_steps_logged_twice_count_as_the_later_file_has_them(tmp_path):
    folder = make_run(tmp_path / "run")
    write_events(folder, {"loss": [5, 4, 3, 2]}, "1")
    write_events(folder, {"loss": [9, 8]}, "2")
    curve = read_curves(folder / "tensorboard" / "trained")["loss"]
    assert curve.steps.tolist() == [1, 2, 3, 4]
    assert curve.values.tolist() == [9, 8, 3, 2]


def test_run_that_is_going_on(tmp_path):
    folder = make_run(tmp_path / "run", epochs=8)
    write_events(folder, {"loss": [float("nan"), *range(119)]})
    text = checked(write_report(folder)).text
    assert "Step 120 of 400 so far (30%)." in text
    assert "trained, step 50 (best)" in text
    write_events(folder, {"loss": range(400)}, "2")
    assert "All 400 steps are trained; the last evaluation has not finished yet." in checked(write_report(folder)).text


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_evaluations_that_were_left_out_are_counted(tmp_path, device):
    page = checked(write_report(make_run(tmp_path / "run", iterations=10, epochs=10, device=device))).text
    told = "8 of 10 evaluations were left out, because training does not wait for them."
    assert (told in page) == (device == "cuda")


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


# --- size


def test_page_stays_small_whatever_the_pictures(tmp_path):
    folder = make_run(tmp_path / "run")
    add_figures(folder, ["sampled_tiles"], shape=(2500, 3200))  # 24 MB of noise, which is the worst there is
    add_figures(folder, [f"confusion_matrix-{i}" for i in range(6)], shape=(600, 800))
    add_figures(folder, ["distances"])
    small = (folder / "figures" / "best" / "distances.png").read_bytes()
    page = checked(write_report(folder))
    images = {attributes["alt"]: attributes for attributes in page.all("img")}
    assert base64.b64encode(small).decode() in images["Distances of tiles, best network"]["src"]  # as it is
    assert min(int(attributes["width"]) for attributes in images.values()) >= 80
    assert image_of(images["Confusion matrix of 3, best network"]).format == "WEBP"


# --- errors


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


def test_report_is_made_without_torch(tmp_path):
    folder = make_run(tmp_path / "run")
    program = "import sys; from pathlib import Path; from reporting.report import write_report; "
    program += "write_report(Path(sys.argv[1])); sys.exit(int('torch' in sys.modules or 'umap' in sys.modules))"
    subprocess.run([sys.executable, "-c", program, folder], cwd=ROOT, check=True, timeout=120)


# --- curves


def test_binned_curve_keeps_mean_and_extent():
    steps, values = np.arange(1, 100_001), np.random.default_rng(0).normal(size=100_000)
    middle, mean, low, high = bin_steps(steps, values)
    assert len(middle) == BINS
    assert mean.mean() == pytest.approx(values.mean(), abs=1e-3)
    assert (low < mean).all()
    assert (mean < high).all()
    assert np.all(np.diff(middle) > 0)
    few = bin_steps(steps[:3], values[:3])
    assert all(np.array_equal(line, values[:3]) for line in few[1:])
    assert all(len(line) == 0 for line in bin_steps(steps[:0], values[:0]))


def test_curves_show_names_baselines_and_no_value_that_is_not_finite():
    values = np.array([0.5, np.nan, 0.75])
    (axes,) = score_curve("MAP@R", np.arange(3), values, values / 10, {"untrained": 0.4, "chance": float("nan")}).axes
    assert [line.get_label() for line in axes.lines] == ["trained", "untrained"]
    assert set(axes.lines[1].get_ydata()) == {0.4}
    (axes,) = step_curves("Distances", {"positive": (np.arange(3), values), "negative": (np.arange(3), values)}).axes
    assert axes.lines[0].get_ydata().tolist() == [0.5, 0.75]
    assert [text.get_text() for text in axes.get_legend().texts] == ["positive", "negative"]
    (axes,) = step_curves("Distances", {"positive": (np.arange(3), values)}).axes
    assert [text.get_text() for text in axes.get_legend().texts] == ["positive"], "which of the two it is"
    assert step_curves("Loss", {"loss": (np.arange(3), values)}).axes[0].get_legend() is None


@pytest.mark.parametrize(("seconds", "told"), [(12.4, "12 s"), (245, "4 min 05 s"), (7380, "2 h 03 min")])
def test_duration(seconds, told):
    assert format_duration(seconds) == told
