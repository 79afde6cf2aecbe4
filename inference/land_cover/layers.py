"""The layers of land cover of a whole map, blended and written strip by strip: memory does not grow with the map."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
from rasterio.io import DatasetWriter
from tqdm import tqdm

from dataProcessors.tiffreader import TiffReader
from evaluation.blending import Axis, Blend, blend
from inference.core.embedded_map import EmbeddedMap
from inference.files.raster_file import DEFLATE, RUNS, TILE, Compression, RasterFile, write_part
from inference.land_cover.class_codes import ClassCodes
from inference.land_cover.data_mask import DataMask
from inference.land_cover.files import LandCoverFiles
from inference.land_cover.simple_model import SimpleModel
from inference.land_cover.window_votes import WindowVotes

PERCENT_NODATA = 255  # of confidence and proportions, which are 0 to 100
LONG_RUN = 32  # pixels; runs of equal pixels as long as this need no better compression than their lengths
PART_BYTES = 64_000_000  # of the sums that are blended at once


class Layer(NamedTuple):
    """A file, and a function that gives its bands of a strip.

    Attributes:
        file: of the layer
        bands: a part of the map, blended, and where it has data (h, w) bool -> the pixels (h, w) of each band in turn
    """

    file: RasterFile
    bands: Callable[[Blend, np.ndarray], Iterator[np.ndarray]]


def class_layers(files: LandCoverFiles, codes: ClassCodes, stride: int) -> list[Layer]:
    """Return the layers of the classes, and of their mean probability in percent.

    Args:
        files: where they are written
        codes: how classes stand in the map
        stride: pixels from one window to the next: most edges are so far apart
    """
    table = codes.table

    def classes(blended: Blend, mask: np.ndarray) -> Iterator[np.ndarray]:
        yield _masked(blended.pixels(table[blended.winners]), mask, codes.nodata)

    def certainty(blended: Blend, mask: np.ndarray) -> Iterator[np.ndarray]:
        yield _percent(blended.confidence(), blended, mask)

    how, name = _compression(stride), "mean probability of the class"
    of_classes = RasterFile(files.map, codes.dtype, codes.nodata, ("land cover",), how, codes.palette)
    of_certainty = RasterFile(files.confidence, "uint8", PERCENT_NODATA, (name,), how, unit="%")
    return [Layer(of_classes, classes), Layer(of_certainty, certainty)]


def proportion_layers(files: LandCoverFiles, codes: ClassCodes, stride: int) -> list[Layer]:
    """Return the layer of the proportions of the classes in percent, a band each; arguments as above."""

    def shares(blended: Blend, mask: np.ndarray) -> Iterator[np.ndarray]:
        means = blended.means()
        for index in range(means.shape[-1]):  # one by one: the pixels of all classes need not fit in memory
            yield _percent(means[..., index], blended, mask)

    how = _compression(stride)
    return [Layer(RasterFile(files.map, "uint8", PERCENT_NODATA, codes.legend.names, how, unit="%"), shares)]


def _compression(stride: int) -> Compression:
    return RUNS if stride >= LONG_RUN else DEFLATE


def _percent(share: np.ndarray, blended: Blend, mask: np.ndarray) -> np.ndarray:
    """Return shares of cells (m, n) as percent of pixels (h, w) uint8; nodata without data, and without windows."""
    cells = np.where(blended.windows > 0, np.rint(100 * share), PERCENT_NODATA).astype(np.uint8)
    return _masked(blended.pixels(cells), mask, PERCENT_NODATA)


def _masked(pixels: np.ndarray, mask: np.ndarray, nodata: int) -> np.ndarray:
    """Return pixels (h, w) that are nodata where the mask (h, w) says so, in place."""
    if not mask.all():
        pixels[~mask] = nodata
    return pixels


def write_layers(embedded: EmbeddedMap, model: SimpleModel, image: TiffReader, layers: list[Layer]) -> None:
    """Predict the windows of an embedded map, blend them, and write layers of the whole window of the map.

    Raises:
        StorageError: the disk refuses a write
    """
    window, mask = image.window, DataMask(image)
    with ExitStack() as stack:
        files = [(stack.enter_context(layer.file.open(image.grid, window)), layer) for layer in layers]
        bar = stack.enter_context(tqdm(total=window.height, desc="land cover", unit="row", disable=None, delay=1))
        thread = stack.enter_context(ThreadPoolExecutor(1, "layers"))
        pending: deque[Future[None]] = deque()
        for top, strip in blended_strips(embedded, model):
            bottom = min(top + TILE, window.height)
            pending.append(thread.submit(_write_strip, files, top, strip, mask.strip(top, bottom)))
            if len(pending) > 1:
                pending.popleft().result()  # memory holds few strips, and an error of the disk ends the work
            bar.update(bottom - top)
        for each in pending:
            each.result()


def _write_strip(
    files: list[tuple[DatasetWriter, Layer]], top: int, strip: Iterator[tuple[int, Blend]], there: np.ndarray
) -> None:
    """Blend and write a strip, while the next one is predicted. there: (h, width) bool, where the image has data."""
    for left, blended in strip:
        part = there[:, left : left + blended.columns.side]
        for file, layer in files:
            write_part(file, (left, top), layer.bands(blended, part))


def blended_strips(embedded: EmbeddedMap, model: SimpleModel) -> Iterator[tuple[int, Iterator[tuple[int, Blend]]]]:
    """Yield the first row of each strip of TILE rows, and its parts from left to right: first column, and the part.

    Windows are predicted as strips are asked for, and blended as parts are. Rows and columns are counted from the
    window's upper-left pixel.
    """
    tiles, votes = embedded.tiles, WindowVotes(embedded, model)
    rows = Axis(np.arange(tiles.rows) * tiles.stride, tiles.size, tiles.window.height)
    columns = Axis(np.arange(tiles.columns) * tiles.stride, tiles.size, tiles.window.width)
    for top in range(0, rows.side, TILE):
        bottom = min(top + TILE, rows.side)
        yield top, _parts(votes.rows(rows.touching(top, bottom)), rows.part(top, bottom), columns)


def _parts(votes: np.ndarray, rows: Axis, columns: Axis) -> Iterator[tuple[int, Blend]]:
    """Yield the parts of a strip, of as many columns of blocks as PART_BYTES hold the sums of."""
    cells = len(rows.lengths) * len(columns.lengths) * votes.shape[-1]
    width = TILE * max(1, PART_BYTES * columns.side // (8 * TILE * max(1, cells)))
    for left in range(0, columns.side, width):
        right = min(left + width, columns.side)
        yield left, blend(votes[:, columns.touching(left, right)], rows, columns.part(left, right))
