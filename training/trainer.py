"""The training loop.

Read `Trainer.run` first, then `_train_epoch` and `_train_step`: everything else is called from there.
"""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from config import Config
from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.reading_ahead import read_ahead
from losses import Loss
from training.evaluation_schedule import EvaluationSchedule
from training.execution.device import Execution
from training.forward import ForwardPass
from training.learning_rate import learning_rate, set_learning_rate
from training.passes import PassesBetweenSteps
from training.pending_steps import PendingStep, PendingSteps
from training.progress import Progress
from training.runs.checkpoint import Checkpoints
from training.runs.faults import Faults, NotFinite, describe_batch
from training.runs.interruption import Interrupted, Interruption
from training.saving import Saver
from training.scoring.snapshot_scorer import SnapshotScorer
from training.snapshots import Snapshots
from training.steps.step import Step, StepOutput
from training.training_state import TrainingState


class Trainer:
    """Trains a network; evaluates it before the first epoch, every `evaluate_every` epochs, and after the last.

    Args:
        config: config of the run
        step: samples the batches, and computes the loss terms of a batch
        forward: computes the embeddings of tiles
        progress: logs every training step
        scorer: computes and reports the evaluations
        checkpoints: checkpoint files of the run
        interruption: delays signals while weights or files change
    """

    def __init__(
        self,
        config: Config,
        step: Step,
        forward: ForwardPass,
        progress: Progress,
        scorer: SnapshotScorer,
        checkpoints: Checkpoints,
        interruption: Interruption,
    ):
        self.config, self.step, self.forward, self.progress = config, step, forward, progress
        self.scorer, self.interruption = scorer, interruption
        network, execution = forward.network, forward.execution
        self.processes = forward.processes
        self.faults = Faults(checkpoints.folder, config, execution.device)
        self.optimizer = make_optimizer(config, network, execution)
        self.state = TrainingState(config, network, self.optimizer, step, scorer, progress)
        self.pending = PendingSteps(step, progress, execution, self.faults)
        self.saver = Saver(self.state, self.pending, checkpoints, progress.reporter.flush, self.faults)
        self.passes = PassesBetweenSteps(forward, self.state, self.faults)
        snapshots = Snapshots(self.state, scorer.evaluator, self.passes, checkpoints)
        self.evaluations = EvaluationSchedule(
            config, self.state, self.saver, scorer, snapshots, interruption, self.processes
        )

    def run(self, checkpoint: dict | None = None) -> None:
        """Train all remaining steps, with the evaluations.

        Args:
            checkpoint: checkpoint to resume from; None: start a new training
        Raises:
            Interrupted: a signal arrived; the current step was finished and saved in a checkpoint
            UserError: the training cannot continue: it diverged, or the memory or the disk is full
        """
        last_step = self.config.epochs * self.config.iterations
        try:
            with self.saver.save_on_early_end():
                self.forward.capture_cuda_graphs(self.step.batches.size)
                self._start(checkpoint)
                while self.state.steps_done < last_step:
                    self._train_epoch()
                    self.evaluations.run_if_due()
                self.evaluations.finish()
                with self.interruption.deferred():
                    self.saver.save()  # this checkpoint marks the run as complete
        finally:
            self.scorer.cancel()

    def _start(self, checkpoint: dict | None) -> None:
        """Seed or load the state, then evaluate the untrained network or finish the pending evaluation."""
        if checkpoint is None:
            torch.manual_seed(self.config.seed)  # for layers that draw random numbers themselves, such as dropout
        else:
            with self.interruption.deferred():  # never save a state that is only partly loaded
                self.saver.load(checkpoint)
        if self.state.is_untrained:
            self.passes.estimate_batchnorm_statistics()
        self.evaluations.start()

    def _train_epoch(self) -> None:
        """Train the remaining steps of the current epoch."""
        epochs_done, steps_done_in_epoch = divmod(self.state.steps_done, self.config.iterations)
        epoch = epochs_done + 1
        if steps_done_in_epoch == 0:
            self._begin_epoch(epoch)
        steps = range(self.state.steps_done + 1, epoch * self.config.iterations + 1)
        # signals are delayed while weights or files change, so that a run ends between two steps; where several
        # processes must end after the same one, until they agree on it
        together = self.interruption.deferred() if self.processes.are_many else nullcontext()
        with together, self.progress.epoch_bar(epoch, steps) as bar:
            for batch, wait_seconds in self._batches(steps):
                with self.interruption.deferred():
                    self._train_step(batch, wait_seconds)
                    self.progress.advance(bar)
                    is_due = self._is_saving_due()
                    if is_due and batch.step < steps[-1]:  # the last step is saved after the epoch
                        self.saver.save()
            with self.interruption.deferred():
                self.pending.log()
        self.progress.warn_if_collapsed(epoch)

    def _begin_epoch(self, epoch: int) -> None:
        self.step.begin_epoch(epoch, partial(self.passes.embed_together, with_fourier=False))
        if self.processes.are_many:  # processors may round differently, and k-means goes another way then
            self.step.load_state_dict(self.processes.broadcast(self.step.state_dict))
        self.progress.begin_epoch()

    def _is_saving_due(self) -> bool:
        """Whether a checkpoint is due now, in the first process as in the others.

        Raises:
            Interrupted: a signal has reached one of several processes
        """
        if not self.processes.are_many:
            return self.saver.is_due()
        signal, is_due = self.processes.largest(self.interruption.received, self.saver.is_due())
        if signal:
            raise Interrupted(signal)
        return bool(is_due)

    def _batches(self, steps: range) -> Iterator[tuple[Batch, float]]:
        """Return an iterator over the batches of the steps, read ahead, with the seconds waited for each."""
        tasks = (self.forward.with_transfer(self.step.batches.task(step)) for step in steps)
        self.pending.restart_clock()
        return with_wait_seconds(read_ahead(tasks))

    def _train_step(self, batch: Batch, wait_seconds: float) -> None:
        """Update the weights with one batch, and log the steps whose results have arrived from the device."""
        work, keys = describe_batch(batch, self.config), "'batch_size' or 'image_size'"
        with self.faults.catch(batch.step, "", work, keys, batch):
            try:
                loss, output = self._forward_backward(batch)
            except NotFinite:
                self.pending.log()  # an earlier step may have diverged already: then report that one
                raise
            set_learning_rate(self.optimizer, learning_rate(self.config, batch.step))
            self.state.is_updating = True  # until `advance`: a half-updated network must never be saved
            self.optimizer.step()
            values = self.progress.step_values(loss, output)
            pending = PendingStep.of(batch, output, wait_seconds, values, self.forward.execution, self.processes)
        self.state.advance(batch)
        self.pending.add(pending)
        self.evaluations.poll()

    def _forward_backward(self, batch: Batch) -> tuple[Tensor, StepOutput]:
        """Compute the gradients of the weights. Return the loss, a scalar, and the output of the step."""
        self.processes.seed(self.config.seed, batch.step)
        self.optimizer.zero_grad(set_to_none=True)
        output = self.step(batch, self.forward.embed_functions(batch.step))
        loss = Loss.mean(output.terms) if output.loss is None else output.loss
        loss.backward()
        return loss.detach(), output


def make_optimizer(config: Config, network: nn.Module, execution: Execution) -> torch.optim.AdamW:
    """Return AdamW for all parameters that are not frozen; without weight decay it is Adam.

    Loshchilov & Hutter 2017, arXiv:1711.05101.
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    fused = execution.device.type == "cuda"  # one kernel for all weights; else the GPU waits for Python to start them
    return torch.optim.AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused or None)


def with_wait_seconds(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """Yield each batch, and the seconds that `next` took to return it."""
    while True:
        started = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started
