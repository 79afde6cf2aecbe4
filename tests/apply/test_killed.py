"""The verbs embed, classify and search are killed; called again, they write what they write undisturbed.

A moment is a file that is opened for writing, renamed or removed, or a folder that is made or removed: between two of
them nothing changes that another process sees, but for the bytes of files that have no place yet.
"""

import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from inference_for_tests import write_run
from processes_for_tests import CONTEXT, process
from runs_for_tests import MAPS, without_waiting_for_disks, write_fields

import main

MOMENTS = [3, pytest.param(10, marks=pytest.mark.long)]
EVENTS = ("os.mkdir", "os.remove", "os.rename", "os.rmdir")
CALLS = {
    "embed": "embed results/net --stride 8",
    "embed to a file": "embed results/net --stride 16 -o out/e.tif",
    "embed points": "embed results/net --at points.csv -o out/points.csv",
    "classify": "classify results/net --stride 12 --with knn",
    "classify to a file": "classify results/net --stride 12 --with knn -o out/c.tif",
    "search": "search results/net --stride 12 --tile image.tif -k 3",
    "search again, to a folder": "search results/net --stride 12 --tile image.tif -k 3 -o out/found",
}


def _is_write(event: str, arguments: tuple) -> bool:
    if event == "open":
        _, mode, flags = arguments
        return bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else any(letter in mode for letter in "wax+")
    return event in EVENTS


def _call(folder: Path, arguments: list[str], moment: int | None, writes) -> None:
    """Call main.py, and kill the process before its moment-th write; without a moment, say how many there are."""
    without_waiting_for_disks()
    os.chdir(folder)
    seen: list[str] = []

    def watch(event: str, given: tuple) -> None:
        if _is_write(event, given):
            seen.append(event)
            if len(seen) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        sys.addaudithook(watch)
        code = main.main(arguments)
    writes.put(len(seen))
    sys.exit(code)


def call(folder: Path, words: str, moment: int | None = None) -> tuple[int | None, int]:
    """Call main.py in a process; return its exit code, and the number of its writes unless it was killed."""
    writes = CONTEXT.SimpleQueue()
    called = process(_call, folder, words.split(), moment, writes)
    called.join(120)
    return called.exitcode, 0 if writes.empty() else writes.get()


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def reset(folder: Path, before: dict[str, bytes]) -> None:
    """Remove what is new in a folder."""
    for name in files_of(folder).keys() - before.keys():
        (folder / name).unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and "cache" not in path.parts and not any(path.iterdir()):
            path.rmdir()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with a run, whose map is embedded with one stride."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_fields(folder)
        write_run(MAPS)
        Path("points.csv").write_text("lon,lat\n9.001,49.648\n9.002,49.647\n")
        arguments = "classify results/net --stride 12 --with knn -o there/c.tif"  # also keeps the tiles to fit on
        assert main.main(arguments.split()) == 0
        yield folder


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
@pytest.mark.parametrize("moments", MOMENTS)
@pytest.mark.parametrize("words", CALLS.values(), ids=CALLS)
def test_killed_and_called_again_all_files_are_those_of_an_undisturbed_call(place, words, moments):
    before = files_of(place)
    code, number = call(place, words)
    expected = files_of(place)
    assert code == 0
    assert expected.keys() > before.keys()
    for moment in np.linspace(1, number, moments).round().astype(int).tolist():
        reset(place, before)
        assert call(place, words, moment)[0] == -signal.SIGKILL
        code, _ = call(place, words)
        found = files_of(place)
        assert found.keys() == expected.keys(), f"killed at {moment} of {number}"
        assert found == expected, f"killed at {moment} of {number}"
        assert code == 0 or (code == 2 and moment == number), "all was there already"
    reset(place, before)
