"""The plan of a grid: its cells, each with the config of one run, and the combinations that are left out."""

import re
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from config import Config, ConfigError, ContradictionError, validate
from config.reading import change, read_object
from evaluation.differences import is_score
from grid.file import Changes, GridFile, read_grid_file
from training.runs.folder import RESULTS


@dataclass(frozen=True, eq=False)
class Cell:
    """One run of a grid. Two cells are never equal, so that they can be keys of a dict.

    Attributes:
        row: name of the row, which is that of the config or of the combination of values
        map_name: name of the map
        seed: of the run
        config: of the run; its `name` is GRID/CELL
    """

    row: str
    map_name: str
    seed: int
    config: Config

    @property
    def title(self) -> str:
        """The cell for people: "triplet x demo, seed 0"."""
        return f"{self.row} x {self.map_name}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Folder of the run, results/GRID/CELL."""
        return RESULTS / self.config.run_name

    @property
    def log(self) -> Path:
        """File of what the run writes to the console, beside its folder."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def config_file(self) -> Path:
        """File of the config that the run is started with, beside its folder."""
        return self.folder.with_name(f"{self.folder.name}.json")


class LeftOut(NamedTuple):
    """A combination of values that makes no run of its own on a map, and the reason."""

    row: str
    map_name: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """All that a grid is to have.

    Attributes:
        path: of GRID.json
        name: of the grid
        file: content of GRID.json
        cells: by map, row and seed, in the order of the file
        left_out: combinations of 'axes' without a run
    """

    path: Path
    name: str
    file: GridFile
    cells: list[Cell]
    left_out: list[LeftOut]

    @property
    def folder(self) -> Path:
        """Folder of the grid, results/GRID."""
        return RESULTS / self.name

    @cached_property
    def rows(self) -> list[str]:
        """Names of the rows that have a cell."""
        return list(dict.fromkeys(cell.row for cell in self.cells))

    @property
    def reference(self) -> str:
        """Name of the row that all others are compared with."""
        return self.file.reference or self.rows[0]


class Row(NamedTuple):
    """A row of the grid: its name, the keys that it changes, and whether it is a combination of values of axes."""

    name: str
    changes: dict[str, Any]
    is_combination: bool


def read_plan(path: Path) -> Plan:
    """Read GRID.json and the configs that it names.

    Raises:
        ConfigError: all problems of the file and of the configs of all cells in one message
    """
    file = read_grid_file(path)
    planner = _Planner(path, file)
    for map_name, changes in file.maps.items():
        for row in _rows(file):
            planner.add(row, map_name, changes)
    problems = [*planner.problems, *_problems(path, file, planner)]
    if problems:
        raise ConfigError("\n".join(problems))
    return Plan(path, file.name, file, planner.cells, planner.left_out)


class _Planner:
    """Makes cells, and collects what is wrong or left out."""

    def __init__(self, path: Path, file: GridFile):
        self.path, self.file = path, file
        self.cells: list[Cell] = []
        self.left_out: list[LeftOut] = []
        self.problems: list[str] = []
        self._bases: dict[str, dict] = {}

    def add(self, row: Row, map_name: str, map_changes: dict[str, Any]) -> None:
        """Add the cells of a row on a map, one for each seed, unless their config is wrong."""
        title = f"{row.name} x {map_name}"
        try:
            content = self._content(row, map_changes)
            configs = [self._config(content, row.name, map_name, seed) for seed in self.file.seeds]
        except ContradictionError as error:
            if not row.is_combination:
                self.problems += str(error).splitlines()
                return
            reasons = [line.removeprefix(f"{self._source(title)}: ") for line in str(error).splitlines()]
            self.left_out.append(LeftOut(row.name, map_name, " ".join(reasons)))
        except ConfigError as error:
            self.problems += [line for line in str(error).splitlines() if line not in self.problems]
        else:
            idle = _idle_changes(row, configs[0]) if row.is_combination else ""
            if idle:
                self.left_out.append(LeftOut(row.name, map_name, idle))
            else:
                self.cells += [Cell(row.name, map_name, config.seed, config) for config in configs]

    def _content(self, row: Row, map_changes: dict[str, Any]) -> dict:
        """Return the plain values of a config: of the base, then of the map, then of the row."""
        content = deepcopy(self._base(row.changes.get("base", self.file.base)))
        for changes in (map_changes, row.changes):
            for key, value in changes.items():
                if key != "base":
                    change(content, key, deepcopy(value))
        return content

    def _base(self, base: Changes) -> dict:
        if isinstance(base, dict):
            return base
        if base not in self._bases:
            self._bases[base] = read_object(self.path.parent / base)
        return self._bases[base]

    def _config(self, content: dict, row: str, map_name: str, seed: int) -> Config:
        given = {"name": f"{self.file.name}/{cell_name(row, map_name, seed)}", "seed": seed}
        return validate(content | given, self._source(f"{row} x {map_name}"))

    def _source(self, title: str) -> str:
        return f"{self.path}, {title}"


def _rows(file: GridFile) -> list[Row]:
    if file.configs:
        return [Row(name, _as_keys(changes), False) for name, changes in file.configs.items()]
    combinations = product(*(values.items() for values in file.axes.values()))
    return [
        Row(", ".join(name for name, _ in parts), {k: v for _, each in parts for k, v in _as_keys(each).items()}, True)
        for parts in combinations
    ]


def _as_keys(changes: Changes) -> dict[str, Any]:
    return {"base": changes} if isinstance(changes, str) else changes


def cell_name(row: str, map_name: str, seed: int) -> str:
    """Return the name of a cell's folder: row, map and seed, with hyphens for all that a run's name may not have."""
    text = f"{row}-{map_name}-{seed}"  # no \w, which has more digits here than in the pattern of a run's name: "²"
    words = "".join(each if each.isalpha() or each.isdecimal() or each in "_.+" else "-" for each in text)
    return re.sub("-+", "-", words).strip("-.+") or str(seed)


def _idle_changes(row: Row, config: Config) -> str:
    """Return a reason if a value of an axis has no effect: without it the combination is the same as another one."""
    idle = {where: [key for key in keys if key in row.changes] for where, keys in config.without_effect().items()}
    return " ".join(f"{', '.join(map(repr, keys))}: no effect {where}." for where, keys in idle.items() if keys)


def _problems(path: Path, file: GridFile, planner: _Planner) -> list[str]:
    """Return what is wrong with the grid as a whole."""
    problems = []
    used = Counter(str(cell.folder).lower() for cell in planner.cells)  # some disks do not tell cases apart
    same = [cell.title for cell in planner.cells if used[str(cell.folder).lower()] > 1]
    if same:
        problems.append(f"{path}: these would share a folder: {'; '.join(same)}. Rename a row or a map.")
    names = [row.name for row in _rows(file)]
    if file.reference and file.reference not in names:
        problems.append(f"{path}: 'reference' must be one of the rows: {'; '.join(names)}. Got '{file.reference}'.")
    scores = dict.fromkeys(filter(is_score, (metric for cell in planner.cells for metric in cell.config.metrics)))
    unknown = [tag for tag in file.figures or () if tag not in scores]
    if unknown and planner.cells and not planner.problems:
        there = f"Scores: {', '.join(scores)}." if scores else "Nothing is scored: remove them."
        problems.append(f"{path}: 'figures' has {', '.join(unknown)}, which no run has. {there}")
    for name in file.maps:
        if not planner.problems and all(cell.map_name != name for cell in planner.cells):
            left_out = [each for each in planner.left_out if each.map_name == name]
            problems += [f"{path}: {each.row} x {name}: {each.reason}" for each in left_out]
    return problems
