"""What TensorBoard is given: embeddings for the projector, leads over the yardsticks, the layout of the charts."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from reporting_for_tests import LEGEND, scores_of, view_of
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from evaluation.scores import Score
from reporting.feature_sets import separate_chance
from reporting.figures.thumbnails import thumbnails
from reporting.map_view import TILE_COLUMNS
from reporting.tensorboard.writer import (
    MAX_POINTS,
    SPRITE_BYTES,
    SPRITE_SIDE,
    THUMBNAIL_SIDE,
    TensorBoardWriter,
    chart_layout,
    leads,
)


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


def test_lead_is_over_the_better_yardstick_and_less_may_be_better():
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
