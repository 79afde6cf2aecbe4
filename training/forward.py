"""Forward passes: tiles -> embeddings, in training steps, in hard mining and in evaluations."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.batches import Batch
from networks import Embedder, estimate_batchnorm_statistics, random_dihedral
from training.execution.cuda_graphs import GraphedForward, capture
from training.execution.device import Execution
from training.runs.faults import require_finite
from training.scoring.evaluator import in_batches, max_batch
from training.steps.step import EmbedFunctions

STATISTICS_BATCHES, STATISTICS_TILES = 8, 64  # to estimate the untrained network's batch-norm statistics


class ForwardPass:
    """Computes embeddings of tiles, on the device and with the precision of the run.

    Args:
        config: config of the run
        network: raw tiles (N, C, H, W) -> embeddings (N, D)
        execution: device, precision and memory layout
        maps: the maps that tiles are read from

    Attributes:
        forward: the network, compiled if the config says so
        graphed: the training forward pass captured as CUDA graphs; None: not captured
    """

    def __init__(self, config: Config, network: Embedder, execution: Execution, maps: OpenMaps):
        self.config, self.network, self.execution, self.maps = config, network, execution, maps
        self.forward = execution.forward_function(network)
        self.graphed: GraphedForward | None = None

    def capture_cuda_graphs(self, batch_size: int) -> None:
        """On a GPU, capture the forward pass of a training batch of this size, before any thread uses the GPU."""
        if self.execution.supports_cuda_graphs and self.config.cuda_graphs and not self.config.compile:
            tiles = self.maps.read(self.maps.area.draw(batch_size, np.random.default_rng(0)))
            self.graphed = capture(self.network, self.execution, self.execution.to_device(tiles))

    def with_transfer(self, task: Callable[[], Batch]) -> Callable[[], Batch]:
        """Return a task that makes the same batch and then starts to copy its tiles to the device."""

        def task_with_transfer() -> Batch:
            batch = task()
            batch.device_tiles = self.execution.start_upload(batch.tiles)
            return batch

        return task_with_transfer

    def embed_functions(self, step: int) -> EmbedFunctions:
        """Return the forward passes for one training step; the step number seeds the flips and rotations of tiles."""
        rng, to_device = np.random.default_rng([self.config.seed, step, 2]), self.execution.to_device

        def train(batch: Batch) -> Tensor:
            tiles = to_device(batch.tiles) if batch.device_tiles is None else batch.device_tiles()
            return self.embed(random_dihedral(tiles, rng), training=True)

        return EmbedFunctions(
            train=train,
            no_grad=torch.no_grad()(lambda tiles: require_finite(self.embed(to_device(tiles), training=False))),
            eval_with_grad=lambda tiles: self.embed(random_dihedral(to_device(tiles), rng), training=False),
        )

    @torch.no_grad()
    def embed_positions(self, positions: np.ndarray) -> np.ndarray:
        """Return the embeddings (N, D) float32 of the tiles at positions (N, 2), from the current weights.

        Raises:
            NotFinite: an embedding is NaN or infinite
        """
        parts = [np.empty((0, self.config.output_size), np.float32)]
        with tqdm(total=len(positions), desc="embedding", unit="tile", leave=False, disable=None, delay=1) as bar:
            for part in in_batches(positions, self.config.image_size):
                tiles = self.execution.to_device(self.maps.read(part))
                parts.append(require_finite(self.embed(tiles, training=False)).cpu().numpy())
                bar.update(len(part))
        return np.concatenate(parts)

    @property
    def statistics_tiles(self) -> int:
        """Batch size, in tiles, for estimating the untrained network's batch-norm statistics."""
        return min(STATISTICS_TILES, max(2, max_batch(self.config.image_size)))

    def estimate_batchnorm_statistics(self) -> None:
        """Set the batch-norm statistics of an untrained network, estimated on tiles of the training area.

        Pretrained weights bring those of the backbone; then only the new head needs them.
        """
        rng = np.random.default_rng([self.config.seed, 0])
        draws = (self.maps.area.draw(self.statistics_tiles, rng) for _ in range(STATISTICS_BATCHES))
        estimate_batchnorm_statistics(
            self.network,
            (self.execution.to_device(self.maps.read(positions)) for positions in draws),
            self.network.head if self.config.pretrained else None,
        )

    def embed(self, tiles: Tensor, training: bool) -> Tensor:
        """Return the embeddings (N, D) of tiles (N, C, H, W) on the device, in training mode or evaluation mode."""
        if self.network.training != training:  # `train` visits every module, which takes time
            self.network.train(training)
        if training and self.graphed is not None and self.graphed.accepts(tiles):
            return self.graphed(tiles)
        with self.execution.autocast():
            return self.forward(tiles)
