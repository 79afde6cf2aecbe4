"""Command line: python main.py [VERB] [CONFIG] [key=value ...].

What a verb needs is imported when it runs: torch alone takes seconds.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import config as configuration


def train(arguments: argparse.Namespace) -> None:
    """Train a network on the maps and with the settings of a config, and show how good its embeddings are."""
    config = configuration.load(arguments.config, arguments.overrides)
    for warning in config.warnings():
        logging.warning("%s: %s", arguments.config, warning)
    from dataProcessors.maps import open_maps
    from dataProcessors.statistics import normalisation
    from training.evaluator import Evaluator
    from training.execution import TRIAL_TILES, resolve, resolve_device, resolve_threads
    from training.folder import create_folder, describe_run
    from training.scorer import Scorer
    from training.steps import STEPS
    from training.trainer import Trainer

    resolve_device(config.device)  # before anything that takes long
    threads = resolve_threads(config)
    maps = open_maps(config, threads)
    pools = maps.pools(config)
    step = STEPS[config.loss, config.supervised](config, maps.sampler(config, pools), maps.read, pools)
    scaling = normalisation(maps.image, config.image_size)
    network = make_network(config, maps, scaling)
    execution = resolve(config, network, maps.read(pools["fit"].positions[:TRIAL_TILES]))
    config = config.model_copy(update=execution.resolved())
    folder = create_folder(config.run_name)
    describe_run(folder, config, maps.fingerprints())
    reporter = make_reporter(config, maps, folder)
    evaluator = Evaluator(config, maps.image, scaling, pools["fit"], pools["score"], threads)
    scorer = Scorer(evaluator, reporter, maps.image, folder, beside=execution.device.type != "cpu")
    Trainer(config, network, step, scorer, execution, maps, reporter).run()
    reporter.close()
    print(f"\nThe results are in {folder}. Look at them with: tensorboard --logdir {folder}")


def make_network(config: configuration.Config, maps, scaling):
    """The network with its initial weights, which takes the map's own pixel values."""
    from networks import Normalise, build

    return build(
        config.network, len(maps.image.bands), config.image_size, config.output_size, config.norm_output,
        Normalise(*scaling, maps.image.fill), config.seed,
    )  # fmt: skip


def make_reporter(config: configuration.Config, maps, folder: Path):
    """What shows the run: console, metrics.csv, TensorBoard, figures."""
    from dataProcessors.statistics import sample_tiles
    from reporting.display import Display
    from reporting.figures import Overview
    from reporting.reporter import Reporter

    display = Display.of(sample_tiles(maps.image, config.image_size), maps.image.fill)
    pixels, step, corner = maps.image.overview()
    overview = Overview(display.rgb(pixels[None])[0], step, corner)
    note = "synthetic map" if maps.image.source.synthetic else ""
    reporter = Reporter(
        folder, maps.labels.legend, display, overview, config.image_size, maps.area.cells(), config.seed, note
    )
    reporter.config(config.to_json())
    return reporter


class Verb(NamedTuple):
    """What the first word of the command line may be."""

    run: Callable[[argparse.Namespace], None]
    epilog: Callable[[], str]


VERBS = {"train": Verb(train, lambda: "config keys:\n" + configuration.describe())}


def parse(argv: list[str]) -> argparse.Namespace:
    """The verb (train, if none is named), the config file and the overrides."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="Metric embeddings for satellite image classification. Without a verb: train.",
        epilog="`python main.py VERB --help` says more about a verb.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        about = {"help": verb.run.__doc__, "description": verb.run.__doc__, "epilog": verb.epilog()}
        added = verbs.add_parser(name, formatter_class=argparse.RawDescriptionHelpFormatter, **about)
        added.add_argument("items", nargs="*", metavar="CONFIG or key=value", help=ITEMS_HELP)
    is_verb = argv and (argv[0] in VERBS or argv[0] in ("-h", "--help"))
    arguments = parser.parse_args(argv if is_verb else ["train", *argv])
    files = [item for item in arguments.items if "=" not in item]
    if len(files) > 1:
        parser.error(f"'{files[0]}' is no verb, or there is more than one config file: {' '.join(files)}")
    arguments.config = Path(files[0] if files else "config.json")
    arguments.overrides = [item for item in arguments.items if "=" in item]
    return arguments


ITEMS_HELP = (
    "a config file, config.json if none is named; and any key of the config with the value it is to have instead, "
    "nested keys with dots: batch_size=12 maps.image=my.tif"
)


def main(argv: list[str]) -> int:
    """Run a verb. Gives the exit code: 2 after one message about what the user can mend."""
    arguments = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        VERBS[arguments.verb].run(arguments)
    except configuration.UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
