"""What is refused when a run is to go on, and what is told where nothing is left to do."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from interruptions_for_tests import refused
from runs_for_tests import MAPS, small_config

import main
from config import validate
from storage import Lock
from training.runs.checkpoint import load, save
from training.runs.resuming import Run


def test_a_config_that_contradicts_the_checkpoint_names_the_keys(broken, capsys):
    message = refused(capsys, str(broken), "learning_rate=0.1", "margin=0.7", "epochs=5")
    assert "'learning_rate' is 0.1, and was 0.0002" in message
    assert "'margin'" in message
    assert "'epochs'" not in message


def test_a_complete_run_says_how_to_make_it_longer(broken, capsys):
    for _ in range(2):
        assert main.main(["resume", str(broken)]) == 0, "so that a script may call it until all is done"
    assert f"python main.py resume {broken} epochs=4" in capsys.readouterr().out
    assert len(json.loads((broken / "run.json").read_text())["resumed"]) == 1


@pytest.mark.parametrize(
    ("step", "asked", "told"),
    [
        (12, 3, "3 epochs are done, 3 were asked for"), (12, 1, "3 epochs are done, 1 was asked for"),
        (4, 1, "1 epoch is done, 1 was asked for"), (11, 1, "2 epochs are done, 1 was asked for"),
    ],
)  # fmt: skip
def test_a_complete_run_says_how_many_epochs_are_done(step, asked, told):
    config = validate(small_config(epochs=asked, iterations=4, maps=MAPS))
    checkpoint = {"step": step, "evaluating": [], "scorer": {"scored_step": step}}
    run = Run(Path("results/my run"), config, checkpoint, False, Lock(None, False))
    assert run.is_complete
    epochs = 2 * (step // 4)
    assert run.describe_end() == (
        f"results/my run is complete: {told}. To train longer: python main.py resume 'results/my run' epochs={epochs}"
    )


def test_fewer_epochs_than_done_change_nothing(broken, capsys):
    assert main.main(["resume", str(broken)]) == 0
    config = (broken / "config.json").read_bytes()
    assert main.main(["resume", str(broken), "epochs=1"]) == 0
    assert "2 epochs are done, 1 was asked for" in capsys.readouterr().out
    assert (broken / "config.json").read_bytes() == config


def test_no_run_names_those_there_are(broken, capsys):
    message = refused(capsys, "results/nosuch")
    assert "results/nosuch" in message
    assert str(broken) in message


def test_a_run_that_is_being_made_is_left_alone(broken, capsys):
    lock = Lock.acquire(broken)
    assert "another process" in refused(capsys, str(broken))
    lock.release()


def test_truncated_checkpoints_are_refused_whatever_their_length(broken, capsys):
    whole = (broken / "last.pt").read_bytes()
    for part in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (broken / "last.pt").write_bytes(whole[:part])
        message = refused(capsys, str(broken))
        assert "last.pt: damaged" in message
        assert "best.pt" in message
    shutil.copy(broken / "best.pt", broken / "last.pt")  # what the message says to do
    assert main.main(["resume", str(broken)]) == 0


def test_a_damaged_byte_of_a_checkpoint_is_found(broken, capsys):
    content = bytearray((broken / "last.pt").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (broken / "last.pt").write_bytes(content)
    assert "last.pt" in refused(capsys, str(broken))


def test_a_checkpoint_of_another_network_is_refused(broken, capsys):
    content = load(broken / "last.pt")
    content["network"].pop("head.weight")
    save(broken / "last.pt", content)
    assert "another network" in refused(capsys, str(broken))


def test_a_pickled_object_is_not_loaded(broken, capsys):
    torch.save({"format": 1, "network": Path("x")}, broken / "last.pt")
    assert "damaged, or no checkpoint" in refused(capsys, str(broken))


def test_another_map_under_the_same_name_is_refused(broken, capsys):
    content = load(broken / "last.pt")
    content["maps"]["image"]["content"] = "that of another"
    save(broken / "last.pt", content)
    assert "is not the map that the run was started with (image.tif): other pixels." in refused(capsys, str(broken))
