"""What a run shows of its segmentation: figures, a table of the classes, and the region as a GeoTIFF."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from affine import Affine
from matplotlib.figure import Figure

from dataProcessors.legends.class_raster import write_class_raster
from dataProcessors.legends.legend import Legend
from evaluation.scoring import Evaluation
from evaluation.segmentation import COARSENED, Region, class_iou, mean_iou, pixel_accuracy
from reporting import figures
from reporting.view import MapView
from storage import write_text

TABLE = "segmentation.csv"
BASELINES_TABLE = "segmentation_baselines.csv"
ALL_CLASSES = "mean over the classes that occur"


ClassValues = dict[str, np.ndarray]  # model/features -> IoU of each class (K,), NaN where there is none


def write_baselines(folder: Path, evaluations: list[Evaluation], legend: Legend) -> None:
    """Write what the baselines among the evaluations, which are made once, reach in each class; nothing if none did."""
    columns = {
        f"{model}/{evaluation.features}": class_iou(each.tables.sum(axis=0))
        for evaluation in evaluations
        for model, each in evaluation.segmentation.items()
        if evaluation.features != "trained"
    }
    if columns:
        rows = [[_plain(name), *map(_number, values)] for name, *values in zip(legend.names, *columns.values())]
        write_text(folder / BASELINES_TABLE, _as_csv([["class", *columns], *rows]))


def read_baselines(folder: Path, legend: Legend) -> ClassValues:
    """What `write_baselines` wrote; nothing where that is missing or damaged."""
    try:
        with (folder / BASELINES_TABLE).open(encoding="utf8", newline="") as file:
            (_, *columns), *rows = csv.reader(file)
        values = np.array([[float(value or "nan") for value in row[1:]] for row in rows])
    except (OSError, ValueError):
        return {}
    return dict(zip(columns, values.T)) if values.shape == (len(legend), len(columns)) else {}


def segmentation_figures(
    region: Region, view: MapView, baselines: ClassValues, end: str
) -> Iterator[tuple[str, Figure]]:
    """Tag and figure of all there are; `end` of their titles."""
    pixels = view.display.rgb(region.pixels[None])[0]
    for model, predicted in region.predicted.items():
        title = f"Segmentation by {model}: region, tiles of it were trained on{end}"
        yield (
            f"segmentation/{model}",
            figures.segmented_region(
                pixels, region.truth, predicted, view.legend, view.reserved - region.corner, view.size, title
            ),
        )
        table = region.tables[model]
        told = f"accuracy {pixel_accuracy(table):.3f}, mean IoU {mean_iou(table):.3f}"
        title = f"IoU of each class by {model}, reserved cells{end}\n{told}"
        marks = {key.partition("/")[2]: each for key, each in baselines.items() if key.partition("/")[0] == model}
        marks[COARSENED] = class_iou(region.coarsened)
        yield f"segmentation_iou/{model}", figures.class_scores(class_iou(table), marks, view.legend, title)


def write_segmentation(folder: Path, region: Region, view: MapView, baselines: ClassValues) -> None:
    """Write segmentation.csv and, for each model, segmentation-MODEL.tif with what it predicts of the region."""
    write_text(folder / TABLE, class_table(region, view, baselines))
    transform = view.transform @ Affine.translation(*map(int, region.corner))
    for model, predicted in region.predicted.items():
        write_class_raster(folder / f"segmentation-{model}.tif", predicted, view.legend, view.crs, transform)


def class_table(region: Region, view: MapView, baselines: ClassValues) -> str:
    """CSV of each class in the scored cells: its pixels, its IoU by each model, the baselines and coarsened labels."""
    columns = {name: class_iou(table) for name, table in region.tables.items()} | baselines
    columns[COARSENED] = class_iou(region.coarsened)
    pixels = region.coarsened.sum(axis=1)
    rows = [
        [_plain(name), int(pixels[number]), *(_number(values[number]) for values in columns.values())]
        for number, name in enumerate(view.legend.names)
        if pixels[number]
    ]
    finite = [values[np.isfinite(values)] for values in columns.values()]
    means = [_number(values.mean()) if len(values) else "" for values in finite]
    return _as_csv([["class", "pixels", *columns], *rows, [ALL_CLASSES, int(pixels.sum()), *means]])


def _as_csv(rows: list[list]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _plain(name: str) -> str:
    return " ".join(name.split())


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
