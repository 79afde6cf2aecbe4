"""Segmentation: the maths by hand and against a slow loop, and whole runs that leave what is promised."""

import csv
import shutil

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from runs_for_tests import rows_of, run_in_process, small_config, values_of, with_some_figures, write_fields
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import config as configuration
import main
from dataProcessors.class_tables.class_names import names_of_file, vrt_of
from evaluation.blending import UNKNOWN
from evaluation.models import CLASSIFIERS, fit_predict_votes
from evaluation.segmentation import (
    METRICS,
    class_iou,
    class_map,
    has_several_classes,
    mean_iou,
    metric_and_spread,
    one_hot,
    pixel_accuracy,
    pixel_table,
    window_positions,
)

ON = {"segmentation": True, "segmentation_cells": 6, "segmentation_region": 8, "validation_spacing": 5}


def slow_class_map(positions, votes, size, height, width):
    found = np.full((height, width), UNKNOWN, np.uint8)
    for row in range(height):
        for column in range(width):
            covering = [
                vote for (x, y), vote in zip(positions, votes) if x <= column < x + size and y <= row < y + size
            ]
            if covering and np.sum(covering) > 0:
                found[row, column] = np.mean(covering, axis=0).round(9).argmax()
    return found


def test_four_by_four_by_hand():
    positions = window_positions(4, 4, 2, 2)
    np.testing.assert_array_equal(positions, [[0, 0], [2, 0], [0, 2], [2, 2]])
    votes = np.array([[0.8, 0.2], [0.3, 0.7], [1, 0], [0.5, 0.5]])  # the last is a tie: the lower index
    predicted = class_map(positions, votes, 2, 4, 4)
    np.testing.assert_array_equal(predicted, [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    truth = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, UNKNOWN], [2, 2, 0, 0]], np.uint8)
    table = pixel_table(truth, predicted, 3)
    np.testing.assert_array_equal(table, [[8, 0, 0], [1, 4, 0], [2, 0, 0]])
    assert pixel_accuracy(table) == pytest.approx(12 / 15)
    np.testing.assert_allclose(class_iou(table), [8 / 11, 4 / 5, 0])
    assert mean_iou(table) == pytest.approx((8 / 11 + 4 / 5 + 0) / 3)


