"""At most a tenth of an evaluation is neither the network's forward passes nor scikit-learn

An evaluation of a run on a CPU: 5,000 tiles of 96 pixels for fitting and 500 for scoring are read from the prepared map
and embedded by a resnext50, knn and rfc are fitted in both tasks, and every metric is computed; one draw, no figures. A
stopwatch around every call measures the time inside the network, and inside scikit-learn's fit and predict; the rest is
reading tiles, bringing them to the network, and metrics. Maps and pools are prepared before.

Every round draws other tiles, so that values that depend only on the draw (the scores at chance) are computed in every
round, as in the first evaluation of a run; later evaluations reuse them. There are at most three rounds, because each
takes minutes.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import config as configuration
from assembly import make_network
from benchmarks.maps import benchmark_maps
from benchmarks.measure import Row, Setting, Timing, at_most, format_number
from config import Config
from dataProcessors import maps as run_maps
from dataProcessors.maps import OpenMaps, open_maps
from dataProcessors.statistics import normalisation
from evaluation import predictions
from training.execution.device import resolve_threads
from training.execution.precision import TRIAL_TILES, resolve
from training.forward import ForwardPass
from training.scoring.evaluator import Evaluator
from training.scoring.yardsticks import yardsticks

MAX_ROUNDS = 3
WHOLE, FORWARD, MODELS = "evaluation", "of it forward passes", "of it scikit-learn's fit and predict"
READING, SCORING = "of it reading tiles", "of it metrics, and all else that is done with embeddings"


class Stopwatch:
    """Measures the seconds that watched functions take, by name."""

    def __init__(self):
        self.seconds: Counter[str] = Counter()

    def watch(self, name: str, function: Callable) -> Callable:
        """Return the function with a stopwatch, which counts its calls under a name."""

        def watched(*arguments):
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[name] += time.perf_counter() - started

        return watched


class Run(NamedTuple):
    """Everything that evaluations of a run need."""

    config: Config
    maps: OpenMaps
    forward: ForwardPass
    threads: int

    def evaluator(self, seed: int) -> Evaluator:
        """Return an evaluator that draws its tiles with this seed."""
        config = self.config.model_copy(update={"seed": seed})
        return Evaluator(config, self.maps, yardsticks(config, self.maps), self.threads)


def measure(setting: Setting) -> list[Row]:
    """Measure seconds of an evaluation and of its parts, and the share of the rest."""
    run = prepare_run(setting)
    run.forward.embed_positions(run.maps.pools["fit"].positions[:TRIAL_TILES])  # the first pass is slower
    rounds = time_rounds(run, min(setting.rounds, MAX_ROUNDS))
    rows = [Row(part, Timing(tuple(seconds[part] for seconds in rounds)).duration()) for part in rounds[0]]
    rest_share = Timing(tuple(100 * (1 - (seconds[FORWARD] + seconds[MODELS]) / seconds[WHOLE]) for seconds in rounds))
    least, most = min(rest_share.seconds), max(rest_share.seconds)
    measured = f"{format_number(rest_share.median)} % ({format_number(least)} to {format_number(most)})"
    return [*rows, at_most("share of neither the network nor scikit-learn", measured, rest_share.median, 10, "%")]


def prepare_run(setting: Setting) -> Run:
    """Prepare everything that a run needs before its first evaluation."""
    maps = benchmark_maps(setting.folder, setting.number(20_000, 2_000))
    run_maps.CACHE = setting.folder / "cache"
    config = configuration.validate({
        "network": "test_resnet" if setting.tiny else "resnext50", "loss": "tripletloss", "device": "cpu",
        "single_class_classifiers": ["knn", "rfc"], "multi_class_classifiers": ["knn", "rfc"], "valIteration": 1,
        "validation_nb": setting.number(5_000, 60), "validation_map": "osm",
        "maps": {"image": str(maps.image), "labels": {"osm": str(maps.labels)}, "legends": {"osm": "osm"}},
    })  # fmt: skip
    threads = resolve_threads(config)
    opened = open_maps(config, threads)
    scaling = normalisation(opened.image, config.image_size, opened.area)
    network = make_network(config, opened, scaling)
    execution = resolve(config, network, opened.read(opened.pools["fit"].positions[:TRIAL_TILES]))
    return Run(config, opened, ForwardPass(config, network, execution, opened), threads)


def time_rounds(run: Run, rounds: int) -> list[dict[str, float]]:
    """Return for each round the seconds of an evaluation and of its parts."""
    watch, network, image = Stopwatch(), run.forward.network, run.maps.image
    network.forward = watch.watch(FORWARD, network.forward)
    image.read = watch.watch(READING, image.read)
    predictions.fit_predict = watch.watch(MODELS, predictions.fit_predict)
    timings = []
    for seed in range(rounds):
        watch.seconds.clear()
        evaluator = run.evaluator(seed)
        features = watch.watch(WHOLE, evaluator.embed)("trained", run.forward.embed_positions)
        watch.watch(SCORING, watch.watch(WHOLE, evaluator.evaluate))(features)
        seconds = watch.seconds
        timings.append({part: seconds[part] for part in (WHOLE, FORWARD, MODELS, READING)})
        timings[-1][SCORING] = seconds[SCORING] - seconds[MODELS]
    return timings
