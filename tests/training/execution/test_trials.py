"""Which way of executing a network is the fastest_way, and that what else runs on the machine does not decide it."""

import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

from training.execution import trials
from training.execution.device import Execution
from training.execution.trials import (
    UnclearTimings,
    choose_trial_size,
    fastest_way,
    is_enough_gain,
    time_rounds,
    time_ways,
)

PLAIN, OTHER = 0, 1


class Machine:
    """A clock, and trials that move it by the seconds that each takes.

    Args:
        seconds: of each way's trial
        disturbed: round (0: to warm up), way -> how many times as long it takes
    """

    def __init__(self, monkeypatch, seconds: list[float], disturbed=lambda round, way: 1.0):
        self.now, self.calls = 0.0, []
        self.trials = [lambda way=way: self.run(way) for way in range(len(seconds))]
        self.seconds, self.disturbed = seconds, disturbed
        monkeypatch.setattr(trials, "clock", lambda: self.now)
        monkeypatch.setattr(trials.time, "monotonic", lambda: self.now)

    def run(self, way: int) -> None:
        done = len(self.calls) // len(self.seconds)
        self.calls.append(way)
        self.now += self.seconds[way] * self.disturbed(done, way)

    def fastest_way(self) -> int:
        return fastest_way(time_rounds(self.trials))


@pytest.mark.parametrize(("gain", "used"), [(1.0, PLAIN), (1.09, PLAIN), (1.11, OTHER), (3.0, OTHER), (0.3, PLAIN)])
def test_plain_is_left_where_a_tenth_is_gained(monkeypatch, gain, used):
    assert Machine(monkeypatch, [1.0 * gain, 1.0]).fastest_way() == used


def test_each_step_away_from_plain_has_to_gain_a_tenth(monkeypatch):
    assert Machine(monkeypatch, [1.0, 0.85, 0.8, 0.9]).fastest_way() == 1
    assert Machine(monkeypatch, [1.0, 0.85, 0.7, 0.5]).fastest_way() == 3
    assert Machine(monkeypatch, [1.0, 0.95, 0.9, 0.5]).fastest_way() == 3


def test_ways_are_timed_in_turn_and_back_again(monkeypatch):
    machine = Machine(monkeypatch, [0.01, 0.02, 0.03])
    rounds = time_rounds(machine.trials)
    assert machine.calls[:9] == [0, 1, 2, 0, 1, 2, 2, 1, 0]
    assert len(rounds) == trials.MAX_ROUNDS and len(machine.calls) == 3 * (trials.MAX_ROUNDS + 1)
    assert np.allclose(rounds, [0.01, 0.02, 0.03]), "each way's own, whatever the order"


def test_there_are_fewer_rounds_where_trials_take_long(monkeypatch):
    machine = Machine(monkeypatch, [1.0, 1.0])
    assert len(time_rounds(machine.trials)) == trials.MIN_ROUNDS


@pytest.mark.parametrize("gain", [1.0, 1.05, 1.2])
@pytest.mark.parametrize("victim", [PLAIN, OTHER])
@pytest.mark.parametrize(
    "slow_rounds",
    [
        pytest.param(range(8, 14), id="for some rounds on end"),
        pytest.param(range(0, 30, 5), id="every fifth round"),
        pytest.param(range(5, 6), id="in one trial"),
    ],
)
def test_a_neighbour_that_slows_one_way_in_some_rounds_does_not_turn_the_choice(monkeypatch, gain, victim, slow_rounds):
    def disturbed(round, way):
        return 4.0 if way == victim and round in slow_rounds else 1.0

    undisturbed = Machine(monkeypatch, [gain * 0.02, 0.02]).fastest_way()
    assert Machine(monkeypatch, [gain * 0.02, 0.02], disturbed).fastest_way() == undisturbed


@pytest.mark.parametrize("gain", [1.05, 1.2])
def test_phases_in_which_all_is_slow_do_not_turn_the_choice(monkeypatch, gain):
    def disturbed(round, way):
        return (1.0, 3.0, 1.5, 7.0)[round % 4]

    assert Machine(monkeypatch, [gain * 0.02, 0.02], disturbed).fastest_way() == (OTHER if gain > 1.1 else PLAIN)


