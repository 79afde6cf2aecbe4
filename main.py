"""Command line: python main.py [VERB] [CONFIG or RUN ...] [key=value ...].

What a verb needs is imported when it runs: torch alone takes seconds.
"""

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import config as configuration
from training.execution.openmp import limit_spinning
from training.runs.interruption import Interrupted, Interruption


def train(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Train a network on the maps and with the settings of a config, and show how good its embeddings are."""
    (path,) = arguments.targets
    config = configuration.load(path, arguments.overrides)
    for warning in config.warnings():
        logging.warning("%s: %s", path, warning)
    make_run(config, interruption)


def resume(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Go on with a run from the last checkpoint in its folder, results/NAME."""
    from training.runs.resuming import open_run

    (folder,) = arguments.targets
    with open_run(folder, arguments.overrides) as run:
        if run.is_complete:
            longer = f"python main.py resume {run.folder} epochs={2 * run.config.epochs}"
            print(f"{run.folder} is complete, all {run.config.epochs} epochs. To make it longer: {longer}")
        else:
            make_run(run.config, interruption, run)


def compare(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Show the scores of runs side by side, and write them to results/comparison.csv, .md, .png and .svg."""
    from reporting.comparison import write_comparison

    print(write_comparison(arguments.targets))


def report(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """Write what is known of a run as one page, results/NAME/report.html."""
    from reporting.report import write_report

    (folder,) = arguments.targets
    print(write_report(folder))


def networks(arguments: argparse.Namespace, interruption: Interruption) -> None:
    """List networks with their size: a selection, or all of timm's whose names fit a pattern."""
    from networks.listing import lines

    try:
        for line in lines([str(pattern) for pattern in arguments.targets]):
            print(line, flush=True)
    except BrokenPipeError:  # what reads them, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_run(config: configuration.Config, interruption: Interruption, opened=None) -> None:
    """Make a new run or go on with an `opened` one (training.runs.resuming.Run), and say where its results are."""
    from assembly import complete_run

    folder, page = complete_run(config, interruption, opened)
    print(f"\nThe results are in {folder}. Open {page}, or look at them with: tensorboard --logdir {folder}")


class Verb(NamedTuple):
    """What the first word of the command line may be.

    Attributes:
        run: what it does
        target: what it works on, as help calls it
        default: the target if none is named; None: one must be, unless it takes any number
        takes_many: any number of targets, none included, instead of one
        takes_overrides: key=value may be given too
        epilog: what help says at its end
    """

    run: Callable[[argparse.Namespace, Interruption], None]
    target: str
    default: str | None = None
    takes_many: bool = False
    takes_overrides: bool = False
    epilog: Callable[[], str] = lambda: ""


VERBS = {
    "train": Verb(
        train, "CONFIG", "config.json", takes_overrides=True,
        epilog=lambda: "config keys:\n" + configuration.describe(),
    ),
    "resume": Verb(
        resume, "results/NAME", takes_overrides=True,
        epilog=lambda: f"keys that may change: {', '.join(configuration.CHANGEABLE)}",
    ),
    "compare": Verb(
        compare, "results/NAME", takes_many=True,
        epilog=lambda: "Without a folder: every run of results/ that has scores.",
    ),
    "report": Verb(report, "results/NAME"),
    "networks": Verb(
        networks, "PATTERN", takes_many=True,
        epilog=lambda: "Patterns are as of files: '*tiny*', 'vit_*'; '*' is all. Without one: a selection.",
    ),
}  # fmt: skip


def parse(argv: list[str]) -> argparse.Namespace:
    """The verb (train, if none is named), the paths that it works on (`targets`), and the overrides."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="Metric embeddings for satellite image classification. Without a verb: train.",
        epilog="`python main.py VERB --help` says more about a verb.",
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


def add_verb(verbs, name: str, verb: Verb) -> None:
    """Give argparse's subparsers what it must know of a verb."""
    about = {"help": verb.run.__doc__, "description": verb.run.__doc__, "epilog": verb.epilog()}
    added = verbs.add_parser(name, formatter_class=argparse.RawDescriptionHelpFormatter, **about)
    items, told = verb.target, f"{verb.target}{', any number' if verb.takes_many else ''}"
    if verb.default:
        told += f" ({verb.default} if none is named)"
    if verb.takes_overrides:
        items, told = f"{items} or key=value", f"{told}; {ITEMS_HELP}"
    added.add_argument("items", nargs="*", metavar=items, help=told)


ITEMS_HELP = (
    "and any key of the config with the value it is to have instead, nested keys with dots: "
    "batch_size=12 maps.image=my.tif"
)


def main(argv: list[str]) -> int:
    """Run a verb. Gives the exit code: 2 after one message about what the user can mend, 130 or 143 after a signal."""
    limit_spinning()  # before a verb imports torch
    arguments = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    threading.excepthook = _thread_ended
    try:
        with Interruption() as interruption:
            VERBS[arguments.verb].run(arguments, interruption)
    except configuration.UserError as error:
        print("\n".join([str(error), *_notes(error)]), file=sys.stderr)
        return 2
    except (RuntimeError, MemoryError) as error:
        from training.runs.faults import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        told = "There is too little memory. Choose a smaller 'batch_size' or 'image_size', or free memory."
        print("\n".join([told, *_notes(error)]), file=sys.stderr)
        return 2
    except Interrupted as interrupted:
        print("\n".join(["\nInterrupted.", *_notes(interrupted)]), file=sys.stderr)
        return 128 + interrupted.number
    return 0


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    """A full disk ends the thread that writes TensorBoard's files; who hands it the next event meets the error."""
    if not isinstance(ended.exc_value, OSError):
        threading.__excepthook__(ended)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code:  # an evaluation may be computing in a thread of its own; nothing of it is needed
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
