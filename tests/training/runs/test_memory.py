"""Memory that is too small is told of, and costs no step that was kept."""

import shutil
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from runs_for_tests import config_file, losses_of, refused, rows_of, run_in_process, values_of, without_figures

import main
from dataProcessors.sampling.batches import TupleBatches
from training.execution.device import Execution
from training.forward import ForwardPass
from training.progress import Progress
from training.runs.checkpoint import load
from training.runs.faults import is_out_of_memory

pytestmark = pytest.mark.usefixtures("no_figures")


def failing_at(monkeypatch, training_step: int, error: Exception) -> None:
    """Have the forward pass of a training step fail; those of evaluations do not count."""
    whole = Execution.forward_function

    def forward_function(execution, network):
        forward, calls = whole(execution, network), []

        def failing(tiles):
            calls.append(network.training)
            if network.training and sum(calls) == training_step:
                raise error
            return forward(tiles)

        return failing

    monkeypatch.setattr(Execution, "forward_function", forward_function)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loss": "tripletloss"}, "a batch of 12 tiles (3 x 'batch_size' 4) of 16 pixels"),
        ({"loss": "magnetloss"}, "a batch of 12 tiles ('magnet_clusters' 3 x 'batch_size' 4) of 16 pixels"),
        (
            {"loss": "quadrupletloss", "mining": ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"]},
            "a batch of 16 tiles (4 x 'batch_size' 4) and 80 draws of offline mining of 16 pixels",
        ),
    ],
)
def test_too_little_memory_tells_the_batch_and_the_keys(workplace, monkeypatch, capsys, changes, told):
    with monkeypatch.context() as patch:
        failing_at(patch, 3, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."))
        message = refused(capsys, f"memory-{changes['loss']}", iterations=5, **changes)
    assert f"At step 3 the memory of cpu is too small for {told}" in message
    assert "smaller 'batch_size' or 'image_size'" in message
    folder = Path("results") / f"memory-{changes['loss']}"
    assert load(folder / "last.pt")["step"] == 2, "no batch before it is lost"
    assert f"python main.py resume {folder}" in message
    assert main.main(["resume", str(folder)]) == 0, "with more memory"
    assert len(losses_of(folder)) == 5


def test_too_little_memory_for_an_evaluation(workplace, monkeypatch, capsys):
    whole = ForwardPass.embed

    def forward(passes, tiles, training, **options):
        if not training:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(passes, tiles, training, **options)

    monkeypatch.setattr(ForwardPass, "embed", forward)
    message = refused(capsys, "memory-evaluation")
    assert "At step 0 the memory of cpu is too small for embedding 89 tiles of 16 pixels. Free memory" in message


def test_too_little_memory_of_the_machine_keeps_the_steps(workplace, monkeypatch, capsys):
    """Batches are read by a thread of their own."""
    whole = TupleBatches.task

    def task(batches, step):
        if step == 4:
            raise MemoryError
        return whole(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(TupleBatches, "task", task)
        message = refused(capsys, "memory-ahead", iterations=5)
    folder = Path("results/memory-ahead")
    assert "the memory of this machine is too small for reading ahead" in message
    assert f"python main.py resume {folder}" in message
    done = load(folder / "last.pt")["step"]
    assert len(losses_of(folder)) == done
    assert main.main(["resume", str(folder)]) == 0
    assert len(losses_of(folder)) == 5


def test_weights_between_two_steps_are_not_kept(workplace, monkeypatch, capsys):
    whole, steps = torch.optim.AdamW.step, count(1)

    def step(optimizer):
        whole(optimizer)
        if next(steps) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        refused(capsys, "memory-update", iterations=5)
    folder = Path("results/memory-update")
    assert load(folder / "last.pt")["step"] == 0, "the checkpoint of before, since two steps cannot be told apart"
    assert main.main(["resume", str(folder)]) == 0
    assert len(losses_of(folder)) == 5


ALLOCATOR = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(ALLOCATOR)], ids=["machine", "allocator"])
@pytest.mark.parametrize("times", [1, 2])
def test_too_little_memory_to_write_a_checkpoint(workplace, monkeypatch, capsys, error, times):
    """It fails at the end of the epoch, and once more when the steps are to be kept."""
    whole, calls = torch.save, []

    def save(content, path):
        if content.get("step") == 5:
            calls.append(path)
            if len(calls) <= times:
                raise error
        whole(content, path)

    name = f"memory-writing-{type(error).__name__}-{times}"
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        message = refused(capsys, name, iterations=5)
    folder = Path("results") / name
    assert "memory" in message and "cannot be written" not in message
    assert f"To resume: python main.py resume {folder}" in message
    assert load(folder / "last.pt")["step"] == (5 if times == 1 else 0)
    assert main.main(["resume", str(folder)]) == 0
    assert len(losses_of(folder)) == 5


