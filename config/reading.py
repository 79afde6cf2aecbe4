"""Reads a config file and overrides into a Config, or reports all problems at once.

A config file is JSON with `//` comments and trailing commas allowed; booleans may be written true, "True" or "False".
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import json5
from pydantic import ValidationError

from config.backslashes import ADVICE, BackslashError, check_backslashes, lost_backslashes
from config.contradictions import contradictions
from config.errors import ConfigError, ContradictionError
from config.messages import explain, explain_json, key_help, one_line
from config.run_config import Config
from config.types import Maps


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config file, apply `key=value` overrides (nested keys with dots), and validate the result.

    Raises:
        ConfigError: all problems in one message
    """
    content = read_object(Path(path))
    problems = _apply(content, overrides)
    try:
        config = validate(content, str(path))
    except ConfigError as error:
        raise type(error)("\n".join([*problems, str(error)])) from None
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def read_object(path: Path, kind: str = "config", verb: str = "train") -> dict:
    """Read a JSON file of one object, written as a config may be.

    Args:
        path: of the file
        kind: what the file is, for the messages
        verb: the verb whose help text lists the keys of such a file

    Raises:
        ConfigError: the file is missing, cannot be read, or holds something else
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such {kind} file. `python main.py {verb} --help` lists the keys."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the {kind} file cannot be read: {error}") from None
    if not text.strip():
        raise ConfigError(f"{path}: the {kind} file is empty. `python main.py {verb} --help` lists what belongs there.")
    try:
        content = read_json(text)
    except (ValueError, RecursionError) as error:
        advice = f" {ADVICE}." if '\\"' in text else ""  # a path that ends in a backslash leaves its string open
        raise ConfigError(f"{path}: {one_line(explain_json(error))}{advice}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a {kind} file must be one JSON object, {{...}}. Got {type(content).__name__}.")
    return content


def read_json(text: str) -> Any:
    """Parse JSON as it may be written in a config.

    Raises:
        ValueError: it is not valid JSON, has a key twice, or a backslash that would be lost (BackslashError)
        RecursionError: it is nested too deeply
    """
    check_backslashes(text)
    try:
        return json.loads(text, object_pairs_hook=_object_of_pairs)  # json5 takes a hundred times as long
    except (ValueError, RecursionError):  # json5 allows more, and says better what it does not allow
        return json5.loads(text, allow_duplicate_keys=False)


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is there twice")
    return content


def overrides_in(path: Path) -> list[str]:
    """Return the keys of a file, an object whose nested keys are written with dots, as `key=value` items.

    Raises:
        ConfigError: the file is missing, cannot be read, or holds something else
    """
    return [f"{key}={json.dumps(value)}" for key, value in read_object(path, "keys").items()]


def _apply(content: dict, overrides: Sequence[str]) -> list[str]:
    """Set the keys of all overrides in the plain values of a config; return what is wrong with others."""
    problems = []
    for override in overrides:
        try:
            apply_override(content, override)
        except ConfigError as error:
            problems.append(str(error))
    return problems


def apply_override(content: dict, override: str) -> None:
    """Set the key of `key=value` in the plain values of a config.

    Raises:
        ConfigError: it has another form
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"'{one_line(override)}' must have the form key=value, for example batch_size=12.")
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, BackslashError) and text.lstrip()[0] in "\"'{[":
            raise ConfigError(f"'{key}': {one_line(str(error))}.") from None
        value = text  # a word or a path needs no quotes
    change(content, key, value)


def change(content: dict, key: str, value: Any) -> None:
    """Set a key in the plain values of a config; a nested key is written with dots."""
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(content.get(parent), dict):
            content[parent] = {}
        content = content[parent]
    content[last] = value


def validate(content: dict, source: str = "config") -> Config:
    """Return a Config from plain values.

    Raises:
        ConfigError: all problems in one message: types, ranges, unknown keys, contradictions
        ContradictionError: contradictions alone
    """
    try:
        config, problems, wrong = Config(**content), [], set()
    except ValidationError as error:
        as_maps = isinstance(content.get("maps"), dict)  # then the error "it is not a name of maps" does not help
        found = [p for p in error.errors() if not (as_maps and str(p["loc"][1:2]).startswith('("literal'))]
        problems = list(dict.fromkeys(explain(problem, content, Config, Maps) for problem in found))
        wrong = {str(problem["loc"][0]) for problem in error.errors()}
        config = _placeholder(content, wrong)
    problems += lost_backslashes(content)
    error_class = ConfigError if problems else ContradictionError
    problems += [message for keys, message in contradictions(config) if not keys & wrong]
    if problems:
        raise error_class("\n".join(f"{source}: {one_line(problem)}" for problem in problems))
    return config


def _placeholder(content: dict, wrong: set[str]) -> Config:
    """Return a config in which every wrong key has a valid value, so that the other keys can still be checked."""
    required = {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm"}
    return Config(**required | {key: value for key, value in content.items() if key not in wrong})


def describe() -> str:
    """Return every config key with its meaning, range and default, as text for `train --help`."""
    return "\n".join(
        f"  {prefix}{key_help(name, field)}"
        for model, prefix in ((Config, ""), (Maps, "maps."))
        for name, field in model.model_fields.items()
    )
