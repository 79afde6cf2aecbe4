"""Runs that are broken off and gone on with: nothing is lost but the steps since the last checkpoint."""

import json
import re
import shutil
import signal
import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from networks_for_tests import with_narrow_networks
from rasterio.transform import from_origin
from runs_for_tests import (
    MAPS,
    UNLABELLED,
    config_file,
    losses_of,
    rows_of,
    run_in_process,
    small_config,
    values_of,
    without_figures,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from config import validate
from inference.core.trained_run import open_trained
from storage import Lock
from training.evaluations import Evaluations
from training.execution.device import Execution
from training.forward import ForwardPass
from training.runs.checkpoint import Checkpoints, load, name_of_evaluated, save
from training.runs.faults import NotFinite
from training.runs.interruption import Interrupted, Interruption
from training.runs.resuming import Run
from training.saving import Saver
from training.scoring.evaluator import Evaluator
from training.scoring.fit_tiles import fit_tiles_file, load_fit_tiles
from training.scoring.schedule import EvaluationSchedule
from training.snapshots import Snapshots
from training.trainer import Trainer

LONG = {"iterations": 4, "epochs": 2, "network": "test_resnet"}
RUN = Evaluations.run  # which the fixture `beside` replaces
# each has something of its own to remember: the walk of the anchors, fresh draws, the cluster index
KINDS = {
    "walk": {"loss": "tripletloss", "random_reset": 0.3, "mining": ["HARD_NEGATIVE"]},
    "fresh": {"loss": "quadrupletloss", "mining": ["RANDOM_HARD_NEGATIVE", "HARD_POSITIVE"]},
    "clusters": {"loss": "magnetloss", "random_reset": 0.0},
    "index": {"loss": "magnetloss", "supervised": True},
    "transformer": {"loss": "tripletloss", "network": "transformer"},
    "unlabelled": {"loss": "tripletloss"} | UNLABELLED,
    "bf16": {
        "loss": "tripletloss",
        "precision": "bf16",
        "channels_last": True,
        "threads": 2,
        "image_size": 32,
        "max_neg_dist": 6,
        "validation_spacing": 5,
    },
}


def interrupt_after(monkeypatch, step: int, number: int = signal.SIGTERM) -> None:
    """Have a signal come in the middle of a step."""
    whole = Trainer._train_step

    def interrupted(trainer, batch, waited):
        if batch.step == step:
            signal.raise_signal(number)
        return whole(trainer, batch, waited)

    monkeypatch.setattr(Trainer, "_train_step", interrupted)


def interrupted_run(monkeypatch, name: str, step: int, **changes) -> Path:
    with monkeypatch.context() as patch:
        interrupt_after(patch, step)
        assert main.main([str(config_file(name, **changes))]) == 128 + signal.SIGTERM
    return Path("results") / name


def interrupted_again(monkeypatch, folder: Path, step: int) -> None:
    """Go on with a run, as far as a later step."""
    with monkeypatch.context() as patch:
        interrupt_after(patch, step)
        assert main.main(["resume", str(folder)]) == 128 + signal.SIGTERM


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_scores_are_those_of_an_unbroken_run(workplace, no_figures, monkeypatch, kind):
    """A run that is broken off four times: at its first step, within an epoch, at its end, within the last."""
    with_narrow_networks(monkeypatch)
    changes = LONG | KINDS[kind]
    folder = run_in_process(f"unbroken-{kind}", **changes)
    broken = interrupted_run(monkeypatch, f"broken-{kind}", 1, **changes)
    assert load(broken / "last.pt")["step"] == 1, "the step was finished, and kept"
    for step in (3, 4, 6):
        interrupted_again(monkeypatch, broken, step)
        assert load(broken / "last.pt")["step"] == step
    assert main.main(["resume", str(broken)]) == 0
    assert losses_of(broken) == losses_of(folder), "bit for bit"
    for name in ("metrics.csv", "draws.csv", "verdict.txt"):
        assert (broken / name).read_text() == (folder / name).read_text()
    of_labels = ["embedding/used_dimensions"] if kind == "unlabelled" else ["train/false_positives", "retrieval/MAP@R"]
    for tag in ["train/embedding_spread", *of_labels]:
        assert values_of(broken, tag) == values_of(folder, tag), "without doubled or missing steps"
    for name in ("last.pt", "best.pt"):
        ours, theirs = (load(each / name)["network"] for each in (broken, folder))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert_kept_fit_tiles(broken, kind != "unlabelled")
    assert not list(broken.glob("evaluating*"))


def assert_kept_fit_tiles(folder: Path, has_labels: bool) -> None:
    """Check that the embeddings of the tiles to fit on are those by best.pt, where there are any."""
    assert fit_tiles_file(folder / "best.pt").exists() == has_labels
    if has_labels:
        run = open_trained(folder)
        positions = np.load(fit_tiles_file(run.checkpoint))["positions"][:40]
        kept = load_fit_tiles(run.checkpoint, run.digest, positions, run.execution)
        tolerance = 0.05 if run.execution.precision == "bf16" else 1e-4
        np.testing.assert_allclose(
            kept, run.embed(run.open_image().read(positions, run.config.image_size)), atol=tolerance
        )


def test_figures_and_projections_go_on(workplace, one_figure):
    """The projector goes on to show the best of before, beside the network that is now the last."""
    settings = LONG | {"single_class_classifiers": ["dt"], "epochs": 1}
    folder = run_in_process("shown", **settings)
    assert main.main(["resume", str(folder), "epochs=2"]) == 0
    listed = (folder / "tensorboard/trained/projector_config.pbtxt").read_text()
    events = EventAccumulator(str(folder / "tensorboard/trained"), purge_orphaned_data=False).Reload()
    drawn = [image.step for image in events.Images("figures/confusion_matrix/dt")]
    assert {4, 8} <= set(drawn) <= {0, 4, 8}, "the best may be the untrained network"
    shown = {name: int(step) for name, step in re.findall(r'"(best|last):(\d+)', listed)}
    assert shown["best"] == load(folder / "best.pt")["step"]
    assert max(shown.values()) == 8
    assert list(shown.values()) == sorted(shown.values(), reverse=True), "the newest is shown first"
    assert [event.step for event in events.Images("batch/hardest")] == [4, 8]
    assert [image.step for image in events.Images("batch/tiles")] == [4, 8]
    assert len(events.Tensors("config/text_summary")) == 1


@pytest.fixture(scope="module")
def as_broken_off(workplace_of_module) -> Path:
    """What `broken` is a copy of."""
    with pytest.MonkeyPatch.context() as patch:
        without_figures(patch)
        return interrupted_run(patch, "broken", 6, **LONG).rename("broken-off")


@pytest.fixture
def broken(as_broken_off, workplace, no_figures) -> Path:
    """A run that was broken off after its sixth step of eight."""
    shutil.rmtree("results/broken", ignore_errors=True)
    return shutil.copytree(as_broken_off, Path("results/broken"))


@pytest.fixture(scope="module")
def reference(workplace_of_module) -> Path:
    """The same run, as it is when nothing breaks it off."""
    with pytest.MonkeyPatch.context() as patch:
        without_figures(patch)
        return run_in_process("reference", **LONG)


def test_what_to_call_next_is_told(workplace, no_figures, monkeypatch, capsys):
    interrupted_run(monkeypatch, "told", 2, **LONG)
    assert "python main.py resume results/told" in capsys.readouterr().err


def test_ctrl_c_has_its_own_exit_code(workplace, no_figures, monkeypatch):
    interrupt_after(monkeypatch, 2, signal.SIGINT)
    assert main.main([str(config_file("ctrl-c", **LONG))]) == 130


def test_a_signal_outside_of_a_step_ends_at_once_and_a_second_ctrl_c_is_the_systems():
    with Interruption() as interruption:
        with pytest.raises(Interrupted) as caught:
            signal.raise_signal(signal.SIGTERM)
        assert caught.value.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        assert not interruption._deferred
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler, "as it was before"


def test_a_signal_in_a_step_waits_for_its_end():
    done = []
    with Interruption() as interruption, pytest.raises(Interrupted), interruption.deferred():
        signal.raise_signal(signal.SIGINT)
        done.append("the step")
    assert done == ["the step"]


def test_a_block_within_another_does_not_end_the_deferral():
    done = []
    with Interruption() as interruption, pytest.raises(Interrupted), interruption.deferred():
        with interruption.deferred():
            signal.raise_signal(signal.SIGINT)
        done.append("the rest of the step")
    assert done == ["the rest of the step"]


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN, "as under nohup"
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupted_evaluation_is_made_again(reference, workplace, no_figures, monkeypatch):
    with monkeypatch.context() as patch:
        calls = []

        def interrupted(self, features, call):
            calls.append(features)
            if len(calls) == 4:  # the untrained network and two yardsticks come first
                signal.raise_signal(signal.SIGINT)
            return evaluate(self, features, call)

        evaluate = Evaluator.evaluate
        patch.setattr(Evaluator, "evaluate", interrupted)
        assert main.main([str(config_file("evaluation", **LONG))]) == 130
    folder = Path("results/evaluation")
    assert load(folder / "last.pt")["evaluating"] == [4]
    assert main.main(["resume", str(folder)]) == 0
    assert (folder / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()
    assert values_of(folder, "multi_class/gSil") == values_of(reference, "multi_class/gSil")
    events = EventAccumulator(str(folder / "tensorboard/trained")).Reload()
    assert [image.step for image in events.Images("batch/tiles")] == [4, 8], "of the epoch that was made before, too"


@pytest.fixture
def beside(monkeypatch):
    """Evaluations run beside the training, as on a GPU, and wait for `go`; where one is due, training waits for it.

    So every network is evaluated, as in the run that they are compared with.
    """
    go, whole = threading.Event(), Evaluator.evaluate

    class BesideScorer(EvaluationSchedule):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords | {"background_cores": 2})

    def evaluate(evaluator, features, call):
        assert go.wait(60)
        return whole(evaluator, features, call)

    monkeypatch.setattr("assembly.EvaluationSchedule", BesideScorer)
    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    monkeypatch.setattr(Evaluations, "_seconds_left", lambda evaluations: np.inf)
    monkeypatch.setattr(Evaluations, "_may_embed", lambda evaluations: True)
    monkeypatch.setattr(Evaluations, "run", lambda evaluations: (evaluations.schedule.wait(), RUN(evaluations)))
    go.set()
    yield go
    go.set()


@pytest.mark.parametrize(("step", "pending"), [(2, 0), (6, 4)])
def test_an_evaluation_that_was_pending_beside_the_training_is_made_up_for(
    reference, workplace, no_figures, monkeypatch, beside, step, pending
):
    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "current_alone", hold_after(pending, Snapshots.current_alone, beside))
        broken = interrupted_run(patch, f"beside-{step}", step, **LONG)
    beside.set()
    assert load(broken / "last.pt")["evaluating"] == [pending]
    assert load(broken / "last.pt")["step"] == step
    assert load(broken / name_of_evaluated(pending))["step"] == pending
    assert main.main(["resume", str(broken)]) == 0
    for name in ("metrics.csv", "draws.csv", "verdict.txt"):
        assert (broken / name).read_text() == (reference / name).read_text()
    for tag in ("train/loss", "retrieval/MAP@R"):
        assert values_of(broken, tag) == values_of(reference, tag)
    assert load(broken / "best.pt")["step"] == load(reference / "best.pt")["step"]
    assert not list(broken.glob("evaluating*"))


