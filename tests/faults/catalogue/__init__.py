"""All deliberate faults, in files by what they break."""

from catalogue import learning, maps, runs, samples, scores, training, whole_maps

FAULTS = (
    *runs.CONFIG, *maps.RASTERS, *maps.LEGENDS, *maps.PREPARED, *maps.READERS, *samples.SAMPLING, *samples.DEMO,
    *learning.NETWORKS, *learning.LOSSES, *learning.MINING, *scores.EVALUATION, *scores.REPORTING, *training.STEPS,
    *training.SCORING, *training.LOOP, *runs.RUNS, *runs.EXECUTION, *runs.AT_THE_TOP,
    *whole_maps.INFERENCE,
)  # fmt: skip
