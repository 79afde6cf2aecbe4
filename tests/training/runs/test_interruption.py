"""Signals: at once outside of steps, and at the end of a step within one."""

import signal

import pytest

from training.runs.interruption import Interrupted, Interruption


def test_a_signal_outside_of_a_step_ends_at_once_and_a_second_ctrl_c_is_the_systems():
    with Interruption() as interruption:
        with pytest.raises(Interrupted) as caught:
            signal.raise_signal(signal.SIGTERM)
        assert caught.value.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        assert not interruption._deferred
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler, "as it was before"


def test_a_signal_in_a_step_waits_for_its_end():
    done = []
    with Interruption() as interruption, pytest.raises(Interrupted), interruption.deferred():
        signal.raise_signal(signal.SIGINT)
        done.append("the step")
    assert done == ["the step"]


def test_a_block_within_another_does_not_end_the_deferral():
    done = []
    with Interruption() as interruption, pytest.raises(Interrupted), interruption.deferred():
        with interruption.deferred():
            signal.raise_signal(signal.SIGINT)
        done.append("the rest of the step")
    assert done == ["the rest of the step"]


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN, "as under nohup"
    finally:
        signal.signal(signal.SIGINT, before)
