"""How tiles pass the network: in training, frozen, in an evaluation."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from config import Config
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.batches import Batch, Reader
from networks import random_dihedral
from training.execution.cuda_graphs import RecordedPass, record
from training.execution.device import Execution
from training.runs.faults import finite
from training.scoring.evaluator import in_parts
from training.steps.step import Embedding


class Passes:
    """Tiles -> embeddings, on the device and in the number format of the run.

    Args:
        config: of the run
        network: raw tiles -> embeddings
        execution: device and number format
        read: positions -> tiles
    """

    def __init__(self, config: Config, network: nn.Module, execution: Execution, read: Reader):
        self.config, self.network, self.execution, self.read = config, network, execution, read
        self.forward = execution.forward_of(network)
        self.recorded: RecordedPass | None = None

    def record(self, number: int, area: Area) -> None:
        """Record how a batch of so many tiles passes in training, on a GPU; before any thread uses it."""
        if self.execution.can_record and self.config.cuda_graphs and not self.config.compile:
            tiles = self.read(area.draw(number, np.random.default_rng(0)))
            self.recorded = record(self.network, self.execution, self.execution.to_device(tiles))

    def sending(self, task: Callable[[], Batch]) -> Callable[[], Batch]:
        """What makes a batch as the task does, and sends its tiles to the device."""

        def make() -> Batch:
            batch = task()
            batch.sent = self.execution.send(batch.tiles)
            return batch

        return make

    def of_step(self, step: int) -> Embedding:
        """The ways a training step may use; its tiles are turned and mirrored as the step's number says."""
        rng, to_device = np.random.default_rng([self.config.seed, step, 2]), self.execution.to_device

        def train(batch: Batch) -> Tensor:
            tiles = to_device(batch.tiles) if batch.sent is None else batch.sent()
            return self._pass(random_dihedral(tiles, rng), training=True)

        return Embedding(
            train=train,
            frozen=torch.no_grad()(lambda tiles: finite(self._pass(to_device(tiles), training=False))),
            extra=lambda tiles: self._pass(random_dihedral(to_device(tiles), rng), training=False),
        )

    @torch.no_grad()
    def embed_positions(self, positions: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) float32 of tiles at positions (N, 2), as the network is now.

        Raises:
            NotFinite: an embedding is not
        """
        parts = []
        with tqdm(total=len(positions), desc="embedding", unit="tile", leave=False, disable=None, delay=1) as bar:
            for part in in_parts(positions, self.config.image_size):
                tiles = self.execution.to_device(self.read(part))
                parts.append(finite(self._pass(tiles, training=False)).cpu().numpy())
                bar.update(len(part))
        return np.concatenate(parts)

    def _pass(self, tiles: Tensor, training: bool) -> Tensor:
        if self.network.training != training:  # telling every module costs as much as several of them
            self.network.train(training)
        if training and self.recorded is not None and self.recorded.takes(tiles):
            return self.recorded(tiles)
        with self.execution.autocast():
            return self.forward(tiles)
