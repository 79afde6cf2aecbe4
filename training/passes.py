"""How tiles pass the network: in training, frozen, in an evaluation."""

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from config import Config
from dataProcessors.batches import Reader
from networks import random_dihedral
from training.evaluator import in_parts
from training.execution import Execution
from training.faults import NotFinite
from training.steps import Embedding


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

    def of_step(self, step: int) -> Embedding:
        """The ways a training step may use; its tiles are turned and mirrored as the step's number says."""
        rng, to_device = np.random.default_rng([self.config.seed, step, 2]), self.execution.to_device
        return Embedding(
            train=lambda tiles: self._pass(random_dihedral(to_device(tiles), rng), training=True),
            frozen=torch.no_grad()(lambda tiles: self._pass(to_device(tiles), training=False)),
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
                parts.append(self._pass(tiles, training=False).cpu().numpy())
                bar.update(len(part))
        return np.concatenate(parts)

    def _pass(self, tiles: Tensor, training: bool) -> Tensor:
        self.network.train(training)
        with self.execution.autocast():
            embeddings = self.forward(tiles)
        if not embeddings.isfinite().all():
            raise NotFinite
        return embeddings
