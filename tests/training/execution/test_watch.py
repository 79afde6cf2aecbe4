"""A process ends where another one of the run has failed, was interrupted or gives no sign of life."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch.distributed as dist

from training.execution import watch
from training.execution.watch import LOST, End, Watch

NUMBER = 3
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # see `exits`


@pytest.fixture
def exits(monkeypatch) -> list[int]:
    """The exit codes of processes that the watch has ended; here only its thread ends."""
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        raise SystemExit

    monkeypatch.setattr(watch.os, "_exit", leave)
    monkeypatch.setattr(watch, "INTERVAL", 0.01)
    return codes


@pytest.fixture
def watching() -> Iterator[Callable[..., Watch]]:
    """Starts the watch of a process; all have one store."""
    store, started = dist.HashStore(), []

    def start(rank: int, host: str = "here", reports: bool = True, signals: list | None = None) -> Watch:
        started.append(Watch(store, rank, NUMBER, host, reports, (signals if signals is not None else []).append))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()
        each.join()


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_a_process_that_gives_no_sign_is_lost(exits, watching, monkeypatch, capsys):
    monkeypatch.setattr(watch, "SILENT", 0.5)
    watching(0), watching(1)
    lost = watching(2)
    wait(lambda: lost.store.check(["alive/2"]))
    lost.stop()
    wait(lambda: exits == [LOST, LOST])
    message = capsys.readouterr().err
    assert message.count("no sign came from 2 for") == 1 and "resume the run" in message


def test_a_store_that_never_answers_ends_the_process(exits, monkeypatch, capsys):
    """As one beyond a broken cable does: no error, and no end of the call."""
    monkeypatch.setattr(watch, "SILENT", 0.1)
    cable = threading.Event()
    store = SimpleNamespace(set=lambda name, value: cable.wait(20))
    alone = Watch(store, 1, NUMBER, "here", True, [].append)
    alone.start()
    wait(lambda: exits == [LOST])
    assert "No answer came from the host of the first process" in capsys.readouterr().err
    alone.stop()
    cable.set()
    alone.join()


@pytest.mark.parametrize("is_ending", [True, False])
def test_a_store_that_is_gone_is_no_loss_where_the_process_has_said_why_it_ends(exits, is_ending):
    """An interrupted process waits for the first one, which takes the store with it when it leaves."""
    gone = threading.Event()

    def answer(*_) -> bool:
        if gone.is_set():
            raise dist.DistError("connection reset")
        return False

    end = End(1, "here", 143, 15, "")

    def compare_set(*_) -> bytes:
        return answer() or end.encoded().encode()

    store = SimpleNamespace(set=answer, check=answer, multi_get=lambda names: [], compare_set=compare_set)
    ending = Watch(store, 1, 2, "here", True, [].append)
    ending.start()
    wait(lambda: ending._answers > 2)
    if is_ending:
        assert ending.announce(end) == end
    gone.set()
    ending.join(20)
    assert not ending.is_alive() and exits == ([] if is_ending else [LOST])
    ending.stop()


def test_processes_that_give_signs_go_on(exits, watching, monkeypatch):
    monkeypatch.setattr(watch, "SILENT", 5)
    for rank in range(NUMBER):
        watching(rank)
    time.sleep(0.2)
    assert exits == []


@pytest.mark.parametrize(("host", "reports", "said"), [("here", True, 0), ("there", True, 1), ("there", False, 0)])
def test_an_error_ends_the_others_with_its_code(exits, watching, capsys, host, reports, said):
    first, _ = watching(0), watching(1, host, reports)
    assert first.announce(End(0, "here", 2, 0, "there is no such map")).rank == 0
    wait(lambda: exits == [2])
    assert capsys.readouterr().err.count("there is no such map") == said, "once on each host"


def test_the_first_reason_counts(exits, watching):
    first, second = watching(0), watching(1)
    first.announce(End(0, "here", 2, 0, "one"))
    assert second.announce(End(1, "here", 2, 0, "another")).message == "one"


def test_a_signal_is_passed_on(exits, watching):
    signals: list[int] = []
    first, _ = watching(0), watching(1, signals=signals)
    first.announce(End(0, "here", 143, 15, ""))
    wait(lambda: signals)
    assert set(signals) == {15} and exits == []


def test_reasons_of_several_lines_arrive():
    end = End(1, "here", 2, 0, "what\tis wrong\nwhat to do")
    assert End.decoded(end.encoded()) == end
