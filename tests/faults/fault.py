"""A deliberate fault: what it changes, and where in a tree of the project that is found.

Modules may move within their package, and functions may get other names, without a fault losing its place: it names the
package, the function and a piece of the function's text, and all files of the package are looked through.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A mistake that somebody might make.

    Attributes:
        name: of the fault, unlike any other
        part: of the project that it is in: a package, a package/subpackage, or a file at the top without its ".py"
        functions: qualified names under which the function, or class, may be found: "Area.draw"
        changes: (text, what stands there instead): the first counts whose text the function holds exactly once
        kind: of mistake
        effect: what goes wrong then
        tests: names of the files that test the module; those that exist are run
    """

    name: str
    part: str
    functions: tuple[str, ...]
    changes: tuple[tuple[str, str], ...]
    kind: str
    effect: str
    tests: tuple[str, ...]

    @property
    def package(self) -> str:
        """Folder, or file, at the top of the tree that is looked through, however deep."""
        return self.part.partition("/")[0]


@dataclass(frozen=True)
class Definition:
    """A function or class: lines `first` up to `last`, counted from 0, the last not included."""

    path: Path
    name: str
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class Mutation:
    """A fault that fits a tree.

    Attributes:
        fault: what is put in
        path: of the file, from the top of the tree
        function: the name under which it was found there
        before, after: the text, and what stands there instead
        source: the whole file with the fault
    """

    fault: Fault
    path: Path
    function: str
    before: str
    after: str
    source: str

    @property
    def change(self) -> str:
        """In one line, what is changed where."""
        return f"{self.function}: {_in_one_line(self.before)} -> {_in_one_line(self.after) or 'nothing'}"


class Misfit(Exception):
    """A fault that cannot be put into a tree: why."""


def fitted(fault: Fault, tree: Path) -> Mutation:
    """The fault, put into the one place of the tree that it fits.

    Raises:
        Misfit: there is no such place, or several, or the file would not compile
    """
    for function in fault.functions:
        named = [each for each in definitions(tree, fault.package) if each.name == function]
        for before, after in fault.changes:
            holding = [each for each in named if each.text.count(before) == 1]
            if len(holding) > 1:
                raise Misfit(f"{fault.name}: {before!r} fits {function} in {_paths(holding)}")
            if holding:
                return _mutation(fault, tree, holding[0], before, after)
    raise Misfit(f"{fault.name}: {_why_not(fault, tree)}")


def _why_not(fault: Fault, tree: Path) -> str:
    named = [each for each in definitions(tree, fault.package) if each.name in fault.functions]
    if not named:
        return f"{fault.part} has no {' or '.join(fault.functions)}"
    counts = ", ".join(f"{before!r} {each.text.count(before)} times" for each in named for before, _ in fault.changes)
    return f"the text must be once in {' or '.join(fault.functions)} ({_paths(named)}); found: {counts}"


def _mutation(fault: Fault, tree: Path, place: Definition, before: str, after: str) -> Mutation:
    lines = _lines(tree / place.path)
    lines[place.first : place.last] = [place.text.replace(before, after)]
    source = "".join(lines)
    try:
        compile(source, str(place.path), "exec")
    except SyntaxError as error:
        raise Misfit(f"{fault.name}: {place.path} does not compile with it: {error}") from None
    return Mutation(fault, place.path, place.name, before, after, source)


@lru_cache(maxsize=64)
def definitions(tree: Path, package: str) -> tuple[Definition, ...]:
    """All functions and classes of PACKAGE/ or PACKAGE.py, those within others included."""
    found = []
    for path in sorted([*tree.glob(f"{package}.py"), *(tree / package).rglob("*.py")]):
        lines = _lines(path)
        found += _within(ast.parse("".join(lines)), "", path.relative_to(tree), lines)
    return tuple(found)


def _within(node: ast.AST, prefix: str, path: Path, lines: list[str]) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _within(child, prefix, path, lines)
            continue
        name = f"{prefix}{child.name}"
        first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)]) - 1
        yield Definition(path, name, first, child.end_lineno, "".join(lines[first : child.end_lineno]))
        yield from _within(child, f"{name}.", path, lines)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf8").splitlines(keepends=True)


def _paths(places: list[Definition]) -> str:
    return ", ".join(str(path) for path in dict.fromkeys(each.path for each in places))


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
