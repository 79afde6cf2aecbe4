"""Land-cover maps against a slow way to make them: every window predicted, every pixel averaged, every cell scored."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from inference_for_tests import link_maps, write_run
from maps_for_tests import write_map
from runs_for_tests import MAPS, SIDE

import inference
from config import UserError
from dataProcessors.class_tables.class_names import names_of_file, vrt_of
from evaluation.blending import TIE_DECIMALS
from evaluation.models import CLASSIFIERS, REGRESSORS, fit_predict, fit_predict_votes
from evaluation.proportions import normalised, sum_error
from evaluation.segmentation import METRICS, class_map, metric_and_spread, pixel_table
from inference.core.trained_run import TrainedRun, open_trained
from inference.files import raster_file
from inference.land_cover import layers as land_cover
from inference.land_cover import simple_model, window_votes
from inference.land_cover.classifying import classify
from training.scoring.evaluator import Evaluator
from training.scoring.fit_tiles import fit_tiles_file, save_fit_tiles

SIZE, CLASSES = 16, 4
RUN = Path("results/net")
HOLED = ["maps.image=holed.tif"]


@pytest.fixture(scope="module")
def place(map_folder, tmp_path_factory):
    """A working folder with a run, its maps, and an image with holes."""
    folder = tmp_path_factory.mktemp("classify")
    link_maps(map_folder, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with rasterio.open("image.tif") as file:
            pixels = file.read()[:, :200, :230]
        write_map(folder / "holed.tif", pixels, mask=holes())
        write_run(MAPS, norm_output=False, singleClassTreshold=0.5)
        yield folder


def holes() -> np.ndarray:
    """Where the image with holes has data; some pixels are alone, and some tiles have none."""
    mask = np.random.default_rng(0).random((200, 230)) < 0.97
    mask[:70, :90], mask[150:, 100:] = False, False
    return mask


@pytest.fixture(autouse=True)
def in_place(place, monkeypatch):
    monkeypatch.chdir(place)


def embed(stride, overrides=()):
    return inference.embed(RUN, stride=stride, overrides=list(overrides))


def fit_tiles(run):
    """Embeddings (f, D) and proportions (f, K) of the tiles that the first draw of the evaluation fits on."""
    maps = simple_model.open_maps_to_fit(run)
    evaluator = Evaluator(maps.config, maps, {}, 1)
    first = evaluator.draws[0][0]
    tiles = evaluator.fit.take(first)
    return run.embed(maps.read(tiles.positions)), tiles.proportions


def votes_of_all(run, embedded, model):
    """Votes (T, K) of all windows; zeros for those without enough data."""
    fit, proportions = fit_tiles(run)
    used = proportions.max(1) >= 0.5
    values = embedded.embeddings(np.flatnonzero(embedded.valid))
    votes = np.zeros((len(embedded.tiles), CLASSES))
    votes[embedded.valid] = fit_predict_votes(
        CLASSIFIERS[model](0, 1), fit[used], proportions[used].argmax(1), values, CLASSES
    )
    return votes


def slow_means(embedded, votes):
    """Mean votes (h, w, K) of the windows with data, and their number (h, w)."""
    x, y, width, height = embedded.tiles.window
    sums, number = np.zeros((height, width, votes.shape[1])), np.zeros((height, width), int)
    for tile in np.flatnonzero(embedded.valid):
        left, top = embedded.tiles.positions(np.array([tile]))[0] - (x, y)
        sums[top : top + SIZE, left : left + SIZE] += votes[tile]
        number[top : top + SIZE, left : left + SIZE] += 1
    return sums / np.maximum(number, 1)[..., None], number


def read(path):
    with rasterio.open(path) as file:
        return file.read()


@pytest.mark.parametrize(
    ("stride", "overrides", "model"), [(16, (), "knn"), (10, HOLED, "knn"), (40, HOLED, "dt"), (7, HOLED, "linear")]
)
def test_equals_the_slow_way(tmp_path, stride, overrides, model):
    embedded, run = embed(stride, overrides), open_trained(RUN, overrides)
    found = classify(run, embedded, model, tmp_path / "out.tif")
    means, number = slow_means(embedded, votes_of_all(run, embedded, model))
    there = (number > 0) & (holes() if overrides else True)
    assert there.mean() > 0 and (there.mean() < 1) == bool(overrides)
    codes = np.where(there, means.round(TIE_DECIMALS).argmax(-1) + 1, 255)
    np.testing.assert_array_equal(read(found.files.map)[0], codes)
    percent = read(found.files.confidence)[0]
    assert (percent[~there] == 255).all()
    assert np.abs(percent[there] - 100 * means.max(-1)[there]).max() <= 0.5 + 1e-6


def test_proportions_equal_the_slow_way(tmp_path):
    embedded, run = embed(10, HOLED), open_trained(RUN, HOLED)
    found = classify(run, embedded, "linear", tmp_path / "out.tif", proportions=True)
    fit, proportions = fit_tiles(run)
    predicted = np.zeros((len(embedded.tiles), CLASSES))
    values = embedded.embeddings(np.flatnonzero(embedded.valid))
    predicted[embedded.valid] = normalised(fit_predict(REGRESSORS["linear"](0, 1), fit, proportions, values))
    means, number = slow_means(embedded, predicted)
    there = (number > 0) & holes()
    with rasterio.open(found.files.map) as file:
        bands, legend = file.read(), found.codes.legend
        assert file.descriptions == legend.names and set(file.units) == {"%"} and file.nodata == 255
    assert (bands[:, ~there] == 255).all() and there.any()
    assert np.abs(bands[:, there] - 100 * means[there].T).max() <= 0.5 + 1e-6
    assert np.abs(bands[:, there].astype(int).sum(0) - 100).max() <= CLASSES / 2
    assert not (tmp_path / "out-confidence.tif").exists()


def test_codes_names_and_colours_are_those_of_the_label_map(tmp_path):
    embedded, run = embed(16), open_trained(RUN)
    found = classify(run, embedded, "knn", tmp_path / "out.tif")
    with rasterio.open(found.files.map) as file, rasterio.open("image.tif") as image:
        assert (file.crs, file.transform, file.shape) == (image.crs, image.transform, image.shape)
        assert set(np.unique(file.read())) <= {1, 2, 3, 4} and file.nodata == 255
        legend = found.codes.legend
        assert legend.codes == (1, 2, 3, 4)
        assert [file.colormap(1)[code][:3] for code in legend.codes] == list(legend.colors)
        assert file.colormap(1)[255] == (0, 0, 0, 0)
        rows = names_of_file(str(found.files.map), vrt_of(file), 1).rows
        rasterio.shutil.copy(file, tmp_path / "gdal.vrt", driver="VRT")
    assert [(row.low, row.name) for row in rows] == list(zip(legend.codes, legend.names))
    assert f"<Category>{legend.names[0]}</Category>" in (tmp_path / "gdal.vrt").read_text(), "GDAL itself knows them"
    classes = json.loads(found.files.table.read_text())["classes"]
    assert [(each["value"], each["name"], tuple(each["color"])) for each in classes] == list(
        zip(legend.codes, legend.names, legend.colors)
    )


@pytest.mark.parametrize("stride", [16, 8, 5])
def test_scores_are_those_of_windows_wholly_in_reserved_cells(tmp_path, stride):
    embedded, run = embed(stride), open_trained(RUN)
    found = classify(run, embedded, "knn", tmp_path / "out.tif")
    votes, tables = votes_of_all(run, embedded, "knn"), []
    positions = embedded.tiles.positions(np.arange(len(embedded.tiles)))
    for cell in found.maps.area.reserved_cells():
        inside = ((positions >= cell) & (positions + SIZE <= cell + 2 * SIZE)).all(1)
        predicted = class_map(positions[inside] - cell, votes[inside], SIZE, 2 * SIZE, 2 * SIZE)
        tables.append(pixel_table(found.maps.labels.read(cell, 2 * SIZE)[0, 0], predicted, CLASSES))
    expected = {name: metric_and_spread(np.stack(tables), metric, 0) for name, metric in METRICS.items()}
    assert {score.metric: (score.mean, score.std) for score in found.scores} == expected
    assert found.scores[0].mean > 0.5 and found.not_scored == ""
    written = json.loads(found.files.table.read_text())["scores"]
    assert [(each["task"], each["model"], each["mean"]) for each in written] == [
        ("segmentation", "knn", expected[name][0]) for name in METRICS
    ]


def test_proportions_are_scored_by_their_error(tmp_path):
    embedded, run = embed(8), open_trained(RUN)
    found = classify(run, embedded, "knn", tmp_path / "out.tif", proportions=True)
    positions = embedded.tiles.positions(np.arange(len(embedded.tiles)))
    cells = found.maps.area.reserved_cells()
    inside = np.array([((p >= cells) & (p + SIZE <= cells + 2 * SIZE)).all(1).any() for p in positions])
    fit, proportions = fit_tiles(run)
    values = embedded.embeddings(np.flatnonzero(inside))
    predicted = fit_predict(REGRESSORS["knn"](0, 1), fit, proportions, values)
    truth = found.maps.labels.proportions(positions[inside], SIZE)
    assert found.scores[0].mean == pytest.approx(sum_error(predicted, truth))
    assert json.loads(found.files.table.read_text())["scores"][0]["std"] is None


def test_the_next_model_is_fitted_on_stored_embeddings_and_takes_the_place_of_the_last(tmp_path, monkeypatch):
    embedded, run = embed(16), open_trained(RUN)
    classify(run, embedded, "knn", tmp_path / "out.tif")
    assert (tmp_path / "out.tif.aux.xml").exists()
    monkeypatch.setattr(TrainedRun, "embed", None)
    classify(run, embedded, "dt", tmp_path / "out.tif", replace=True)
    assert json.loads((tmp_path / "out.json").read_text())["model"] == "dt"
    classify(run, embedded, "dt", tmp_path / "out.tif", proportions=True, replace=True)
    assert not (tmp_path / "out.tif.aux.xml").exists(), "the names of classes are not those of shares"


def test_a_model_is_fitted_on_the_embeddings_that_the_evaluation_has_kept(tmp_path, monkeypatch):
    embedded, run = embed(16), open_trained(RUN)
    expected = classify(run, embedded, "dt", tmp_path / "a.tif")
    maps = simple_model.open_maps_to_fit(run)
    positions, file = maps.pools["fit"].positions, fit_tiles_file(run.checkpoint)
    save_fit_tiles(run.checkpoint, positions, run.embed(maps.read(positions)), run.execution)
    try:
        monkeypatch.setattr(simple_model, "FeatureStore", None)
        kept = classify(run, embedded, "dt", tmp_path / "b.tif")
        assert kept.files.map.read_bytes() == expected.files.map.read_bytes()
    finally:
        file.unlink()


def test_without_a_window_in_a_cell_or_on_another_map_the_reason_is_said(tmp_path):
    run = open_trained(RUN)
    found = classify(run, embed(SIDE - SIZE), "knn", tmp_path / "far.tif")  # windows in the corners alone
    assert not found.scores and "wholly in one of" in found.not_scored
    assert json.loads(found.files.table.read_text())["not_scored"] == found.not_scored
    run = open_trained(RUN, HOLED)
    assert "not the one" in classify(run, embed(10, HOLED), "knn", tmp_path / "other.tif").not_scored


def test_parts_of_all_sizes_give_the_same_files(tmp_path, monkeypatch):
    embedded, run = embed(7, HOLED), open_trained(RUN, HOLED)
    whole = classify(run, embedded, "dt", tmp_path / "whole.tif")
    for module, name, value in ((window_votes, "CHUNK", 50), (land_cover, "PART_BYTES", 1)):
        monkeypatch.setattr(module, name, value)
    for module in (raster_file, land_cover):
        monkeypatch.setattr(module, "TILE", 64)
    monkeypatch.setattr(raster_file, "OPTIONS", raster_file.OPTIONS | {"blockxsize": 64, "blockysize": 64})
    parts = classify(run, embedded, "dt", tmp_path / "parts.tif")
    for name in ("map", "confidence"):
        np.testing.assert_array_equal(read(getattr(parts.files, name)), read(getattr(whole.files, name)))
    again = classify(run, embedded, "dt", tmp_path / "again.tif")
    assert again.files.map.read_bytes() == parts.files.map.read_bytes()


def test_wrong_requests_are_one_line_and_leave_nothing(tmp_path, monkeypatch):
    embedded, run = embed(16), open_trained(RUN)
    holed = open_trained(RUN, HOLED)
    (tmp_path / "there-confidence.tif").touch()
    other = embedded.about | {"network": {"sha256": "0"}}
    cases = [
        (run, embedded, "cnn", "out.tif", "Choose one of knn, linear"),
        (run, embedded, "knn", "there.tif", "there-confidence.tif exists already"),
        (run, embedded, "knn", "out.png", "must end in .tif or .tiff"),
        (holed, embedded, "knn", "out.tif", "not of holed.tif"),
        (run, SimpleNamespace(about=other, folder="x"), "knn", "out.tif", "another network"),
    ]
    for trained, map_, model, name, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            classify(trained, map_, model, tmp_path / name)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="needs up to"):
        classify(run, embedded, "knn", tmp_path / "out.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["there-confidence.tif"]


def test_a_run_without_labels_cannot_classify(tmp_path):
    embedded, run = embed(16), open_trained(RUN)
    run = replace(run, config=run.config.model_copy(update={"validation_map": None}))
    with pytest.raises(UserError, match="no label map"):
        classify(run, embedded, "knn", tmp_path / "out.tif")


def test_a_disk_that_is_full_at_the_end_leaves_no_file(tmp_path, monkeypatch):
    embedded, run = embed(16), open_trained(RUN)
    monkeypatch.setattr(raster_file, "is_whole", lambda path, overviews: False)
    with pytest.raises(UserError, match="only a part of it could be"):
        classify(run, embedded, "knn", tmp_path / "out.tif")
    assert not list(tmp_path.iterdir())
