"""GRID.json: which configs, maps and seeds the runs of a grid have."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from config import ConfigError
from config.messages import one_line
from config.reading import read_object
from config.redaction import redacted
from config.types import Integer, Text, key

Changes = Text | dict[str, Any]  # changed keys of the base; a path alone stands for {"base": path}
NamedChanges = dict[Text, Changes]
Seed = Annotated[Integer, Field(ge=0, lt=2**31)]
SET_BY_THE_GRID = ("name", "seed")  # keys of a config that no row and no map may set


class GridFile(BaseModel):
    """The content of GRID.json. Frozen; `read_grid_file` creates it and reports all problems at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text = key(
        "folder of the grid under results/: letters, digits and _ . + - without blanks; null: the file's name",
        pattern=r"^\w[\w.+-]*$",
    )
    base: Changes = key("the config that is changed: a path, from the folder of this file, or an object of keys", {})
    configs: NamedChanges = key(
        'name of a row -> the keys that it changes; "base" among them is another base, and a path alone only that', {}
    )
    axes: dict[Text, NamedChanges] = key(
        "instead of configs: axis -> name of a value -> the keys that it changes; the rows are all combinations", {}
    )
    maps: dict[Text, dict[str, Any]] = key("name of a map -> the keys that it changes", min_length=1)
    seeds: tuple[Seed, ...] = key("seeds of each config on each map", (0, 1, 2), min_length=1)
    processes: Annotated[Integer, Field(ge=1)] | Literal["auto"] = key(
        "runs at a time; auto: one for each core, or the cores by `threads` where configs set it; on a GPU one", "auto"
    )
    figures: tuple[Text, ...] | None = key(
        "scores that tables for people and the figure show, named as in TensorBoard; null: accuracy and sum_error of "
        "each model, MAP@1, MAP@10, MAP@R and graded MAP@R",
        None,
    )
    reference: Text | None = key("the row that all others are compared with; null: the first", None)


def read_grid_file(path: Path) -> GridFile:
    """Read GRID.json.

    Raises:
        ConfigError: all problems in one message
    """
    content = read_object(path, "grid", "grid")
    if content.get("name") is None:
        content["name"] = path.stem
    try:
        file, problems = GridFile(**content), []
    except ValidationError as error:
        problems = list(dict.fromkeys(_explain(each, content) for each in error.errors()))
    else:
        problems = list(_contradictions(file))
    if problems:
        raise ConfigError("\n".join(f"{path}: {one_line(problem)}" for problem in problems))
    return file


def describe() -> str:
    """Return every key with its meaning, as text for `grid --help`."""
    return "\n".join(f"  {name}: {field.description}" for name, field in GridFile.model_fields.items())


def _explain(problem: ErrorDetails, content: dict) -> str:
    name, *inner = (str(part) for part in problem["loc"])
    fields = GridFile.model_fields
    if name not in fields:
        nearest = difflib.get_close_matches(name, fields, 1, cutoff=0.5)
        return f"'{name}' is not a key of a grid. {f'Did you mean {nearest[0]!r}?' if nearest else 'Remove it.'}"
    if name not in content:
        return f"'{name}' is missing: {fields[name].description}."
    value = content[name]
    for part in inner:  # to the innermost value that is wrong; the parts after it name types
        value, name = (value[part], f"{name}.{part}") if isinstance(value, dict) and part in value else (value, name)
    text = redacted(repr(value))
    expected = fields[name.partition(".")[0]].description
    return f"'{name}' cannot be {text if len(text) <= 80 else f'{text[:77]}...'}. It is: {expected}."


def _contradictions(file: GridFile) -> list[str]:
    changed: dict[str, Changes] = {f"maps.{name}": changes for name, changes in file.maps.items()}
    changed |= {f"configs.{name}": changes for name, changes in file.configs.items()}
    changed |= {f"axes.{axis}.{name}": each for axis, values in file.axes.items() for name, each in values.items()}
    checks = [
        (bool(file.configs) == bool(file.axes), "give either 'configs' or 'axes', with at least one entry."),
        (len(set(file.seeds)) < len(file.seeds), f"'seeds' has a seed twice. Got {list(file.seeds)}."),
        *((not values, f"'axes.{axis}' has no values.") for axis, values in file.axes.items()),
        *(("base" in changes, f"'maps.{name}' must not set 'base': a map only changes keys.")
          for name, changes in file.maps.items()),
        *((not isinstance(changes["base"], (str, dict)),
           f"'{where}.base' must be a path, from this file's folder, or an object of keys. Got {changes['base']!r}.")
          for where, changes in changed.items() if isinstance(changes, dict) and "base" in changes),
        *((name in changes, f"'{where}' must not set '{name}': the grid does, by 'name' and 'seeds'.")
          for where, changes in changed.items() if isinstance(changes, dict) for name in SET_BY_THE_GRID),
        *((len(axes) > 1, f"'{name}' is changed by several axes: {', '.join(axes)}. Only the last one would count.")
          for name, axes in _changing_axes(file).items()),
    ]  # fmt: skip
    return [message for wrong, message in checks if wrong]


def _changing_axes(file: GridFile) -> dict[str, list[str]]:
    """Return key -> the axes that change it."""
    found: dict[str, list[str]] = {}
    for axis, values in file.axes.items():
        names = (name for each in values.values() for name in (each if isinstance(each, dict) else ("base",)))
        for name in dict.fromkeys(names):
            found.setdefault(name, []).append(axis)
    return found
