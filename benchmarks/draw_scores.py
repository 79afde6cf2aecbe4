"""Scores of a feature set for each draw of tiles, and the files that keep them.

Feature sets are compared draw by draw, on equal tiles: then most of what differs between draws cancels.
"""

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from config import Config
from dataProcessors.maps import OpenMaps, open_maps
from evaluation.scoring import evaluate
from storage import write_text
from training.execution.device import resolve_threads
from training.scoring.evaluator import Evaluator, Features
from training.scoring.yardsticks import yardsticks

DrawScores = dict[str, list[float]]  # tag of a score -> its value in each draw
# what a config says about the map, the tiles and how they are scored; all other keys are the recipe's
MAP_KEYS = (
    "maps", "validation_map", "image_size", "max_nodata", "validation_nb", "validation_spacing", "valIteration",
    "singleClassTreshold", "single_class_classifiers", "multi_class_classifiers", "yardsticks", "threads", "device",
)  # fmt: skip
NAMES = {"name", "seed"}  # keys that tell runs apart beside their content
YARDSTICKS = "yardsticks"  # folder, in that of a map and a seed, of the scores of feature sets that no recipe makes


@dataclass(frozen=True)
class ScoredMap:
    """A map, opened as a run opens it, and the evaluator of its tiles."""

    config: Config
    maps: OpenMaps
    evaluator: Evaluator

    @classmethod
    def open(cls, config: Config) -> "ScoredMap":
        """Open the map of a config.

        Raises:
            UserError: it is missing, or cannot hold the tiles
        """
        threads = resolve_threads(config)
        maps = open_maps(config, threads)
        maps.check_scored_tiles()
        return cls(config, maps, Evaluator(config, maps, yardsticks(config, maps), threads))


def draw_scores(evaluator: Evaluator, features: Features) -> DrawScores:
    """Return every score of a feature set in each draw; NaN where a draw cannot define it."""
    truths = evaluator.fit.proportions, evaluator.score.proportions
    drawn = [
        evaluate(features.name, features.fit, features.score, *truths, [draw], evaluator.settings).scores
        for draw in evaluator.draws
    ]
    return {scores[0].tag: [score.mean for score in scores] for scores in zip(*drawn)}


def digest(content: dict) -> str:
    """Return eight letters that differ for different content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def map_digest(config: Config) -> str:
    """Return what tells apart the tiles and the scores of two configs, whatever their recipes and seeds."""
    content = config.model_dump(mode="json")
    return digest({key: content[key] for key in MAP_KEYS})


def recipe_digest(config: Config) -> str:
    """Return what tells apart two runs, whatever their names and seeds."""
    return digest(config.model_dump(mode="json", exclude=NAMES))


def score_folder(folder: Path, map_name: str, config: Config) -> Path:
    """Return the folder of all scores on a map with the config's seed; it holds a folder for each kind of features."""
    return folder / f"{map_name}-{map_digest(config)}" / f"seed{config.seed}"


def write_scores(path: Path, scores: DrawScores) -> None:
    """Write scores as CSV: the tag, the number of the draw, the value."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("score", "draw", "value"))
    table.writerows((tag, draw, value) for tag, values in scores.items() for draw, value in enumerate(values))
    write_text(path, text.getvalue())


def read_scores(path: Path) -> DrawScores:
    """Return what `write_scores` wrote."""
    scores: DrawScores = {}
    with path.open(encoding="utf8", newline="") as lines:
        for row in csv.DictReader(lines):
            scores.setdefault(row["score"], []).append(float(row["value"]))
    return scores
