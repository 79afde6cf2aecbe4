"""The training loop."""

import math
import time

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from config import Config, UserError
from dataProcessors.batches import Batch, read_ahead
from dataProcessors.maps import OpenMaps
from networks import estimate_batchnorm_statistics, random_dihedral
from training.evaluator import in_parts
from training.execution import Execution
from training.scorer import Sampled, Scorer, Snapshot
from training.steps import Embedding, Outcome, Step

STATISTICS_BATCHES, STATISTICS_TILES = 8, 64  # from which the untrained network's batch-norm statistics come


class Trainer:
    """Trains a network and evaluates it before the first and after every so many epochs.

    Args:
        config: of the run
        network: raw tiles -> embeddings
        step: makes batches and turns them into loss terms
        scorer: evaluates
        execution: device and number format
        maps: tiles of the image map, and the training area
        reporter: takes what is to be shown; see reporting.reporter.Reporter
    """

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        step: Step,
        scorer: Scorer,
        execution: Execution,
        maps: OpenMaps,
        reporter,
    ):
        self.config, self.network, self.step, self.scorer = config, network, step, scorer
        self.execution, self.maps, self.reporter = execution, maps, reporter
        self.forward = execution.forward_of(network)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        self.steps_done = 0
        self.sampled = Sampled()

    def run(self) -> None:
        """All epochs, with the evaluations."""
        self._evaluate_untrained()
        for epoch in range(1, self.config.epochs + 1):
            batch = self._train_epoch(epoch)
            if epoch % self.config.evaluate_every == 0 or epoch == self.config.epochs:
                self.reporter.batch(batch.step, batch.tiles, list(batch.roles.items()))
                self.scorer.submit(self._snapshot("trained"))
        self.scorer.finish()

    def _train_epoch(self, epoch: int) -> Batch:
        """The steps of an epoch; gives its last batch."""
        first = (epoch - 1) * self.config.iterations + 1
        steps = range(first, first + self.config.iterations)
        self.step.begin_epoch(epoch, self.embed_positions)
        losses, started = [], time.monotonic()
        told = f"epoch {epoch}/{self.config.epochs}"
        with tqdm(total=len(steps), desc=told, unit="step", disable=None) as bar:
            without_terminal = bar.disable  # asked now: a closed bar is always disabled
            for batch in read_ahead(self.step.batches.task(step) for step in steps):
                losses.append(self._train_step(batch))
                bar.update()
                bar.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
        if without_terminal:
            seconds = time.monotonic() - started
            print(f"{told}: loss {np.mean(losses):.4f}, {len(steps) / seconds:.2f} steps/s", flush=True)
        return batch

    def _train_step(self, batch: Batch) -> float:
        started = time.perf_counter()
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        outcome = self.step(batch, self._embedding(batch.step))
        loss = self.step.loss.mean(outcome.terms)
        loss.backward()
        self.optimizer.step()
        self.step.finish(batch, outcome.terms)
        self.steps_done = batch.step
        for role, indices in batch.roles.items():
            self.sampled.add(role, batch.positions[indices])
        values = self._values(loss, outcome)
        values["tiles_per_second"] = len(batch.tiles) / (time.perf_counter() - started)
        if not math.isfinite(values["loss"]):
            raise self._diverged(batch.step)
        self.reporter.step(batch.step, values)
        self.scorer.poll()
        return values["loss"]

    def _values(self, loss: Tensor, outcome: Outcome) -> dict[str, float]:
        """What is logged of a step, as numbers."""
        tensors = {"loss": loss.detach(), "active_share": (outcome.terms.detach() > 0).float().mean()}
        tensors |= {name: distances.mean() for name, distances in outcome.distances.items()}
        numbers = torch.stack([tensor.float() for tensor in tensors.values()]).tolist()  # one wait for the device
        return dict(zip(tensors, numbers)) | {"learning_rate": self.config.learning_rate}

    def _embedding(self, step: int) -> Embedding:
        rng = np.random.default_rng([self.config.seed, step, 2])
        return Embedding(
            train=lambda tiles: self._forward(random_dihedral(self.execution.to_device(tiles), rng), training=True),
            frozen=torch.no_grad()(lambda tiles: self._forward(self.execution.to_device(tiles), training=False)),
            extra=lambda tiles: self._forward(
                random_dihedral(self.execution.to_device(tiles), rng), training=False
            ),
        )

    def _forward(self, tiles: Tensor, training: bool) -> Tensor:
        self.network.train(training)
        with self.execution.autocast():
            embeddings = self.forward(tiles)
        if not embeddings.isfinite().all():
            raise self._diverged(self.steps_done + 1)
        return embeddings

    def _diverged(self, step: int) -> UserError:
        return UserError(
            f"At step {step:,} the loss or an embedding is not finite: the training has diverged. Choose a smaller "
            f"'learning_rate' than {self.config.learning_rate:g}; the weights of the last evaluation are kept."
        )

    def embed_positions(self, positions: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) float32 of tiles at positions (N, 2), as the network is now."""
        parts = []
        with torch.no_grad(), tqdm(
            total=len(positions), desc="embedding", unit="tile", leave=False, disable=None, delay=1
        ) as bar:
            for part in in_parts(positions, self.config.image_size):
                tiles = self.execution.to_device(self.maps.read(part))
                parts.append(self._forward(tiles, training=False).cpu().numpy())
                bar.update(len(part))
        return np.concatenate(parts)

    def _evaluate_untrained(self) -> None:
        """Score the baselines; training goes on from the batch-norm statistics estimated for the untrained network."""
        rng = np.random.default_rng([self.config.seed, 0])
        places = [self.maps.area.draw(STATISTICS_TILES, rng) for _ in range(STATISTICS_BATCHES)]
        batches = (self.execution.to_device(self.maps.read(place)) for place in places)
        estimate_batchnorm_statistics(self.network, batches)
        self.scorer.baselines(self._snapshot("untrained"))

    def _snapshot(self, name: str) -> Snapshot:
        """All that is to be evaluated of the network as it is now."""
        features = self.scorer.evaluator.embed(name, self.embed_positions)
        state = {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}
        return Snapshot(self.steps_done, features, state, self.sampled.copy())
