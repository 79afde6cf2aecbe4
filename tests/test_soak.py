"""A long run needs no more memory and no more open files at its end than after its first epoch."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs_for_tests import ROOT, config_file, values_of, write_fields

STEPS, FIRST = 3000, 300
SETTINGS = {"iterations": FIRST, "epochs": STEPS // FIRST, "checkpoint_minutes": 0.05, "mining": ["HARD_NEGATIVE"]}
MAX_GROWTH = 1.05
WATCHED = """
import gc, json, os, sys
import main
from training.trainer import Trainer

def private_memory():
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))

whole = Trainer._train_step

def watched(trainer, batch, waited):
    loss = whole(trainer, batch, waited)
    if batch.step % 100 == 0:
        gc.collect()
        with open("watched.jsonl", "a", encoding="utf8") as file:
            seen = {"step": batch.step, "memory": private_memory(), "files": len(os.listdir("/proc/self/fd"))}
            print(json.dumps(seen), file=file)
    return loss

Trainer._train_step = watched
sys.exit(main.main(["soak.json"]))
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory and open files are read from /proc")
def test_three_thousand_steps(tmp_path, monkeypatch):
    write_fields(tmp_path)
    monkeypatch.chdir(tmp_path)
    config_file("soak", **SETTINGS)
    with open("output.txt", "w", encoding="utf8") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED], env={"PYTHONPATH": str(ROOT), "PATH": ""}, stdout=output, stderr=output
        )
        read = readings(process)
    assert process.returncode == 0, Path("output.txt").read_text()[-3000:]
    assert len(read) > 5
    assert read == sorted(read), "while it runs, TensorBoard's file grows, and can be read"
    assert [step for step, _ in values_of(Path("results/soak"), "train/loss")] == list(range(1, STEPS + 1))
    watched = {seen["step"]: seen for seen in map(json.loads, Path("watched.jsonl").read_text().splitlines())}
    first, last = watched[FIRST], watched[STEPS]
    print(first, last)
    # the first epoch's end opens what later ones use too
    assert last["files"] == watched[2 * FIRST]["files"]
    assert last["memory"] <= MAX_GROWTH * first["memory"]


def readings(process: subprocess.Popen) -> list[int]:
    """How many steps TensorBoard's file showed, every few seconds, while the process ran."""
    shown = []
    while process.poll() is None:
        time.sleep(5)
        if list(Path("results/soak").glob("tensorboard/trained/events*")):
            try:
                shown.append(len(values_of(Path("results/soak"), "train/loss")))
            except KeyError:  # no loss is shown yet
                shown.append(0)
    return shown
