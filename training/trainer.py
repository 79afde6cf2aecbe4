"""The training loop."""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from config import Config
from dataProcessors.sampling.batches import Batch, read_ahead
from training.evaluations import Evaluations
from training.execution.device import Execution
from training.forward import ForwardPass
from training.pending_steps import PendingStep, PendingSteps
from training.progress import Progress
from training.runs.checkpoint import Checkpoints
from training.runs.faults import Faults, NotFinite, describe_batch
from training.runs.interruption import Interruption
from training.saving import Saver
from training.scoring.schedule import EvaluationSchedule
from training.snapshots import Snapshots
from training.steps.step import Step, StepOutput
from training.training_state import TrainingState


class Trainer:
    """Trains a network and evaluates it before the first and after every so many epochs.

    Args:
        config: of the run
        step: makes batches and turns them into loss terms
        forward: passes tiles through the network
        progress: logs every step
        schedule: evaluates
        checkpoints: of the run
        interruption: keeps signals away from what must not be broken off
    """

    def __init__(
        self,
        config: Config,
        step: Step,
        forward: ForwardPass,
        progress: Progress,
        schedule: EvaluationSchedule,
        checkpoints: Checkpoints,
        interruption: Interruption,
    ):
        self.config, self.step, self.forward, self.progress = config, step, forward, progress
        self.schedule, self.interruption = schedule, interruption
        network, execution = forward.network, forward.execution
        self.faults = Faults(checkpoints.folder, config, execution.device)
        self.optimizer = make_optimizer(network, config.learning_rate, execution)
        self.state = TrainingState(config, network, self.optimizer, step, schedule, progress)
        self.pending = PendingSteps(step, progress, execution, self.faults)
        self.saver = Saver(self.state, self.pending, checkpoints, progress.reporter.flush, self.faults)
        snapshots = Snapshots(self.state, schedule.evaluator, self._embed_positions, checkpoints)
        self.evaluations = Evaluations(config, self.state, self.saver, schedule, snapshots, interruption)

    def run(self, checkpoint: dict | None = None) -> None:
        """All steps that are left, with the evaluations.

        Args:
            checkpoint: what to go on from; None: from the beginning
        Raises:
            Interrupted: after the step that was being made, which a checkpoint then holds
            UserError: the training cannot go on: it diverged, or memory or disk are full
        """
        last_step = self.config.epochs * self.config.iterations
        try:
            with self.saver.on_early_end():
                self.forward.capture_cuda_graphs(self.step.batches.size)
                self._start(checkpoint)
                while self.state.steps_done < last_step:
                    self._train_epoch()
                    self.evaluations.run_if_due()
                self.evaluations.finish()
                with self.interruption.deferred():
                    self.saver.save()  # that it is complete
        finally:
            self.schedule.cancel()

    def _start(self, checkpoint: dict | None) -> None:
        if checkpoint is None:
            torch.manual_seed(self.config.seed)  # for networks that draw themselves, as dropout does
        else:
            with self.interruption.deferred():  # half of a state must never be saved
                self.saver.load(checkpoint)
        if self.state.is_untrained and not self.config.pretrained:  # else the statistics came with the weights
            tiles = f"batch-norm statistics of {self.forward.statistics_tiles} tiles"
            with self.faults.catch(0, " outside of a step", tiles, "'image_size'"):
                self.forward.estimate_batchnorm_statistics()  # for the untrained network; training goes on from them
        self.evaluations.start()

    def _train_epoch(self) -> None:
        """The steps of an epoch that are left."""
        finished, done = divmod(self.state.steps_done, self.config.iterations)
        epoch = finished + 1
        if done == 0:
            self.step.begin_epoch(epoch, self._embed_positions)
            self.progress.begin_epoch()
        steps = range(self.state.steps_done + 1, epoch * self.config.iterations + 1)
        with self.progress.epoch_bar(epoch, steps) as bar:
            for batch, wait_seconds in self._batches(steps):
                with self.interruption.deferred():
                    self._train_step(batch, wait_seconds)
                    self.progress.advance(bar)
                    if self.saver.is_due() and batch.step < steps[-1]:  # else it comes with the epoch's end
                        self.saver.save()
            with self.interruption.deferred():
                self.pending.log()
        self.progress.warn_if_collapsed(epoch)

    def _batches(self, steps: range) -> Iterator[tuple[Batch, float]]:
        """The batches of the steps, read ahead, each with the seconds that it was waited for."""
        tasks = (self.forward.with_transfer(self.step.batches.task(step)) for step in steps)
        self.pending.restart_clock()
        return with_wait_seconds(read_ahead(tasks))

    def _train_step(self, batch: Batch, wait_seconds: float) -> None:
        """Update the weights by one batch, and log the steps whose results have come."""
        with self.faults.catch(
            batch.step, "", describe_batch(batch, self.config), "'batch_size' or 'image_size'", batch
        ):
            try:
                loss, output = self._forward_backward(batch)
            except NotFinite:
                self.pending.log()  # a step before may be the one that diverged
                raise
            self.state.is_updating = True
            self.optimizer.step()
            values = self.progress.step_values(loss, output)
            pending = PendingStep.of(batch, output, wait_seconds, values, self.forward.execution)
        self.state.advance(batch)
        self.pending.add(pending)
        self.schedule.poll()

    def _forward_backward(self, batch: Batch) -> tuple[Tensor, StepOutput]:
        """Gradients of the weights. Gives the loss, and what it is made of."""
        self.optimizer.zero_grad(set_to_none=True)
        output = self.step(batch, self.forward.for_step(batch.step))
        loss = self.step.loss.mean(output.terms) if output.loss is None else output.loss
        loss.backward()
        return loss.detach(), output

    def _embed_positions(self, positions: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) float32 of tiles at positions (N, 2), as the network is now."""
        with self.faults.catch(self.state.steps_done, " outside of a step", f"embedding {len(positions)} tiles"):
            return self.forward.embed_positions(positions)


def make_optimizer(network: nn.Module, learning_rate: float, execution: Execution) -> torch.optim.Adam:
    """Adam over the parameters that are trained."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    fused = execution.device.type == "cuda"  # one kernel for all weights: otherwise it waits for Python
    return torch.optim.Adam(trained, lr=learning_rate, fused=fused or None)


def with_wait_seconds(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """The batches, each with the seconds that it was waited for."""
    while True:
        started = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started
