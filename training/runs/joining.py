"""Joins the processes that torchrun starts for a run, and tells them why one of them ends."""

import io
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from config import UserError
from dataProcessors.sampling.share import Share
from training.execution.launch import VARIABLES
from training.execution.processes import POLL_SECONDS, Processes
from training.execution.watch import LOST, LOST_ADVICE, End, Watch
from training.runs.faults import is_lost_process
from training.runs.interruption import EndedElsewhere, Interrupted, Interruption

START_SECONDS = 300  # in which all processes must be there
ANSWER_SECONDS = 30  # of the store, after which it counts as lost
WAIT_SECONDS = 3600  # of a collective; the watch finds lost processes long before
PATIENCE = 2.0  # seconds in which the first process may report an error that all have
SAVING_SECONDS = 60.0  # in which the first process may write the last checkpoint
LEFT = "left"  # key that the first process sets when it has done all


@contextmanager
def joined(interruption: Interruption) -> Iterator[Processes]:
    """Yield the processes of the run, of which this is one. All but the first are silent, unless they fail.

    Raises:
        EndedElsewhere: another process has ended, and says why
        UserError: another process has ended without a word
    """
    rank, number, local_rank, local_number = (int(os.environ[name]) for name in VARIABLES)
    node = os.environ.get("GROUP_RANK", "0")
    host = f"{socket.gethostname()} (node {node})"
    served, *_ = next(rendezvous("env://", timeout=timedelta(seconds=START_SECONDS)))
    store = PrefixStore(f"run-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", served)
    watched = store.clone()
    watched.set_timeout(timedelta(seconds=ANSWER_SECONDS))
    watch = Watch(watched, rank, number, host, local_rank == 0, interruption.request)
    watch.start()
    if rank:
        _silence(interruption)
    processes = Processes(Share(rank, number), local_rank, local_number, store, host)
    try:
        _connect(store, rank, number, local_rank)
        yield processes
        processes.wait_for_first()  # it reports
        processes.largest(0)  # all are here: now the first one, which may hold the store, can leave
    except BaseException as error:
        interruption.settle()  # where one process has ended, torchrun sends the others a SIGTERM
        raise _reported(error, processes, watch) from None
    finally:
        watch.stop()
        if processes.is_first:
            with suppress(dist.DistError):
                store.set(LEFT, "")
    dist.destroy_process_group()


def _connect(store: Store, rank: int, number: int, local_rank: int) -> None:
    has_gpus = torch.cuda.is_available()
    if has_gpus:
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if has_gpus else "gloo", store=PrefixStore("group", store), rank=rank,
        world_size=number, timeout=timedelta(seconds=WAIT_SECONDS),
    )  # fmt: skip


def _silence(interruption: Interruption) -> None:
    """Have this process print nothing but errors, and no progress bars."""
    interruption.is_quiet = True
    logging.disable(logging.WARNING)
    sys.stdout = open(os.devnull, "w", encoding="utf8")  # noqa: SIM115  # until the process ends
    sys.stderr = _NoTerminal(open(os.dup(sys.stderr.fileno()), "wb", 0), write_through=True)  # noqa: SIM115


class _NoTerminal(io.TextIOWrapper):
    """A stream on which nobody draws progress bars."""

    def isatty(self) -> bool:
        """Return False."""
        return False


def _reported(error: BaseException, processes: Processes, watch: Watch) -> BaseException:
    """Tell the other processes why this one ends. Return the error to raise; EndedElsewhere: another one said so."""
    interrupted, is_lost = isinstance(error, Interrupted), is_lost_process(error)
    if is_lost or not (processes.is_first or interrupted):
        _wait_for_end(watch)  # of whom this is the consequence, or who has the same to say
    if is_lost:
        error = _with_notes(UserError(f"Another process of this run has ended. {LOST_ADVICE}"), error)
    elif isinstance(error, UserError) and processes.number > processes.local_number:
        error = _with_notes(UserError(f"{processes.host}: {error}"), error)
    end = watch.announce(_end_of(error, processes))
    if interrupted and not processes.is_first:
        _wait_until_left(processes)
    if end.rank == processes.share.rank:
        return error
    watch.stop()
    watch.report(end)
    return EndedElsewhere(end.code)


def _end_of(error: BaseException, processes: Processes) -> End:
    number = error.number if isinstance(error, Interrupted) else 0
    code = 128 + number if number else LOST if isinstance(error, UserError) else 1
    lines = [str(error), *getattr(error, "__notes__", [])] if isinstance(error, UserError) else []
    return End(processes.share.rank, processes.host, code, number, "\n".join(lines))


def _with_notes(error: UserError, earlier: BaseException) -> UserError:
    for note in getattr(earlier, "__notes__", []):
        error.add_note(note)
    return error


def _wait_for_end(watch: Watch) -> None:
    deadline = time.monotonic() + PATIENCE
    while watch.ended() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _wait_until_left(processes: Processes) -> None:
    """Stay while the first process writes the last checkpoint: where one leaves, torchrun ends the others."""
    assert processes.store is not None  # there are several processes
    deadline = time.monotonic() + SAVING_SECONDS
    with suppress(dist.DistError):  # it has left, and has taken the store with it
        while not processes.store.check([LEFT]) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
