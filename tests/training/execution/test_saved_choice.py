"""A choice that was made is kept, used again under the same conditions, and under no other ones."""

import json
import logging

import numpy as np
import pytest
import torch
from test_device import CONFIG, network, tiles

from config import validate
from storage import Lock, StorageError
from training.execution import machine, precision, saved_choice, trials
from training.execution.machine import describe_machine, describe_processor
from training.execution.precision import describe_network, resolve

ROUNDS = [[1.0, 0.5, 2.0, 2.0]] * trials.MIN_ROUNDS  # fp32, fp32 channels_last, bf16, bf16 channels_last


@pytest.fixture
def timed(monkeypatch):
    """What trials give, which may be changed; and how often there were any."""

    class Timed:
        rounds, calls = ROUNDS, 0

        def time_ways(self, ways, network, tiles):
            self.calls += 1
            if isinstance(self.rounds, Exception):
                raise self.rounds
            return [row[: len(ways)] for row in self.rounds]

    timed = Timed()
    monkeypatch.setattr(trials, "time_ways", timed.time_ways)
    return timed


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO)
    return caplog


def way(folder, **keys) -> str:
    return precision.way_name(resolve(validate(CONFIG | keys), network(), tiles(), folder))


def test_a_choice_is_made_once_and_logged_both_times(tmp_path, timed, log):
    assert way(tmp_path) == "fp32 channels_last"
    (path,) = (tmp_path / "precision").glob("*.json")
    assert "fp32 channels_last is used, now and in every later run" in log.text and str(path) in log.text
    assert "fp32 channels_last is 2.00 x as fast" in log.text
    log.clear()
    timed.rounds = [[1.0, 2.0, 0.1, 0.1]] * 5
    assert way(tmp_path) == "fp32 channels_last" and timed.calls == 1
    assert "fp32 channels_last is used, as measured on 20" in log.text and str(path) in log.text


def test_plain_is_kept_too(tmp_path, timed):
    timed.rounds = [[1.0, 0.95, 2.0, 2.0]] * 5
    assert [way(tmp_path), way(tmp_path)] == ["fp32", "fp32"] and timed.calls == 1


@pytest.mark.parametrize("rounds", [trials.UnclearTimings("busy"), [[1.0, gain, 2.0, 2.0] for gain in (0.5, 1.5) * 5]])
def test_what_cannot_be_told_is_plain_and_not_kept(tmp_path, timed, log, rounds):
    timed.rounds = rounds
    assert way(tmp_path) == "fp32"
    assert "fp32 is used in this run, and no choice is saved: " in log.text
    assert not list(tmp_path.rglob("*.json"))
    timed.rounds = ROUNDS
    assert way(tmp_path) == "fp32 channels_last", "in the next run it is tried again"


def test_what_is_asked_for_is_obeyed_whatever_was_chosen(tmp_path, timed):
    way(tmp_path)
    assert way(tmp_path, precision="fp32", channels_last=False) == "fp32"
    assert way(tmp_path, precision="bf16", channels_last=True) == "bf16 channels_last"
    assert timed.calls == 1


def test_a_choice_among_fewer_ways_is_another_one(tmp_path, timed):
    assert way(tmp_path) == "fp32 channels_last"
    timed.rounds = [[1.0, 0.5]] * 5
    assert way(tmp_path, precision="bf16") == "bf16 channels_last"
    assert way(tmp_path, channels_last=False) == "bf16"
    assert timed.calls == 3 and len(list(tmp_path.rglob("*.json"))) == 3


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:40], id="half a file"),
        pytest.param(lambda content: "[]", id="a list"),
        pytest.param(lambda content: "", id="empty"),
        pytest.param(lambda content: "\x00\x01", id="zeros"),
        pytest.param(lambda content: content.replace('"way": "fp32 channels_last"', '"way": "fp8"'), id="no such way"),
        pytest.param(lambda content: content.replace('"reason"', '"cause"'), id="another field"),
        pytest.param(lambda content: content.replace('"torch": "', '"torch": "0.'), id="of another machine"),
    ],
)
def test_a_damaged_file_is_made_again_with_a_warning(tmp_path, timed, log, damage):
    way(tmp_path)
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text()
    path.write_text(damage(whole))
    assert path.read_text() != whole
    assert way(tmp_path) == "fp32 channels_last" and timed.calls == 2
    assert f"{path} is damaged" in log.text
    assert path.read_text() == whole


