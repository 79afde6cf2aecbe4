"""Puts a run together: maps, network, training, evaluation, and what shows them."""

from pathlib import Path

from config import Config
from dataProcessors.maps import OpenMaps, open_maps
from dataProcessors.sampling.pool import Pool
from dataProcessors.statistics import normalisation, sample_tiles
from networks import Embedder, Normalise, build, check
from reporting.display import Display
from reporting.figures import Overview
from reporting.report import write_report
from reporting.reporter import Reporter
from reporting.view import MapView
from storage import check_writable
from training.execution.device import Execution, resolve_device, resolve_threads
from training.execution.precision import TRIAL_TILES, resolve
from training.runs.checkpoint import check_maps
from training.runs.folder import RESULTS
from training.runs.interruption import Interruption
from training.runs.resuming import Run, start_run
from training.scoring.evaluator import Evaluator, Scaling
from training.scoring.schedule import Scorer
from training.scoring.segmenter import Segmenter
from training.steps.step_table import make_step
from training.trainer import Trainer


def complete_run(config: Config, interruption: Interruption, opened: Run | None = None) -> tuple[Path, Path]:
    """Train and evaluate, in a new folder or, where a run is `opened`, on in its own. Gives folder and report."""
    weights = False if opened and opened.checkpoint else config.pretrained  # a checkpoint has all of them
    check_first(config, weights)
    threads = resolve_threads(config)
    maps = open_maps(config, threads)
    if opened and opened.checkpoint:
        check_maps(opened.folder, maps.fingerprints(), opened.checkpoint)
    if not opened:
        maps.require_scored_tiles(config)
    pools = maps.pools(config)
    step = make_step(config, maps.sampler(config, pools), maps.read, pools)
    scaling = normalisation(maps.image, config.image_size)
    network = make_network(config, maps, scaling, weights)
    execution = resolve(config, network, maps.read(pools["fit"].positions[:TRIAL_TILES]))
    config = config.model_copy(update=execution.resolved())
    with opened or start_run(config, maps.fingerprints()) as run:
        reporter = make_reporter(config, maps, run)
        scorer = make_scorer(config, maps, scaling, pools, execution, reporter, interruption)
        trainer = Trainer(config, network, step, scorer, execution, maps, reporter, run.folder, interruption)
        trainer.run(run.checkpoint)
        reporter.close()
        return run.folder, write_report(run.folder)


def check_first(config: Config, weights: bool | str) -> None:
    """Raise a UserError for what can be told before anything that takes long. weights: to begin with."""
    resolve_device(config.device)
    check_writable(RESULTS)
    check(config.network, config.image_size, weights, config.freeze)


def make_network(config: Config, maps: OpenMaps, scaling: Scaling, weights: bool | str = False) -> Embedder:
    """The network with its initial weights (see `networks.build`), which takes the map's own pixel values."""
    return build(
        config.network, len(maps.image.bands), config.image_size, config.output_size, config.norm_output,
        Normalise(*scaling, maps.image.fill), config.seed, weights, config.freeze,
    )  # fmt: skip


def make_scorer(
    config: Config, maps: OpenMaps, scaling: Scaling, pools: dict[str, Pool], execution: Execution,
    reporter: Reporter, interruption: Interruption,
) -> Scorer:  # fmt: skip
    """What evaluates the network: beside the training where that has a device of its own, in between on a CPU."""
    segmenter = Segmenter(config, maps) if config.segmentation else None
    evaluator = Evaluator(config, maps.image, scaling, pools["fit"], pools["score"], execution.threads, segmenter)
    cores = execution.threads if execution.device.type != "cpu" else 0
    return Scorer(evaluator, reporter, maps.image, config.best_metric, interruption, beside=cores)


def make_reporter(config: Config, maps: OpenMaps, run: Run) -> Reporter:
    """What shows the run: console, metrics.csv, TensorBoard, figures; it goes on after what is shown already."""
    display = Display.of(sample_tiles(maps.image, config.image_size), maps.image.fill)
    pixels, step, corner = maps.image.overview()
    overview = Overview(display.rgb(pixels[None])[0], step, corner)
    source = maps.image.source
    view = MapView(
        maps.labels.legend, display, overview, config.image_size, maps.area.cells(), source.grid.lonlat,
        source.synthetic, source.grid.crs, source.grid.transform,
    )  # fmt: skip
    reporter = Reporter(run.folder, view, config.seed)
    if not run.is_new:
        reporter.go_on(run.step, run.scored_step)
    reporter.begin(config)
    return reporter
