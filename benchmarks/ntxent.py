"""The NT-Xent loss of a large batch takes a fraction of the time of pytorch-metric-learning's

Triplets of tiles as a training by map distance draws them: of each the anchor and its positive are a positive pair, in
both directions, and four of five other pairs of the batch are negative pairs. Embeddings of length 512, 24 and 128
triplets, forward and backward, one thread. Both losses are compared before anything is timed.
"""

from collections.abc import Callable

import torch
from pytorch_metric_learning import losses

from benchmarks.measure import Row, Setting, faster, in_turn
from losses.ntxent import NTXentLoss

TRIPLETS, LENGTH, SHARE = (24, 128), 512, 0.8
THIS, OTHER = "this project", "pytorch-metric-learning"

Pairs = tuple[torch.Tensor, ...]


def measure(setting: Setting) -> list[Row]:
    """Measure seconds of a loss and its gradient by both, for a small and a large batch."""
    torch.set_num_threads(1)
    rows = []
    for number in map(lambda full: setting.number(full, 4), TRIPLETS):
        pairs = pairs_of(number)
        embeddings = torch.randn(3 * number, LENGTH, generator=torch.Generator().manual_seed(0), requires_grad=True)
        ways = {THIS: NTXentLoss(0.2), OTHER: losses.NTXentLoss(0.2)}
        check_equal(ways, embeddings, pairs)
        timings = in_turn({name: repeat(loss, embeddings, pairs) for name, loss in ways.items()}, setting.rounds)
        rows += [Row(f"{3 * number} tiles, {name}", timing.duration()) for name, timing in timings.items()]
        ratio, least = timings[THIS].times(timings[OTHER]), 20 if number == TRIPLETS[-1] else 1
        rows.append(faster(f"{3 * number} tiles, {THIS} over {OTHER}", ratio, least))
    return rows


def pairs_of(number: int) -> Pairs:
    """Return the pairs (a1, p, a2, n) of so many triplets."""
    triplet = torch.arange(3 * number) % number
    is_negative = torch.arange(3 * number) >= 2 * number
    positive = (triplet[:, None] == triplet) & ~is_negative[:, None] & ~is_negative
    positive.fill_diagonal_(False)
    drawn = torch.rand(3 * number, 3 * number, generator=torch.Generator().manual_seed(0)) < SHARE
    negative = (drawn | drawn.T) & ~positive
    negative.fill_diagonal_(False)
    return *torch.where(positive), *torch.where(negative)


def repeat(loss: torch.nn.Module, embeddings: torch.Tensor, pairs: Pairs) -> Callable[[], int]:
    """Return a function that takes one gradient, and returns 1."""
    return lambda: len([gradient(loss, embeddings, pairs)])


def gradient(loss: torch.nn.Module, embeddings: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """Return the gradient of a loss with respect to the embeddings."""
    return torch.autograd.grad(loss(embeddings, indices_tuple=pairs), embeddings)[0]


def check_equal(ways: dict[str, torch.nn.Module], embeddings: torch.Tensor, pairs: Pairs) -> None:
    """Fail unless both losses have the same gradient."""
    ours, theirs = (gradient(loss, embeddings, pairs) for loss in ways.values())
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
