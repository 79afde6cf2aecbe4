"""Command line: python main.py [VERB] [CONFIG or RUN ...] [key=value ...].

A verb imports what it needs only when it runs: importing torch alone takes seconds.
"""

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import config as configuration
from training.execution.openmp import limit_spinning
from training.runs.interruption import Interrupted, Interruption

if TYPE_CHECKING:
    from training.runs.resuming import Run


def train(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Train a network with the maps and settings of a config, and evaluate its embeddings."""
    (path,) = arguments.targets
    config = configuration.load(path, arguments.overrides)
    for warning in config.warnings():
        logging.warning("%s: %s", path, warning)
    make_run(config, interruption)


def resume(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Resume a run from the last checkpoint in its folder, results/NAME."""
    from training.runs.resuming import open_run

    (folder,) = arguments.targets
    with open_run(folder, arguments.overrides) as run:
        if run.is_complete:
            print(run.describe_end())
            write_missing_report(run.folder)
        else:
            make_run(run.config, interruption, run)


def write_missing_report(folder: Path) -> None:
    """Write the report of a complete run whose process ended before it could."""
    from reporting.report.writing import REPORT_NAME, write_report

    if not (folder / REPORT_NAME).exists():
        print(f"Its report was missing, and is written: {write_report(folder)}")


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


def make_run(config: configuration.Config, interruption: Interruption, resumed: "Run | None" = None) -> None:
    """Train a new run, or continue a resumed one, and print where its results are."""
    from assembly import run_training

    folder, page = run_training(config, interruption, resumed)
    show = configuration.command("tensorboard", "--logdir", folder)
    print(f"\nThe results are in {folder}. Open {page}, or run: {show}")


class Verb(NamedTuple):
    """One thing that the program can do, named by the first word of the command line.

    Attributes:
        run: the function that does it; it may return an exit code
        target: name of its argument in the help text
        default: target if none is given; None: the user must give one, unless `takes_many`
        takes_many: whether it accepts any number of targets, also none, instead of exactly one
        takes_overrides: whether it also accepts key=value
        options: its options, which are on or off -> a line of help
        epilog: returns the last paragraph of its help text
    """

    run: Callable[[argparse.Namespace, Interruption], int | None]
    target: str
    default: str | None = None
    takes_many: bool = False
    takes_overrides: bool = False
    options: Mapping[str, str] = MappingProxyType({})
    epilog: Callable[[], str] = lambda: ""


VERBS = {
    "train": Verb(
        train, "CONFIG", "config.json", takes_overrides=True,
        epilog=lambda: "config keys:\n" + configuration.describe(),
    ),
    "resume": Verb(
        resume, "results/NAME", takes_overrides=True,
        epilog=lambda: f"keys that may be changed: {', '.join(configuration.CHANGEABLE_ON_RESUME)}",
    ),
    "compare": Verb(
        compare, "results/NAME", takes_many=True,
        epilog=lambda: "Without a folder: all runs in results/ that have scores.",
    ),
    "report": Verb(report, "results/NAME"),
    "grid": Verb(
        grid, "GRID.json", options={"--dry-run": "only list the runs, and what would be done with each"},
        epilog=describe_grid,
    ),
    "networks": Verb(
        networks, "PATTERN", takes_many=True,
        epilog=lambda: "Patterns work as for files: '*tiny*', 'vit_*'; '*' lists all. Without a pattern: a selection.",
    ),
    "cache": Verb(
        cache, "remove NAME", takes_many=True,
        options={"--unused": "with remove: all that no run would use, because its source is gone or has changed"},
        epilog=lambda: "Without an argument: the list. A name is that of the list, or a path; all are removed or none.",
    ),
}  # fmt: skip


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the verb (train, if none is given), its targets as paths (`targets`), and the overrides."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="Metric embeddings for satellite image classification. Without a verb: train.",
        epilog="`python main.py VERB --help` describes a verb.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        add_verb(verbs, name, verb)
    is_verb = argv and (argv[0] in VERBS or argv[0] in ("-h", "--help"))
    arguments = parser.parse_args(argv if is_verb else ["train", *argv])
    arguments.overrides = [item for item in arguments.items if "=" in item]
    named = [item for item in arguments.items if "=" not in item]
    verb = VERBS[arguments.verb]
    arguments.targets = [Path(item) for item in named or filter(None, [verb.default])]
    if arguments.overrides and not verb.takes_overrides:
        parser.error(f"{arguments.verb} takes no key=value. Got {' '.join(arguments.overrides)}.")
    if len(arguments.targets) != 1 and not verb.takes_many:
        given = " ".join(arguments.items) or "nothing"
        parser.error(f"{arguments.verb} takes one {verb.target}. Got {given}. Verbs are {', '.join(VERBS)}.")
    return arguments


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, verb: Verb) -> None:
    """Add the parser of one verb to argparse's subparsers."""
    texts: dict[str, Any] = {"help": verb.run.__doc__, "description": verb.run.__doc__, "epilog": verb.epilog()}
    parser = verbs.add_parser(name, formatter_class=argparse.RawDescriptionHelpFormatter, **texts)
    metavar, help_text = verb.target, f"{verb.target}{', any number' if verb.takes_many else ''}"
    if verb.default:
        help_text += f" (default: {verb.default})"
    if verb.takes_overrides:
        metavar, help_text = f"{metavar} or key=value", f"{help_text}; {OVERRIDES_HELP}"
    parser.add_argument("items", nargs="*", metavar=metavar, help=help_text)
    for name, line in verb.options.items():
        parser.add_argument(name, action="store_true", help=line)


OVERRIDES_HELP = (
    "key=value replaces the value of a config key; write nested keys with dots: batch_size=12 maps.image=my.tif"
)


def main(argv: list[str]) -> int:
    """Run a verb. Return the exit code: 2 after an error that the user can correct, 130 or 143 after a signal.

    1 says that a run of a grid has failed.
    """
    limit_spinning()  # before a verb imports torch
    arguments = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    threading.excepthook = _log_thread_error
    try:
        with Interruption() as interruption:
            return VERBS[arguments.verb].run(arguments, interruption) or 0
    except configuration.UserError as error:
        print("\n".join([str(error), *_notes(error)]), file=sys.stderr)
        return 2
    except (RuntimeError, MemoryError) as error:
        from training.runs.faults import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        message = "There is too little memory. Choose a smaller 'batch_size' or 'image_size', or free memory."
        print("\n".join([message, *_notes(error)]), file=sys.stderr)
        return 2
    except Interrupted as interrupted:
        print("\n".join(["\nInterrupted.", *_notes(interrupted)]), file=sys.stderr)
        return 128 + interrupted.number


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def _log_thread_error(error: threading.ExceptHookArgs) -> None:
    """Print the error that ended a thread, unless it is a disk error.

    A full disk ends the thread that writes TensorBoard's files. The main thread gets the same error when it adds the
    next event, and reports it.
    """
    if not isinstance(error.exc_value, OSError):
        threading.__excepthook__(error)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code:  # do not wait for an evaluation that still runs in another thread: nobody needs its result
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
