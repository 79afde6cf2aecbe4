"""Assemble a run: maps, network, training, evaluation and reports."""

import json
import logging
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from config import Config, ConfigError, UserError, check_together
from dataProcessors.maps import OpenMaps, open_maps
from dataProcessors.named_maps import check_map_files
from dataProcessors.statistics import Scaling, normalisation, sample_tiles, standardisation
from networks import Architecture, Embedder, HeadInputs, Normalise, build, check, local_statistics
from reporting.map_view import MapView, show_map, shown_bands
from reporting.report import write_report
from reporting.reporter import Reporter
from reporting.verdict_file import read_verdict
from storage import check_writable
from training.execution.device import Execution, resolve_device, resolve_threads
from training.execution.precision import TRIAL_TILES, resolve
from training.execution.processes import ALONE, Processes
from training.execution.tile_batches import in_batches
from training.followers import EvaluationElsewhere, NoCheckpoints, NoReports, QuietProgress
from training.forward import ForwardPass
from training.progress import Progress
from training.runs.checkpoint import Checkpoints
from training.runs.compatibility import check_maps, config_as_dict
from training.runs.folder import RESULTS
from training.runs.interruption import Interruption
from training.runs.resuming import Run, start_run
from training.scoring.evaluator import Evaluator
from training.scoring.snapshot_scorer import SnapshotScorer
from training.scoring.yardsticks import open_rasters, yardsticks
from training.steps.step import Step
from training.steps.step_table import make_step
from training.trainer import Trainer

log = logging.getLogger(__name__)


def run_training(
    config: Config, interruption: Interruption, resumed: Run | None = None, processes: Processes = ALONE
) -> tuple[Path, Path | None]:
    """Train and evaluate in a new folder, or in the folder of the resumed run, in one process or in several.

    Return the folder and the report, which only the first process writes.
    """
    checkpoint = resumed.checkpoint if resumed else None
    weights = False if checkpoint else config.pretrained  # the checkpoint contains all weights
    is_scored = resumed is not None and resumed.scored_step >= 0  # then the yardsticks are scored too
    needs_yardsticks = not is_scored and config.validation_map is not None and processes.is_first
    check_before_start(config, weights, processes)
    if needs_yardsticks:
        open_rasters(config)  # errors now, not after the maps are prepared
    threads = resolve_threads(config, processes)
    with processes.first_of_host_first():  # it prepares what the others then find
        maps = open_maps(config, threads)
        fingerprints, pools = maps.fingerprints(), maps.pools
    check_equal_maps(fingerprints, processes)
    if resumed:
        resumed.begin(fingerprints)
    elif processes.is_first:
        maps.check_scored_tiles()
    step = make_step(config, maps, processes.share)
    scaling = normalisation(maps.images, config.image_size, maps.area)
    network = make_network(config, maps, scaling, weights)
    execution = resolve(config, network, maps.read(pools["fit"].positions[:TRIAL_TILES]), processes=processes)
    config = config.model_copy(update=execution.resolved())
    join_batch_norm(network, execution, processes)
    with nullcontext(resumed) if resumed else start_run(config, fingerprints, processes) as run:
        forward = ForwardPass(config, network, execution, maps, processes)
        checkpoints = make_checkpoints(config, fingerprints, run)
        if not processes.is_first:
            follow(config, maps, step, forward, checkpoints, interruption, checkpoint)
            return run.folder, None
        reporter = make_reporter(config, maps, run)
        jobs = execution.threads * (processes.local_number if execution.device.type == "cpu" else 1)  # others wait
        evaluator = Evaluator(config, maps, yardsticks(config, maps) if needs_yardsticks else {}, jobs)
        scorer = make_scorer(config, evaluator, reporter, execution, interruption)
        progress = Progress(config, maps, reporter)
        Trainer(config, step, forward, progress, scorer, checkpoints, interruption).run(checkpoint)
        page = write_report(run.folder)
        reporter.log_verdict(config.epochs * config.iterations, read_verdict(run.folder))
        reporter.close()
        return run.folder, page


def follow(
    config: Config,
    maps: OpenMaps,
    step: Step,
    forward: ForwardPass,
    checkpoints: Checkpoints,
    interruption: Interruption,
    checkpoint: dict | None,
) -> None:
    """Train with the first process, which evaluates, reports and writes the files."""
    reporter, evaluator = NoReports(), Evaluator(config, maps, {}, 1)
    cores = background_cores(forward.execution)
    scorer = EvaluationElsewhere(evaluator, reporter, config.best_score, interruption, cores)
    progress = QuietProgress(config, maps, reporter)
    Trainer(config, step, forward, progress, scorer, checkpoints, interruption).run(checkpoint)


def check_before_start(config: Config, weights: bool | str, processes: Processes = ALONE) -> None:
    """Raise a UserError for all problems that can be found before any long work. weights: the initial ones."""
    check_together(
        lambda: check_division(config, processes.number),
        lambda: check_equal_devices(resolve_device(config.device, processes), processes),
        lambda: check_writable(RESULTS),
        lambda: check(config.network, config.image_size, weights, config.freeze),
        lambda: check_map_files(config),
    )


