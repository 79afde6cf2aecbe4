"""Imports go one way: between packages as the table below says, and never in a circle between their parts."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EVERYWHERE = {"config", "storage"}  # any package may import these
MAY_IMPORT = {
    "main": {"assembly", "reporting", "training", "networks"},
    "assembly": {"reporting", "training", "networks", "dataProcessors"},
    "reporting": {"training", "evaluation", "dataProcessors"},
    "training": {"evaluation", "mining", "losses", "networks", "dataProcessors"},
    "evaluation": set(),
    "mining": {"losses"},
    "losses": set(),
    "networks": set(),
    "dataProcessors": set(),
    "storage": set(),
    "config": set(),
}
WITHOUT_TORCH = ("config", "dataProcessors", "evaluation", "storage")


def modules() -> dict[str, Path]:
    """Dotted name of each module of the program -> its file."""
    files = [path for name in MAY_IMPORT for path in [ROOT / f"{name}.py", *(ROOT / name).rglob("*.py")]]
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in files if path.exists()}
    return {".".join(names).removesuffix(".__init__"): path for path, names in parts.items()}


def imported(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, within functions too; of `from a import b` both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(module: str) -> str:
    """The part of the program that a module belongs to: a package's subpackage, or a module directly in a package."""
    return ".".join(module.split(".")[:2])


MODULES = modules()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_that_it_may(package):
    allowed = MAY_IMPORT[package] | {package} | (EVERYWHERE - {"storage"} if package == "config" else EVERYWHERE)
    files = [path for name, path in MODULES.items() if name.split(".")[0] == package]
    assert files
    for path in files:
        packages = {name.split(".")[0] for name in imported(path)} & set(MAY_IMPORT)
        assert packages <= allowed, f"{path.relative_to(ROOT)} imports {', '.join(sorted(packages - allowed))}"


def test_no_circle_between_the_parts_of_the_program():
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        targets = {part(target) for target in imported(path) if target in MODULES}
        graph.setdefault(part(name), set()).update(targets - {part(name)})
    packages = {name for name in graph if (ROOT / name / "__init__.py").exists()}
    for name in packages:  # the package itself names what its parts define, and is no part of its own
        for targets in graph.values():
            targets.discard(name)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' <- '.join(error.args[1])}")
    assert set(order) == set(graph)


def test_no_circle_between_modules():
    graph = {name: {target for target in imported(path) if target in MODULES} for name, path in MODULES.items()}
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    TopologicalSorter({name: targets - packages - {name} for name, targets in graph.items()}).prepare()


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_what_needs_no_torch_does_not_import_it(package):
    for name, path in MODULES.items():
        if name.split(".")[0] == package:
            assert not {"torch", "torchvision", "timm"} & {target.split(".")[0] for target in imported(path)}, path
