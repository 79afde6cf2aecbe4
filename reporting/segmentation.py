"""Reports of the segmentation of a run: figures, a table of the classes, and the predicted region as a GeoTIFF."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from affine import Affine
from matplotlib.figure import Figure

from dataProcessors.labels.class_raster import write_class_raster
from dataProcessors.legends.legend import Legend
from evaluation.scores import Evaluation
from evaluation.segmentation import COARSENED, Region, class_iou, mean_iou, pixel_accuracy
from reporting import figures
from reporting.feature_sets import TRAINED
from reporting.map_view import MapView
from storage import write_text

CLASS_TABLE = "segmentation.csv"
YARDSTICK_TABLE = "segmentation_yardsticks.csv"
MEAN_ROW = "mean over the classes that occur"


ClassIoU = dict[str, np.ndarray]  # model/features -> IoU of each class (K,), NaN if it has no value


def write_yardstick_iou(folder: Path, evaluations: list[Evaluation], legend: Legend) -> None:
    """Write the IoU of each class for the yardsticks among the evaluations; no file if there is no yardstick.

    Yardsticks are evaluated once, and later figures read their values from this file.
    """
    columns = {
        f"{model}/{evaluation.features}": class_iou(each.tables.sum(axis=0))
        for evaluation in evaluations
        for model, each in evaluation.segmentation.items()
        if evaluation.features != TRAINED
    }
    if columns:
        rows = [
            [_one_line(name), *map(_format_number, values)] for name, *values in zip(legend.names, *columns.values())
        ]
        write_text(folder / YARDSTICK_TABLE, _csv_text([["class", *columns], *rows]))


def read_yardstick_iou(folder: Path, legend: Legend) -> ClassIoU:
    """Read what `write_yardstick_iou` wrote; return {} if the file is missing or damaged."""
    try:
        with (folder / YARDSTICK_TABLE).open(encoding="utf8", newline="") as file:
            (_, *columns), *rows = csv.reader(file)
        values = np.array([[float(value or "nan") for value in row[1:]] for row in rows])
    except (OSError, ValueError):
        return {}
    return dict(zip(columns, values.T)) if values.shape == (len(legend), len(columns)) else {}


def segmentation_figures(
    region: Region, view: MapView, yardsticks: ClassIoU, title_end: str
) -> Iterator[tuple[str, Figure]]:
    """Yield tag and figure: for each model its map of the region, and its IoU of each class.

    title_end: the last part of every title.
    """
    pixels = view.display.rgb(region.pixels[None])[0]
    for model, predicted in region.predicted.items():
        title = f"Segmentation by {model}: a region in which tiles were trained on{title_end}"
        yield (
            f"segmentation/{model}",
            figures.segmentation_map(
                pixels, region.truth, predicted, view.legend, view.reserved - region.corner, view.size, title
            ),
        )
        table = region.tables[model]
        scores_text = f"accuracy {pixel_accuracy(table):.3f}, mean IoU {mean_iou(table):.3f}"
        title = f"IoU of each class by {model}, reserved cells{title_end}\n{scores_text}"
        other_iou = {key.partition("/")[2]: each for key, each in yardsticks.items() if key.partition("/")[0] == model}
        other_iou[COARSENED] = class_iou(region.coarsened)
        yield f"segmentation_iou/{model}", figures.class_iou_chart(class_iou(table), other_iou, view.legend, title)


def write_segmentation(folder: Path, region: Region, view: MapView, yardsticks: ClassIoU) -> None:
    """Write segmentation.csv and, for each model, its prediction of the region as segmentation-MODEL.tif."""
    write_text(folder / CLASS_TABLE, class_table(region, view, yardsticks))
    transform = view.transform @ Affine.translation(*map(int, region.corner))
    for model, predicted in region.predicted.items():
        write_class_raster(folder / f"segmentation-{model}.tif", predicted, view.legend, view.crs, transform)


def class_table(region: Region, view: MapView, yardsticks: ClassIoU) -> str:
    """Return a CSV table with a row for each class that occurs in the scored cells.

    Columns: its pixels, and its IoU by each model, by the yardsticks and by the coarsened labels.
    """
    columns = {name: class_iou(table) for name, table in region.tables.items()} | yardsticks
    columns[COARSENED] = class_iou(region.coarsened)
    pixels = region.coarsened.sum(axis=1)
    rows = [
        [_one_line(name), int(pixels[number]), *(_format_number(values[number]) for values in columns.values())]
        for number, name in enumerate(view.legend.names)
        if pixels[number]
    ]
    finite = [values[np.isfinite(values)] for values in columns.values()]
    means = [_format_number(values.mean()) if len(values) else "" for values in finite]
    return _csv_text([["class", "pixels", *columns], *rows, [MEAN_ROW, int(pixels.sum()), *means]])


def _csv_text(rows: list[list]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _one_line(name: str) -> str:
    return " ".join(name.split())


def _format_number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