def check_division(config: Config, processes: int) -> None:
    """Raise a ConfigError if the processes cannot get equal shares of a batch, or less than batch norm needs."""
    clusters = config.magnet_clusters if config.loss_name == "magnetloss" else 1
    what = f"'magnet_clusters' x 'batch_size' ({clusters} x {config.batch_size})" if clusters > 1 else "'batch_size'"
    if clusters * config.batch_size % processes:
        raise ConfigError(
            f"{what} must be a multiple of the number of processes, {processes}, among which the tiles of a step are "
            f"divided. Got {clusters * config.batch_size}."
        )
    if clusters > 1 and clusters * config.batch_size == processes > 1:  # each anchor of another loss has more tiles
        raise ConfigError(f"{what} must give each of the {processes} processes two tiles at least: choose larger ones.")


def check_equal_devices(device: torch.device, processes: Processes) -> None:
    """Raise a UserError if this process has another kind of device than the first one.

    They would choose and wait differently: on a GPU networks are evaluated beside the training, and on a CPU by all.
    """
    first = processes.broadcast(lambda: device.type)
    if device.type != first:
        raise UserError(
            f"This process would train on {device.type}, and the first one on {first}: all need one kind of device. "
            "Set 'device' to \"cpu\", or use machines with GPUs alone."
        )


def check_equal_maps(fingerprints: dict[str, dict], processes: Processes) -> None:
    """Raise a UserError if the maps of this process are others than those of the first one."""
    if processes.are_many:
        content = processes.broadcast(lambda: json.dumps(fingerprints))
        check_maps(Path(processes.host), json.loads(json.dumps(fingerprints)), {"maps": json.loads(content)})


def join_batch_norm(network: Embedder, execution: Execution, processes: Processes) -> None:
    """Have batch norm take its statistics from the tiles of all processes; on CPUs, log a warning: it cannot."""
    if not processes.are_many:
        return
    if execution.device.type == "cuda":
        network.synchronise_batch_norm()
    elif local_statistics(network):
        log.warning(
            "On CPUs, batch norm takes its statistics from the tiles of one process: a run in %d processes differs "
            "from a run in one. Networks with layer norm do not.", processes.number,
        )  # fmt: skip


def make_network(config: Config, maps: OpenMaps, scaling: Scaling, weights: bool | str = False) -> Embedder:
    """Return the network with its initial weights (see `networks.build`); its input is the map's raw pixel values."""
    architecture, inputs = Architecture.of(config, len(maps.image.bands)), make_head_inputs(config, maps)
    return build(architecture, Normalise(*scaling), config.seed, weights, inputs)


def make_head_inputs(config: Config, maps: OpenMaps) -> HeadInputs | None:
    """Return the further inputs of the network's head, fitted to tiles of the map; None: there are none."""
    if not config.head_inputs:
        return None
    scaling = standardisation(maps.images, config.image_size, maps.area)
    inputs = HeadInputs(config.head_inputs, *scaling, config.minimum_noise_fraction)
    inputs.fit(torch.from_numpy(sample_tiles(maps.images, config.image_size, area=maps.area)))
    return fit_axes(inputs, maps) if inputs.num_pairs else inputs


def fit_axes(inputs: HeadInputs, maps: OpenMaps) -> HeadInputs:
    """Fit the axes of the head's further inputs to pairs of near tiles."""
    log.info("Minimum noise fraction of the head's inputs, from %s pairs of near tiles.", f"{inputs.num_pairs:,}")
    near = np.concatenate(maps.near_tiles(inputs.num_pairs))  # (2 pairs, 2 or 3)
    batches = (torch.from_numpy(maps.read(batch)) for batch in in_batches(near, maps.area.size))
    return inputs.fit_axes(*torch.cat([inputs.of_sample(tiles) for tiles in batches]).chunk(2))


def make_scorer(
    config: Config, evaluator: Evaluator, reporter: Reporter, execution: Execution, interruption: Interruption
) -> SnapshotScorer:
    """Return what evaluates the networks of a run."""
    cores = background_cores(execution)
    return SnapshotScorer(evaluator, reporter, config.best_score, interruption, background_cores=cores)


def background_cores(execution: Execution) -> int:
    """Return the cores of a thread that evaluates while a GPU trains; 0: evaluate between epochs, as on a CPU."""
    return execution.threads if execution.device.type != "cpu" else 0


def make_checkpoints(config: Config, fingerprints: dict[str, dict], run: Run) -> Checkpoints:
    """Return the checkpoints of a run, which only the first process writes."""
    metadata = {"config": config_as_dict(config), "maps": fingerprints, "processes": run.processes.number}
    kind = Checkpoints if run.processes.is_first else NoCheckpoints
    return kind(run.folder, config.checkpoint_minutes, metadata)


def make_reporter(config: Config, maps: OpenMaps, run: Run) -> Reporter:
    """Return the reporter of the run: console, metrics.csv, TensorBoard, figures. It continues an earlier report."""
    display, overview = show_map(maps.image, config.image_size)
    if shown := shown_bands(maps.image):
        log.info(shown)
    source = maps.image.source
    view = MapView(
        maps.labels.legend, display, overview, config.image_size, maps.area.reserved_cells(), source.grid.lonlat,
        source.synthetic, source.grid.crs, source.grid.transform, next(iter(maps.images.readers)),
    )  # fmt: skip
    reporter = Reporter(run.folder, view, config.seed)
    if not run.is_new:
        reporter.resume(run.step, run.scored_step)
    reporter.log_config(config)
    return reporter
