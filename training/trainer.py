"""The training loop."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.batches import Batch, read_ahead
from networks import estimate_batchnorm_statistics
from training.execution.device import Execution
from training.forward import Passes
from training.pending_steps import MadeStep, MadeSteps
from training.progress import Progress
from training.runs.checkpoint import EVALUATING, Checkpoints
from training.runs.faults import Faults, NotFinite, OutOfMemory, is_out_of_memory, told_of_batch
from training.runs.interruption import Interrupted, Interruption
from training.scoring.evaluator import most_at_once
from training.scoring.schedule import Scorer
from training.snapshots import Snapshots
from training.steps.step import Outcome, Step
from training.training_state import TrainingState

STATISTICS_BATCHES, STATISTICS_TILES = 8, 64  # from which the untrained network's batch-norm statistics come


def with_waiting(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """The batches, each with the seconds that it was waited for."""
    while True:
        started = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started


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
        self.faults = Faults(folder, config, execution.device)
        fused = execution.device.type == "cuda"  # one kernel for all weights: otherwise it waits for Python
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=config.learning_rate, fused=fused or None)
        self.progress = Progress(config, maps, reporter)
        self.state = TrainingState(config, network, self.optimizer, step, scorer, self.progress, maps)
        self.snapshots = Snapshots(self.state, scorer, self._embed_positions, folder)
        self.made = MadeSteps(step, self.progress, execution, self.faults, self._is_evaluated)
        self._steps_kept = 0  # in the last checkpoint
        self._updating = False  # whether the weights may be between two steps

    def run(self, checkpoint: dict | None = None) -> None:
        """All steps that are left, with the evaluations.

        Args:
            checkpoint: what to go on from; None: from the beginning
        Raises:
            Interrupted: after the step that was being made, which a checkpoint then holds
            UserError: the training cannot go on: it diverged, or memory or disk are full
        """
        try:
            self.passes.record(self.step.batches.size, self.maps.area)
            self._begin(checkpoint)
            while self.state.steps_done < self.config.epochs * self.config.iterations:
                self._train_epoch()
                self._evaluate_if_due()
            self.scorer.finish(self.snapshots.of)
            with self.interruption.deferred():
                self._keep()  # that it is complete
        except (Interrupted, OutOfMemory):
            self._keep_steps()
            raise
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._keep_steps()
            tiles = "what is read ahead, evaluated or drawn, with tiles"
            keys = "'batch_size' or 'image_size'"
            raise self.faults.out_of_memory(error, self.state.steps_done, tiles, keys) from None
        finally:
            self.scorer.abandon()

    def _begin(self, checkpoint: dict | None) -> None:
        state = self.state
        if checkpoint is not None:
            with self.interruption.deferred():  # half of a state must never be kept
                self._steps_kept = checkpoint["step"]
                state.load_state_dict(checkpoint, self.folder)
        else:
            torch.manual_seed(self.config.seed)  # for networks that draw themselves, as dropout does
        if self.scorer.scored_step < 0 and state.steps_done == 0:
            self._estimate_statistics()
            self._evaluate()
        elif state.evaluating is None:
            self._evaluate_if_due()
        elif state.evaluating == state.steps_done:
            self._evaluate()
        else:
            self._evaluate_earlier()
            self._evaluate_if_due()  # the run may have ended while this one waited for the earlier

    def _keep_steps(self) -> None:
        """Before an end that comes early: keep the steps since the last checkpoint, unless one is half done."""
        if self.state.steps_done > self._steps_kept and not (self._updating or self.made.half_noted):
            self._keep()

    def _keep(self) -> None:
        """Write a checkpoint, unless the weights are such that nothing can go on from them."""
        self.made.note()
        if not self.state.is_finite:
            raise self.faults.diverged(self.state.steps_done, "a weight is not finite")
        self.reporter.flush()  # first: what is shown must not be behind the checkpoint
        self.checkpoints.write(self.state.state_dict())
        self._steps_kept = self.state.steps_done
        self.made.start_clock()

    def _train_epoch(self) -> None:
        """The steps of an epoch that are left."""
        finished, done = divmod(self.state.steps_done, self.config.iterations)
        epoch = finished + 1
        if not done:
            self.step.begin_epoch(epoch, self._embed_positions)
            self.progress.begin_epoch()
        steps = range(self.state.steps_done + 1, epoch * self.config.iterations + 1)
        told, started = f"epoch {epoch}/{self.config.epochs}", time.monotonic()
        with tqdm(total=self.config.iterations, initial=done, desc=told, unit="step", disable=None) as bar:
            without_terminal = bar.disable  # asked now: a closed bar is always disabled
            self._train_steps(steps, bar)
        if without_terminal:
            loss, seconds = np.mean(self.progress.losses), time.monotonic() - started
            print(f"{told}: loss {loss:.4f}, {len(steps) / seconds:.2f} steps/s", flush=True)
        self.progress.warn_of_collapse(epoch)

    def _train_steps(self, steps: range, bar: tqdm) -> None:
        tasks = (self.passes.sending(self.step.batches.task(step)) for step in steps)
        self.made.start_clock()
        for batch, waited in with_waiting(read_ahead(tasks)):
            with self.interruption.deferred():
                self._train_step(batch, waited)
                bar.update()
                bar.set_postfix(loss=f"{self.progress.losses[-1]:.4f}" if self.progress.losses else "", refresh=False)
                if self.checkpoints.is_due() and batch.step < steps[-1]:  # else it comes with the epoch's end
                    self._keep()
        with self.interruption.deferred():
            self.made.note()

    def _train_step(self, batch: Batch, waited: float) -> None:
        """Make a step on a batch for which it was waited so many seconds, and note the steps that are now done."""
        with self.faults.told(batch.step, "", told_of_batch(batch, self.config), "'batch_size' or 'image_size'", batch):
            try:
                loss, outcome = self._gradients(batch)
            except NotFinite:
                self.made.note()  # a step before may be the one that diverged
                raise
            self._updating = True
            self.optimizer.step()
            made = MadeStep.of(batch, outcome, waited, self.progress.values_of(loss, outcome), self.execution)
        self.state.steps_done, self.state.last_anchor = batch.step, batch.last_anchor
        self._updating = False
        self.made.add(made)
        self.scorer.poll()

    def _gradients(self, batch: Batch) -> tuple[Tensor, Outcome]:
        """Forward and backward: the loss, and what it is made of."""
        self.optimizer.zero_grad(set_to_none=True)
        outcome = self.step(batch, self.passes.of_step(batch.step))
        loss = self.step.loss.mean(outcome.terms) if outcome.loss is None else outcome.loss
        loss.backward()
        return loss.detach(), outcome

    def _embed_positions(self, positions: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) float32 of tiles at positions (N, 2), as the network is now."""
        with self.faults.told(self.state.steps_done, " outside of a step", f"embedding {len(positions)} tiles"):
            return self.passes.embed_positions(positions)

    def _estimate_statistics(self) -> None:
        """Training goes on from the batch-norm statistics estimated for the untrained network."""
        if self.config.pretrained:
            return  # they came with the weights
        rng = np.random.default_rng([self.config.seed, 0])
        number = min(STATISTICS_TILES, max(2, most_at_once(self.config.image_size)))
        places = (self.maps.area.draw(number, rng) for _ in range(STATISTICS_BATCHES))
        batches = (self.execution.to_device(self.maps.read(place)) for place in places)
        with self.faults.told(0, " outside of a step", f"batch-norm statistics of {number} tiles", "'image_size'"):
            estimate_batchnorm_statistics(self.network, batches)

    def _is_evaluated(self, step: int) -> bool:
        """Whether a step ends an epoch after which the network is evaluated; the last one always is."""
        epoch, beyond = divmod(step, self.config.iterations)
        return not beyond and step > 0 and (epoch % self.config.evaluate_every == 0 or epoch == self.config.epochs)

    def _evaluate_if_due(self) -> None:
        if self._is_evaluated(self.state.steps_done) and self.scorer.scored_step < self.state.steps_done:
            self._evaluate()
        elif self.state.steps_done > self._steps_kept:
            with self.interruption.deferred():
                self._keep()

    def _evaluate(self) -> None:
        """Keep the network, then have it evaluated: what is lost if the process ends meanwhile is the evaluation."""
        self.scorer.wait()
        with self.interruption.deferred():
            self.state.evaluating = self.state.steps_done
            self._keep()
            self.checkpoints.keep_for_evaluation()
        self.scorer.submit(self.snapshots.now(), self._evaluated)

    def _evaluate_earlier(self) -> None:
        """Evaluate the network whose evaluation was pending, beside the training, when the run ended."""
        snapshot = self.snapshots.of(EVALUATING)
        if snapshot is None:
            self.state.evaluating = None
        else:
            self.scorer.submit(snapshot, self._evaluated)

    def _evaluated(self, best: bool) -> None:
        self.checkpoints.evaluated(best)
        self.state.evaluating = None