def test_a_network_that_waited_is_evaluated_in_the_middle_of_an_epoch(
    reference, workplace, no_figures, monkeypatch, beside
):
    """Its weights come from the disk, and training goes on from its own."""
    train_step = Trainer._train_step

    def step(trainer, batch, waited):
        if batch.step == 6:  # the evaluation of the untrained network ends, and that of step 4 begins
            beside.set()
            trainer.schedule._pending[-1].result(60)
        train_step(trainer, batch, waited)
        if batch.step <= 6:
            assert trainer.schedule.running == (0 if batch.step < 6 else 4)

    beside.clear()
    monkeypatch.setattr(Evaluations, "run", RUN)
    monkeypatch.setattr(Trainer, "_train_step", step)
    folder = run_in_process("between", **LONG)
    for name in ("metrics.csv", "draws.csv", "verdict.txt"):
        assert (folder / name).read_text() == (reference / name).read_text()
    assert losses_of(folder) == losses_of(reference)


def held_run(monkeypatch, name: str, go: threading.Event) -> Path:
    """A run whose evaluation of step 4 is still going on when a signal ends it, while step 8's waits for that one."""
    whole = Evaluations.run

    def run(evaluations):
        if evaluations.state.steps_done == 8:
            signal.raise_signal(signal.SIGTERM)
        whole(evaluations)

    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "current_alone", hold_after(4, Snapshots.current_alone, go))
        patch.setattr(Evaluations, "run", run)
        assert main.main([str(config_file(name, **LONG))]) == 128 + signal.SIGTERM
    go.set()
    folder = Path("results") / name
    assert (load(folder / "last.pt")["step"], load(folder / "last.pt")["evaluating"]) == (8, [4])
    return folder


