"""Messages about config keys: what is wrong with a value, and which values are valid. Derived from the keys' types."""

import difflib
import json
import re
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.backslashes import BackslashError
from config.library import COMPLETE_MESSAGE
from config.redaction import redacted

LIMITS = {"ge": "of at least", "gt": "over", "le": "at most", "lt": "under", "multiple_of": "divisible by"}
MAX_LENGTH = 1000  # characters of a message; only messages that quote a very long value are longer
LIST_OF_KEYS = "`python main.py train --help` lists the keys."


def explain(problem: ErrorDetails, content: dict, config: type[BaseModel], maps: type[BaseModel]) -> str:
    """Describe one problem found by pydantic in one sentence: which key, what it must be, what it is.

    Args:
        problem: one of `ValidationError.errors()`
        content: the values that were validated
        config: the model of the config
        maps: the model of the values under "maps"
    """
    if problem["type"] == COMPLETE_MESSAGE:
        return problem["msg"]
    name, *inner = (str(part) for part in problem["loc"])
    model, prefix = config, ""
    if name == "maps" and isinstance(content.get("maps"), dict):
        model, prefix, name, content = maps, "maps.", inner[1], content["maps"]  # inner[0]: name of the model
    if name not in model.model_fields:
        return f"'{prefix}{name}' is not a key of the config. {_advice(name, config, maps)}"
    expected = _expected(model.model_fields[name])
    if name not in content:
        return f"'{prefix}{name}' is missing: {expected}."
    return f"'{prefix}{name}' must be {expected}. Got {_short(content[name])}."


def explain_json(error: Exception) -> str:
    """Describe an error of the JSON parser with line and column, so that the place can be found in an editor."""
    if isinstance(error, BackslashError):
        return f"{error}."
    doubled = re.fullmatch(r'Duplicate key "(.*)" found in object', str(error))
    if doubled:
        return f"the key '{doubled[1]}' occurs twice. Remove one of them."
    found = re.fullmatch(r"<string>:(\d+) (.*) at column (\d+)", str(error), re.DOTALL)
    if found:
        return f"line {found[1]}, column {found[3]}: not valid JSON: {found[2]}."
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
    return f"not valid JSON: {reason}."


def one_line(text: str) -> str:
    """Return the text in one line: unprintable characters as escape codes, a very long text cut in the middle."""
    printed = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in redacted(text))
    return printed if len(printed) <= MAX_LENGTH else f"{printed[: MAX_LENGTH // 2]} ... {printed[-MAX_LENGTH // 2 :]}"


def key_help(name: str, field: FieldInfo) -> str:
    """Return a key with its meaning, range and default, in one line."""
    default = "required" if field.is_required() else f"default {json.dumps(field.default)}"
    description, expected = field.description or "", _expected(field)
    expected = "" if description in expected else f" ({expected})"
    return f"{name}: {description}{expected}; {default}"


def _advice(name: str, config: type[BaseModel], maps: type[BaseModel]) -> str:
    """Return what to do with a key that there is not: the nearest one may belong at another place."""
    outer, _, inner = name.partition(".")
    if inner and outer in config.model_fields:
        return f'Write "{outer}": {{"{inner}": ...}} here, without a dot.'
    places = {key: f"'{key}'" for key in config.model_fields} | {key: f"'maps.{key}'" for key in maps.model_fields}
    nearest = difflib.get_close_matches(name, places, 1, cutoff=0.5)
    return f"Did you mean {places[nearest[0]]}?" if nearest else LIST_OF_KEYS


def _short(value: Any) -> str:
    text = redacted(repr(value))
    return text if len(text) <= 80 else text[:77] + "..."


def _expected(field: FieldInfo) -> str:
    bounds = {name: getattr(m, name) for m in field.metadata for name in LIMITS if hasattr(m, name)}
    limits = " and ".join(f"{LIMITS[name]} {bound}" for name, bound in bounds.items())
    return " ".join(filter(None, [_kind(field.annotation, field.description or ""), limits]))


def _kind(annotation: Any, help_line: str) -> str:
    parts = (annotation, *get_args(annotation))
    options = _options(annotation)
    if annotation is bool:
        return "true or false"
    if annotation in (int, float):
        return "a whole number" if annotation is int else "a number"
    if get_origin(annotation) is tuple and options:
        return f"a list of any of {', '.join(options)}"
    if get_origin(annotation) is Literal or _has_parameters(parts):
        return f"one of {', '.join(options)}"
    if type(None) in parts and get_args(parts[1])[:1] == (int,):
        return "null, or a whole number of at least 1"
    if options == ["auto"]:
        return "auto, true or false" if bool in parts else "auto, or a whole number of at least 1"
    return f"{'text' if annotation in (str, str | None) else 'of this form'} ({help_line})"


def _options(annotation: Any) -> list[str]:
    """Return the words of all Literals within a type, each once."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return list(dict.fromkeys(option for part in get_args(annotation) for option in _options(part)))


def _has_parameters(parts: tuple) -> bool:
    """Return whether one of the types is {name: parameters} with known names."""
    return any(get_origin(each) is dict and _options(each) for part in parts for each in (part, *get_args(part)))
