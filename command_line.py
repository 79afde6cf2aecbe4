"""The command line: verbs, what each takes, and how its words are read."""

import argparse
from argparse import BooleanOptionalAction
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from config import UserError
from config.reading import overrides_in
from config.redaction import redacted
from training.execution.launch import number_of_processes
from training.runs.interruption import Interruption

OVERRIDES_HELP = (
    "key=value replaces the value of a config key; write nested keys with dots: batch_size=12 maps.image=my.tif"
)


class Parser(argparse.ArgumentParser):
    """A parser whose messages show no credentials."""

    def error(self, message: str) -> NoReturn:
        """Print a message, and end with exit code 2."""
        super().error(redacted(message))


class Option(NamedTuple):
    """An option of a verb.

    Attributes:
        names: as they are written, such as ("-o", "--output")
        help: one line
        settings: further arguments of argparse's add_argument; without any the option is on or off
    """

    names: tuple[str, ...]
    help: str
    settings: Mapping[str, Any] = MappingProxyType({"action": "store_true"})


def value(metavar: str | tuple[str, ...], kind: Callable[[str], Any], **settings: Any) -> dict[str, Any]:
    """Return the settings of an option with a value. metavar: its name in the help text; kind: what makes it."""
    return {"metavar": metavar, "type": kind} | settings


# of several verbs
PLACE = {"nargs": 2, "action": "append", "default": []}
USED_STRIDE = Option(("--stride",), "stride of the embedded map; without it the smallest there is", value("PX", int))
USED_DATE = Option(("--date",), "one of several dates of the map; without it the scored one", value("DATE", str))
OPTIONS = {
    "grid": [Option(("--dry-run",), "only list the runs, and what would be done with each")],
    "embed": [
        Option(("--date",), "one of the map's dates; without it all; with --at the scored one", value("DATE", str)),
        Option(("--stride",), "pixels from one tile to the next; without it the side of a tile", value("PX", int)),
        Option(("-o", "--output"), "a new .tif or .parquet file; without it in the run's folder", value("OUT", Path)),
        Option(("--float32",), "store the embeddings as they are, not in 8 bits"),
        Option(("--classes",), "put the class and the class shares of each tile beside its embedding (.parquet)"),
        Option(("--at",), "embed the tiles at the longitudes and latitudes of a CSV file", value("CSV", Path)),
    ],
    "classify": [
        Option(("--with",), "the simple model; default: linear", value("MODEL", str, dest="model", default="linear")),
        Option(("--proportions",), "write the share of each class instead of the class"),
        USED_DATE,
        USED_STRIDE,
        Option(("-o", "--output"), "a new .tif file; without it in the embedded map's folder", value("OUT", Path)),
    ],
    "search": [
        Option(("--at",), "an example, also several times", value(("LON", "LAT"), float, **PLACE)),
        Option(("--not",), "a counter-example", value(("LON", "LAT"), float, dest="counter_examples", **PLACE)),
        Option(("--tile",), "the middle of a GeoTIFF as an example", value("FILE.tif", Path)),
        Option(("-k",), "number of places; default: 20", value("K", int, default=20)),
        USED_DATE,
        USED_STRIDE,
        Option(("--index",), "an index of faiss or none; without it by size", {"action": BooleanOptionalAction}),
        Option(("-o", "--output"), "a new folder; without it in the folder of the run", value("FOLDER", Path)),
    ],
    "cache": [Option(("--unused",), "with remove: all that no run would use: the source is gone or has changed")],
}
KEYS = Option(
    ("--keys",), "a JSON file of such keys, which no list of processes shows; also /dev/stdin", value("FILE", Path)
)


class Verb(NamedTuple):
    """One thing that the program can do, named by the first word of the command line.

    Attributes:
        run: the function that does it; it may return an exit code
        target: name of its argument in the help text
        default: target if none is given; None: the user must give one, unless `takes_many`
        takes_many: whether it accepts any number of targets, also none, instead of exactly one
        takes_overrides: whether it also accepts key=value, and a file of them
        takes_processes: whether several processes can do it together, started by torchrun
        options: its options
        epilog: returns the last paragraph of its help text
    """

    run: Callable[[argparse.Namespace, Interruption], int | None]
    target: str
    default: str | None = None
    takes_many: bool = False
    takes_overrides: bool = False
    takes_processes: bool = False
    options: Sequence[Option] = ()
    epilog: Callable[[], str] = lambda: ""


