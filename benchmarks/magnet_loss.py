"""The magnet loss costs nothing beside the network

12 clusters of 12 tiles, embeddings of length 64, forward and backward. Against a loop per sample: for each of the 144
tiles its distance to its own cluster's mean and to each of the eleven others, and its term of the loss, one after the
other in Python, with torch's own operations on vectors; means and variance are computed once, and autograd goes back
through all of it. Both give the same loss and the same gradients. Then over a training step's forward and backward of
resnext50 on 144 tiles of 96 px.
"""

import torch

from benchmarks.measure import Row, Setting, at_least, at_most, in_turn
from benchmarks.training import Run, random_tiles
from losses import MagNetLoss

CLUSTERS, TILES, LENGTH, MARGIN = 12, 12, 64, 0.5


def measure(setting: Setting) -> list[Row]:
    """Against the loop, and against the network."""
    embeddings = torch.randn(CLUSTERS * TILES, LENGTH, generator=torch.Generator().manual_seed(0), requires_grad=True)
    clusters = torch.arange(CLUSTERS).repeat_interleave(TILES)
    loss = MagNetLoss(MARGIN)
    assert_equal(loss, embeddings, clusters)
    repeats = setting.number(100, 2)
    run = Run(setting, loss="magnetloss", batch_size=TILES, magnet_clusters=CLUSTERS)
    ways = {
        "ours": lambda: [gradient(loss(embeddings, clusters), embeddings) for _ in range(repeats)] and repeats,
        "loop": lambda: gradient(per_sample(embeddings, clusters), embeddings) is None or None,
        "network": network_step(run),
    }
    taken = in_turn(ways, setting.rounds)
    ratio = taken["ours"].times(taken["loop"])
    share = taken["ours"].median / taken["network"].median
    return [
        Row("magnet loss", taken["ours"].duration()),
        Row("the loop per sample", taken["loop"].duration()),
        Row("forward and backward of the network", taken["network"].duration()),
        at_least("magnet loss over the loop", str(ratio), ratio.median, 100, "x"),
        at_most("magnet loss over the network's forward and backward", f"{share:.3%}", 100 * share, 1, "%"),
    ]


def gradient(loss: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    """Of the loss with respect to the embeddings."""
    return torch.autograd.grad(loss, embeddings)[0]


def per_sample(embeddings: torch.Tensor, clusters: torch.Tensor) -> torch.Tensor:
    """The magnet loss as its formula reads, tile by tile and cluster by cluster."""
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


def assert_equal(loss: MagNetLoss, embeddings: torch.Tensor, clusters: torch.Tensor) -> None:
    """Both ways give the same."""
    ours, loop = loss(embeddings, clusters), per_sample(embeddings, clusters)
    torch.testing.assert_close(ours, loop, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient(ours, embeddings), gradient(loop, embeddings), rtol=1e-3, atol=1e-5)


def network_step(run: Run):
    """Forward and backward of the run's network on as many tiles as the loss is given."""
    tiles = run.execution.to_device(random_tiles(run, CLUSTERS * TILES))

    def step() -> None:
        run.network.train()
        with run.execution.autocast():
            embeddings = run.network(tiles)
        embeddings.square().sum().backward()

    return step