@pytest.fixture(scope="module")
def finished(workplace_of_module) -> Path:
    """The folder of a run of five steps."""
    with pytest.MonkeyPatch.context() as patch:
        without_figures(patch)
        return run_in_process("memory-reading", iterations=5)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(ALLOCATOR)], ids=["machine", "allocator"])
@pytest.mark.parametrize("place", ["torch.load", "torch.optim.AdamW.load_state_dict", "Progress", "SnapshotScorer"])
def test_too_little_memory_to_read_a_checkpoint(finished, workplace, monkeypatch, capsys, place, error):
    """A sound checkpoint is neither called damaged or foreign, nor replaced by what was read of it."""
    scorer = "training.scoring.snapshot_scorer.SnapshotScorer"
    where = {"Progress": "training.progress.Progress", "SnapshotScorer": scorer}
    target = f"{where[place]}.load_state_dict" if place in where else place
    folder = shutil.copytree(finished, Path("results") / f"memory-reading-{place}-{type(error).__name__}")
    before = (folder / "last.pt").read_bytes()

    def failing(*arguments, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(target, failing)
        capsys.readouterr()
        assert main.main(["resume", str(folder), "epochs=2"]) == 2
    message = capsys.readouterr().err
    assert "memory" in message and "Traceback" not in message
    assert not [word for word in ("damaged", "best.pt", "another network") if word in message]
    assert (folder / "last.pt").read_bytes() == before
    assert main.main(["resume", str(folder), "epochs=2"]) == 0
    assert [step for step, _ in values_of(folder, "train/loss")] == list(range(1, 11))


@pytest.mark.parametrize("ahead", [0, 1])
def test_too_little_memory_to_note_a_step(workplace, monkeypatch, capsys, ahead):
    """A checkpoint must not hold a step that is not shown."""
    monkeypatch.setattr(Execution, "max_pending_steps", ahead)
    whole = Progress.log

    def add(progress, batch, *arguments):
        if batch.step == 3:
            raise MemoryError
        whole(progress, batch, *arguments)

    name = f"memory-noting-{ahead}"
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "log", add)
        refused(capsys, name, iterations=5)
    folder = Path("results") / name
    assert load(folder / "last.pt")["step"] == 0
    assert main.main(["resume", str(folder)]) == 0
    assert [step for step, _ in values_of(folder, "train/loss")] == [1, 2, 3, 4, 5]
    assert len(rows_of(folder)) == len({tuple(row.items()) for row in rows_of(folder)})


def test_too_little_memory_before_the_run_begins(workplace, monkeypatch, capsys):
    def resolve(*arguments, **keywords):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("assembly.resolve", resolve)
    assert "There is too little memory." in refused(capsys, "memory-begin")


def test_errors_of_every_kind_of_memory_are_known():
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**50)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**50)
    assert is_out_of_memory(of_torch.value)
    assert is_out_of_memory(of_numpy.value)
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


def test_other_errors_are_not_taken_for_too_little_memory(workplace, monkeypatch):
    failing_at(monkeypatch, 1, RuntimeError("a defect of the program"))
    with pytest.raises(RuntimeError, match="a defect"):
        main.main([str(config_file("defect"))])
