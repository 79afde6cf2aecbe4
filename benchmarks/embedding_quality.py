"""Compare trained embeddings with the yardsticks on real maps, draw by draw.

    python -m benchmarks.embedding_quality --maps MAP.json ... --recipes RECIPE.json ...

Each recipe (a config) is trained by main.py on each map with each seed, with nothing of it changed but what the map's
config says about the map, its tiles and how they are scored. Its best and its last network are compared with every
yardstick, draw by draw: "better" and "worse" are means beyond two standard errors over seeds and draws. What is made
lies in the folder, and is not made again; runs that were broken off are resumed. Scores that
`python -m benchmarks.tile2vec` left there for every seed are among the yardsticks.
"""

import argparse
import csv
import io
import itertools
import logging
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from assembly import make_network
from benchmarks.draw_scores import (
    MAP_KEYS,
    YARDSTICKS,
    ScoredMap,
    draw_scores,
    read_scores,
    recipe_digest,
    score_folder,
    write_scores,
)  # fmt: skip
from benchmarks.paired import Comparison, Scores, against_the_best, comparisons, means_table, targets_table
from config import Config, UserError, load, validate
from dataProcessors.statistics import normalisation
from storage import write_text
from training.execution.openmp import limit_spinning
from training.execution.precision import TRIAL_TILES, resolve
from training.forward import ForwardPass
from training.runs.checkpoint import BEST, LAST
from training.runs.folder import RESULTS
from training.scoring.evaluator import Features
from training.trained import trained_network

MAIN = Path(__file__).parents[1] / "main.py"
NETWORKS, UNTRAINED = {"best": BEST, "last": LAST}, "untrained"


class Experiment(NamedTuple):
    """A recipe on a map with a seed: the run's config, and the folder of the map's scores with this seed."""

    recipe: str
    config: Config
    scores: Path

    @property
    def name(self) -> str:
        """Name of the folder of its scores, another one for each version of the recipe."""
        return f"{self.recipe}-{recipe_digest(self.config)}"


def experiment(map_file: Path, recipe_file: Path, seed: int, folder: Path, overrides: list[str]) -> Experiment:
    """Return the experiment whose config is the recipe's, but for MAP_KEYS, which are the map's.

    Raises:
        ConfigError: in the files, or because they do not go together
    """
    on_map = load(map_file, [*overrides, f"seed={seed}"])
    recipe, given = load(recipe_file, overrides).model_dump(), on_map.model_dump(include=set(MAP_KEYS))
    config = validate(recipe | given | {"seed": seed}, f"{recipe_file} on {map_file}")
    name = f"{map_file.stem}-{recipe_file.stem}-{recipe_digest(config)}-{seed}"
    return Experiment(
        recipe_file.stem, config.model_copy(update={"name": name}), score_folder(folder, map_file.stem, on_map)
    )


def train(config: Config, folder: Path) -> Path:
    """Run main.py until the run is complete; resume it if it was broken off. Return the run's folder."""
    run, file = RESULTS / config.run_name, folder / f"{config.run_name}.json"
    write_text(file, config.to_json())
    command = ["resume", str(run)] if run.exists() else ["train", str(file)]
    subprocess.run([sys.executable, str(MAIN), *command], check=True)
    return run


class Embedding:
    """Embeds the tiles of a map by networks, as the run of the experiment does."""

    def __init__(self, config: Config):
        self.config, self.scored = config, ScoredMap.open(config)

    def untrained(self) -> Features:
        """Features of the run's initial network, whose batch-norm statistics are estimated unless it is pretrained."""
        scaling = normalisation(self.scored.maps.image, self.config.image_size)
        network = make_network(self.config, self.scored.maps, scaling, self.config.pretrained)
        forward = self._forward(network)
        if not self.config.pretrained:
            forward.estimate_batchnorm_statistics()
        return self.scored.evaluator.embed("untrained", forward.embed_positions)

    def trained(self, checkpoint: Path) -> Features:
        """Features of the network in a checkpoint."""
        return self.scored.evaluator.embed("trained", self._forward(trained_network(checkpoint)).embed_positions)

    def _forward(self, network: nn.Module) -> ForwardPass:
        maps = self.scored.maps
        execution = resolve(self.config, network, maps.read(maps.pools["fit"].positions[:TRIAL_TILES]))
        return ForwardPass(self.config, network, execution, maps)

    def yardsticks(self) -> dict[str, Callable[[], Features]]:
        """Name -> function that returns the features of each yardstick that needs no network."""
        evaluator = self.scored.evaluator
        return {name: partial(evaluator.embed, name, embed) for name, embed in evaluator.yardsticks.items()}


