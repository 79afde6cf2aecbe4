"""What evaluations after every epoch cost a run that does not wait for them

As on a machine with a GPU, on two cores: one trains a stand-in network in one thread, the other evaluates in a process
of its own. The published unsupervised config, scaled down so that it takes minutes: test_resnet and 12 clusters
of 12 tiles of 32 pixels, 100 epochs; after each of them rfc and knn in both tasks, five draws of tiles, are due. An
evaluation takes about as long as ten epochs, as the published one does on a machine with a GPU and 16 cores (2 to 3 s
an epoch, 27 s of 16 cores). Everything but the figures is as in a run: checkpoints, pictures of batches, TensorBoard.

Measured is the time from the start of the training until the scores of the last network are reported, with an
evaluation due after every epoch and with one after the last; the untrained network is evaluated at the start of both,
without yardsticks. The two ways are measured in turn.
"""

import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO

import torch
from threadpoolctl import threadpool_limits

from assembly import make_checkpoints, make_network, make_reporter
from benchmarks.maps import benchmark_maps
from benchmarks.measure import Row, Setting, Timing, at_most, in_turn
from benchmarks.runs import open_run
from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.statistics import normalisation
from training.execution.precision import TRIAL_TILES, resolve
from training.forward import ForwardPass
from training.progress import Progress
from training.runs.folder import lock_folder
from training.runs.interruption import Interruption
from training.runs.resuming import Run
from training.scoring.evaluator import Evaluator
from training.scoring.snapshot_scorer import SnapshotScorer
from training.steps.step_table import make_step
from training.trainer import Trainer

SIDE, MAX_ROUNDS = 8_000, 1  # pixels of the map; a round takes four minutes
ITERATIONS, TILES = 15, 300  # of an epoch of a second or so; fitted in an evaluation of ten seconds or so


def measure(setting: Setting) -> list[Row]:
    """Measure seconds of both ways, their ratio, and how many networks were evaluated."""
    config, maps = open_run(
        setting, benchmark_maps(setting.folder, setting.number(SIDE, 2_500)), network="test_resnet", image_size=32,
        loss="magnetloss", batch_size=12, random_reset=0.0, single_class_classifiers=["knn", "rfc"],
        multi_class_classifiers=["knn", "rfc"], validation_nb=setting.number(TILES, 60), threads=1, precision="fp32",
        valIteration=setting.number(5, 1), epochs=setting.number(100, 3), iterations=setting.number(ITERATIONS, 2),
    )  # fmt: skip
    ways = {"every epoch": 1, "one at the end": config.epochs}
    evaluated: dict[str, tuple[int, float]] = {}

    def run(way: str) -> Callable[[], None]:
        def trained() -> None:
            evaluated[way] = train(setting, config.model_copy(update={"evaluate_every": ways[way]}), maps)

        return trained

    every, once = in_turn({way: run(way) for way in ways}, min(setting.rounds, MAX_ROUNDS), warm=False).values()
    ratio = once.times(every)
    number, seconds = evaluated["every epoch"]
    return [
        Row("100 epochs, an evaluation due after each", every.duration()),
        Row("100 epochs, one evaluation at the end", once.duration()),
        Row("of it the last evaluation", Timing((evaluated["one at the end"][1],)).duration()),
        Row(f"evaluated, of {config.epochs + 1} networks", f"{number}, {seconds:.1f} s each"),
        at_most("the first over the second", str(ratio), ratio.median, 1.1, "x"),
    ]


def train(setting: Setting, config: Config, maps: OpenMaps) -> tuple[int, float]:
    """Train a run from its start until its last scores are reported, as `assembly.run_training` does.

    Return how many networks were evaluated, and the seconds that the last one took.
    """
    folder = setting.folder / "background"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.set_num_threads(1)
    network = make_network(config, maps, normalisation(maps.image, config.image_size, maps.area))
    execution = resolve(config, network, maps.read(maps.pools["fit"].positions[:TRIAL_TILES]))
    with redirect_stdout(StringIO()), threadpool_limits(1), Run(folder, config, None, True, lock_folder(folder)) as run:
        reporter, scored = make_reporter(config, maps, run), []
        log_scores = reporter.log_scores
        reporter.log_scores = lambda step, evaluations: (log_scores(step, evaluations), scored.append(step))
        reporter.log_figures = lambda *arguments: None  # they come after the last scores
        evaluator, interruption = Evaluator(config, maps, {}, 1), Interruption()
        scorer = SnapshotScorer(evaluator, reporter, config.best_score, interruption, background_cores=1)
        forward = ForwardPass(config, network, execution, maps)
        progress = Progress(config.model_copy(update={"device": "cuda"}), maps, reporter)  # as where a GPU trains
        checkpoints = make_checkpoints(config, maps.fingerprints(), run)
        Trainer(config, make_step(config, maps), forward, progress, scorer, checkpoints, interruption).run()
        reporter.close()
    shutil.rmtree(folder)
    return len(scored), scorer.evaluating_seconds
