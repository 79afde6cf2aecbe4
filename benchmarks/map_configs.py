"""What configs say about maps, what they say about recipes, and where scores of yardsticks that no run makes are kept.

All feature sets are scored on the draws of tiles that the config of a map and a seed give.
"""

import hashlib
import json
from pathlib import Path

from config import Config
from evaluation.scores import Evaluation
from reporting.draws_csv import Draws, DrawsFile, read_draws

# what a config says about the map, the tiles and how they are scored; all other keys are the recipe's
MAP_KEYS = (
    "maps", "validation_map", "image_size", "max_nodata", "validation_nb", "validation_spacing", "valIteration",
    "singleClassTreshold", "single_class_classifiers", "multi_class_classifiers", "yardsticks", "threads", "device",
)  # fmt: skip
NAMES = {"name", "seed"}  # keys that tell runs apart beside their content


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


def yardsticks_folder(folder: Path, map_name: str, config: Config) -> Path:
    """Return the folder of the scores on a map, with the config's seed, of yardsticks that no run makes."""
    return folder / f"{map_name}-{map_digest(config)}" / f"seed{config.seed}"


def write_yardstick(folder: Path, step: int, evaluation: Evaluation) -> Path:
    """Write the scores of a yardstick, in place of earlier ones of its name. Return the file."""
    path = folder / f"{evaluation.features}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    DrawsFile(path).append(step, [evaluation])
    return path


def read_yardsticks(folder: Path) -> Draws:
    """Return what `write_yardstick` wrote into a folder; {} if there is none."""
    found: Draws = {}
    for path in sorted(folder.glob("*.csv")):
        for draws in read_draws(path).values():
            found |= draws
    return found
