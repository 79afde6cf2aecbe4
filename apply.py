"""Applies a trained network to whole maps: what the verbs embed, classify and search do."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from config import UserError
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader
from inference import embed
from inference.core.embedded_map import EmbeddedMap
from inference.core.tile_grid import TileGrid
from inference.core.trained_run import TrainedRun, dates_of_run, open_trained
from inference.embedding.points import embed_points
from inference.embedding.whole_map import find_embedded
from inference.files.outputs import check_new_file
from inference.land_cover.classifying import Classified, classify
from inference.land_cover.files import LandCoverFiles
from inference.land_cover.simple_model import check_can_classify, open_maps_to_fit
from inference.similar_places.files import check_new_folder
from inference.similar_places.searching import Query, query_tiles
from reporting.class_map import describe_classified, write_class_map_picture
from reporting.search_page import make_search
from training.execution.processes import ALONE, Processes

log = logging.getLogger(__name__)
FINER = 4  # times as many tiles along each axis


class EmbedOptions(NamedTuple):
    """How a map is embedded; see `inference.embed`."""

    stride: int | None = None
    float32: bool = False
    classes: bool = False


def embed_dates(
    path: Path, overrides: Sequence[str], date: str | None, output: Path | None, options: EmbedOptions,
    processes: Processes = ALONE,
) -> str:  # fmt: skip
    """Embed a map at one of its dates or, without one, at each, and return a sentence on what was written for each.

    Args:
        path, overrides: see `open_trained`
        date: of the map; None: all
        output: of the embeddings; the name of the date is added to it where the map is embedded at several
        options: how it is embedded
        processes: those that share the tiles of the map
    """
    dates = dates_of_run(path, overrides) if date is None else [date]
    sentences = []
    for each in dates:
        file = output.with_stem(f"{output.stem}-{each}") if output is not None and len(dates) > 1 else output
        embedded = embed(
            path, output=file, overrides=overrides, date=each or None, processes=processes, **options._asdict()
        )
        sentences.append(_describe_embedded(embedded, each, file))
    return "\n".join(sentences)


def _describe_embedded(embedded: EmbeddedMap, date: str, output: Path | None) -> str:
    of_date = f"{date}: " if date else ""
    count = f"{of_date}{embedded.about['with_data']:,} of {len(embedded.tiles):,} tiles have an embedding"
    return f"{count}, {embedded.dimensions} numbers each. They are in {output or embedded.folder}"


def check_takes_points(options: EmbedOptions, processes: Processes) -> None:
    """Raise a UserError for what the tiles around points, one each, cannot be embedded with."""
    if processes.are_many:
        raise UserError("--at embeds the tiles around points in one process: start it with python instead of torchrun.")
    if options != EmbedOptions():
        left_out = ", ".join(f"--{name}" for name in options._fields)
        raise UserError(f"--at embeds the tiles around points, one each: leave out {left_out}.")


def embed_around_points(
    path: Path, overrides: Sequence[str], date: str | None, points: Path, output: Path | None
) -> str:
    """Embed the tiles around the points of a CSV file, and return where the table is.

    date: of the map; None: that on which the run is scored
    """
    table = output or points.with_name(f"{points.stem}-embeddings.csv")
    check_new_file(table, [".csv"])
    run = open_trained(path, overrides, date)
    embed_points(run, run.open_image(), points, table)
    return f"The table is {table}"


def classify_map(run: TrainedRun, stride: int | None, model: str, proportions: bool, output: Path | None) -> str:
    """Write a land-cover map, or one of proportions, with a picture, and return what to print about it."""
    check_can_classify(run, model)
    if output is not None:  # before the map is embedded, which may take long
        LandCoverFiles(output, proportions).check()
    image = run.open_image()
    open_maps_to_fit(run, proportions)  # before it, too
    embedded = find_embedded(run, image, stride)
    if not proportions:
        _log_coarse(embedded.tiles)
    file = output or embedded.folder / f"{'proportions' if proportions else 'land-cover'}-{model}.tif"

    def draw(classified: Classified) -> None:
        if not proportions:
            write_class_map_picture(classified, image)

    return describe_classified(classify(run, embedded, model, file, proportions, output is None, draw))


def _log_coarse(tiles: TileGrid) -> None:
    """Log how borders become finer, where a class map has a pixel for each tile."""
    if tiles.stride >= tiles.size > FINER:
        log.info(
            "Each tile of %d px is of one class; --stride %d would give finer borders, and take %d times as long",
            tiles.size, tiles.size // FINER, FINER**2,
        )  # fmt: skip


def search_map(run: TrainedRun, stride: int | None, query: Query, index: bool | None, output: Path | None) -> str:
    """Find the places of a map that are most similar to examples, and return where the results are."""
    if output is not None:  # before the map is embedded, which may take long
        check_new_folder(output)
    image = run.open_image()
    query_tiles(run, image, query)
    labels = labels_of(run, image)
    embedded = find_embedded(run, image, stride)
    return f"The results are in {make_search(run, embedded, image, query, labels, index, output)}"


def labels_of(run: TrainedRun, image: TiffReader) -> LabelReader | None:
    """Return the label map of the run, to name the classes of places; None: there is none of this image."""
    if run.config.validation_map is None or run.own.shown_by(image) is None:
        return None
    try:
        return run.open_labels(image)
    except UserError as error:  # places are found without it
        log.warning("the classes of places are not named: %s", error)
        return None
