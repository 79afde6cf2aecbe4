"""Land cover of a whole map: a simple model predicts every window of an embedded map, and the windows are blended."""

import dataclasses
import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dataProcessors.maps import OpenMaps
from evaluation.scores import Score
from inference.core.embedded_map import EmbeddedMap
from inference.core.matching_maps import check_belongs
from inference.core.trained_run import TrainedRun
from inference.files.raster_file import OVERVIEWS_SHARE, bytes_needed, write_side_file
from inference.land_cover.class_codes import ClassCodes, class_codes
from inference.land_cover.files import LandCoverFiles
from inference.land_cover.layers import PERCENT_NODATA, class_layers, proportion_layers, write_layers
from inference.land_cover.reserved_scores import NotScored, ReservedCells
from inference.land_cover.simple_model import SimpleModel, check_can_classify, fit_simple_model, open_maps_to_fit
from storage import check_space, staged, write_text

log = logging.getLogger(__name__)
LEAST_SHARE = 1 / 16  # of the bytes of a raster is left when it is compressed, at most, if cells are large


@dataclass(frozen=True)
class Classified:
    """What `classify` has written.

    Attributes:
        model: name of the simple model
        files: where it lies
        scores: in the reserved cells of the run; []: none, and `not_scored` says why
        not_scored: why there are no scores; "": there are
        codes: how the classes stand in the map
        maps: the run's own maps
        is_own: whether the map that is classified is one of them, on its grid
    """

    model: str
    files: LandCoverFiles
    scores: list[Score]
    not_scored: str
    codes: ClassCodes
    maps: OpenMaps
    is_own: bool


def classify(
    run: TrainedRun,
    embedded: EmbeddedMap,
    model: str,
    output: Path,
    proportions: bool = False,
    replace: bool = False,
    finish: Callable[[Classified], None] = lambda classified: None,
) -> Classified:
    """Predict the land cover of every pixel of an embedded map, and write it as GeoTIFF.

    The model is fitted on the tiles that the run's evaluation fits on. Where windows overlap, what it says of them is
    averaged. Pixels without data by the image's own mask, and those that no window with enough data covers, are nodata.

    Args:
        run: the network, opened with the map that is embedded
        embedded: the embedded map
        model: name of a simple model
        output: OUT.tif; OUT.json is written beside it and, for classes, OUT-confidence.tif and OUT.tif.aux.xml
        proportions: write the proportion of each class, in percent, instead of the class
        replace: whether files that exist are replaced
        finish: called when all is written, but not in its place yet; what it writes beside the map gets there with it
    Raises:
        UserError: there is no such model, an output exists, the run has no label map, one of its maps is missing, or
            the embedded map is of another network or another image
        StorageError: the disk is too small, or refuses a write
    """
    check_can_classify(run, model)
    files = LandCoverFiles(output, proportions)
    files.check(replace)
    check_belongs(run, embedded, run.open_image())
    maps = open_maps_to_fit(run, proportions)
    with staged(files.map, first=files.table) as folder:
        classified = _write(run, embedded, maps, model, files.in_folder(folder))
        finish(classified)
        if proportions:
            files.names.unlink(missing_ok=True)  # of the classes in an earlier file of this name
    return dataclasses.replace(classified, files=files)


def _write(run: TrainedRun, embedded: EmbeddedMap, maps: OpenMaps, model: str, files: LandCoverFiles) -> Classified:
    """Write the files of a land-cover map, and return what they hold. maps: the run's own; model: its name."""
    image, codes = run.open_image(), class_codes(maps.labels.legend)
    layers = (proportion_layers if files.proportions else class_layers)(files, codes, embedded.tiles.stride)
    share = OVERVIEWS_SHARE * max(LEAST_SHARE, 1 / embedded.tiles.stride)
    check_space(files.map, bytes_needed([layer.file for layer in layers], image.window, share))
    fitted = fit_simple_model(run, maps, model, files.proportions)
    is_own = run.own.shown_by(image) is not None and image.grid.has_same_pixels(maps.image.grid)
    scores, reason = _scores(embedded, maps if is_own else None, fitted, files.proportions)
    write_layers(embedded, fitted, image, layers)
    classified = Classified(model, files, scores, reason, codes, maps, is_own)
    table = _table(classified, embedded, fitted)
    write_text(files.table, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    if not files.proportions:
        write_side_file(files.map, codes.side_file())
    return classified


def _scores(
    embedded: EmbeddedMap, maps: OpenMaps | None, model: SimpleModel, proportions: bool
) -> tuple[list[Score], str]:
    """Return the scores, and why there are none. maps: of the run; None: the embedded map is none of them."""
    try:
        if maps is None:
            raise NotScored("the embedded map is not the one that the run's reserved cells lie on")
        cells = ReservedCells(embedded, maps)
        if proportions:
            return cells.proportion_scores(embedded, model), ""
        return cells.class_scores(embedded, model, maps.config.seed), ""
    except NotScored as error:
        log.warning("not scored: %s", error)
        return [], str(error)


def _table(classified: Classified, embedded: EmbeddedMap, model: SimpleModel) -> dict:
    codes, proportions = classified.codes, classified.files.proportions
    legend = codes.legend
    classes = [
        {"name": name, "color": list(colour)} | ({"band": number} if proportions else {"value": code})
        for number, (name, colour, code) in enumerate(zip(legend.names, legend.colors, codes.codes), 1)
    ]
    return {
        "file": classified.files.map.name,
        "model": model.name,
        "fitted_on": model.tiles,
        "stride": embedded.tiles.stride,
        "embedded": str(embedded.folder),
        "network": embedded.about["network"],
        "map": embedded.about["map"]["path"],
        "label_map": legend.name,
        "nodata": PERCENT_NODATA if proportions else codes.nodata,
        "classes": classes,
        "scores": [_finite(score._asdict()) for score in classified.scores],
        "not_scored": classified.not_scored or None,
    }


def _finite(score: dict) -> dict:
    return {key: None if isinstance(each, float) and math.isnan(each) else each for key, each in score.items()}
