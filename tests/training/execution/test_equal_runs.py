"""Equal configs give equal runs, whatever else the machine does."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from runs_for_tests import losses_of, run_in_process

from training.execution import trials


@contextmanager
def loaded_core() -> Iterator[None]:
    """A block beside which another process computes."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


@pytest.mark.usefixtures("workplace", "no_figures")
def test_runs_alone_and_beside_a_loaded_core_are_one_run(caplog, monkeypatch):
    monkeypatch.setattr(trials, "TARGET_SECONDS", 3)
    shutil.rmtree("data/cache/precision", ignore_errors=True)
    keys = {"network": "resnet10t", "image_size": 32, "validation_spacing": 4, "iterations": 3}
    keys |= {"precision": "auto", "channels_last": "auto", "threads": 2}
    folders = []
    with caplog.at_level("INFO"):
        for i, beside in enumerate((nullcontext, loaded_core, loaded_core)):
            with beside():
                folders.append(run_in_process(f"equal-{i}", **keys))
    assert len({(folder / "metrics.csv").read_text() for folder in folders}) == 1
    assert len({tuple(losses_of(folder)) for folder in folders}) == 1
    configs = [json.loads((folder / "config.json").read_text()) for folder in folders]
    assert len({(config["precision"], config["channels_last"]) for config in configs}) == 1
    assert configs[0]["precision"] in ("fp32", "bf16") and isinstance(configs[0]["channels_last"], bool)
    (choice,) = Path("data/cache/precision").glob("*.json")
    assert caplog.text.count(f"measured on {json.loads(choice.read_text())['choice']['date']}") == 2
