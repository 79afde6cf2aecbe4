"""Imports go one way, as the tables in CONTRIBUTING.md say, and never in a circle."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from pages_for_tests import ROOT, name_of, tables

PACKAGES, SUBPACKAGES = (
    [re.findall(r"`([\w/.]+?)/?`", row[0]) for row in table]  # the places of each row, from above to below
    for first_cell in ("package", "subpackage")
    for table in tables(ROOT / "CONTRIBUTING.md", first_cell)
)
OUTSIDE = {"tests", "benchmarks"}  # packages that nothing of the program imports
FOLDERS = sorted(path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name not in OUTSIDE)
MODULES = sorted([*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in folder.rglob("*.py"))])


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, those within functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def row_of(place: str, rows: list[list[str]]) -> int | None:
    """Number of the row that a path belongs to; None: to none."""
    found = [i for i, row in enumerate(rows) for each in row if place == each or place.startswith(f"{each}/")]
    return found[0] if found else None


def as_paths(names: set[str]) -> set[str]:
    """Modules as paths without a suffix, such as training/runs/folder."""
    return {name.replace(".", "/") for name in names}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_lies_below_it(path):
    place = name_of(path)
    rows = [[each.removesuffix(".py") for each in row] for row in PACKAGES]
    own = row_of(place.removesuffix(".py"), rows)
    assert own is not None, f"{place} is in no row of the table of packages"
    higher = [name for name in as_paths(imported(path)) if (row := row_of(name, rows)) is not None and row < own]
    assert not higher, f"{place} imports {higher}"


@pytest.mark.parametrize("path", [p for p in MODULES if row_of(name_of(p), SUBPACKAGES) is not None], ids=name_of)
def test_a_module_of_a_subpackage_imports_only_subpackages_below_it(path):
    place = name_of(path)
    own, package = row_of(place, SUBPACKAGES), place.partition("/")[0]
    for name in as_paths(imported(path)):
        row = row_of(name, SUBPACKAGES)
        assert row is None or row >= own or not name.startswith(package), f"{place} imports {name}"
        assert row is not None or not name.startswith(f"{package}/"), f"{place} imports {name}, of the package itself"


def test_every_subpackage_is_in_the_table():
    found = {
        path.parent.relative_to(ROOT).as_posix()
        for package in ("inference", "training", "dataProcessors")
        for path in (ROOT / package).glob("*/__init__.py")
    }
    assert {place for row in SUBPACKAGES for place in row} == found


def part_of(module: str) -> str:
    """The part of the program that a module belongs to: a package's subpackage, or a module directly in a package."""
    return "/".join(module.split("/")[:2])


def test_no_circle_between_the_parts_of_the_program():
    names = {name_of(path).removesuffix(".py").removesuffix("/__init__"): path for path in MODULES}
    graph = {part_of(name): set() for name in names}
    for name, path in names.items():
        graph[part_of(name)] |= {part_of(target) for target in as_paths(imported(path)) if target in names}
    packages = {name for name, path in names.items() if path.name == "__init__.py" and "/" not in name}
    for name, targets in graph.items():
        targets -= packages | {name}  # a package itself only names what its parts define
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("package", ["config", "dataProcessors", "evaluation", "storage"])
def test_what_needs_no_torch_does_not_import_it(package):
    paths = [path for path in MODULES if name_of(path).removesuffix(".py").split("/")[0] == package]
    assert paths
    for path in paths:
        assert not {"torch", "torchvision", "timm"} & {name.split(".")[0] for name in imported(path)}, path
