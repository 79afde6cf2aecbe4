"""Runs that are killed (SIGKILL) at any moment and gone on with end like a run that nobody touched."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from processes_for_tests import started
from runs_for_tests import ROOT, config_file, values_of, write_fields

from storage import PART_PREFIX
from training.runs.checkpoint import load

SETTINGS = {
    "loss": "magnetloss", "supervised": True, "iterations": 6, "epochs": 3, "valIteration": 1,
    "checkpoint_minutes": 1e-6, "single_class_classifiers": ["knn"], "multi_class_classifiers": ["rfc"],
}  # fmt: skip
LAST_STEP = SETTINGS["iterations"] * SETTINGS["epochs"]
PATIENCE = 300  # seconds, after which a process is taken to hang


def main_py(folder: Path, *arguments: str) -> subprocess.Popen:
    with (folder / "output.txt").open("a") as output:
        return subprocess.Popen(
            [sys.executable, ROOT / "main.py", *arguments], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )


def code_of(process: BaseProcess) -> int | None:
    """The exit code; None where it hangs."""
    process.join(PATIENCE)
    return process.exitcode


def finished(folder: Path, *arguments: str) -> int | None:
    return code_of(started(folder, *arguments))


def any_named(folder: Path, pattern: str) -> bool:
    return folder.exists() and any(folder.glob(pattern))


# what a kill waits for, in the folder of a run called `name`
MOMENTS: dict[str, Callable[[Path, str], bool]] = {
    "a map is prepared": lambda folder, name: any_named(folder / "data" / "cache", f"{PART_PREFIX}*"),
    "the run's folder was made": lambda folder, name: any_named(folder / "results", name),
    "a checkpoint is written": lambda folder, name: any_named(folder / "results" / name, f"{PART_PREFIX}*last.pt"),
    "a network is evaluated": lambda folder, name: any_named(folder / "results" / name, "evaluating-*.pt"),
    "a picture is drawn": lambda folder, name: any_named(folder / "results" / name / "figures", f"*/{PART_PREFIX}*"),
}


def kill_when(process: BaseProcess, come: Callable[[], bool]) -> bool:
    """Kill a process once the moment has come. False if it ended before."""
    give_up = time.monotonic() + PATIENCE
    while process.exitcode is None and time.monotonic() < give_up:
        if come():
            process.kill()
            process.join()
            return True
        time.sleep(0.0005)
    assert process.exitcode is not None, "it hangs"
    assert process.exitcode == 0
    return False


def next_call(folder: Path, name: str) -> list[str]:
    """What a user calls after a kill: the run itself, where there is none yet, else what goes on with it."""
    return ["resume", f"results/{name}"] if (folder / "results" / name).exists() else [f"{name}.json"]


def killed_run(folder: Path, name: str, moments: list[Callable[[], bool]]) -> int:
    """Make a run that is killed at the moments, one after the other. Gives how many of them came."""
    kills, done = 0, False
    for come in moments:
        done = not kill_when(started(folder, *next_call(folder, name)), come)
        kills += not done
        if done:
            break
    if not done:
        assert finished(folder, *next_call(folder, name)) == 0, (folder / "output.txt").read_text()[-3000:]
    return kills


def assert_as_untouched(folder: Path, name: str) -> None:
    run, untouched = folder / "results" / name, folder / "results" / "untouched"
    assert (run / "metrics.csv").read_text() == (untouched / "metrics.csv").read_text()
    assert values_of(run, "train/loss") == values_of(untouched, "train/loss")
    assert [step for step, _ in values_of(run, "train/loss")] == list(range(1, LAST_STEP + 1))
    assert load(run / "best.pt")["step"] == load(untouched / "best.pt")["step"]
    left = [path for path in folder.rglob(f"{PART_PREFIX}*") if "results" in path.parts]
    assert not left, "half-written files are removed"
    assert "Traceback" not in (folder / "output.txt").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with maps and the results of a run that nobody touched; nothing else that it made is left."""
    folder = tmp_path_factory.mktemp("killed")
    write_fields(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config_file("untouched", **SETTINGS)
    assert finished(folder, "untouched.json") == 0
    return folder


def new_run(folder: Path, name: str) -> None:
    text = (folder / "untouched.json").read_text()
    (folder / f"{name}.json").write_text(text.replace('"untouched"', f'"{name}"'))


def forget_maps(folder: Path) -> None:
    for path in sorted((folder / "data").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_killed_at_the_worst_moments(folder):
    new_run(folder, "worst")
    forget_maps(folder)
    moments = [lambda come=come: come(folder, "worst") for come in MOMENTS.values()]
    assert killed_run(folder, "worst", moments) == len(moments)
    assert_as_untouched(folder, "worst")
    assert not list((folder / "data" / "cache").glob(f"{PART_PREFIX}*")), "what a killed preparation left is removed"


@pytest.mark.long
def test_killed_at_twenty_random_moments(folder):
    """Half of the moments are any, half are those where it hurts most; a run that ends is followed by another."""
    rng, kills, runs = np.random.default_rng(), 0, 0
    started = time.monotonic()
    new_run(folder, "timed")
    assert finished(folder, "timed.json") == 0
    seconds = time.monotonic() - started
    while kills < 20:
        runs += 1
        name = f"random-{runs}"
        new_run(folder, name)
        if runs % 2:
            forget_maps(folder)
        moments = [_random_moment(folder, name, rng, seconds) for _ in range(20 - kills)]
        kills += killed_run(folder, name, moments)
        assert_as_untouched(folder, name)
    print(f"{kills} kills in {runs} runs")


def _random_moment(folder: Path, name: str, rng: np.random.Generator, seconds: float) -> Callable[[], bool]:
    if rng.random() < 0.5:
        come = list(MOMENTS.values())[rng.integers(len(MOMENTS))]
        return lambda: come(folder, name)
    begun, delay = [], rng.uniform(0.3, 1) * seconds

    def come() -> bool:
        begun.append(time.monotonic())
        return begun[-1] - begun[0] > delay

    return come


def test_two_runs_of_one_name_on_one_unprepared_map(folder):
    new_run(folder, "twins")
    forget_maps(folder)
    both = [started(folder, "twins.json") for _ in range(2)]
    assert [code_of(process) for process in both] == [0, 0]
    for name in ("twins", "twins-2"):
        assert_as_untouched(folder, name)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_the_process_with_its_code_and_a_checkpoint(folder, number, code):
    name = number.lower()
    new_run(folder, name)
    process = main_py(folder, f"{name}.json", "epochs=1000", "evaluate_every=1000")
    last = folder / "results" / name / "last.pt"
    while not (last.exists() and load(last)["step"] > 0):  # until the training has begun
        assert process.poll() is None, (folder / "output.txt").read_text()[-3000:]
        time.sleep(0.1)
    process.send_signal(getattr(signal, number))
    assert process.wait(PATIENCE) == code
    told = (folder / "output.txt").read_text()
    assert re.search(rf"To resume: python main.py resume results/{name}\s*$", told)
    shown = values_of(folder / "results" / name, "train/loss")
    assert load(last)["step"] == shown[-1][0], "nothing is lost"


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    """While a step takes very long."""
    code = (
        "import time\n"
        "from training.runs.interruption import Interruption\n"
        "with Interruption() as interruption, interruption.deferred():\n"
        "    print('in a step', flush=True)\n"
        "    for _ in range(600): time.sleep(0.1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert b"Finishing this step first" in process.stderr.readline() + process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