def check_processes(name: str, verbs: Mapping[str, Verb]) -> None:
    """Raise a UserError if torchrun has started several processes for a verb that runs in one."""
    if number_of_processes() > 1 and not verbs[name].takes_processes:
        several = ", ".join(each for each, verb in verbs.items() if verb.takes_processes)
        raise UserError(
            f"{name} runs in one process. Start it with python instead of torchrun, which is for {several}."
        )


def describe_overrides() -> str:
    """Return the keys that may be given where a trained network is applied, for the help texts."""
    return (
        "keys that may be given: device, threads, maps.image (another map of the same bands and type), maps.rect, "
        "maps.crs.\n"
        "New paths of the run's own maps, if they were moved: maps.image, or maps.image.DATE of one of several dates,\n"
        "maps.labels.NAME, maps.legends.NAME"
    )


def parse(argv: list[str], verbs: Mapping[str, Verb]) -> argparse.Namespace:
    """Return the verb (train, if none is given), its targets as paths (`targets`), its options and the overrides.

    Raises:
        ConfigError: the file of keys cannot be read
    """
    parser = _make_parser(verbs)
    is_verb = argv and (argv[0] in verbs or argv[0] in ("-h", "--help"))
    arguments, rest = parser.parse_known_args(argv if is_verb else ["train", *argv])
    verb = verbs[arguments.verb]
    items = arguments.items + rest  # argparse takes all from one place only, before or between the options
    arguments.overrides = [item for item in items if "=" in item]
    arguments.targets = [Path(item) for item in items if "=" not in item]
    if not arguments.targets and verb.default:
        arguments.targets = [Path(verb.default)]
    if problem := _problem(arguments, rest, verbs):
        parser.error(problem)
    if verb.takes_overrides and arguments.keys is not None:
        arguments.overrides[:0] = overrides_in(arguments.keys)
    return arguments


def _make_parser(verbs: Mapping[str, Verb]) -> Parser:
    """Return argparse's parser of the whole command line."""
    parser = Parser(
        prog="main.py",
        description="Metric embeddings for satellite image classification. Without a verb: train.",
        epilog="`python main.py VERB --help` describes a verb.",
    )
    parsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in verbs.items():
        _add_verb(parsers, name, verb)
    return parser


def _problem(arguments: argparse.Namespace, rest: list[str], verbs: Mapping[str, Verb]) -> str | None:
    """Return what is wrong with what the verb was given; None: nothing. rest: what argparse did not know."""
    name, verb = arguments.verb, verbs[arguments.verb]
    if unknown := [item for item in rest if item.startswith("-")]:
        return f"unknown option: {' '.join(unknown)}. `python main.py {name} --help` lists its options."
    if arguments.overrides and not verb.takes_overrides:
        return f"{name} takes no key=value. Got {' '.join(arguments.overrides)}."
    if len(arguments.targets) != 1 and not verb.takes_many:
        given = " ".join([*arguments.items, *rest]) or "nothing"
        return f"{name} takes one {verb.target}. Got {given}. Verbs are {', '.join(verbs)}."
    return None


def _add_verb(parsers: "argparse._SubParsersAction[Parser]", name: str, verb: Verb) -> None:
    """Add the parser of one verb to argparse's subparsers."""
    texts: dict[str, Any] = {"help": verb.run.__doc__, "description": verb.run.__doc__, "epilog": verb.epilog()}
    parser = parsers.add_parser(name, formatter_class=argparse.RawDescriptionHelpFormatter, **texts)
    metavar, help_text = verb.target, f"{verb.target}{', any number' if verb.takes_many else ''}"
    if verb.default:
        help_text += f" (default: {verb.default})"
    if verb.takes_overrides:
        metavar, help_text = f"{metavar} or key=value", f"{help_text}; {OVERRIDES_HELP}"
    parser.add_argument("items", nargs="*", metavar=metavar, help=help_text)
    for option in [*verb.options, *([KEYS] if verb.takes_overrides else [])]:
        parser.add_argument(*option.names, help=option.help, **option.settings)
