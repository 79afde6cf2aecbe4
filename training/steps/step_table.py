"""The table of training steps: which class of step trains which loss."""

from collections.abc import Callable

from config import Config
from config.library import LIBRARY_LOSSES, LOSSES_WITH_MINERS
from dataProcessors.sampling.share import WHOLE, Share
from training.steps.cluster_step import ClassClusterStep, ClusterStep
from training.steps.mined_step import MinedStep
from training.steps.pair_step import PairStep
from training.steps.soft_contrast_step import SoftContrastStep
from training.steps.step import Step, TileMaps
from training.steps.tuple_step import TupleStep

StepFactory = Callable[[Config, TileMaps], Step]

BOTH = (False, True)
# (loss, supervised) -> class of the step; MINED_STEPS are used if the config names a miner of the library
STEPS: dict[tuple[str, bool], StepFactory] = {
    ("tripletloss", False): TupleStep,
    ("tripletloss", True): TupleStep,
    ("quadrupletloss", False): TupleStep,
    ("quadrupletloss", True): TupleStep,
    ("magnetloss", False): ClusterStep,
    ("magnetloss", True): ClassClusterStep,
    **{("vicregloss", supervised): PairStep for supervised in BOTH},
    ("softcontrastloss", True): SoftContrastStep,
    **{(name, supervised): MinedStep for name in LIBRARY_LOSSES for supervised in BOTH},
}
MINED_STEPS: dict[tuple[str, bool], StepFactory] = {
    (name, supervised): MinedStep for name in LOSSES_WITH_MINERS for supervised in BOTH
}


def make_step(config: Config, maps: TileMaps, share: Share = WHOLE) -> Step:
    """Return the training step of a run.

    Args:
        config: config of the run
        maps: the maps that its tiles are read from
        share: the part of each batch that this process reads
    """
    steps = MINED_STEPS if config.library_miners else STEPS
    step = steps[config.loss_name, config.supervised](config, maps)
    step.batches.share = share
    return step
