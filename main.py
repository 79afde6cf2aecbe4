"""Command line: python main.py [VERB] [CONFIG or RUN ...] [key=value ...].

A verb imports what it needs only when it runs: importing torch alone takes seconds.
"""

import argparse
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import config as configuration
from command_line import OPTIONS, Verb, check_processes, describe_overrides, parse
from console import prepare_console, print_error
from training.execution.launch import number_of_processes
from training.execution.openmp import limit_spinning
from training.runs.interruption import EndedElsewhere, Interrupted, Interruption

if TYPE_CHECKING:
    from training.execution.processes import Processes
    from training.runs.resuming import Run


def train(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Train a network with the maps and settings of a config, and evaluate its embeddings."""
    (path,) = arguments.targets
    with joined_processes(interruption) as processes:
        config = load_config(path, arguments.overrides, processes)
        for warning in config.warnings():
            logging.warning("%s: %s", path, warning)
        make_run(config, interruption, processes=processes)


@contextmanager
def joined_processes(interruption: Interruption) -> "Iterator[Processes | None]":
    """Yield the processes that torchrun has started for this run; None: this one trains alone."""
    if number_of_processes() == 1:
        yield None
        return
    from training.runs.joining import joined

    with joined(interruption) as processes:
        yield processes


def load_config(path: Path, overrides: list[str], processes: "Processes | None") -> configuration.Config:
    """Return the config in a file; of several processes, the first one reads it."""
    if processes is None:
        return configuration.load(path, overrides)
    from training.runs.resuming import config_of_first

    return config_of_first(lambda: configuration.load(path, overrides), processes)


def resume(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Resume a run from the last checkpoint in its folder, results/NAME."""
    from reporting.report import write_missing_report
    from training.execution.processes import ALONE
    from training.runs.resuming import open_run

    (folder,) = arguments.targets
    with joined_processes(interruption) as joined, open_run(folder, arguments.overrides, joined or ALONE) as run:
        if not run.is_complete:
            make_run(run.config, interruption, run, joined)
        elif run.processes.is_first:
            print(run.describe_end())
            if page := write_missing_report(run.folder):
                print(f"Its report was missing, and is written: {page}")


def compare(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Show the scores of runs side by side, and write them to results/comparison.csv, .md, .png and .svg."""
    from reporting.comparison import write_comparison

    print(write_comparison(arguments.targets))


def report(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Write everything about a run on one page, results/NAME/report.html."""
    from reporting.report import write_report

    (folder,) = arguments.targets
    print(write_report(folder))


def grid(arguments: argparse.Namespace, interruption: Interruption) -> int:
    """Make the runs of a grid, configs x maps x seeds, that are missing, and write tables of all their scores."""
    from grid.making import make_grid

    (path,) = arguments.targets
    return make_grid(path, interruption, arguments.dry_run)


def describe_grid() -> str:
    """Return the keys of a grid's file, for its help text."""
    from grid.file import describe

    return f"keys of the file:\n{describe()}\nExit code: 1 if a run has failed."


def embed(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Embed a whole map by the network of a run: every tile of a grid, or the tiles around the points of a table."""
    from apply import EmbedOptions, check_takes_points, embed_around_points, embed_dates
    from training.execution.processes import ALONE

    chosen = arguments.targets[0], arguments.overrides, arguments.date
    options = EmbedOptions(arguments.stride, arguments.float32, arguments.classes)
    with joined_processes(interruption) as processes:
        if arguments.at is None:
            print(embed_dates(*chosen, arguments.output, options, processes or ALONE))
        else:
            check_takes_points(options, processes or ALONE)
            print(embed_around_points(*chosen, arguments.at, arguments.output))


def classify(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Write the land cover of a whole map, as a simple model reads it from the embeddings."""
    from apply import classify_map
    from inference import open_trained

    run = open_trained(arguments.targets[0], arguments.overrides, arguments.date)
    print(classify_map(run, arguments.stride, arguments.model, arguments.proportions, arguments.output))


def search(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Find the places of a map that are most similar to examples."""
    from apply import search_map
    from inference import open_trained
    from inference.similar_places.searching import Query

    run = open_trained(arguments.targets[0], arguments.overrides, arguments.date)
    examples, counter_examples = (tuple(map(tuple, places)) for places in (arguments.at, arguments.counter_examples))
    query = Query(examples, counter_examples, arguments.tile, arguments.k)
    print(search_map(run, arguments.stride, query, arguments.index, arguments.output))


def networks(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """List networks with their size: a selection, or all networks of timm whose names match a pattern."""
    from networks.listing import network_table

    try:
        for line in network_table([str(pattern) for pattern in arguments.targets]):
            print(line, flush=True)
    except BrokenPipeError:  # the program that reads the lines, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def cache(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """List the prepared maps in data/cache with size, last use and source, or remove some of them."""
    from dataProcessors.maps import CACHE
    from reporting.cache_table import cache_lines

    for line in cache_lines(CACHE, [str(word) for word in arguments.targets], arguments.unused):
        print(line)


def make_run(
    config: configuration.Config,
    interruption: Interruption,
    resumed: "Run | None" = None,
    processes: "Processes | None" = None,
) -> None:
    """Train a new run, or continue a resumed one, and print where its results are."""
    from assembly import run_training
    from training.execution.processes import ALONE

    folder, page = run_training(config, interruption, resumed, processes or ALONE)
    show = configuration.command("tensorboard", "--logdir", folder)
    print(f"\nThe results are in {folder}. Open {page}, or run: {show}")


VERBS = {
    "train": Verb(
        train, "CONFIG", "config.json", takes_overrides=True, takes_processes=True,
        epilog=lambda: "config keys:\n" + configuration.describe(),
    ),
    "resume": Verb(
        resume, "results/NAME", takes_overrides=True, takes_processes=True,
        epilog=lambda: f"keys that may be changed: {', '.join(configuration.CHANGEABLE_ON_RESUME)}",
    ),
    "compare": Verb(
        compare, "results/NAME", takes_many=True,
        epilog=lambda: "Without a folder: all runs in results/ that have scores.",
    ),
    "report": Verb(report, "results/NAME"),
    "grid": Verb(grid, "GRID.json", options=OPTIONS["grid"], epilog=describe_grid),
    "embed": Verb(
        embed, "results/NAME", takes_overrides=True, takes_processes=True, options=OPTIONS["embed"],
        epilog=describe_overrides,
    ),
    "classify": Verb(
        classify, "results/NAME", takes_overrides=True, options=OPTIONS["classify"], epilog=describe_overrides,
    ),
    "search": Verb(
        search, "results/NAME", takes_overrides=True, options=OPTIONS["search"], epilog=describe_overrides,
    ),
    "networks": Verb(
        networks, "PATTERN", takes_many=True,
        epilog=lambda: "Patterns work as for files: '*tiny*', 'vit_*'; '*' lists all. Without a pattern: a selection.",
    ),
    "cache": Verb(
        cache, "remove NAME", takes_many=True,
        options=OPTIONS["cache"],
        epilog=lambda: "Without an argument: the list. A name is that of the list, or a path; all are removed or none.",
    ),
}  # fmt: skip


def main(argv: list[str]) -> int:
    """Run a verb. Return the exit code: 2 after an error that the user can correct, 130 or 143 after a signal.

    1 says that a run of a grid has failed.
    """
    limit_spinning()  # before a verb imports torch
    prepare_console()
    try:
        arguments = parse(argv, VERBS)
        check_processes(arguments.verb, VERBS)
        with Interruption() as interruption:
            return VERBS[arguments.verb].run(arguments, interruption) or 0
    except configuration.UserError as error:
        print_error(error)
        return 2
    except (RuntimeError, MemoryError) as error:
        from training.runs.faults import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        print_error(error, "There is too little memory. Choose a smaller 'batch_size' or 'image_size', or free memory.")
        return 2
    except Interrupted as interrupted:
        print_error(interrupted, "\nInterrupted.")
        return 128 + interrupted.number
    except EndedElsewhere as ended:
        return ended.code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # do not wait for an evaluation that still runs in another thread: nobody needs its result
    if code and any(thread.name.startswith("evaluation") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
