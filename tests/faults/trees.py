"""Copies of a tree of the project, and what of its tests belongs to a fault."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fault import Fault, Misfit, Mutation

MAIN_TESTS = "test_main.py"  # whole runs through the command line, which may find what the tests of a module do not
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", ".venv")  # where git does not say what belongs


@contextmanager
def copied(tree: Path, mutation: Mutation | None = None) -> Iterator[Path]:
    """A copy of a tree in a temporary folder, with a fault put in; beside it the folder "temporary" for tests."""
    with TemporaryDirectory(prefix="fault-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "tree"
        _copy(tree, copy)
        (Path(folder) / "temporary").mkdir()
        if mutation is not None:
            (copy / mutation.path).write_text(mutation.source, encoding="utf8")
        yield copy


def _copy(tree: Path, target: Path) -> None:
    """The files that git tracks, as they are now; all files where the tree is no checkout."""
    if not (tree / ".git").exists():
        shutil.copytree(tree, target, ignore=LEFT_OUT)
        return
    listed = subprocess.run(["git", "-C", tree, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (tree / name).exists():  # else it was removed since the last commit
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, target / name)


def named_tests(tree: Path, names: tuple[str, ...]) -> list[str]:
    """Paths, from the top of the tree, of all test files of these names, in the order of the names."""
    found = [path for name in names for path in sorted((tree / "tests").rglob(name))]
    return [str(path.relative_to(tree)) for path in found]


def module_tests(tree: Path, fault: Fault) -> list[str]:
    """The files that test the module of a fault.

    Raises:
        Misfit: there is none
    """
    found = named_tests(tree, fault.tests)
    if not found:
        raise Misfit(f"{fault.name}: none of its test files exists: {', '.join(fault.tests)}")
    return found


def main_tests(tree: Path) -> list[str]:
    """The files that test whole runs.

    Raises:
        Misfit: there is none
    """
    found = named_tests(tree, (MAIN_TESTS,))
    if not found:
        raise Misfit(f"{tree}: there is no {MAIN_TESTS}")
    return found