def make_scores(each: Experiment, folder: Path) -> None:
    """Train the experiment's network, and write the scores of the yardsticks and of it, unless they are written."""
    own = each.scores / each.name
    if all((own / f"{name}.csv").exists() for name in (*NETWORKS, UNTRAINED)):
        return
    run, made = train(each.config, folder), Embedding(each.config)
    of_recipe = {name: lambda file=file: made.trained(run / file) for name, file in NETWORKS.items()}
    places = {each.scores / YARDSTICKS: made.yardsticks(), own: of_recipe | {UNTRAINED: made.untrained}}
    for place, features_of in places.items():
        for name, features in features_of.items():
            path = place / f"{name}.csv"
            if not path.exists():
                write_scores(path, draw_scores(made.scored.evaluator, features()))


def read_seeds(folders: list[Path]) -> dict[str, Scores]:
    """Return the scores of every feature set that has a file in each folder, one for a seed: seeds side by side."""
    names = [{path.stem for path in folder.glob("*.csv")} for folder in folders]
    complete = set.intersection(*names)
    for name in sorted(set.union(*names) - complete):
        logging.warning("%s is left out: %s has no scores of it for some of the seeds", name, folders[0].parents[1])
    seeds = {name: [read_scores(folder / f"{name}.csv") for folder in folders] for name in sorted(complete)}
    return {
        name: {tag: np.concatenate([scores[tag] for scores in each]) for tag in each[0]} for name, each in seeds.items()
    }


def compare_on_map(recipes: list[list[Experiment]]) -> tuple[dict[str, Scores], list[Comparison]]:
    """Return the scores of all feature sets on a map, and the comparisons. recipes: of each, an experiment a seed."""
    yardsticks = read_seeds([each.scores / YARDSTICKS for each in recipes[0]])
    scores, compared = dict(yardsticks), []
    for seeds in recipes:
        own = read_seeds([each.scores / each.name for each in seeds])
        named = {f"{seeds[0].recipe}, {name}": values for name, values in own.items()}
        untrained = {name: values for name, values in named.items() if name.endswith(UNTRAINED)}
        trained = {name: values for name, values in named.items() if name not in untrained}
        compared += comparisons(trained, yardsticks | untrained)
        scores |= named
    return scores, compared


def section(name: str, scores: dict[str, Scores], compared: list[Comparison], seeds: int) -> str:
    """Return the tables of a map as Markdown."""
    draws = len(next(iter(next(iter(scores.values())).values()))) // seeds
    about = f"Means over {seeds} seeds x {draws} draws; ± is the standard error of the mean difference:"
    return "\n\n".join([f"### {name}", about, means_table(scores), targets_table(against_the_best(compared))])


def comparisons_csv(compared: dict[str, list[Comparison]]) -> str:
    """Return the comparisons of every map as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("map", *Comparison._fields, "verdict", "ratio"))
    table.writerows((name, *each, each.verdict, each.ratio) for name, found in compared.items() for each in found)
    return text.getvalue()


def run(arguments: argparse.Namespace) -> str:
    """Make what is missing, write the tables, and return them as Markdown."""
    sections, compared = [], {}
    experiments = {
        file.stem: [
            [experiment(file, recipe, seed, arguments.folder, arguments.set) for seed in arguments.seeds]
            for recipe in arguments.recipes
        ]
        for file in arguments.maps
    }  # all configs are checked before the first run
    for name, recipes in experiments.items():
        for each in itertools.chain.from_iterable(recipes):
            make_scores(each, arguments.folder)
        scores, compared[name] = compare_on_map(recipes)
        sections.append(section(name, scores, compared[name], len(arguments.seeds)))
        write_text(arguments.folder / "embedding_quality.csv", comparisons_csv(compared))
        write_text(arguments.folder / "embedding_quality.md", "\n\n".join(sections) + "\n")
    return "\n\n".join(sections)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.embedding_quality", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--maps", nargs="+", type=Path, required=True, metavar="MAP.json", help="configs of the maps")
    parser.add_argument("--recipes", nargs="+", type=Path, required=True, metavar="RECIPE.json", help="what is trained")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="in all configs, such as threads=1")
    parser.add_argument("--folder", type=Path, default=Path("data/benchmarks/quality"), help="for scores and tables")
    limit_spinning()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        print(run(parser.parse_args()))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:  # main.py has said why
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
