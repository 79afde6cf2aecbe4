"""The Reporter as a whole: curves, config, pictures and scores of a run."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reporting_for_tests import LEGEND, scores_of, view_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from config import validate
from evaluation.scores import Evaluation, Score
from reporting.map_view import TILE_COLUMNS
from reporting.metrics_csv import read_scores
from reporting.reporter import Reporter
from training.scoring.snapshot import Features, ShownNetwork, Snapshot

CONFIG = validate(
    {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm", "mining": ["HARD_NEGATIVE"],
     "name": "shown", "multi_class_classifiers": "rfc"}
)  # fmt: skip
FIGURES = [
    "confusion_matrix/knn", "proportions/rfc", "distances", "neighbours", "umap", "umap_tiles", "umap_3d",
    "sampled_tiles",
]  # fmt: skip


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
    network = Snapshot(100, Features("trained", embeddings, embeddings), {"anchor": np.array([[150, 250]])})
    reporter.log_figures("best", ShownNetwork(network, last, last.truth, rng.integers(100, 400, (n, 2)), tiles))
    reporter.close()
    return folder


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
    assert curve(runs["trained"], "yardsticks/single_class/accuracy/knn") == [(0, -0.1), (50, 0.1), (100, 0.2)]
    groups = {tag.partition("/")[0] for tag in runs["trained"].Tags()["scalars"]}
    assert groups == {"train", "single_class", "multi_class", "retrieval", "yardsticks", "spread"}


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


def test_scores_are_in_the_file_once_and_in_the_table_with_the_yardsticks(tmp_path, capsys):
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
