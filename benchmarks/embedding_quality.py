"""Compare trained embeddings with the yardsticks on real maps, draw by draw.

    python -m benchmarks.embedding_quality --maps MAP.json ... --recipes RECIPE.json ...

Each recipe (a config) is trained by main.py on each map with each seed, with nothing of it changed but what the map's
config says about the map, its tiles and how they are scored. Its best and its last network are compared with every
yardstick of its runs, and with those that `python -m benchmarks.tile2vec` scored for every seed: "better" and "worse"
are means beyond two standard errors over seeds and draws. Complete runs are not made again, and runs that were broken
off are resumed.
"""

import argparse
import csv
import io
import itertools
import logging
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.map_configs import MAP_KEYS, read_yardsticks, recipe_digest, yardsticks_folder
from benchmarks.paired import Comparison, Scores, against_the_best, comparisons, means_table, targets_table
from config import Config, UserError, load, validate
from reporting.draws_csv import DRAWS_NAME, Draws, draws_at
from reporting.feature_sets import TRAINED, UNTRAINED, is_yardstick
from reporting.report.run import RunFiles, read_run
from reporting.tables import markdown_table
from storage import write_text
from training.execution.openmp import limit_spinning
from training.runs.folder import RESULTS

MAIN = Path(__file__).parents[1] / "main.py"
COLUMNS = (
    "map", "features", "compared with", "score", "mean", "its mean", "difference", "standard error", "pairs", "verdict",
    "ratio",
)  # fmt: skip


class Experiment(NamedTuple):
    """A recipe on a map with a seed: the run's config, and the folder of further yardsticks on the same tiles."""

    recipe: str
    config: Config
    yardsticks: Path


def experiment(map_file: Path, recipe_file: Path, seed: int, folder: Path, overrides: list[str]) -> Experiment:
    """Return the experiment whose config is the recipe's, but for MAP_KEYS, which are the map's.

    Raises:
        ConfigError: in the files, or because they do not go together
    """
    on_map = load(map_file, [*overrides, f"seed={seed}"])
    recipe, given = load(recipe_file, overrides).model_dump(), on_map.model_dump(include=set(MAP_KEYS))
    config = validate(recipe | given | {"seed": seed}, f"{recipe_file} on {map_file}")
    name = f"{map_file.stem}-{recipe_file.stem}-{recipe_digest(config)}-{seed}"
    named = config.model_copy(update={"name": name})
    return Experiment(recipe_file.stem, named, yardsticks_folder(folder, map_file.stem, on_map))


def train(config: Config, folder: Path) -> None:
    """Run main.py until the run is complete; resume it if it was interrupted. folder: of its config."""
    run, file = RESULTS / config.run_name, folder / f"{config.run_name}.json"
    if run.exists() and _is_complete(read_run(run)):
        return
    write_text(file, config.to_json())
    command = ["resume", str(run)] if run.exists() else ["train", str(file)]
    subprocess.run([sys.executable, str(MAIN), *command], check=True)


def _is_complete(run: RunFiles) -> bool:
    return run.last_step == run.total_steps


def read_draws_of(each: Experiment) -> tuple[Draws, Draws]:
    """Return the values in each draw: of the run's best and last network, and of all yardsticks.

    Raises:
        UserError: the run has none of its networks
    """
    run = read_run(RESULTS / each.config.run_name)
    best, last = (draws_at(run.draws, step or 0) for step in (run.best_step, run.last_step))
    if TRAINED not in best or TRAINED not in last:
        raise UserError(
            f"{run.folder}: {DRAWS_NAME} has no values of its networks. Move the folder away to train anew."
        )
    networks = {f"{each.recipe}, best": best[TRAINED], f"{each.recipe}, last": last[TRAINED]}
    yardsticks = {
        f"{each.recipe}, {name}" if name == UNTRAINED else name: values
        for name, values in best.items()
        if is_yardstick(name)
    }
    return networks, yardsticks | read_yardsticks(each.yardsticks)


def beside_one_another(seeds: list[Draws], name: str) -> dict[str, Scores]:
    """Return the scores of every feature set that has some with each seed. name: of the recipe, for warnings."""
    every = list(dict.fromkeys(itertools.chain.from_iterable(seeds)))
    complete = [features for features in every if all(features in draws for draws in seeds)]
    for features in sorted(set(every) - set(complete)):
        logging.warning("%s: %s is left out: it has no scores for some of the seeds", name, features)
    return {
        features: {tag: np.array([draws[features][tag] for draws in seeds]) for tag in seeds[0][features]}
        for features in complete
    }


def compare_on_map(recipes: list[list[Experiment]]) -> tuple[dict[str, Scores], list[Comparison]]:
    """Return the scores of all feature sets on a map, and the comparisons. recipes: of each, an experiment a seed."""
    networks, yardsticks, compared = {}, {}, []
    for seeds in recipes:
        of_seeds = zip(*map(read_draws_of, seeds))
        own, others = (beside_one_another(list(draws), seeds[0].recipe) for draws in of_seeds)
        compared += comparisons(own, others)
        networks |= own
        yardsticks |= others
    return networks | yardsticks, compared


def section(name: str, scores: dict[str, Scores], compared: list[Comparison]) -> str:
    """Return the tables of a map as Markdown."""
    seeds, draws = next(iter(next(iter(scores.values())).values())).shape
    means = means_table(f"{name}: means over {seeds} seeds x {draws} draws", scores)
    targets = targets_table(f"{name}: the best yardstick of each figure, ± standard error", against_the_best(compared))
    return "\n\n".join(markdown_table(table, 3) for table in (means, targets))


def comparisons_csv(compared: dict[str, list[Comparison]]) -> str:
    """Return the comparisons of every map as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for name, each in ((name, each) for name, found in compared.items() for each in found):
        mean, error, pairs, verdict, ours, theirs = each.found
        table.writerow((name, *each[:3], ours, theirs, mean, error, pairs, verdict, each.ratio))
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
            train(each.config, arguments.folder)
        scores, compared[name] = compare_on_map(recipes)
        sections.append(section(name, scores, compared[name]))
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