def test_an_epoch_that_ended_while_an_earlier_one_was_evaluated_is_evaluated_too(
    reference, workplace, no_figures, monkeypatch, beside
):
    broken = held_run(monkeypatch, "waiting", beside)
    assert main.main(["resume", str(broken)]) == 0
    assert (broken / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()


def test_training_goes_on_from_its_own_weights_where_an_earlier_network_cannot_be_evaluated(
    reference, workplace, no_figures, monkeypatch, beside, caplog
):
    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "current_alone", hold_after(4, Snapshots.current_alone, beside))
        broken = interrupted_run(patch, "own", 6, **LONG)
    beside.set()
    whole, calls = ForwardPass.embed_positions, count(1)

    def embed(passes, positions):
        if next(calls) == 1:
            raise NotFinite
        return whole(passes, positions)

    monkeypatch.setattr(ForwardPass, "embed_positions", embed)
    assert main.main(["resume", str(broken)]) == 0
    assert "The network in evaluating-000004.pt is not evaluated or drawn" in caplog.text
    assert losses_of(broken) == losses_of(reference)


def test_a_signal_while_a_checkpoint_is_loaded_changes_nothing(broken, monkeypatch):
    before = (broken / "last.pt").read_bytes()
    whole = EvaluationSchedule.load_state_dict

    def interrupted(evaluations, state):
        signal.raise_signal(signal.SIGTERM)
        whole(evaluations, state)

    with monkeypatch.context() as patch:
        patch.setattr(EvaluationSchedule, "load_state_dict", interrupted)
        assert main.main(["resume", str(broken)]) == 128 + signal.SIGTERM
    assert (broken / "last.pt").read_bytes() == before


