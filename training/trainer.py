"""The training loop."""

import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from config import Config, UserError
from dataProcessors.batches import Batch, read_ahead
from dataProcessors.maps import OpenMaps
from networks import estimate_batchnorm_statistics
from training import checkpoint as checkpoints
from training.checkpoint import EVALUATING, Checkpoints
from training.execution import Execution
from training.faults import NotFinite, OutOfMemory, diverged, is_out_of_memory, out_of_memory, spread, told_of_batch
from training.interruption import Interrupted, Interruption
from training.passes import Passes
from training.records import HardestTuples, Sampled
from training.scorer import Scorer, Snapshot
from training.steps import Outcome, Step

log = logging.getLogger(__name__)
STATISTICS_BATCHES, STATISTICS_TILES = 8, 64  # from which the untrained network's batch-norm statistics come
COLLAPSED = 1e-3  # spread of a batch's embeddings under which, all through an epoch, they count as one point


def with_waiting(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """The batches, each with the seconds that it was waited for."""
    while True:
        started = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


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
        folder: of the run, for its checkpoints
        interruption: keeps signals away from what must not be broken off
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
        folder: Path,
        interruption: Interruption,
    ):
        self.config, self.network, self.step, self.scorer = config, network, step, scorer
        self.execution, self.maps, self.reporter = execution, maps, reporter
        self.folder, self.interruption = folder, interruption
        self.checkpoints = Checkpoints(folder, config.checkpoint_minutes)
        self.passes = Passes(config, network, execution, maps.read)
        self.optimizer = torch.optim.Adam(_trained(network), lr=config.learning_rate)
        self.steps_done, self.steps_kept, self.evaluating = 0, 0, None
        self.last_anchor: np.ndarray | None = None
        self.sampled, self.hardest = Sampled(), HardestTuples()
        self._spreads: list[float] = []

    def run(self, checkpoint: dict | None = None) -> None:
        """All steps that are left, with the evaluations.

        Args:
            checkpoint: what to go on from; None: from the beginning
        Raises:
            Interrupted: after the step that was being made, which a checkpoint then holds
            UserError: the training cannot go on: it diverged, or memory or disk are full
        """
        try:
            self._begin(checkpoint)
            while self.steps_done < self.config.epochs * self.config.iterations:
                self._train_epoch()
                self._evaluate_if_due()
            self.scorer.finish(self._snapshot_of)
            with self.interruption.deferred():
                self._keep()  # that it is complete
        except (Interrupted, OutOfMemory):
            self.scorer.abandon()
            if self.steps_done > self.steps_kept:
                self._keep()
            raise

    def _begin(self, checkpoint: dict | None) -> None:
        if checkpoint is not None:
            self.load_state_dict(checkpoint)
        if self.scorer.scored_step < 0 and self.steps_done == 0:
            self._estimate_statistics()
            self._evaluate()
        elif self.evaluating is None:
            self._evaluate_if_due()
        elif self.evaluating == self.steps_done:
            self._evaluate()
        else:
            self._evaluate_earlier()

    def state_dict(self) -> dict:
        """Everything that a checkpoint holds; see training.checkpoint."""
        return {
            "config": checkpoints.plain_config(self.config),
            "maps": self.maps.fingerprints(),
            "step": self.steps_done,
            "epoch": self.steps_done // self.config.iterations,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": checkpoints.random_state(),
            "place": checkpoints.to_tensors({"last_anchor": self.last_anchor}),
            "batches": self.step.state_dict(),
            "sampled": self.sampled.state_dict(),
            "hardest": self.hardest.state_dict(),
            "scorer": self.scorer.state_dict(),
            "evaluating": self.evaluating,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint.

        Raises:
            UserError: it is of another network
        """
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{self.folder}: the checkpoint is of another network ({reason}).") from None
        checkpoints.set_random_state(state["random"])
        self.steps_done = self.steps_kept = state["step"]
        self.evaluating = state["evaluating"]
        self.last_anchor = self.step.batches.last_anchor = checkpoints.to_arrays(state["place"])["last_anchor"]
        self.step.load_state_dict(state["batches"])
        self.sampled.load_state_dict(state["sampled"])
        self.hardest.load_state_dict(state["hardest"])
        self.scorer.load_state_dict(state["scorer"])

    def _keep(self) -> None:
        """Write a checkpoint, unless the weights are such that nothing can go on from them."""
        finite = torch.stack([parameter.detach().isfinite().all() for parameter in self.network.parameters()])
        if not finite.all():
            raise self._diverged("a weight is not finite")
        self.reporter.flush()  # first: what is shown must not be behind the checkpoint
        self.checkpoints.write(self.state_dict())
        self.steps_kept = self.steps_done

    def _train_epoch(self) -> None:
        """The steps of an epoch that are left."""
        done = self.steps_done % self.config.iterations
        epoch = self.steps_done // self.config.iterations + 1
        if not done:
            self.step.begin_epoch(epoch, self._embed_positions)
            self.hardest.clear()
        steps = range(self.steps_done + 1, epoch * self.config.iterations + 1)
        losses, started = [], time.monotonic()
        self._spreads = []
        told = f"epoch {epoch}/{self.config.epochs}"
        with tqdm(total=self.config.iterations, initial=done, desc=told, unit="step", disable=None) as bar:
            without_terminal = bar.disable  # asked now: a closed bar is always disabled
            for batch, waited in with_waiting(read_ahead(self.step.batches.task(step) for step in steps)):
                with self.interruption.deferred():
                    losses.append(self._train_step(batch, waited))
                    bar.update()
                    bar.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
                    if self.checkpoints.is_due() and batch.step < steps[-1]:  # else it comes with the epoch's end
                        self._keep()
        if without_terminal:
            seconds = time.monotonic() - started
            print(f"{told}: loss {np.mean(losses):.4f}, {len(steps) / seconds:.2f} steps/s", flush=True)
        self._warn_of_collapse(epoch)

    def _train_step(self, batch: Batch, waited: float) -> float:
        """Loss of a step on a batch for which it was waited so many seconds."""
        started = time.perf_counter()
        loss, outcome = self._gradients(batch)
        self.optimizer.step()
        values = self._values(loss, outcome)
        seconds = waited + time.perf_counter() - started
        values |= {"tiles_per_second": len(batch.tiles) / seconds, "wait_share": waited / seconds}
        if not math.isfinite(values["loss"]):
            raise self._diverged(f"the loss is {values['loss']}", batch)
        self.step.finish(batch, outcome.terms)
        self.steps_done, self.last_anchor = batch.step, batch.last_anchor
        self._spreads.append(values["embedding_spread"])
        for role, indices in batch.roles.items():
            self.sampled.add(role, batch.positions[indices])
        self.hardest.add(outcome.terms.detach().float().cpu().numpy(), batch.positions, outcome.tuples)
        self.reporter.step(batch.step, values)
        if self._is_evaluated(batch.step):
            self._show(batch, outcome)
        self.scorer.poll()
        return values["loss"]

    def _show(self, batch: Batch, outcome: Outcome) -> None:
        """Pictures of the epoch's last batch and of its hardest tuples."""
        step = batch.step
        self.reporter.batch(step, batch.tiles, self.maps.read_classes(batch.positions), list(batch.roles.items()))
        self.reporter.distances(
            step, {role: values.cpu().numpy() for role, values in outcome.distances.items() if len(values)}
        )
        positions, rows = self.hardest.rows()
        if len(positions):
            tiles, classes = self.maps.read(positions), self.maps.read_classes(positions)
            self.reporter.hardest(step, tiles, classes, rows, self.hardest.losses)

    def _gradients(self, batch: Batch) -> tuple[Tensor, Outcome]:
        """Forward and backward: the loss, and what it is made of."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        try:
            outcome = self.step(batch, self.passes.of_step(batch.step))
            loss = self.step.loss.mean(outcome.terms) if outcome.loss is None else outcome.loss
            loss.backward()
        except NotFinite:
            raise self._diverged("an embedding is not finite", batch) from None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self._out_of_memory(batch.step, told_of_batch(batch, self.config)) from None
        return loss.detach(), outcome

    def _values(self, loss: Tensor, outcome: Outcome) -> dict[str, float]:
        """What is logged of a step, as numbers."""
        tensors = {
            "loss": loss,
            "active_share": (outcome.terms.detach() > 0).float().sum() / max(len(outcome.terms), 1),
            "embedding_spread": spread(outcome.embeddings.detach()),
        }
        known = {role: distances for role, distances in outcome.distances.items() if len(distances)}
        tensors |= {f"{role}_distance": distances.mean() for role, distances in known.items()}
        numbers = torch.stack([tensor.float() for tensor in tensors.values()]).tolist()  # one wait for the device
        return dict(zip(tensors, numbers)) | {"learning_rate": self.config.learning_rate}

    def _warn_of_collapse(self, epoch: int) -> None:
        if self._spreads and max(self._spreads) < COLLAPSED:
            log.warning(
                "epoch %d: the embeddings have collapsed into one point (spread %.1e at most, of 1): the network tells "
                "no tiles apart. Choose a smaller 'learning_rate', or less or other 'mining'",
                epoch, max(self._spreads),
            )  # fmt: skip

    def _diverged(self, what: str, batch: Batch | None = None) -> UserError:
        step = self.steps_done if batch is None else batch.step
        return diverged(self.folder, step, self.config.learning_rate, what, batch)

    def _out_of_memory(self, step: int, tiles: str) -> OutOfMemory:
        return out_of_memory(step, self.execution.device, tiles, self.config.image_size)

    def _embed_positions(self, positions: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) float32 of tiles at positions (N, 2), as the network is now."""
        try:
            return self.passes.embed_positions(positions)
        except NotFinite:
            raise self._diverged("an embedding of an evaluated tile is not finite") from None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self._out_of_memory(self.steps_done, f"embedding {len(positions)} tiles") from None

    def _estimate_statistics(self) -> None:
        """Training goes on from the batch-norm statistics estimated for the untrained network."""
        if self.config.pretrained:
            return  # they came with the weights
        rng = np.random.default_rng([self.config.seed, 0])
        places = [self.maps.area.draw(STATISTICS_TILES, rng) for _ in range(STATISTICS_BATCHES)]
        batches = (self.execution.to_device(self.maps.read(place)) for place in places)
        estimate_batchnorm_statistics(self.network, batches)

    def _is_evaluated(self, step: int) -> bool:
        """Whether a step ends an epoch after which the network is evaluated; the last one always is."""
        epoch, beyond = divmod(step, self.config.iterations)
        return not beyond and step > 0 and (epoch % self.config.evaluate_every == 0 or epoch == self.config.epochs)

    def _evaluate_if_due(self) -> None:
        if self._is_evaluated(self.steps_done) and self.scorer.scored_step < self.steps_done:
            self._evaluate()
        elif self.steps_done > self.steps_kept:
            with self.interruption.deferred():
                self._keep()

    def _evaluate(self) -> None:
        """Keep the network, then have it evaluated: what is lost if the process ends meanwhile is the evaluation."""
        self.scorer.wait()
        with self.interruption.deferred():
            self.evaluating = self.steps_done
            self._keep()
            self.checkpoints.keep_for_evaluation()
        self.scorer.submit(self._snapshot(), self._evaluated)

    def _evaluate_earlier(self) -> None:
        """Evaluate the network whose evaluation was pending, beside the training, when the run ended."""
        try:
            snapshot = self._snapshot_of(EVALUATING)
        except UserError as error:
            log.warning("The evaluation of step %d is left out: %s", self.evaluating, error)
            self.evaluating = None
        else:
            self.scorer.submit(snapshot, self._evaluated)

    def _evaluated(self, best: bool) -> None:
        self.evaluating = None
        self.checkpoints.evaluated(best)

    def _snapshot(self) -> Snapshot:
        """All that is to be evaluated of the network as it is now."""
        name = "trained" if self.steps_done else "untrained"
        features = self.scorer.evaluator.embed(name, self._embed_positions)
        return Snapshot(self.steps_done, features, self.sampled.copy())

    def _snapshot_of(self, name: str) -> Snapshot:
        """The same of the network that a checkpoint of this run holds, by file name."""
        kept, now = checkpoints.load(self.folder / name), checkpoints.copied(self.network.state_dict())
        sampled = Sampled()
        sampled.load_state_dict(kept["sampled"])
        self.network.load_state_dict(kept["network"])
        features = self.scorer.evaluator.embed("trained" if kept["step"] else "untrained", self._embed_positions)
        self.network.load_state_dict(now)
        return Snapshot(kept["step"], features, sampled.copy())