def test_overlapping_windows_are_averaged_by_hand():
    positions = window_positions(4, 4, 2, 1)
    assert len(positions) == 9
    votes = one_hot(np.array([0, 0, 1, 0, 1, 1, 1, 1, 1]), 2)
    predicted = class_map(positions, votes, 2, 4, 4)
    # row 1, column 1 is covered by windows 0, 1, 3, 4: three of four say 0; row 1, column 2 by 1, 2, 4, 5: one of four
    np.testing.assert_array_equal(predicted, [[0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("size", "stride", "height", "width"), [(4, 2, 12, 16), (5, 3, 13, 17), (3, 5, 14, 11), (4, 1, 9, 4), (6, 6, 5, 8)]
)
def test_class_map_equals_a_slow_loop(size, stride, height, width):
    rng = np.random.default_rng(size)
    positions = window_positions(height, width, size, stride)
    votes = rng.dirichlet(np.ones(4), len(positions)).round(1)
    kept = rng.random(len(positions)) < 0.8  # windows without data are missing
    positions, votes = positions[kept], votes[kept]
    found = class_map(positions, votes, size, height, width)
    np.testing.assert_array_equal(found, slow_class_map(positions, votes, size, height, width))


def test_pixels_between_windows_and_beyond_the_last_are_unknown():
    found = class_map(window_positions(4, 7, 2, 3), np.ones((2, 1)), 2, 4, 7)
    np.testing.assert_array_equal(found[0], [0, 0, UNKNOWN, 0, 0, UNKNOWN, UNKNOWN])
    assert (found[2:] == UNKNOWN).all()
    truth = np.zeros((4, 7), np.uint8)
    assert pixel_table(truth, found, 1).sum() == 8


def test_windows_without_a_vote_say_nothing():
    found = class_map(window_positions(2, 4, 2, 2), one_hot(np.array([-1, 1]), 2), 2, 2, 4)
    np.testing.assert_array_equal(found, [[UNKNOWN, UNKNOWN, 1, 1]] * 2)


def test_a_window_beyond_the_patch_is_refused():
    with pytest.raises(ValueError, match="inside"):
        class_map(np.array([[3, 0]]), np.ones((1, 1)), 2, 4, 4)


def test_without_a_labelled_pixel_everything_is_nan():
    table = pixel_table(np.full((3, 3), UNKNOWN, np.uint8), np.zeros((3, 3), np.uint8), 2)
    assert table.sum() == 0
    for metric in METRICS.values():
        assert np.isnan(metric(table))
        assert np.isnan(metric_and_spread(table[None], metric, 0)).all()
        assert np.isnan(metric_and_spread(np.zeros((0, 2, 2), int), metric, 0)).all()
    assert np.isnan(class_iou(table)).all()


def test_a_single_class_and_a_class_that_is_only_predicted():
    assert METRICS["mean_IoU"](np.array([[7]])) == 1
    table = np.array([[6, 2], [0, 0]])
    np.testing.assert_array_equal(class_iou(table), [0.75, np.nan])
    assert mean_iou(table) == 0.75, "the wrong class counts only as what the true one lost"
    assert has_several_classes(table[None]) and has_several_classes(np.array([[[3, 0], [0, 0]], [[0, 0], [0, 2]]]))
    assert not has_several_classes(np.array([[[7]], [[2]]])) and not has_several_classes(np.zeros((0, 2, 2), int))


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, (2, 40, 50)).astype(np.uint8)
    predicted[truth == 2] = 1
    truth[:3], predicted[5, :9] = UNKNOWN, UNKNOWN
    table, counted = pixel_table(truth, predicted, 6), (truth != UNKNOWN) & (predicted != UNKNOWN)
    pairs = truth[counted], predicted[counted]
    np.testing.assert_array_equal(table, confusion_matrix(*pairs, labels=range(6)))
    assert pixel_accuracy(table) == pytest.approx(accuracy_score(*pairs))
    np.testing.assert_allclose(class_iou(table)[:4], jaccard_score(*pairs, labels=range(4), average=None))
    assert np.isnan(class_iou(table)[4:]).all()


def test_spread_is_over_patches_and_seeded():
    rng = np.random.default_rng(0)
    tables = rng.integers(0, 50, (12, 3, 3))
    figure, spread = metric_and_spread(tables, pixel_accuracy, 3)
    assert figure == pytest.approx(np.trace(tables.sum(axis=0)) / tables.sum())
    assert metric_and_spread(tables, pixel_accuracy, 3) == (figure, spread)
    assert metric_and_spread(tables, pixel_accuracy, 4)[1] != spread
    assert metric_and_spread(tables[:1].repeat(5, axis=0), mean_iou, 3)[1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("patches", [10, 40])
def test_spread_is_that_of_a_mean_over_so_many_patches(patches):
    right = np.random.default_rng(0).integers(400, 1000, patches)  # of 1000 pixels each, so that the figure is a mean
    tables = np.array([[[each, 1000 - each], [0, 0]] for each in right])
    spreads = [metric_and_spread(tables, pixel_accuracy, seed)[1] for seed in range(20)]
    assert np.mean(spreads) == pytest.approx(np.std(right / 1000) / np.sqrt(patches), rel=0.1)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_votes_of_every_classifier_sum_to_one_and_agree_with_its_labels(name):
    rng = np.random.default_rng(0)
    labels = rng.choice([1, 3], 60)
    features = labels[:, None] + rng.normal(0, 0.3, (60, 4))
    votes = fit_predict_votes(CLASSIFIERS[name](0, 1), features, labels, features[:20], 5)
    assert votes.shape == (20, 5)
    np.testing.assert_allclose(votes.sum(axis=1), 1)
    assert (votes[:, [0, 2, 4]] == 0).all()
    assert (votes.argmax(axis=1) == labels[:20]).mean() > 0.9
    alone = fit_predict_votes(CLASSIFIERS[name](0, 1), features, np.full(60, 2), features[:3], 5)
    np.testing.assert_array_equal(alone, one_hot(np.full(3, 2), 5))


def segmentation_rows(folder):
    return [row for row in rows_of(folder) if row["task"] == "segmentation"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with segmentation of one epoch, in a working folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("segmentation")
        patch.chdir(folder)
        write_fields(folder)
        with_some_figures(patch)
        return folder / run_in_process("on", single_class_classifiers=["knn", "svc"], **ON)


def test_scores_of_a_run(finished):
    rows = segmentation_rows(finished)
    found = {(row["step"], row["features"], row["model"], row["metric"]): float(row["mean"]) for row in rows}
    yardsticks = ("untrained", "band_statistics", "random_convolutions")
    expected = [("0", name) for name in ("trained", *yardsticks, "coarsened_labels")] + [("2", "trained")]
    models, metrics = ("knn", "svc"), ("pixel_accuracy", "mean_IoU")
    assert set(found) == {(*where, model, metric) for where in expected for model in models for metric in metrics}
    assert len(rows) == len(found)
    (table,) = finished.glob("figures/*/segmentation.csv")
    with table.open() as file:
        *classes, last = csv.DictReader(file)
    majority = max(int(row["pixels"]) for row in classes) / int(last["pixels"])
    best = max(found["2", "trained", "knn", "pixel_accuracy"], found["0", "band_statistics", "knn", "pixel_accuracy"])
    assert best > majority + 0.1
    coarsened = [found["0", "coarsened_labels", model, "pixel_accuracy"] for model in models]
    assert majority < coarsened[0] == coarsened[1] <= 1
    for model in models:  # of each class there is one figure for every set of features
        assert float(last[model]) == pytest.approx(found["2", "trained", model, "mean_IoU"], abs=1e-5)
        for features in yardsticks:
            assert float(last[f"{model}/{features}"]) == pytest.approx(
                found["0", features, model, "mean_IoU"], abs=1e-5
            )
            of_classes = [float(row[f"{model}/{features}"]) for row in classes]
            assert float(last[f"{model}/{features}"]) == pytest.approx(np.mean(of_classes), abs=1e-5)
    assert values_of(finished, "segmentation/mean_IoU/knn")[-1][0] == 2


def test_pictures_and_table_of_a_run(finished):
    events = EventAccumulator(str(finished / "tensorboard" / "trained")).Reload()
    drawn = {"segmentation-knn", "segmentation_iou-knn", "segmentation-svc", "segmentation_iou-svc"}
    assert {f"figures/{name.replace('-', '/')}" for name in drawn} <= set(events.Tags()["images"])
    folders = [path for path in (finished / "figures").iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        assert {f"{name}.png" for name in drawn} <= {path.name for path in folder.iterdir()}
    page = (finished / "report.html").read_text()
    assert 'id="segmentation"' in page
    assert "Intersection over union of each class" in page


def test_geotiff_of_the_region_opens_in_gdal_with_place_colours_and_names(finished, tmp_path):
    (path, *_) = sorted((finished / "figures").glob("*/segmentation-knn.tif"))
    with rasterio.open(path) as file, rasterio.open(finished.parents[1] / "image.tif") as image:
        assert (file.crs, file.nodata, file.dtypes) == (image.crs, 255, ("uint8",))
        assert file.shape == (128, 128)
        column, row = ~image.transform @ (file.transform.c, file.transform.f)
        assert column == int(column) and row == int(row) and 0 <= column <= 384 - 128 and 0 <= row <= 384 - 128
        assert file.transform.a == image.transform.a and file.transform.e == image.transform.e
        colours, classes = file.colormap(1), file.read(1)
        rasterio.shutil.copy(file, tmp_path / "gdal.vrt", driver="VRT")
        rows = names_of_file(str(path), vrt_of(file), 1).rows
    assert set(np.unique(classes)) <= {0, 1, 2, 3, 255}
    assert (classes != 255).all()
    assert len({colours[value] for value in range(4)}) == 4
    assert len(rows) == 4
    written = (tmp_path / "gdal.vrt").read_text()
    for row in rows:
        assert f"<Category>{row.name}</Category>" in written, "GDAL itself knows the names"


def test_switched_off_it_leaves_no_trace(complete_run):
    folder = complete_run
    assert not segmentation_rows(folder)
    assert not list(folder.glob("figures/**/segmentation*"))
    events = EventAccumulator(str(folder / "tensorboard" / "trained")).Reload()
    assert not [tag for tags in events.Tags().values() if isinstance(tags, list) for tag in tags if "segment" in tag]
    page = (folder / "report.html").read_text()
    assert 'id="segmentation"' not in page and "No pictures" not in page


def test_equal_seeds_give_equal_scores_and_resuming_changes_nothing(workplace, no_figures):
    settings = ON | {"iterations": 2, "epochs": 2}
    whole, again = run_in_process("segmented", **settings), run_in_process("segmented_again", **settings)
    assert segmentation_rows(whole) == segmentation_rows(again)
    short = run_in_process("short", **settings | {"epochs": 1})
    assert main.main(["resume", str(short), "epochs=2"]) == 0
    assert rows_of(short) == rows_of(whole)


def test_resumed_run_draws_the_best_of_an_earlier_process(workplace, one_figure):
    folder = run_in_process("best", **ON | {"best_metric": "segmentation/mean_IoU/knn"})
    shutil.rmtree(folder / "figures")
    assert main.main(["resume", str(folder), "epochs=2"]) == 0
    assert list(folder.glob("figures/*/segmentation-knn.tif"))


def test_score_of_segmentation_chooses_the_best_only_where_it_is_on():
    values = small_config(maps="demo", validation_map="osm", best_metric="segmentation/mean_IoU/knn")
    assert configuration.validate(values | {"segmentation": True}).best_metric in values.values()
    with pytest.raises(configuration.ConfigError, match="'best_metric' must be a score of this run"):
        configuration.validate(values)