def test_a_run_ends_without_the_best_network_of_before(workplace, no_figures, monkeypatch, caplog):
    values = iter([0.1, 0.9, 0.5])
    monkeypatch.setattr("training.scoring.schedule.objective", lambda scores, tag: next(values))
    broken = interrupted_run(monkeypatch, "bestless", 6, **LONG)
    (broken / "best.pt").unlink()
    assert main.main(["resume", str(broken)]) == 0
    assert "The network in best.pt is not evaluated or drawn" in caplog.text
    assert load(broken / "last.pt")["evaluating"] == []


@pytest.mark.parametrize("step", [3, 4, 6])
def test_a_run_whose_steps_are_read_later_shows_the_same(reference, workplace, no_figures, monkeypatch, step):
    """As on a GPU, which is given the next step before the results of the last one are waited for."""
    monkeypatch.setattr(Execution, "max_pending_steps", 1)
    broken = interrupted_run(monkeypatch, f"later-{step}", step, **LONG)
    assert load(broken / "last.pt")["step"] == step
    assert len(losses_of(broken)) == step, "all that a checkpoint holds is shown"
    assert main.main(["resume", str(broken)]) == 0
    for tag in ("train/loss", "train/positive_distance", "retrieval/MAP@R"):
        assert values_of(broken, tag) == values_of(reference, tag)


