"""The magnet loss costs nothing beside the network

12 clusters of 12 tiles, embeddings of length 64, forward and backward. First it is compared with a loop over samples:
for each of the 144 tiles the distances to its own cluster's mean and to the eleven other means, and its term of the
loss, one after the other in Python with torch's operations on vectors; means and variance are computed once, and
autograd differentiates all of it. Both compute the same loss and the same gradients. Then it is compared with forward
and backward pass of resnext50 on 144 tiles of 96 px, as in a training step.
"""

import torch

from benchmarks.measure import Row, Setting, at_least, at_most, in_turn
from benchmarks.training import BenchmarkRun, random_tiles
from losses import MagNetLoss

CLUSTERS, TILES, LENGTH, MARGIN = 12, 12, 64, 0.5


def measure(setting: Setting) -> list[Row]:
    """Measure the loss against the loop and against the network."""
    embeddings = torch.randn(CLUSTERS * TILES, LENGTH, generator=torch.Generator().manual_seed(0), requires_grad=True)
    clusters = torch.arange(CLUSTERS).repeat_interleave(TILES)
    loss = MagNetLoss(MARGIN)
    check_equal(loss, embeddings, clusters)
    repeats = setting.number(100, 2)
    run = BenchmarkRun(setting, loss="magnetloss", batch_size=TILES, magnet_clusters=CLUSTERS)
    ways = {
        "ours": lambda: [gradient(loss(embeddings, clusters), embeddings) for _ in range(repeats)] and repeats,
        "loop": lambda: gradient(loss_per_sample(embeddings, clusters), embeddings) is None or None,
        "network": make_network_step(run),
    }
    timings = in_turn(ways, setting.rounds)
    ratio = timings["ours"].times(timings["loop"])
    share = timings["ours"].median / timings["network"].median
    return [
        Row("magnet loss", timings["ours"].duration()),
        Row("the loop per sample", timings["loop"].duration()),
        Row("forward and backward of the network", timings["network"].duration()),
        at_least("magnet loss over the loop", str(ratio), ratio.median, 100, "x"),
        at_most("magnet loss over the network's forward and backward", f"{share:.3%}", 100 * share, 1, "%"),
    ]


def gradient(loss: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the loss with respect to the embeddings."""
    return torch.autograd.grad(loss, embeddings)[0]


def loss_per_sample(embeddings: torch.Tensor, clusters: torch.Tensor) -> torch.Tensor:
    """Compute the magnet loss literally by its formula, tile by tile and cluster by cluster."""
    means = [embeddings[clusters == m].mean(0) for m in range(CLUSTERS)]
    own = [(embedding - means[m]).square().sum() for embedding, m in zip(embeddings, clusters.tolist())]
    variance = sum(own) / (len(own) - 1)
    terms = []
    for embedding, distance, m in zip(embeddings, own, clusters.tolist()):
        impostors = sum(
            torch.exp(-(embedding - mean).square().sum() / (2 * variance)) for k, mean in enumerate(means) if k != m
        )
        terms.append(torch.relu(distance / (2 * variance) + MARGIN + torch.log(impostors)))
    return sum(terms) / len(terms)


def check_equal(loss: MagNetLoss, embeddings: torch.Tensor, clusters: torch.Tensor) -> None:
    """Fail unless both ways compute the same loss and gradient."""
    ours, loop = loss(embeddings, clusters), loss_per_sample(embeddings, clusters)
    torch.testing.assert_close(ours, loop, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient(ours, embeddings), gradient(loop, embeddings), rtol=1e-3, atol=1e-5)


def make_network_step(run: BenchmarkRun):
    """Return a function: forward and backward pass of the run's network on as many tiles as the loss gets."""
    tiles = run.execution.to_device(random_tiles(run, CLUSTERS * TILES))

    def step() -> None:
        run.network.train()
        with run.execution.autocast():
            embeddings = run.network(tiles)
        embeddings.square().sum().backward()

    return step
