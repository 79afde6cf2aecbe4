"""What a run shows of its segmentation: figures, a table of the classes, and the region as a GeoTIFF."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from affine import Affine
from matplotlib.figure import Figure

from dataProcessors.classRaster import write_class_raster
from evaluation.segmentation import Region, class_iou, mean_iou, pixel_accuracy
from reporting import figures
from reporting.columns import COARSENED
from reporting.view import MapView
from storage import write_text

TABLE = "segmentation.csv"
ALL_CLASSES = "mean over the classes that occur"


def segmentation_figures(region: Region, view: MapView, end: str) -> Iterator[tuple[str, Figure]]:
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
        yield (
            f"segmentation_iou/{model}",
            figures.class_scores(class_iou(table), class_iou(region.coarsened), view.legend, title),
        )


def write_segmentation(folder: Path, region: Region, view: MapView) -> None:
    """Write segmentation.csv and, for each model, segmentation-MODEL.tif with what it predicts of the region."""
    write_text(folder / TABLE, class_table(region, view))
    transform = view.transform @ Affine.translation(*map(int, region.corner))
    for model, predicted in region.predicted.items():
        write_class_raster(folder / f"segmentation-{model}.tif", predicted, view.legend, view.crs, transform)


def class_table(region: Region, view: MapView) -> str:
    """CSV of each class in the scored cells: its pixels, its IoU by each model and by labels coarsened to windows."""
    tables = region.tables | {COARSENED: region.coarsened}
    columns = {name: class_iou(table) for name, table in tables.items()}
    pixels = region.coarsened.sum(axis=1)
    rows = [
        [" ".join(name.split()), int(pixels[number]), *(_number(values[number]) for values in columns.values())]
        for number, name in enumerate(view.legend.names)
        if pixels[number]
    ]
    means = [_number(mean_iou(table)) for table in tables.values()]
    text = io.StringIO()
    table = [["class", "pixels", *columns], *rows, [ALL_CLASSES, int(pixels.sum()), *means]]
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
