"""Scores as table, file and curves; tiles in colours and thumbnails; the Reporter as a whole."""

import csv
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from config import validate
from dataProcessors.legends.legend import Legend
from evaluation.scoring import Evaluation, Score
from reporting.console_table import score_table
from reporting.display import Display
from reporting.feature_sets import separate_chance
from reporting.figures import Overview
from reporting.figures.thumbnails import BORDER, thumbnails
from reporting.map_view import TILE_COLUMNS, MapView
from reporting.metrics_csv import MetricsFile, read_scores
from reporting.reporter import Reporter
from reporting.tensorboard.writer import (
    MAX_POINTS,
    SPRITE_BYTES,
    SPRITE_SIDE,
    THUMBNAIL_SIDE,
    TensorBoardWriter,
    chart_layout,
    leads,
)

LEGEND = Legend("test", ("water", "dry\tland", "ice"), ((0, 0, 200), (90, 160, 60), (240, 250, 255)))
NAN = float("nan")


def scores_of(features, level):
    return [
        Score(features, "single_class", "knn", "accuracy", level, 0.011),
        Score(features, "single_class", "-", "MAP@R", level - 0.2, 0.02),
        Score(features, "single_class", "-", "MAP@R_chance", 0.125, 0.0),
        Score(features, "single_class", "-", "silhouette", NAN, NAN),
        Score(features, "multi_class", "rfc", "sum_error", 1.5 - level, 0.03),
        Score(features, "multi_class", "-", "MAP@1", level - 0.3, 0.02),
        Score(features, "multi_class", "-", "MAP@10", level - 0.4, 0.02),
        Score(features, "multi_class", "-", "MAP_chance", 0.2, 0.001),
    ]


def evaluation_of(features, level, tiles=20, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.ones(len(LEGEND)), tiles)
    confusion = {"knn": np.array([[5, 1, 0], [2, 7, 0], [0, 0, 0]])}
    return Evaluation(features, scores_of(features, level), confusion, {"rfc": truth[:, ::-1]}, truth)


def events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return accumulator.Reload()


def curve(accumulator, tag):
    return [(event.step, pytest.approx(event.value, abs=1e-6)) for event in accumulator.Scalars(tag)]


# --- table


def test_chance_becomes_a_feature_set_and_comes_once():
    apart = separate_chance(scores_of("trained", 0.8) + scores_of("untrained", 0.6))
    chance = {score.metric: score.mean for score in apart if score.features == "chance"}
    assert chance == {"MAP@R": 0.125, "MAP@1": 0.2, "MAP@5": 0.2, "MAP@10": 0.2}
    assert sum(score.features == "chance" for score in apart) == 4
    assert not any(score.metric.endswith("_chance") for score in apart)
    assert len(apart) == 2 * 6 + 4


def test_table_has_a_row_for_each_metric_and_a_column_for_each_feature_set():
    levels = {"trained": 0.8, "random_convolutions": 0.75, "mine": 0.3, "untrained": 0.6, "band_statistics": 0.7}
    text = score_table([score for name, level in levels.items() for score in scores_of(name, level)])
    lines = text.splitlines()
    assert max(map(len, lines)) <= 110 + 14
    rows = {line.split()[0]: line for line in lines if re.match(r"  \w", line)}
    assert list(rows) == ["accuracy", "MAP@R", "silhouette", "sum_error", "MAP@1", "MAP@10"]  # MAP@5 was not scored
    assert rows["accuracy"].split()[1:-1:2] == ["knn", "±0.011", "±0.011", "±0.011", "±0.011", "±0.011"]
    assert rows["accuracy"].split()[2::2] == ["0.800", "0.600", "0.700", "0.750", "0.300", "-"]
    assert rows["MAP@R"].split()[1::2] == ["0.600", "0.400", "0.500", "0.550", "0.100", "0.125"]
    assert rows["silhouette"].split()[1:] == ["-"] * 6
    assert rows["sum_error"].split()[4] == "rfc"
    headers = [line for line in lines if "trained" in line]
    assert len(headers) == 2
    words = (" trained", "untrained", "statistics", "convolutions", "mine", "chance")
    assert headers[0].split() == [word.strip() for word in words]
    assert lines[lines.index(headers[0]) - 1].split() == ["band", "random"]
    ends = [headers[0].index(word) + len(word) for word in words]
    for line in rows.values():  # each value stands below the end of its header
        assert all(line[end - 1] != " " and line[end : end + 1] in ("", " ") for end in ends)