def test_another_torch_chooses_anew(tmp_path, timed, monkeypatch):
    way(tmp_path)
    monkeypatch.setattr(torch, "__version__", "9.9.9")
    timed.rounds = [[1.0, 1.0, 0.1, 0.1]] * 5
    assert way(tmp_path) == "bf16" and timed.calls == 2


@pytest.mark.parametrize(
    "keys", [{"network": "resnext50"}, {"freeze": True}, {"freeze": 2}, {"output_size": 128}], ids=str
)
def test_another_network_chooses_anew(tmp_path, timed, keys):
    way(tmp_path)
    way(tmp_path, **keys)
    assert timed.calls == 2


@pytest.mark.parametrize("keys", [{"seed": 3}, {"name": "other"}, {"cache": False}, {"batch_size": 7}], ids=str)
def test_what_trials_do_not_depend_on_is_no_reason_to_choose_anew(tmp_path, timed, keys):
    way(tmp_path)
    way(tmp_path, **keys)
    assert timed.calls == 1


def test_the_conditions_are_everything_that_a_choice_depends_on(monkeypatch):
    config = validate(CONFIG | {"output_size": 7, "freeze": 1})
    bands = np.zeros((4, 5, 24, 24), np.uint8)
    assert describe_network(config, bands) == {
        "network": "test_resnet", "freeze": 1, "output_size": 7, "bands": 5, "image_size": 24,
    }  # fmt: skip
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setattr(machine, "usable_cores", lambda: 77)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 55)
    told = describe_machine()
    assert told["cores"] == 77 and told["threads"] == 55 and told["torch"] == torch.__version__
    assert told["settings"]["ONEDNN_MAX_CPU_ISA"] == "AVX2" and told["timm"] and told["processor"]
    assert json.loads(json.dumps(told)) == told


def test_a_processor_is_known_by_model_and_units(tmp_path, monkeypatch):
    text = "processor\t: 0\nmodel name\t: Some CPU\nmodel\t\t: 207\ncpu MHz\t\t: 2300.5\nflags\t\t: avx2 amx_bf16\n\n"
    (tmp_path / "cpuinfo").write_text(text + text.replace("Some", "Other"))
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "cpuinfo")
    told = describe_processor()
    assert told["model name"] == "Some CPU" and told["model"] == "207" and told["units"] == ["amx_bf16", "avx2"]
    assert "2300" not in str(told), "the clock varies from moment to moment"
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    assert describe_processor()["system"]


def test_where_a_choice_cannot_be_kept_none_is_made(tmp_path, timed, log):
    (tmp_path / "precision").write_text("no folder")
    assert way(tmp_path) == "fp32" and timed.calls == 0
    assert "precision" in log.text and "no choice is saved" in log.text


def test_a_choice_that_a_full_disk_refuses_is_not_used(tmp_path, timed, log, monkeypatch):
    def refuse(path, text):
        raise StorageError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(saved_choice, "write_text", refuse)
    assert way(tmp_path) == "fp32" and timed.calls == 1
    assert "No space left" in log.text


def test_two_processes_do_not_choose_at_once(tmp_path, timed, monkeypatch):
    """The second waits for the first, and takes what that chose."""
    folder = tmp_path / "precision"
    folder.mkdir()
    other = Lock.acquire(folder)
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:  # the other process is done
            other.release()
            monkeypatch.setattr(saved_choice.time, "sleep", lambda seconds: None)
            assert way(tmp_path) == "fp32 channels_last" and timed.calls == 1

    monkeypatch.setattr(saved_choice.time, "sleep", sleep)
    assert way(tmp_path) == "fp32 channels_last"
    assert len(waited) >= 3 and timed.calls == 1
