"""Forward passes: tiles -> embeddings, in training steps, in hard mining and in evaluations."""

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.batch import Batch
from networks import Embedder, draw_ways, estimate_batchnorm_statistics, local_statistics, random_dihedral, turned
from training.execution.cuda_graphs import GraphedForward, capture
from training.execution.device import Execution
from training.execution.processes import ALONE, Processes
from training.execution.tile_batches import in_batches, max_batch
from training.runs.faults import require_finite
from training.steps.step import EmbedFunctions

STATISTICS_BATCHES, STATISTICS_TILES = 8, 64  # to estimate the untrained network's batch-norm statistics


class ForwardPass:
    """Computes embeddings of tiles, on the device and with the precision of the run.

    Args:
        config: config of the run
        network: raw tiles (N, C, H, W) -> embeddings (N, D)
        execution: device, precision and memory layout
        maps: the maps that tiles are read from
        processes: those that train together; each embeds its share of the tiles

    Attributes:
        forward: the network, compiled if the config says so
        training_forward: the same, with gradients that are averaged over the processes
        graphed: the training forward pass captured as CUDA graphs; None: not captured
    """

    def __init__(
        self, config: Config, network: Embedder, execution: Execution, maps: OpenMaps, processes: Processes = ALONE
    ):
        self.config, self.network, self.execution, self.maps = config, network, execution, maps
        self.processes = processes
        self.forward = execution.forward_function(network)
        has_unused = processes.are_many and has_unused_weights(network, execution.to_device(self._any_tiles(2)))
        self.training_forward = processes.parallel(self.forward, has_unused)
        self.graphed: GraphedForward | None = None

    def capture_cuda_graphs(self, batch_size: int) -> None:
        """On a GPU, capture the forward pass of a training batch of this size, before any thread uses the GPU."""
        is_possible = self.execution.supports_cuda_graphs and not (self.config.compile or self.processes.are_many)
        if is_possible and self.config.cuda_graphs:
            self.graphed = capture(self.network, self.execution, self.execution.to_device(self._any_tiles(batch_size)))

    def _any_tiles(self, number: int) -> np.ndarray:
        """Return a number of tiles of the training area."""
        return self.maps.read(self.maps.area.draw(number, np.random.default_rng(0)))

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
        evaluation_mode = partial(self.embed, training=False, with_fourier=False)

        def train(batch: Batch) -> Tensor:
            tiles = to_device(batch.tiles) if batch.device_tiles is None else batch.device_tiles()
            ways = draw_ways(len(batch.positions), rng)  # of all tiles, also where this process has read a part
            own = self.embed(turned(tiles, batch.share.of(ways)), training=True)
            self._average_statistics()
            return self.processes.gather(own, len(batch.positions))

        return EmbedFunctions(
            train=train,
            no_grad=torch.no_grad()(lambda tiles: require_finite(evaluation_mode(to_device(tiles)))),
            eval_with_grad=lambda tiles: evaluation_mode(random_dihedral(to_device(tiles), rng)),
            gather=self.processes.gather,
        )

    def embed_together(self, positions: np.ndarray, with_fourier: bool = True) -> np.ndarray:
        """Return the same as `embed_positions`; each process embeds its share, and gets the others'."""
        return self.processes.shared_out(partial(self.embed_positions, with_fourier=with_fourier), positions)

    @torch.no_grad()
    def embed_positions(self, positions: np.ndarray, with_fourier: bool = True) -> np.ndarray:
        """Return the embeddings (N, D) float32 of the tiles at positions (N, 2), from the current weights.

        Raises:
            NotFinite: an embedding is NaN or infinite
        """
        if not len(positions):
            left_out = 0 if with_fourier else self.config.fourier_features
            return np.empty((0, self.config.output_size - left_out), np.float32)
        return self._in_batches(partial(self.embed, training=False, with_fourier=with_fourier), positions)

    @property
    def fourier_pairs(self) -> int:
        """Number of pairs of near tiles that Fourier features are fitted to."""
        return 0 if self.network.fourier is None else self.network.fourier.num_pairs

    @torch.no_grad()
    def fit_fourier_features(self) -> None:
        """Fit the embeddings' Fourier features, if there are any, to pairs of near tiles and the current weights.

        Raises:
            NotFinite: a feature is NaN or infinite
        """
        fourier = self.network.fourier
        if fourier is None:
            return
        sampler = self.maps.sampler()
        sampler.begin_step(0)  # training steps begin at 1: these draws are no step's
        near = np.concatenate(list(sampler.tuples(self.fourier_pairs, 0).swapaxes(0, 1)))  # (2 pairs, 2 or 3)
        features = self.processes.shared_out(partial(self._in_batches, self._learned), near)
        pairs = torch.from_numpy(features).chunk(2)
        fourier.load_state_dict(self.processes.broadcast(lambda: fourier.fit(*pairs).state_dict()))

    def _learned(self, tiles: Tensor) -> Tensor:
        """Return what Fourier features are made of (N, F), for tiles on the device, in evaluation mode."""
        self.network.eval()
        with self.execution.autocast():
            return torch.cat(self.network.learned(tiles), 1)

    def _in_batches(self, function: Callable[[Tensor], Tensor], positions: np.ndarray) -> np.ndarray:
        """Return what a function makes of tiles (n, C, H, W) on the device: (N, D) float32, for N >= 1 positions."""
        parts = []
        with tqdm(total=len(positions), desc="embedding", unit="tile", leave=False, disable=None, delay=1) as bar:
            for part in in_batches(positions, self.config.image_size):
                tiles = self.execution.to_device(self.maps.read(part))
                parts.append(require_finite(function(tiles)).cpu().numpy())
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
        self.processes.barrier()
        self._average_statistics()  # equal already, but for the rounding of different processors

    def _average_statistics(self) -> None:
        """Make the running batch-norm statistics equal in all processes, which have taken them from their own tiles."""
        if self.processes.are_many:
            self.processes.average(local_statistics(self.network))

    def embed(self, tiles: Tensor, training: bool, with_fourier: bool = True) -> Tensor:
        """Return the embeddings (N, D) of tiles (N, C, H, W) on the device.

        Args:
            training: training mode, else evaluation mode
            with_fourier: in evaluation mode too, embeddings hold Fourier features, if there are any. Without, they are
                what the loss sees: Fourier features are as old as the last evaluation, which must not move a training
        """
        if self.network.training != training:  # `train` visits every module, which takes time
            self.network.train(training)
        if training and self.graphed is not None and self.graphed.accepts(tiles):
            return self.graphed(tiles)
        with self.execution.autocast():
            if training:
                return self.training_forward(tiles)
            without = {"with_fourier": False} if self.config.fourier_features and not with_fourier else {}
            return self.forward(tiles, **without)


def has_unused_weights(network: Embedder, tiles: Tensor) -> bool:
    """Whether some trained weights take no part in a training pass over tiles (N, C, H, W); nothing is changed."""
    copied = copy.deepcopy(network).train()
    with torch.random.fork_rng():
        copied(tiles).sum().backward()
    return any(weights.requires_grad and weights.grad is None for weights in copied.parameters())