def test_table_without_baselines():
    line = score_table([Score("trained", "single_class", "knn", "accuracy", 0.5, 0.0)]).splitlines()[-1]
    assert line.split() == ["accuracy", "knn", "0.500", "±0.000"]


# --- metrics.csv


def test_metrics_are_appended_and_the_header_comes_once(tmp_path):
    path = tmp_path / "metrics.csv"
    MetricsFile(path).append(0, scores_of("trained", 1 / 3))
    MetricsFile(path).append(250, [Score("trained", "single_class", "-", "silhouette", NAN, NAN)])  # as after a resume
    assert path.read_text(encoding="utf8").startswith("step,features,task,model,metric,mean,std\n")
    with path.open(newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert rows[0] == {
        "step": "0",
        "features": "trained",
        "task": "single_class",
        "model": "knn",
        "metric": "accuracy",
        "mean": "0.333333",
        "std": "0.011",
    }
    assert (rows[-1]["step"], rows[-1]["mean"], rows[-1]["std"]) == ("250", "nan", "nan")
    assert math.isnan(float(rows[-1]["mean"]))


def test_metrics_are_on_the_disk_when_they_are_appended(tmp_path, monkeypatch):
    synced, metrics = [], MetricsFile(tmp_path / "metrics.csv")
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    metrics.append(0, scores_of("trained", 0.5))
    assert synced == [metrics.path.stat().st_size], "all of them, not what was there before"


def test_metrics_file_with_another_header_is_refused_and_kept(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match=r"metrics\.csv starts with 'step,loss' instead of 'step,features"):
        MetricsFile(path)
    assert path.read_text() == "step,loss\n1,2\n"


# --- display


def test_rgb_of_uint8_is_shown_as_it_is():
    tiles = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
    assert np.array_equal(Display.from_tiles(tiles[:1]).rgb(tiles), tiles.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 2, 4])
def test_bands_are_stretched_between_percentiles(bands, dtype):
    ramp = np.arange(101, dtype=dtype)
    tiles = np.stack([ramp if band == 0 else ramp[::-1] for band in range(bands)])[None, :, None]  # (1, C, 1, 101)
    rgb = Display.from_tiles(tiles).rgb(tiles)
    assert rgb.shape == (1, 1, 101, 3)
    assert rgb.dtype == np.uint8
    expected = np.rint((np.clip(np.arange(101.0), 2, 98) - 2) / 96 * 255).astype(np.uint8)
    assert np.array_equal(rgb[0, 0, :, 0], expected)
    second = expected[::-1] if bands == 4 else expected  # fewer than three bands: the first alone, grey
    assert np.array_equal(rgb[0, 0, :, 1], second)
    assert np.array_equal(rgb[0, 0, :, 2], second)


def test_pixels_without_data_are_black_and_do_not_count():
    tiles = np.full((2, 4, 8, 8), 50.0, np.float32)
    tiles[:, :, ::2] = 100
    tiles[0, 1, 0, 0] = np.nan
    tiles[0, 0, 3, 3] = np.inf
    tiles[1, 2, 1, 1] = np.nan
    display = Display.from_tiles(tiles)
    assert (display.low, display.high) == ((50.0,) * 3, (100.0,) * 3)
    rgb = display.rgb(tiles)
    black = (rgb == 0).all(-1)
    assert black[0, 0, 0]
    assert black[0, 3, 3]
    assert black[1, 1, 1]
    assert (rgb[1, 0, 1] == 255).all()
    valid = np.isfinite(tiles).all(1, keepdims=True)
    marked = np.concatenate([np.nan_to_num(tiles, posinf=0), valid], 1).astype(np.int16)
    assert np.array_equal(Display.from_tiles(marked, has_validity=True).rgb(marked), rgb)


def test_map_of_one_value_or_none_is_shown():
    constant = np.full((1, 1, 4, 4), 7, np.uint16)
    assert np.isin(Display.from_tiles(constant).rgb(constant), (127, 128)).all()
    empty = np.full((1, 5, 4, 4), np.nan, np.float32)
    assert (Display.from_tiles(empty).rgb(empty) == 0).all()


# --- TensorBoard