def hold_after(step: int, snapshot, go: threading.Event):
    """A Snapshots.current after which evaluations wait, from that of a step on."""

    def taken(snapshots):
        if snapshots.state.steps_done == step:
            go.clear()
        return snapshot(snapshots)

    return taken


def test_the_network_in_evaluation_is_kept_until_a_checkpoint_knows_of_its_end(tmp_path):
    checkpoints = Checkpoints(tmp_path, 10)
    checkpoints.write({"evaluating": [5]})
    checkpoints.save_for_evaluation(5)
    checkpoints.save_as_best(5)
    assert load(tmp_path / "best.pt")["evaluating"] == [5]
    assert (tmp_path / name_of_evaluated(5)).exists(), "last.pt still says that it is to be evaluated"
    checkpoints.write({"evaluating": []})
    assert not (tmp_path / name_of_evaluated(5)).exists()


def test_what_was_shown_after_the_checkpoint_is_shown_once(broken):
    """As after a kill: events and scores are there of steps that no checkpoint holds."""
    checkpoint = load(broken / "last.pt")
    with (broken / "metrics.csv").open("a") as file:
        file.write("8,trained,single_class,-,MAP@R,0.5,0\n8,trained,sing")
    assert main.main(["resume", str(broken)]) == 0
    shutil.copytree(broken, "results/doubled")
    save(Path("results/doubled/last.pt"), {key: value for key, value in checkpoint.items() if key != "format"})
    assert main.main(["resume", "results/doubled"]) == 0
    for folder in (broken, Path("results/doubled")):
        assert [step for step, _ in values_of(folder, "train/loss")] == list(range(1, 9))
        assert [step for step, _ in values_of(folder, "retrieval/MAP@R")] == [0, 4, 8]
        assert {row["step"] for row in rows_of(folder)} == {"0", "4", "8"}
        assert None not in rows_of(folder)[-1].values()
    shutil.rmtree("results/doubled")


class Killed(BaseException):
    """Ends a run as a kill does: nothing more is written."""


