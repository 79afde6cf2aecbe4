"""The evaluator: on which tiles a network is scored."""

from types import SimpleNamespace

import numpy as np

from config import validate
from dataProcessors.sampling.pool import Pool
from training.scoring.evaluator import Evaluator

CONFIG = {
    "network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "validation_nb": 50, "valIteration": 2,
}  # fmt: skip


def scored_places(seed: int) -> list:
    """The positions of the tiles of each draw: those to fit on, and those to score."""
    pools = {name: Pool(np.arange(400).reshape(200, 2), np.ones((200, 1), np.float32)) for name in ("fit", "score")}
    maps = SimpleNamespace(image=None, pools=pools)
    evaluator = Evaluator(validate(CONFIG | {"seed": seed}), maps, (np.zeros(3), np.ones(3)), jobs=1)
    return [
        (evaluator.fit.positions[fit].tolist(), evaluator.score.positions[score].tolist())
        for fit, score in evaluator.draws
    ]


def test_equal_seeds_score_the_same_tiles_and_other_seeds_others():
    first, again, other = (scored_places(seed) for seed in (1, 1, 2))
    assert [(len(fit), len(score)) for fit, score in first] == [(50, 5)] * 2
    assert first == again
    assert all(one[part] != another[part] for one, another in zip(first, other) for part in (0, 1))


def test_what_is_about_to_be_scored_is_told(caplog):
    """On a large map it is the last line for minutes."""
    pools = {name: Pool(np.arange(400).reshape(200, 2), np.ones((200, 1), np.float32)) for name in ("fit", "score")}
    embed = {"band_statistics": lambda positions: positions, "own": lambda positions: positions}
    evaluator = Evaluator(validate(CONFIG), SimpleNamespace(image=None, pools=pools), embed, jobs=1)
    with caplog.at_level("INFO"):
        evaluator.evaluate_yardsticks(lambda function, name, *arguments: name)
    assert caplog.messages == [
        "Scoring band statistics, own: models are fitted on 50 tiles and scored on 5, in 2 draws"
    ]
    caplog.clear()
    Evaluator(validate(CONFIG), SimpleNamespace(image=None, pools=pools), {}, jobs=1).evaluate_yardsticks()
    assert not caplog.messages
