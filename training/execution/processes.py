"""The processes that train one network together: what they tell one another, and when they wait.

torchrun starts them. A process that trains alone has no process group, and every function returns what it is given.
"""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import Store
from torch.nn.parallel import DistributedDataParallel

from dataProcessors.sampling.share import WHOLE, Share

Value = TypeVar("Value")
POLL_SECONDS = 0.05  # between two looks into the store
STEP_STREAM = 5  # makes the layers' own random draws, such as dropout, independent of others of the same step


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them.

    Every process must call the functions in the same order. They work on CPU tensors (over gloo) and on tensors of
    CUDA devices (over nccl).

    Where tensors are exchanged, a process waits in a call that no signal ends. So `gather`, `broadcast_tensor`,
    `largest` and `average` are for training steps, which all processes begin and end together. Elsewhere they wait
    for all before it: another process may need long, or be interrupted and never come.

    Attributes:
        share: which of the processes this one is, and which part of a sequence it works on
        local_rank, local_number: the same among the processes of this host
        store: values by name that all processes can write and read; None: this process trains alone
        host: name of this host, other than that of others
    """

    share: Share = WHOLE
    local_rank: int = 0
    local_number: int = 1
    store: Store | None = None
    host: str = ""
    _waits: Iterator[int] = field(default_factory=count)

    @property
    def number(self) -> int:
        """Number of processes."""
        return self.share.number

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that evaluates, reports and writes files."""
        return self.share.rank == 0

    @property
    def are_many(self) -> bool:
        """Whether the run has several processes."""
        return self.store is not None

    def gather(self, own: Tensor, total: int) -> Tensor:
        """Return the rows of all processes, in the order of the sequence that they have shares of.

        All processes must compute the same from them: the gradient of the own rows is taken from this process alone,
        times the number of processes, because DistributedDataParallel divides by it.

        Args:
            own: (n, ...) of this share, with or without gradient
            total: N, number of rows of all
        Returns:
            (N, ...)
        """
        return _Gather.apply(own, total, self.share) if self.are_many else own

    def shared_out(self, function: Callable[[np.ndarray], np.ndarray], whole: np.ndarray) -> np.ndarray:
        """Return what a function returns for an array (N, ...), row by row; each process computes its share.

        Args:
            function: rows (n, ...) -> float array (n, ...)
            whole: (N, ...), the same in all processes
        """
        if not self.are_many:
            return function(whole)
        own = function(self.share.of(whole))
        self.barrier()
        return self.gather(torch.from_numpy(own), len(whole)).numpy()

    def broadcast(self, make: Callable[[], Value]) -> Value:
        """Return what the first process makes, however long it takes; the others do not call `make`. All wait for all.

        The value consists of plain values and tensors, in lists, tuples and dicts.
        """
        if not self.are_many:
            return make()
        if self.is_first:
            value = make()
            self.barrier()
            self.broadcast_tensor(_encoded(value))
            return value
        self.barrier()
        return _decoded(self.broadcast_tensor(torch.empty(0, dtype=torch.uint8)))

    def broadcast_tensor(self, tensor: Tensor) -> Tensor:
        """Return the tensor (n,) of the first process; those of the others have its type, and a device of its kind."""
        if not self.are_many:
            return tensor
        size = torch.tensor([len(tensor)])
        dist.broadcast(size, 0)
        received = tensor if self.is_first else torch.empty(int(size), dtype=tensor.dtype, device=tensor.device)
        dist.broadcast(received, 0)
        return received

    def largest(self, *numbers: int) -> list[int]:
        """Return the largest of each number over all processes."""
        if not self.are_many:
            return list(numbers)
        tensor = torch.tensor(numbers)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tensor.tolist()

    @torch.no_grad()
    def average(self, tensors: list[Tensor]) -> None:
        """Replace each float tensor by its mean over all processes."""
        if not (self.are_many and tensors):
            return
        joined = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(joined)
        joined /= self.number
        for tensor, part in zip(tensors, joined.split([tensor.numel() for tensor in tensors])):
            tensor.data.copy_(part.view_as(tensor))  # data: a forward pass may keep batch-norm statistics it won't use

    def wait_for_first(self) -> None:
        """Wait until the first process gets here too, however long that takes; a signal ends the wait."""
        name = f"first/{next(self._waits)}"
        if self.is_first:
            self._note(name)
        else:
            self._wait_for([name])

    def barrier(self) -> None:
        """Wait until all processes get here, however long that takes; a signal ends the wait."""
        name = f"all/{next(self._waits)}"
        names = [f"{name}/{rank}" for rank in range(self.number)]
        self._note(names[self.share.rank])
        self._wait_for(names)

    @contextmanager
    def first_of_host_first(self) -> Iterator[None]:
        """Run the block in one process of each host, then in its others."""
        name, is_first = f"{self.host}/{next(self._waits)}", self.local_rank == 0
        if not is_first:
            self._wait_for([name])
        yield
        if is_first:
            self._note(name)

    def _note(self, name: str) -> None:
        """Note for all processes that this one has got to a point of the program."""
        if self.store is not None:
            self.store.set(name, "")

    def _wait_for(self, names: list[str]) -> None:
        """Wait until all of these are noted; not in a collective, which signals could not interrupt."""
        while self.store is not None and not self.store.check(names):
            time.sleep(POLL_SECONDS)

    def parallel(self, network: nn.Module, has_unused: bool) -> nn.Module:
        """Return a network with the same weights whose gradients are averaged over the processes.

        Args:
            network: its weights become those of the first process
            has_unused: whether some trained weights take no part in a forward pass
        """
        if not self.are_many:
            return network
        self.barrier()
        return DistributedDataParallel(network, forward_sync_buffers=False, find_unused_parameters=has_unused)

    def seed(self, seed: int, step: int) -> None:
        """Seed torch for a step, in each process differently; a process that trains alone goes on where it was."""
        if self.are_many:
            sequence = np.random.SeedSequence([seed, step, STEP_STREAM, self.share.rank])
            torch.manual_seed(int(sequence.generate_state(1)[0]))


class _Gather(torch.autograd.Function):
    """Gathers the rows of all processes; see `Processes.gather`."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, total: int, share: Share) -> Tensor:
        ctx.share = share
        rows = -(-total // share.number)  # of the largest share; the others are filled up
        padded = torch.cat([own, own.new_zeros(rows - len(own), *own.shape[1:])])
        parts = [torch.empty_like(padded) for _ in range(share.number)]
        dist.all_gather(parts, padded)
        return torch.stack(parts, 1).flatten(0, 1)[:total]  # what shares are filled up with lies at the end

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.share.number * ctx.share.of(gradients[0]), None, None


def _encoded(value: object) -> Tensor:
    file = io.BytesIO()
    torch.save(value, file)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def _decoded(content: Tensor) -> Any:
    return torch.load(io.BytesIO(content.numpy().tobytes()), map_location="cpu", weights_only=True)


ALONE = Processes()