def test_scores_that_were_shown_before_a_checkpoint_knows_of_them_are_shown_once(
    reference, workplace, no_figures, monkeypatch
):
    """As after a kill between the scores of an epoch and the next checkpoint, which holds the epoch's last step."""
    whole = EvaluationSchedule._report

    def killed(schedule, snapshot, *arguments):
        whole(schedule, snapshot, *arguments)
        if snapshot.step == 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(EvaluationSchedule, "_report", killed)
        with pytest.raises(Killed):
            main.main([str(config_file("killed", **LONG))])
    folder = Path("results/killed")
    checkpoint = load(folder / "last.pt")
    assert (checkpoint["step"], checkpoint["scorer"]["scored_step"]) == (4, 0)
    assert [step for step, _ in values_of(folder, "retrieval/MAP@R")] == [0, 4]
    assert main.main(["resume", str(folder)]) == 0
    assert (folder / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()
    for tag in ("train/loss", "retrieval/MAP@R"):
        assert values_of(folder, tag) == values_of(reference, tag)


def test_a_run_without_a_checkpoint_begins_again(broken):
    for path in broken.glob("*.pt"):
        path.unlink()
    assert main.main(["resume", str(broken)]) == 0
    assert [step for step, _ in values_of(broken, "train/loss")] == list(range(1, 9))
    assert {row["step"] for row in rows_of(broken)} == {"0", "4", "8"}


def test_half_written_files_are_removed(broken):
    (broken / ".part-0123abcd-last.pt").write_bytes(b"half")
    assert main.main(["resume", str(broken)]) == 0
    assert not list(broken.rglob(".part-*"))


def test_resumption_is_noted_and_more_epochs_can_be_made(broken):
    assert main.main(["resume", str(broken), "epochs=3"]) == 0
    assert json.loads((broken / "config.json").read_text())["epochs"] == 3
    (resumed,) = json.loads((broken / "run.json").read_text())["resumed"]
    assert resumed["step"] == 6
    assert [step for step, _ in values_of(broken, "train/loss")] == list(range(1, 13))
    assert main.main(["resume", str(broken), "epochs=4"]) == 0, "a complete run too"
    assert len(losses_of(broken)) == 16


def test_precision_layout_and_threads_are_those_that_the_run_had_found(workplace, no_figures, monkeypatch):
    """Another machine, or this one at another moment, might choose others."""
    open_choices = {"precision": "auto", "channels_last": "auto", "threads": "auto"}
    broken = interrupted_run(monkeypatch, "found", 3, **LONG | open_choices)
    before = json.loads((broken / "config.json").read_text())
    assert not {"auto"} & {before[key] for key in open_choices}
    monkeypatch.setattr("training.execution.precision.choose", lambda *arguments: pytest.fail("measured again"))
    monkeypatch.setattr("training.execution.device.usable_cores", lambda: before["threads"] + 5)
    assert main.main(["resume", str(broken)]) == 0
    assert json.loads((broken / "config.json").read_text()) == before
    assert {key: load(broken / "last.pt")["config"][key] for key in open_choices} == {
        key: before[key] for key in open_choices
    }


def refused(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main.main(["resume", *arguments]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_a_config_that_contradicts_the_checkpoint_names_the_keys(broken, capsys):
    message = refused(capsys, str(broken), "learning_rate=0.1", "margin=0.7", "epochs=5")
    assert "'learning_rate' is 0.1, and was 0.0002" in message
    assert "'margin'" in message
    assert "'epochs'" not in message


def test_a_complete_run_says_how_to_make_it_longer(broken, capsys):
    for _ in range(2):
        assert main.main(["resume", str(broken)]) == 0, "so that a script may call it until all is done"
    assert f"python main.py resume {broken} epochs=4" in capsys.readouterr().out
    assert len(json.loads((broken / "run.json").read_text())["resumed"]) == 1


@pytest.mark.parametrize(
    ("step", "asked", "told"),
    [
        (12, 3, "3 epochs are done, 3 were asked for"), (12, 1, "3 epochs are done, 1 was asked for"),
        (4, 1, "1 epoch is done, 1 was asked for"), (11, 1, "2 epochs are done, 1 was asked for"),
    ],
)  # fmt: skip
def test_a_complete_run_says_how_many_epochs_are_done(step, asked, told):
    config = validate(small_config(epochs=asked, iterations=4, maps=MAPS))
    run = Run(Path("results/my run"), config, {"step": step, "evaluating": []}, False, Lock(None, False))
    assert run.is_complete
    epochs = 2 * (step // 4)
    assert run.describe_end() == (
        f"results/my run is complete: {told}. To train longer: python main.py resume 'results/my run' epochs={epochs}"
    )


def test_fewer_epochs_than_done_change_nothing(broken, capsys):
    assert main.main(["resume", str(broken)]) == 0
    config = (broken / "config.json").read_bytes()
    assert main.main(["resume", str(broken), "epochs=1"]) == 0
    assert "2 epochs are done, 1 was asked for" in capsys.readouterr().out
    assert (broken / "config.json").read_bytes() == config


def test_no_run_names_those_there_are(broken, capsys):
    message = refused(capsys, "results/nosuch")
    assert "results/nosuch" in message
    assert str(broken) in message


def test_a_run_that_is_being_made_is_left_alone(broken, capsys):
    lock = Lock.acquire(broken)
    assert "another process" in refused(capsys, str(broken))
    lock.release()


def test_truncated_checkpoints_are_refused_whatever_their_length(broken, capsys):
    whole = (broken / "last.pt").read_bytes()
    for part in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (broken / "last.pt").write_bytes(whole[:part])
        message = refused(capsys, str(broken))
        assert "last.pt: damaged" in message
        assert "best.pt" in message
    shutil.copy(broken / "best.pt", broken / "last.pt")  # what the message says to do
    assert main.main(["resume", str(broken)]) == 0


def test_a_damaged_byte_of_a_checkpoint_is_found(broken, capsys):
    content = bytearray((broken / "last.pt").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (broken / "last.pt").write_bytes(content)
    assert "last.pt" in refused(capsys, str(broken))


def test_a_run_of_a_gpu_goes_on_on_a_cpu(broken):
    content = load(broken / "last.pt")
    content["optimizer"]["param_groups"][0]["fused"] = True
    save(broken / "last.pt", {key: value for key, value in content.items() if key != "format"})
    assert main.main(["resume", str(broken), "device=cpu"]) == 0
    assert load(broken / "last.pt")["optimizer"]["param_groups"][0]["fused"] is None


def test_a_checkpoint_of_another_network_is_refused(broken, capsys):
    content = load(broken / "last.pt")
    content["network"].pop("head.weight")
    save(broken / "last.pt", content)
    assert "another network" in refused(capsys, str(broken))


def test_a_pickled_object_is_not_loaded(broken, capsys):
    torch.save({"format": 1, "network": Path("x")}, broken / "last.pt")
    assert "damaged, or no checkpoint" in refused(capsys, str(broken))


def test_another_map_under_the_same_name_is_refused(broken, capsys):
    content = load(broken / "last.pt")
    content["maps"]["image"]["content"] = "that of another"
    save(broken / "last.pt", content)
    assert "is not the map that the run was started with (image.tif): other pixels." in refused(capsys, str(broken))


@pytest.fixture
def moved(tmp_path) -> dict[str, Path]:
    """Copies of the two maps in another folder, whose name has a blank."""
    folder = tmp_path / "other disk"
    folder.mkdir()
    return {name: Path(shutil.copy2(f"{name}.tif", folder)) for name in ("image", "labels")}


def with_places(moved: dict[str, Path]) -> list[str]:
    return [f"maps.image={moved['image']}", f"maps.labels.fields={moved['labels']}"]


def test_a_run_goes_on_after_its_maps_were_moved(reference, broken, moved):
    prepared = set(Path("data/cache").iterdir())
    assert main.main(["resume", str(broken), *with_places(moved)]) == 0
    assert losses_of(broken) == losses_of(reference), "bit for bit"
    assert (broken / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()
    assert set(Path("data/cache").iterdir()) == prepared, "the prepared maps are found"
    assert json.loads((broken / "config.json").read_text())["maps"]["image"] == str(moved["image"])
    assert json.loads((broken / "run.json").read_text())["maps"]["image"]["path"] == str(moved["image"])
    assert main.main(["resume", str(broken), "epochs=3"]) == 0, "the new places are kept"


def test_a_map_that_was_stored_anew_is_known_by_its_pixels(broken, moved):
    with rasterio.open("image.tif") as file:
        pixels, profile = file.read(), file.profile
    with rasterio.open(moved["image"], "w", **profile | {"compress": "deflate"}) as file:
        file.write(pixels)
    assert main.main(["resume", str(broken), *with_places(moved)]) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda pixels, profile: (pixels[:, ::-1], profile), "other pixels"),
        (lambda pixels, profile: (pixels[..., :-8], profile | {"width": 376}), "size [376, 384] instead of [384, 384]"),
        (lambda pixels, profile: (pixels, profile | {"transform": from_origin(5e5, 5.5e6, 11, 11)}), "transform"),
        (lambda pixels, profile: (pixels, profile | {"crs": "EPSG:32633"}), "CRS EPSG:32633 instead of EPSG:32632"),
        (lambda pixels, profile: (pixels.astype("uint16"), profile | {"dtype": "uint16"}), "type uint16 instead of"),
    ],
)
def test_another_map_at_another_place_is_refused(broken, moved, capsys, change, told):
    config, last = ((broken / name).read_bytes() for name in ("config.json", "last.pt"))
    with rasterio.open("image.tif") as file:
        pixels, profile = change(file.read(), file.profile)
    with rasterio.open(moved["image"], "w", **profile) as file:
        file.write(pixels)
    if "crs" in profile and profile["crs"] == "EPSG:32633":  # the labels must lie there too
        with rasterio.open(moved["labels"], "r+") as file:
            file.crs = profile["crs"]
    message = refused(capsys, str(broken), *with_places(moved))
    assert f"{moved['image']} is not the map that the run was started with (image.tif): " in message and told in message
    assert (config, last) == tuple((broken / name).read_bytes() for name in ("config.json", "last.pt"))


def test_a_run_of_an_earlier_revision_says_that_pixels_were_not_compared(broken, moved, caplog, capsys):
    content = load(broken / "last.pt")
    for about in content["maps"].values():
        for key in ("content", "size", "transform", "type"):
            del about[key]
    save(broken / "last.pt", content)
    assert main.main(["resume", str(broken), *with_places(moved)]) == 0
    assert f"{moved['image']} takes the place of image.tif. Its pixels could not be compared" in caplog.text
    save(broken / "last.pt", content)
    with moved["image"].open("ab") as file:
        file.write(b"more")
    assert "bytes instead of" in refused(capsys, str(broken), *with_places(moved))


def test_all_of_a_map_but_its_path_must_be_as_before(broken, capsys):
    labels = 'maps.labels.fields={"path": "labels.tif", "band": 2}'
    message = refused(capsys, str(broken), labels, "maps.bands=[1]")
    assert "'maps.labels.fields.band' is 2, and was None" in message and "'maps.bands' is (1,), and was None" in message
    assert "and the paths of maps may change" in message


@pytest.mark.parametrize("maps", ["demo", "germany"])
def test_maps_at_fixed_places_have_no_paths_to_change(broken, capsys, maps):
    config = json.loads((broken / "config.json").read_text()) | {"maps": maps, "validation_map": "osm"}
    (broken / "config.json").write_text(json.dumps(config))
    message = refused(capsys, str(broken), "maps.image=other.tif")
    assert f"'maps.image' cannot be set, because 'maps' is \"{maps}\"" in message and "data/" in message


def test_checkpoints_are_written_in_time(workplace, no_figures, monkeypatch):
    written = []
    whole = Saver.save
    monkeypatch.setattr(Saver, "save", lambda saver: (written.append(saver.state.steps_done), whole(saver))[1])
    run_in_process("in-time", checkpoint_minutes=1e-6, **LONG)
    assert written == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8], "after every step, and at the end of the run once more"
    written.clear()
    run_in_process("seldom", checkpoint_minutes=60, evaluate_every=2, **LONG)
    assert written == [0, 4, 8, 8], "after every epoch"


def test_best_is_the_best_and_not_the_latest(workplace, no_figures, monkeypatch):
    values = iter([0.1, 0.5, 0.9, 0.4, 0.8])
    monkeypatch.setattr("training.scoring.schedule.objective", lambda scores, tag: next(values))
    folder = run_in_process("best", **LONG | {"epochs": 4})
    assert load(folder / "best.pt")["step"] == 8
    assert load(folder / "last.pt")["step"] == 16


def test_state_of_random_generators_is_kept(workplace, no_figures, monkeypatch):
    """For networks with dropout: what torch itself draws goes on too."""
    drawn = {}
    whole = Trainer._train_step

    def drawing(trainer, batch, waited):
        drawn.setdefault(trainer.faults.folder.name, []).append(float(torch.rand(())))
        return whole(trainer, batch, waited)

    monkeypatch.setattr(Trainer, "_train_step", drawing)
    torch.manual_seed(5)
    run_in_process("drawn", **LONG)
    torch.manual_seed(6)  # of no effect: the run has a seed of its own
    broken = interrupted_run(monkeypatch, "drawn-broken", 3, **LONG)
    torch.manual_seed(99)
    assert main.main(["resume", str(broken)]) == 0
    assert drawn["drawn-broken"] == drawn["drawn"]
    assert np.std(drawn["drawn"]) > 0
