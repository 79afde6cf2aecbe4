"""Embeds the map of a run and writes a file that other programs read."""

from collections.abc import Sequence
from pathlib import Path

from config import UserError
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import EmbeddedMap
from inference.core.trained_run import TrainedRun, open_trained
from inference.embedding.map_folders import embedded_folder
from inference.embedding.whole_map import COG_NAME, embed_map, tile_grid
from inference.files.geoparquet import class_columns
from inference.files.outputs import check_output, write_output
from training.execution.processes import ALONE, Processes


def embed(
    path: Path | str,
    *,
    output: Path | str | None = None,
    stride: int | None = None,
    float32: bool = False,
    classes: bool = False,
    overrides: Sequence[str] = (),
    date: str | None = None,
    processes: Processes = ALONE,
) -> EmbeddedMap:
    """Embed the map of a run, or another map, by the run's network, and write a file that other programs read.

    Args:
        path: results/NAME, whose best network is used, or a checkpoint
        output: a new .tif or .parquet file; None: embeddings.tif in the folder of the embedded map
        stride, float32: see `embed_map`
        classes: put the class and the class proportions of each tile beside its embedding, for .parquet
        overrides: key=value items, see `open_trained`
        date: which date of the map, where it has several; None: that on which the run is scored
        processes: those that embed it together; the first one writes the file
    Raises:
        UserError: see `open_trained`, `TrainedRun.open_image`, `check_output` and `embed_map`
        StorageError: the disk is too small, or refuses a write
    """
    run = open_trained(Path(path), overrides, date, processes)
    with processes.first_of_host_first():  # it prepares what the others then find
        image = run.open_image()
    tiles = tile_grid(run, image, stride)
    folder = embedded_folder(run, image, tiles.stride, float32)
    file = folder / COG_NAME if output is None else Path(output)
    tile_bytes = run.config.output_size * (4 if float32 else 1)
    if processes.is_first:
        check_output(file, len(tiles), tile_bytes, with_columns=classes, replace=output is None)
    labels = _labels(run, image) if classes and processes.is_first else None
    embedded = embed_map(run, image, tiles.stride, float32)
    if processes.is_first and (output is not None or not file.exists()):
        write_output(embedded, file, class_columns(embedded, labels) if labels else None)
    return embedded


def _labels(run: TrainedRun, image: TiffReader) -> LabelReader:
    """Return the label map of a run on the grid of the image map.

    Raises:
        UserError: the run has none, or it cannot be used for this image
    """
    labels = run.open_labels(image)
    if labels is None:
        raise UserError(f"{run.checkpoint}: the run has no label map ('validation_map' is null): leave out --classes.")
    return labels