def test_thumbnails_are_framed_in_the_colour_of_the_label():
    rgb = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    framed = thumbnails(rgb, np.array([1, -1, 0]), LEGEND)
    assert framed.shape == (3, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)
    for frame, colour in zip(framed, ((90, 160, 60), (127, 127, 127), (0, 0, 200))):
        assert (frame[:BORDER] == colour).all()
        assert (frame[:, -BORDER:] == colour).all()
    halved = rgb.reshape(3, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(framed[:, BORDER:-BORDER, BORDER:-BORDER] - halved).max() <= 1


def test_projector_keeps_within_what_a_page_can_load(tmp_path):
    n = MAX_POINTS + 10
    board = TensorBoardWriter(tmp_path)
    labels, positions = np.resize([0, 1, 2, -1], n), np.arange(2 * n).reshape(n, 2)
    tiles = np.zeros((n, 8, 8, 3), np.uint8)
    about = view_of(tiles.transpose(0, 3, 1, 2)).describe_tiles(positions, labels)
    pictures = thumbnails(tiles, labels, LEGEND)
    board.log_embeddings(7, "best", np.zeros((n, 2), np.float32), pictures, TILE_COLUMNS, about)
    board.close()
    config = text_format.Parse((tmp_path / "trained/projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    sprite = tmp_path / "trained" / embedding.sprite.image_path
    with Image.open(sprite) as image:
        width, height = image.size
    assert list(embedding.sprite.single_image_dim) == [THUMBNAIL_SIDE, THUMBNAIL_SIDE]
    assert width == height <= SPRITE_SIDE
    assert width * height * 3 <= SPRITE_BYTES
    assert (width // THUMBNAIL_SIDE) ** 2 >= MAX_POINTS
    metadata = (tmp_path / "trained" / embedding.metadata_path).read_text().splitlines()
    assert metadata[0] == "x\ty\tlon\tlat\tclass\taddress"
    address = "https://www.openstreetmap.org/?mlat=49.50000&mlon=10.40000#map=14/49.50000/10.40000"
    assert metadata[1] == f"0\t1\t10.40000\t49.50000\twater\t{address}"
    assert [row.split("\t")[4] for row in metadata[1:5]] == ["water", "dry land", "ice", "no label"]
    assert len(metadata) == MAX_POINTS + 1
    assert len((tmp_path / "trained" / embedding.tensor_path).read_text().splitlines()) == MAX_POINTS


def test_projector_shows_the_newest_best_and_last_networks_alone(tmp_path):
    board, pictures = TensorBoardWriter(tmp_path), np.zeros((3, 8, 8, 3), np.uint8)

    def show(step, which):
        board.log_embeddings(step, which, np.zeros((3, 2), np.float32), pictures, ["class"], [["water"]] * 3)

    def shown():
        text = (tmp_path / "trained/projector_config.pbtxt").read_text()
        listed = [Path(each.tensor_path) for each in text_format.Parse(text, ProjectorConfig()).embeddings]
        assert all((tmp_path / "trained" / path).exists() for path in listed)
        assert sorted(listed) == sorted(path.relative_to(tmp_path / "trained") for path in tmp_path.rglob("*.tsv")
                                        if path.name == "tensors.tsv")  # fmt: skip
        return [(int(path.parts[0]), path.parts[1]) for path in listed]

    for step in (0, 500, 99_500):
        show(step, "best")
    show(100_000, "last")
    assert shown() == [(100_000, "last"), (99_500, "best")], "as numbers, not as text"
    show(200_000, "last")
    assert shown() == [(200_000, "last"), (99_500, "best")]
    board.close()
    board = TensorBoardWriter(tmp_path)
    board.drop_after(200_000, 200_000)
    assert shown() == [(99_500, "best")], "the last network of before is no longer the last"
    show(300_000, "last")
    assert shown() == [(300_000, "last"), (99_500, "best")]
    board.close()


def view_of(tiles, synthetic=False, lonlat=lambda points: points / 10 + (10, 49)):
    overview = Overview(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8), 10.0, (100, 200))
    display, cells = Display.from_tiles(tiles), np.array([[120, 220]])
    return MapView(LEGEND, display, overview, tiles.shape[-1], cells, lonlat, synthetic)


def test_tiles_of_no_place_on_earth_have_no_address():
    tiles, positions = np.zeros((1, 3, 8, 8), np.uint8), np.array([[4, 12]])
    nowhere = view_of(tiles, lonlat=lambda points: np.full((len(points), 2), np.nan))
    assert nowhere.describe_tiles(positions, np.array([2])) == [["4", "12", "", "", "ice", ""]]
    synthetic = view_of(tiles, synthetic=True)
    assert synthetic.describe_tiles(positions, np.array([-1])) == [["4", "12", "10.80000", "50.60000", "no label", ""]]
    assert synthetic.title_suffix == " (synthetic map)" and not nowhere.title_suffix


def test_lead_is_over_the_better_baseline_and_less_may_be_better():
    scores = [*scores_of("trained", 0.8), *scores_of("untrained", 0.5), *scores_of("band_statistics", 0.7)]
    found = dict(leads(separate_chance(scores)))
    assert found["single_class/accuracy/knn"] == pytest.approx(0.1)
    assert found["multi_class/sum_error/rfc"] == pytest.approx(0.1)
    assert found["retrieval/MAP@R"] == pytest.approx(0.1)
    assert leads(separate_chance(scores_of("trained", 0.8))) == []
    dimensions = [
        Score(features, "embedding", "-", "used_dimensions", 0.5, 0.1) for features in ("trained", "untrained")
    ]
    assert leads(dimensions) == [], "more is not better"


def test_layout_puts_training_first_and_every_score_on_a_chart_with_its_spread():
    charts = chart_layout(["retrieval/MAP@R", "single_class/accuracy/knn", "single_class/silhouette"])
    assert list(charts) == ["training", "single_class", "retrieval", "lead over the best yardstick"]
    assert charts["single_class"]["accuracy/knn"] == [
        "Margin",
        ["single_class/accuracy/knn", "spread/single_class/accuracy/knn/low", "spread/single_class/accuracy/knn/high"],
    ]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder of a run for which everything was reported."""
    folder, rng = tmp_path_factory.mktemp("shown") / "run", np.random.default_rng(0)
    n, size = 20, 8
    tiles = rng.integers(0, 256, (n, 3, size, size), dtype=np.uint8)
    classes = rng.integers(0, 3, (n, size, size), dtype=np.uint8)
    reporter = Reporter(folder, view_of(tiles), seed=0)
    reporter.log_config(CONFIG)
    reporter.log_step(10, {"loss": 0.75})
    reporter.log_batch(10, tiles, classes, [("anchor", np.arange(5)), ("positive", np.arange(5, 10))])
    reporter.log_hardest(10, tiles, classes, [("anchor", np.arange(2)), ("negative", np.arange(5, 7))], [0.9, 0.2])
    reporter.log_distances(10, {"positive": np.array([0.1, 0.3]), "negative": np.array([0.5, 0.9])})
    first = [evaluation_of("trained", 0.6), evaluation_of("untrained", 0.5), evaluation_of("band_statistics", 0.7)]
    reporter.log_scores(0, first)
    reporter.log_scores(50, [evaluation_of("trained", 0.8)])
    last = evaluation_of("trained", 0.9)
    reporter.log_scores(100, [last])
    embeddings = np.repeat(rng.normal(size=(3, 4)), [10, 9, 1], axis=0).astype(np.float32)  # too few places for UMAP
    sampled = {"anchor": np.array([[150, 250]])}
    reporter.log_figures(100, "best", last, embeddings, last.truth, rng.integers(100, 400, (n, 2)), tiles, sampled)
    reporter.close()
    return folder


CONFIG = validate(
    {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm", "mining": ["HARD_NEGATIVE"],
     "name": "shown", "multi_class_classifiers": "rfc"}
)  # fmt: skip
FIGURES = [
    "confusion_matrix/knn", "proportions/rfc", "distances", "neighbours", "umap", "umap_tiles", "umap_3d",
    "sampled_tiles",
]  # fmt: skip


def test_curves_of_all_feature_sets_lie_on_one_chart(shown):
    board = shown / "tensorboard"
    assert sorted(folder.name for folder in board.iterdir()) == ["band_statistics", "chance", "trained", "untrained"]
    runs = {folder.name: events(folder) for folder in board.iterdir()}
    assert curve(runs["trained"], "train/loss") == [(10, 0.75)]
    assert curve(runs["trained"], "single_class/accuracy/knn") == [(0, 0.6), (50, 0.8), (100, 0.9)]
    assert curve(runs["untrained"], "single_class/accuracy/knn") == [(0, 0.5), (50, 0.5), (100, 0.5)]
    assert curve(runs["band_statistics"], "multi_class/sum_error/rfc") == [(0, 0.8), (50, 0.8), (100, 0.8)]
    assert curve(runs["chance"], "retrieval/MAP@10") == [(0, 0.2), (50, 0.2), (100, 0.2)]
    assert "single_class/silhouette" not in runs["trained"].Tags()["scalars"]  # nothing but NaN
    spread = [curve(runs["untrained"], f"spread/single_class/accuracy/knn/{side}") for side in ("low", "high")]
    assert spread == [[(step, value) for step in (0, 50, 100)] for value in (0.489, 0.511)]
    assert curve(runs["trained"], "baselines/single_class/accuracy/knn") == [(0, -0.1), (50, 0.1), (100, 0.2)]
    groups = {tag.partition("/")[0] for tag in runs["trained"].Tags()["scalars"]}
    assert groups == {"train", "single_class", "multi_class", "retrieval", "baselines", "spread"}


def test_config_comes_as_text_as_keys_of_a_table_and_lays_out_the_charts(shown):
    trained = events(shown / "tensorboard/trained")
    assert '"margin": 0.5' in str(trained.Tensors("config/text_summary")[0].tensor_proto.string_val)
    content = trained.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    keys = HParamsPluginData.FromString(content).session_start_info.hparams
    assert keys["margin"].number_value == 0.5 and keys["mining"].string_value == "HARD_NEGATIVE"
    assert keys["supervised"].bool_value is False and keys["maps"].string_value == "germany"
    assert "name" not in keys and "threads" not in keys
    content = trained.summary_metadata["_hparams_/experiment"].plugin_data.content
    metrics = [info.name.tag for info in HParamsPluginData.FromString(content).experiment.metric_infos]
    assert sorted(metrics) == sorted(CONFIG.metrics)
    infos = HParamsPluginData.FromString(content).experiment.hparam_infos
    assert {info.name for info in infos if info.differs} == {"loss", "network", "supervised", "mining", "learning_rate"}
    assert "custom_scalars__config__" in trained.Tags()["tensors"]


def test_pictures_are_on_the_page_and_in_files(shown):
    trained = events(shown / "tensorboard/trained")
    pictures = ["batch/tiles", "batch/hardest", *(f"figures/{name}" for name in FIGURES)]
    assert sorted(trained.Tags()["images"]) == sorted(pictures)
    assert sorted(trained.Tags()["histograms"]) == ["distances/negative", "distances/positive"]
    for name in FIGURES:
        path = shown / "figures/best" / name.replace("/", "-")
        with Image.open(f"{path}.png") as image:
            assert min(image.size) > 200
        assert Path(f"{path}.svg").read_text(encoding="utf8").rstrip().endswith("</svg>")
    assert len(list((shown / "figures/best").iterdir())) == 2 * len(FIGURES) + 1  # no temporary file is left
    assert (shown / "tensorboard/trained/projector_config.pbtxt").exists()


def test_scored_tiles_are_listed_with_those_whose_neighbours_are_shown(shown):
    with (shown / "figures/best/tiles.csv").open(newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert list(rows[0]) == [*TILE_COLUMNS, "query"]
    assert sorted(row["query"] for row in rows if row["query"]) == [str(i) for i in range(1, 9)]
    assert all(row["address"].startswith("https://www.openstreetmap.org/?mlat=") for row in rows)


def test_scores_are_in_the_file_once_and_in_the_table_with_the_baselines(tmp_path, capsys):
    reporter = Reporter(tmp_path, view_of(np.zeros((1, 3, 8, 8), np.uint8)), seed=0)
    reporter.log_scores(0, [evaluation_of(name, level) for name, level in (("trained", 0.8), ("untrained", 0.5))])
    reporter.log_scores(100, [evaluation_of("trained", 0.9)])
    reporter.close()
    kept = read_scores(tmp_path / "metrics.csv")
    assert {step: len(scores) for step, scores in kept.items()} == {0: 16, 100: 8}
    assert kept[100][0] == Score("trained", "single_class", "knn", "accuracy", 0.9, 0.011)
    table = capsys.readouterr().out.split("Scores at step 100")[1]
    assert "0.900 ±0.011" in table
    assert "0.500 ±0.011" in table  # of the untrained network, scored at step 0
    assert "0.800 ±0.011" not in table.split("sum_error")[0]  # of the evaluation before


def test_a_line_that_is_not_whole_is_left_out(tmp_path):
    path = tmp_path / "metrics.csv"
    MetricsFile(path).append(5, scores_of("trained", 0.5)[:2])
    whole = path.read_text()
    last = "10,trained,single_class,knn,accuracy,0.123456,0.0157"
    for length in range(len(last) + 1):
        path.write_text(whole + last[:length])
        assert [len(scores) for scores in read_scores(path).values()] == [2]
