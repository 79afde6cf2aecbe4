"""Whether what was embedded is of a network and a map, and whether a map is like the one that it was trained on."""

import logging

from config import UserError
from dataProcessors.statistics import band_levels
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import EmbeddedMap
from inference.core.trained_run import TrainedRun

log = logging.getLogger(__name__)


def check_belongs(run: TrainedRun, embedded: EmbeddedMap, image: TiffReader) -> None:
    """Raise a UserError if an embedded map is not of this network, or not of the image map that the run is opened with.

    image: the map that the run is opened with
    """
    if embedded.about["network"]["sha256"] != run.digest:
        raise UserError(f"{embedded.folder}: another network than {run.checkpoint} made it. Run embed again.")
    then, now = embedded.about["map"], image.fingerprint()
    same_pixels = (then["content"], tuple(embedded.about["window"])) == (now["content"], tuple(image.window))
    if not same_pixels or not embedded.map_grid.has_same_pixels(image.grid):
        raise UserError(
            f"{embedded.folder} is the embedding of {then['path']}, not of {image.path} and the part of it in use. "
            "Give the same 'maps.image' and 'maps.rect' as when it was embedded, or run embed again."
        )


def warn_about_other_statistics(run: TrainedRun, image: TiffReader) -> None:
    """Log a warning where a map's bands have other means or deviations than those of the map that was trained on."""
    shown = run.own.shown_by(image)
    trained_on = shown or run.own.image_of(run.date)
    before = trained_on.get("statistics")
    if before is None:
        log.warning("%s: an earlier revision of the program trained it; its map's statistics are not known", run.folder)
        return
    if shown is not None and image.fingerprint()["content"] == shown.get("content"):  # also the same part
        return
    now = band_levels(image, run.config.image_size)
    for band, (mean, deviation) in enumerate(zip(now["mean"], now["deviation"])):
        mean_before, deviation_before = before["mean"][band], before["deviation"][band]
        unit = deviation_before or 1.0
        if abs(mean - mean_before) > unit or not 0.5 <= (deviation or unit) / unit <= 2:
            log.warning(
                "%s: band %d has mean %.4g and deviation %.4g; %s, which the network was trained on, has %.4g and "
                "%.4g. The embeddings may mean little there",
                image.path, band + 1, mean, deviation, trained_on["path"], mean_before, deviation_before,
            )  # fmt: skip
