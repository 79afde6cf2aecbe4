"""Runs in several processes: they repeat themselves, go on after a signal or a kill, and end together."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from runs_for_tests import ROOT, UNLABELLED, config_file, values_of, write_fields
from together_for_tests import codes_of, started_together

import main
from training.forward import ForwardPass
from training.runs.checkpoint import load

SETTINGS = UNLABELLED | {"epochs": 2, "iterations": 6, "checkpoint_minutes": 1e-6, "mining": ["RANDOM_HARD_NEGATIVE"]}
STEPS = range(1, 13)
SLOW_SECONDS = 50
LAUNCH = """
import sys
sys.path[:0] = {paths}
from together_for_tests import main_without_figures
main_without_figures(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder with maps, and the results of `whole`, which torchrun made in two processes."""
    folder = tmp_path_factory.mktemp("torchrun")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_fields(folder)
        for name in ("whole", "broken"):
            config_file(name, **SETTINGS)
    (folder / "launch.py").write_text(LAUNCH.format(paths=[str(ROOT), str(ROOT / "tests/helpers")]))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "launch.py", "whole.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    (folder / "whole.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    return folder


def said(folder: Path) -> str:
    """What the processes that `started_together` started have said since the last call."""
    text = (folder / "output.txt").read_text()
    (folder / "output.txt").unlink()
    return text


def wait_for_step(folder: Path, step: int) -> None:
    """Wait until a checkpoint of a step or of a later one is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if folder.exists() and (folder / "last.pt").exists() and load(folder / "last.pt")["step"] >= step:
            return
        time.sleep(0.02)
    raise AssertionError(f"{folder}: no step {step}")


def test_one_process_reports_each_step_once(folder):
    steps = [step for step, _ in values_of(folder / "results/whole", "train/loss")]
    text = (folder / "whole.txt").read_text()
    assert steps == list(STEPS)
    assert text.count("epoch 1/2") == text.count("The results are in") == text.count("batch norm takes") == 1
    assert load(folder / "results/whole/last.pt")["processes"] == 2


def test_a_run_that_was_killed_and_interrupted_ends_like_one_that_was_not(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    run = Path("results/broken")
    processes = started_together(folder, 2, "broken.json")
    wait_for_step(run, 1)
    assert main.main(["resume", str(run)]) == 2, "a second job on the folder"
    assert "another process is executing this run" in capsys.readouterr().err
    processes[1].kill()
    killed_at = time.monotonic()
    assert codes_of(processes) == [2, -signal.SIGKILL]
    assert time.monotonic() - killed_at < 60
    text = said(folder)
    assert text.count("Another process of this run has ended") == 1 and "Traceback" not in text
    assert "python main.py resume results/broken" in text

    reached = load(run / "last.pt")["step"]
    processes = started_together(folder, 2, "resume", str(run))
    wait_for_step(run, min(reached + 2, STEPS[-2]))
    os.kill(processes[1].pid, signal.SIGTERM)  # the second alone: they agree on the step
    assert codes_of(processes) == [128 + signal.SIGTERM] * 2
    text = said(folder)
    assert text.count("Interrupted.") == 1 and "Traceback" not in text
    assert reached < load(run / "last.pt")["step"] < STEPS[-1]

    assert codes_of(started_together(folder, 2, "resume", str(run))) == [0, 0], said(folder)
    ours, theirs = (load(each / "last.pt")["network"] for each in (run, Path("results/whole")))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs), "bit for bit"


def slow_in_evaluations(patch: pytest.MonkeyPatch) -> None:
    """Have the second process take long to embed its share of the tiles that are evaluated."""
    whole = ForwardPass.embed_positions

    def embed_positions(passes, positions, **options):
        if passes.processes.share.rank == 1:
            Path("is_slow").touch()
            time.sleep(SLOW_SECONDS)
        return whole(passes, positions, **options)

    patch.setattr(ForwardPass, "embed_positions", embed_positions)


def test_a_signal_to_one_process_that_another_waits_for_ends_both(folder, monkeypatch):
    monkeypatch.chdir(folder)
    config_file("slow", **SETTINGS)
    processes = started_together(folder, 2, "slow.json", patched=slow_in_evaluations)
    while not Path("is_slow").exists():
        assert all(each.is_alive() for each in processes), said(folder)
        time.sleep(0.02)
    os.kill(processes[1].pid, signal.SIGTERM)
    signalled_at = time.monotonic()
    assert codes_of(processes) == [128 + signal.SIGTERM] * 2
    assert time.monotonic() - signalled_at < SLOW_SECONDS / 2
    text = said(folder)
    assert text.count("Interrupted.") == 1 and "Traceback" not in text


def test_another_number_of_processes_can_go_on(folder, monkeypatch, caplog, no_figures):
    monkeypatch.chdir(folder)
    with caplog.at_level(logging.INFO):
        assert main.main(["resume", "results/whole", "epochs=3"]) == 0
    assert "trained by 2 processes so far, and by 1 from now on" in caplog.text
    assert load(folder / "results/whole/last.pt")["step"] == 18


def test_what_cannot_be_divided_is_refused_once(folder):
    started = started_together(folder, 2, "whole.json", "batch_size=5")
    assert codes_of(started) == [2, 2]
    text = said(folder)
    assert text.count("'batch_size' must be a multiple of the number of processes, 2") == 1 and "Got 5" in text