@pytest.mark.parametrize("gain", [1.05, 1.1, 1.15])
def test_noise_that_hides_the_gain_leaves_the_choice_open(monkeypatch, gain):
    rng = np.random.default_rng(0)
    machine = Machine(monkeypatch, [gain * 0.02, 0.02], lambda round, way: rng.uniform(1, 2))
    with pytest.raises(UnclearTimings, match="scatter"):
        machine.fastest_way()


@pytest.mark.parametrize(("gain", "right"), [(0.9, PLAIN), (1.0, PLAIN), (1.25, OTHER)])
def test_noise_leads_to_the_right_choice_or_to_none(monkeypatch, gain, right):
    chosen = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        machine = Machine(monkeypatch, [gain * 0.02, 0.02], lambda round, way, rng=rng: rng.uniform(1, 1.5))
        with suppress(UnclearTimings):
            chosen.append(machine.fastest_way())
    assert set(chosen) == {right}


def test_noise_does_not_hide_what_is_far_from_the_bound(monkeypatch):
    for gain, used in ((0.3, PLAIN), (4.0, OTHER)):
        rng = np.random.default_rng(0)
        machine = Machine(monkeypatch, [gain * 0.02, 0.02], lambda round, way, rng=rng: rng.uniform(1, 2))
        assert machine.fastest_way() == used


def test_a_gain_in_the_median_alone_is_none():
    assert not is_enough_gain([1.12] * 6 + [0.99] * 4)
    assert is_enough_gain([1.12] * 9 + [0.99])


def test_a_machine_so_busy_that_few_rounds_are_done_leaves_the_choice_open(monkeypatch):
    machine = Machine(monkeypatch, [1.0, 0.1], lambda round, way: 20.0)
    with pytest.raises(UnclearTimings, match="busy"):
        machine.fastest_way()
    assert machine.now < 2 * trials.MAX_SECONDS


@pytest.mark.parametrize(
    ("step", "size"), [(0.0005, (8, 10)), (0.05, (8, 1)), (0.1, (4, 1)), (0.3, (2, 1)), (2.0, (2, 1))]
)
def test_trials_have_a_size_that_takes_seconds(monkeypatch, step, size):
    machine = Machine(monkeypatch, [step])
    assert choose_trial_size(machine.trials[0], ways=4) == size


def test_a_network_that_takes_too_long_is_not_tried(monkeypatch):
    machine = Machine(monkeypatch, [3.0])
    with pytest.raises(UnclearTimings, match="72 s"):
        choose_trial_size(machine.trials[0], ways=4)


def test_trials_use_one_thread():
    threads = set()
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    network.register_forward_pre_hook(lambda *inputs: threads.add(torch.get_num_threads()))
    ways = [Execution(torch.device("cpu"), 2, "fp32", layout) for layout in (False, True)]
    tiles = np.zeros((8, 3, 8, 8), np.float32)
    time_ways(ways, network, tiles)
    assert threads == {1}


@pytest.mark.skipif(sys.platform == "win32", reason="there the clock counts all time")
def test_time_in_which_the_thread_does_not_compute_does_not_count():
    before = trials.clock()
    time.sleep(0.3)
    assert trials.clock() - before < 0.1


def test_trials_leave_network_random_state_and_threads_alone():
    tiles = np.random.default_rng(0).integers(0, 255, (8, 3, 8, 8), dtype=np.uint8)
    layers = nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.Dropout(), nn.Flatten()
    network = nn.Sequential(*layers).eval()
    network.forward = lambda pixels: nn.Sequential.forward(network, pixels.float())
    before = {name: (value.clone(), value.stride()) for name, value in network.state_dict().items()}
    torch.manual_seed(1)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    ways = [Execution(torch.device("cpu"), 1, "fp32", layout) for layout in (False, True)]
    threads = torch.get_num_threads()
    rounds = time_ways(ways, network, tiles)
    assert torch.rand(1) == drawn and not network.training and torch.get_num_threads() == threads
    assert np.array(rounds).shape[1] == 2 and np.min(rounds) > 0
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name][0]) and value.stride() == before[name][1], name
