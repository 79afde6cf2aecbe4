"""Train the reference Tile2Vec recipe for some minutes and score it: python -m benchmarks.tile2vec MAP.json

Tile2Vec (Jean et al. 2018, arXiv:1805.02855), written anew from the paper, is a yardstick for this project's own
recipes: trained on the same training area for the same time, scored on the same draws of the same tiles.
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from benchmarks.map_configs import write_yardstick, yardsticks_folder
from config import Config, UserError, load
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.maps import OpenMaps, open_maps
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.statistics import sample_tiles
from networks import Normalise, random_dihedral
from training.execution.device import resolve_threads
from training.execution.openmp import limit_spinning
from training.execution.precision import TRIAL_TILES, resolve
from training.forward import ForwardPass
from training.scoring.evaluator import Evaluator

NAME = "tile2vec"
WIDTHS = (64, 128, 256, 512, 512)  # channels of the stages; all but the first halve the side of the tile
BLOCKS = 2  # of a stage
TRIPLETS = 50  # of a step
MARGIN, NORM_WEIGHT = 10.0, 0.01
ADAM = {"lr": 1e-3, "betas": (0.5, 0.999)}
MAX_NEIGHBOUR = 1.0  # tile sides along each axis; distant tiles are farther away, anywhere in the training area
PERCENTILES = 1, 99  # of a band's values: they become 0 and 1, and what lies beyond is cut off


class Residual(nn.Module):
    """A residual block of two convolutions (He et al. 2015, arXiv:1512.03385), the first with a stride."""

    def __init__(self, before: int, width: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            *convolution(before, width, 3, stride), nn.ReLU(inplace=True), *convolution(width, width, 3)
        )
        is_same = stride == 1 and before == width
        self.shortcut = nn.Sequential() if is_same else nn.Sequential(*convolution(before, width, 1, stride))

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, before, H, W) -> (N, width, H / stride, W / stride), rounded up."""
        return relu(self.body(tiles) + self.shortcut(tiles))


class TileNet(nn.Module):
    """Raw tiles (N, C, S, S) -> embeddings (N, 512) that are not normalised.

    A stem of stride 1 without pooling, five stages of two residual blocks, and the mean over the tile.

    Args:
        normalise: from pixel values to 0 .. 1
    """

    def __init__(self, normalise: Normalise):
        super().__init__()
        self.normalise = normalise
        self.stem = nn.Sequential(*convolution(len(normalise.offset), WIDTHS[0], 3), nn.ReLU(inplace=True))
        stages, before = [], WIDTHS[0]
        for number, width in enumerate(WIDTHS):
            for block in range(BLOCKS):
                stages.append(Residual(before, width, 2 if number and not block else 1))
                before = width
        self.stages = nn.Sequential(*stages)

    def forward(self, tiles: Tensor) -> Tensor:
        """Embed tiles; a further channel is their validity, see `Normalise.forward`."""
        return self.stages(self.stem(self.normalise(tiles).clamp(0, 1))).float().mean((2, 3))


def convolution(before: int, width: int, side: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """Return a convolution that keeps the side of its input, but for the stride, and its batch norm."""
    return nn.Conv2d(before, width, side, stride, side // 2, bias=False), nn.BatchNorm2d(width)


def triplet_loss(anchor: Tensor, neighbour: Tensor, distant: Tensor) -> Tensor:
    """Return the mean over triplets (B, D) of the hinge of plain Euclidean distances and of the norms' penalty."""
    near, far = ((anchor - other).square().sum(1).clamp_min(1e-12).sqrt() for other in (neighbour, distant))
    norms = sum(embeddings.norm(dim=1) for embeddings in (anchor, neighbour, distant))
    return (relu(near - far + MARGIN) + NORM_WEIGHT * norms).mean()


def unit_range(maps: OpenMaps, size: int) -> Normalise:
    """Return the normalisation of a map's bands to about 0 .. 1, by percentiles of a sample of tiles of `size`."""
    bands, tiles = len(maps.image.bands), sample_tiles(maps.image, size)
    pixels = tiles[:, :bands].swapaxes(0, 1)[:, valid_mask(tiles, maps.image.has_validity)]  # (C, n)
    low, high = np.percentile(pixels.astype(np.float64), PERCENTILES, axis=1)
    return Normalise(low, 1 / np.maximum(high - low, 1e-12))


def triplets(maps: OpenMaps, config: Config) -> Iterator[np.ndarray]:
    """Yield the positions (TRIPLETS, 3, 2) of every step: anchors, neighbours, distant tiles."""
    side = max(maps.area.window[2:]) / config.image_size
    sampler = ImageSampler(maps.area, 0.0, MAX_NEIGHBOUR, MAX_NEIGHBOUR, side, seed=config.seed)
    step = 0
    while True:
        step += 1
        sampler.begin_step(step)
        yield sampler.tuples(TRIPLETS)


def prepare(config: Config, maps: OpenMaps) -> ForwardPass:
    """Return the forward pass of a new network, in the fastest number format and layout, as for a run's network."""
    torch.manual_seed(config.seed)
    network = TileNet(unit_range(maps, config.image_size))
    config = config.model_copy(update={"network": NAME, "output_size": WIDTHS[-1], "freeze": False})
    execution = resolve(config, network, maps.read(maps.pools["fit"].positions[:TRIAL_TILES]))
    return ForwardPass(config, network, execution, maps)


def train(forward: ForwardPass, minutes: float) -> int:
    """Train for so many minutes, but one step at least. Return the number of steps."""
    config, maps, optimizer = forward.config, forward.maps, torch.optim.Adam(forward.network.parameters(), **ADAM)
    rng, started, steps = np.random.default_rng(config.seed), time.monotonic(), 0
    for positions in triplets(maps, config):
        tiles = (forward.execution.to_device(maps.read(role)) for role in positions.swapaxes(0, 1))
        # each role by itself, as in the paper's code: batch norm sees tiles of one role
        loss = triplet_loss(*(forward.embed(random_dihedral(role, rng), training=True) for role in tiles))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        steps += 1
        if time.monotonic() - started >= 60 * minutes:
            break
    return steps


def open_scored(config: Config) -> tuple[OpenMaps, Evaluator]:
    """Open the map of a config as a run does, with the evaluator of its tiles.

    Raises:
        UserError: it is missing, or cannot hold the tiles
    """
    threads = resolve_threads(config)
    maps = open_maps(config, threads)
    maps.check_scored_tiles()
    return maps, Evaluator(config, maps, {}, threads)


def score(config: Config, minutes: float, folder: Path) -> Path:
    """Train, embed the tiles of all draws, and write the scores. Return their file."""
    maps, evaluator = open_scored(config)
    forward = prepare(config, maps)
    steps = train(forward, minutes)
    logging.info("%s: %d steps of %d triplets in %g minutes", NAME, steps, TRIPLETS, minutes)
    features = evaluator.embed(f"{NAME}, {minutes:g} minutes", forward.embed_positions)
    return write_yardstick(folder, steps, evaluator.evaluate(features))


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.tile2vec", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("map", type=Path, metavar="MAP.json", help="config whose maps, tiles and models are used")
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="of its keys, such as threads=1")
    parser.add_argument("--minutes", type=float, default=20, help="of training (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of tiles, draws and weights (default: 0)")
    parser.add_argument("--folder", type=Path, default=Path("data/benchmarks/quality"), help="where the scores lie")
    arguments = parser.parse_args()
    limit_spinning()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = load(arguments.map, [*arguments.set, f"seed={arguments.seed}"])
        folder = yardsticks_folder(arguments.folder, arguments.map.stem, config)
        path = score(config, arguments.minutes, folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
