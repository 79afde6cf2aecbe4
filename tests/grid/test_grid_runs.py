"""A grid of real runs, stopped in the middle and made again."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest
from grid_for_tests import grid_file
from processes_for_tests import Process, started
from runs_for_tests import MAPS, small_config

import grid.running
import main
from grid.plan import Cell
from grid.progress import Progress
from storage import Lock


def launch(cell: Cell, inherited: tuple[int, ...]) -> Process:
    """Start a run as grid.running.launch does, in a process that is ready at once."""
    if cell.folder.exists():
        return called("resume", str(cell.folder))
    cell.config_file.write_text(cell.config.to_json())
    return called("train", str(cell.config_file))


def called(*arguments: str) -> Process:
    return Process(started(Path.cwd(), *arguments, figures=1))


@pytest.fixture
def small_grid(workplace, monkeypatch):
    """Writes the grid NAME.json of four short runs, two at a time."""
    monkeypatch.setattr(grid.running, "launch", launch)
    monkeypatch.setattr("grid.writing.save_figure", lambda figure, path: None)
    base = small_config(iterations=10, epochs=2, valIteration=1, evaluate_every=2, checkpoint_minutes=1e-6)
    configs = {"triplet": {}, "magnet": {"loss": "magnetloss"}}
    return lambda name, **keys: grid_file(
        name, base=base, configs=configs, maps={"fields": {"maps": MAPS}}, processes=2, **keys
    )


def tables(name: str) -> list[str]:
    """The files with scores, without the minutes."""
    texts = [Path("results", name, file).read_text() for file in ("grid.csv", "differences.csv")]
    with Path("results", name, "summary.csv").open() as file:
        return [*texts, *(str(row | {"minutes": ""}) for row in csv.DictReader(file))]


def test_a_grid_that_is_stopped_and_called_again_has_the_tables_of_one_that_was_not(small_grid, monkeypatch, capsys):
    assert main.main(["grid", str(small_grid("unbroken"))]) == 0
    told = capsys.readouterr().out
    assert "[4 of 4]" in told and "4 of 4 runs are complete" in told
    path, whole = small_grid("stopped"), Progress.ended

    def ended(self: Progress, *arguments) -> None:
        whole(self, *arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "ended", ended)
        assert main.main(["grid", str(path)]) == 143
    assert "To go on: python main.py grid stopped.json" in capsys.readouterr().err
    assert main.main(["grid", str(path), "--dry-run"]) == 0
    states = capsys.readouterr().out
    assert 1 <= states.count("complete") < 4
    assert not Path("results/stopped/grid.csv").exists()
    assert main.main(["grid", str(path)]) == 0
    told = capsys.readouterr().out
    assert f"{4 - states.count('complete')} of 4 runs to make" in told
    assert tables("stopped") == tables("unbroken")
    report = Path("results/stopped/triplet-fields-1/report.html")
    report.unlink()  # as where a run is killed after its last checkpoint, before its report
    assert main.main(["grid", str(path)]) == 0
    assert "1 of 4 runs to make" in capsys.readouterr().out and report.exists()
    assert main.main(["grid", str(path)]) == 0
    assert "runs to make" not in capsys.readouterr().out, "all is there"
    assert tables("stopped") == tables("unbroken")


def test_a_run_that_fails_is_told_at_the_end_and_the_others_go_on(small_grid, monkeypatch, capsys):
    def launch_or_fail(cell: Cell, inherited: tuple[int, ...]) -> Process:
        return launch(cell, inherited) if cell.row == "triplet" else called("train", "missing.json")

    monkeypatch.setattr(grid.running, "launch", launch_or_fail)
    assert main.main(["grid", str(small_grid("failing", seeds=[0]))]) == 1
    told = capsys.readouterr().out
    assert "1 of 2 runs are complete" in told
    last = told.splitlines()[-1]
    assert (
        last == "Failed with exit code 2: magnet x fields, seed 0; see the end of results/failing/magnet-fields-0.log"
    )


def test_what_a_run_would_refuse_is_told_before_any_starts(small_grid, monkeypatch, capsys):
    monkeypatch.setattr(grid.running, "launch", None)
    path = small_grid("refused", seeds=[0])
    content = json.loads(path.read_text())
    content["configs"]["magnet"] = {"network": "no_such_network"}
    content["maps"]["far"] = {"maps": {"image": "none.tif", "labels": {"fields": "labels.tif"}}}
    path.write_text(json.dumps(content))
    assert main.main(["grid", str(path)]) == 2
    of_network, of_map = capsys.readouterr().err.splitlines()
    assert of_network.startswith("refused.json, magnet x fields: There is no 'network' 'no_such_network'")
    assert of_map.startswith("refused.json, triplet x far: none.tif: there is no such file")
    assert not Path("results/refused").exists()


def test_two_processes_do_not_make_one_grid(small_grid, capsys):
    path = small_grid("locked", seeds=[0])
    Path("results/locked").mkdir(parents=True)
    lock = Lock.acquire(Path("results/locked"))
    assert main.main(["grid", str(path)]) == 2
    assert "another process is making this grid" in capsys.readouterr().err
    lock.release()
