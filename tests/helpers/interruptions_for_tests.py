"""Runs that a signal ends in the middle, and resumptions that are refused."""

import signal
from pathlib import Path

from runs_for_tests import config_file

import main
from training.trainer import Trainer

LONG = {"iterations": 4, "epochs": 2, "network": "test_resnet"}


def interrupt_after(monkeypatch, step: int, number: int = signal.SIGTERM) -> None:
    """Have a signal come in the middle of a step."""
    whole = Trainer._train_step

    def interrupted(trainer, batch, waited):
        if batch.step == step:
            signal.raise_signal(number)
        return whole(trainer, batch, waited)

    monkeypatch.setattr(Trainer, "_train_step", interrupted)


def interrupted_run(monkeypatch, name: str, step: int, **changes) -> Path:
    with monkeypatch.context() as patch:
        interrupt_after(patch, step)
        assert main.main([str(config_file(name, **changes))]) == 128 + signal.SIGTERM
    return Path("results") / name


def interrupted_again(monkeypatch, folder: Path, step: int) -> None:
    """Go on with a run, as far as a later step."""
    with monkeypatch.context() as patch:
        interrupt_after(patch, step)
        assert main.main(["resume", str(folder)]) == 128 + signal.SIGTERM


def refused(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main.main(["resume", *arguments]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message
