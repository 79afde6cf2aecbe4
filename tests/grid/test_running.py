"""When the runs of a grid are started and stopped."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from grid_for_tests import grid_file

import grid.running
from grid.plan import Cell, read_plan
from grid.running import Cells, Ended, launch
from storage import Lock
from training.runs.interruption import Interrupted, Interruption


class Process:
    """A process that lives until the test ends it."""

    def __init__(self, cell: Cell):
        self.cell, self.code = cell, None

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.code = 143

    def wait(self) -> int:
        return self.code


class Listener:
    def __init__(self):
        self.log: list[tuple[str, Cell, int]] = []

    def ended(self, run: Ended) -> None:
        self.log.append(("ended", run.cell, run.code))

    def stopped(self, run: Ended) -> None:
        self.log.append(("stopped", run.cell, run.code))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch) -> list[Process]:
    """The processes that were started."""
    processes: list[Process] = []

    def start(cell: Cell, inherited: tuple[int, ...]) -> Process:
        processes.append(Process(cell))
        return processes[-1]

    monkeypatch.setattr(grid.running, "launch", start)
    return processes


def run(monkeypatch, cells: Cells, moments: Iterator) -> None:
    """Run the cells; at each look at the processes, the test goes on to the next moment."""
    monkeypatch.setattr(grid.running.time, "sleep", lambda seconds: next(moments))
    cells.run(Interruption())


def test_one_run_prepares_each_map_while_the_others_wait(started, monkeypatch):
    plan = read_plan(grid_file(maps={"a": {"maps": "demo"}, "b": {"maps": "germany"}}))
    cells, listener = Cells(plan.cells, 3, Listener()), Listener()
    cells.listener = listener

    def moments() -> Iterator[None]:
        assert [process.cell.title for process in started] == ["triplet x a, seed 0", "triplet x b, seed 0"]
        yield
        assert len(started) == 2, "map a is not ready, neither is b"
        started[1].cell.folder.mkdir(parents=True)
        yield
        assert started[2].cell.title == "triplet x b, seed 1" and len(started) == 3
        started[0].code = 2
        yield
        assert started[3].cell.title == "triplet x a, seed 1", "the first has failed, so the next one prepares the map"
        for _ in range(20):
            for process in started:
                process.cell.folder.mkdir(parents=True, exist_ok=True)
                process.code = process.code or 0
            yield

    run(monkeypatch, cells, moments())
    assert len(started) == len(plan.cells) == len(listener.log) and {each[0] for each in listener.log} == {"ended"}
    assert [code for _, cell, code in listener.log if cell is started[0].cell] == [2]


def test_all_runs_are_stopped_if_the_grid_is(started, monkeypatch):
    plan = read_plan(grid_file())
    listener = Listener()

    def moments() -> Iterator[None]:
        started[0].cell.folder.mkdir(parents=True)
        yield
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        run(monkeypatch, Cells(plan.cells, 2, listener), moments())
    assert [(what, cell.title, code) for what, cell, code in listener.log] == [
        ("stopped", "triplet x demo, seed 0", 143), ("stopped", "triplet x demo, seed 1", 143),
    ]  # fmt: skip


def test_a_run_is_a_call_of_main_whose_console_goes_to_a_file(monkeypatch, folder):
    (folder / "main.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    monkeypatch.setattr(grid.running, "MAIN", folder / "main.py")
    cell = read_plan(grid_file()).cells[0]
    assert launch(cell).wait() == 3
    assert cell.config_file.read_text() == cell.config.to_json()
    cell.folder.mkdir()
    assert launch(cell).wait() == 3
    assert (
        cell.log.read_text()
        == "['train', 'results/grid/triplet-demo-0.json']\n['resume', 'results/grid/triplet-demo-0']\n"
    )


def test_what_no_file_may_hold_goes_through_a_pipe(monkeypatch, folder):
    """Whether the run is new or resumed; neither words nor variables of a process hold it, which others may list."""
    (folder / "main.py").write_text(
        "import os, sys; print([*sys.argv[1:], 'secret' in str(os.environ)], open('/dev/stdin').read())"
    )
    monkeypatch.setattr(grid.running, "MAIN", folder / "main.py")
    url = "https://me:secret@host/a.tif"
    image = [url, *(f"https://host/{number}.tif?sig=secret" for number in range(3000))]  # more than a pipe holds
    maps = {"far": {"maps": {"image": image, "labels": {"fields": url}}, "validation_map": "fields"}}
    cell = read_plan(grid_file(maps=maps)).cells[0]
    assert launch(cell).wait() == 0
    cell.folder.mkdir()
    assert launch(cell).wait() == 0
    for line, words in zip(
        cell.log.read_text().splitlines(), (["train", f"{cell.folder}.json"], ["resume", str(cell.folder)])
    ):
        said = f"{[*words, '--keys', '/dev/stdin', False]} "
        assert line.startswith(said)
        assert json.loads(line.removeprefix(said)) == {
            "maps": json.loads(cell.config.to_json(keep_credentials=True))["maps"]
        }
    assert "secret" not in cell.config_file.read_text()


def test_a_run_that_ends_before_it_reads_is_one_that_has_failed(monkeypatch, folder):
    (folder / "main.py").write_text("import sys; sys.exit(3)")
    monkeypatch.setattr(grid.running, "MAIN", folder / "main.py")
    image = [f"https://host/{number}.tif?sig=secret" for number in range(3000)]
    maps = {"far": {"maps": {"image": image, "labels": {"fields": "a.tif"}}, "validation_map": "fields"}}
    assert launch(read_plan(grid_file(maps=maps)).cells[0]).wait() == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_a_grid_is_locked_as_long_as_one_of_its_runs_lives(monkeypatch, folder):
    (folder / "main.py").write_text("import sys; sys.stdin.read()")
    lock = Lock.acquire(folder)
    run = subprocess.Popen(
        [sys.executable, folder / "main.py"], stdin=subprocess.PIPE, pass_fds=(lock.descriptor,)
    )  # fmt: skip
    lock.release()
    assert Lock.acquire(folder) is None
    run.communicate(b"")
    again = Lock.acquire(folder)
    assert again is not None
    again.release()
