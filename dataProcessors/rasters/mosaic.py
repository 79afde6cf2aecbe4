"""An image map in many files, read as if it were one: earlier files lie on top, later ones fill their holes."""

import logging
import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np

from dataProcessors.rasters.alike_files import open_alike
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.image_files import files_in_words
from dataProcessors.rasters.image_source import CHUNK_BYTES, ImageSource
from dataProcessors.rasters.map_file import MapFiles
from dataProcessors.rasters.mosaic_grid import FilePlacement, common_grid, name_of
from dataProcessors.rasters.placed_image import CopiedImage, LookedUpImage, PlacedImage

log = logging.getLogger(__name__)
CHUNK_SIDE = 2048  # pixels to read at once along both axes: at its edges the files' blocks are decoded twice
LINES = 128  # that a chunk has at least


class Mosaic:
    """An image map in many files, with the attributes and methods of an ImageSource.

    A pixel is that of the first file, in their order, that has data there by its own rules. Where there is none, it is
    without data.

    Args:
        files: paths or URLs; the grid of the first one is continued, unless `crs` says another one
        bands, nodata: as for ImageSource; bands that are named may have different numbers in the files
        crs: CRS of the map. Files in others, or on other grids, are looked up by nearest neighbour
    Raises:
        MapError: a file is missing, damaged, or of another kind than the first one
    """

    def __init__(
        self, files: Sequence[str], bands: Sequence[int | str] | None = None, nodata: float | None = None,
        crs: str | None = None,
    ):  # fmt: skip
        self.files, self.path = tuple(files), files_in_words(files)
        sources = open_alike(files, bands, nodata)
        self.grid, placements = common_grid([(source.path, source.grid) for source in sources], crs)
        self._parts = [_placed(source, placement, self.grid) for source, placement in zip(sources, placements)]
        self._windows = np.array([part.window for part in self._parts])
        self.map_files = MapFiles([file for source in sources for file in source.map_files.files])
        first = sources[0]
        self.dtype, self.bands, self.padding = first.dtype, first.bands, first.padding
        self.shown_bands, self.overview_bands = first.shown_bands, first.overview_bands
        self.synthetic = any(source.synthetic for source in sources)
        is_whole = not any(source.has_validity for source in sources) and covers(placements, self.grid)
        self.has_validity = self.dtype.kind != "f" and not is_whole
        self.channels = len(self.bands) + self.has_validity
        self.description = first.description | {"nodata": _shared_rules(sources), "files": list(self.files)}
        self.chunk = self._chunk_shape(first)
        self.without_data: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.read_settings = {  # everything that determines the pixels that are read
            "files": [source.read_settings for source in sources],
            "places": [[str(source.grid.crs), list(source.grid.transform)] for source in sources],
            "crs": str(self.grid.crs), "parts": [part for source in sources for part in source.parts],
        }  # fmt: skip
        self._log(placements)

    def _log(self, placements: list[FilePlacement]) -> None:
        looked_up = sum(not each.is_aligned for each in placements)
        warped = f"; {looked_up:,} of them are warped onto it (nearest neighbour)" if looked_up else ""
        across, down = (np.hypot(*column) for column in np.array(self.grid.transform[:6]).reshape(2, 3).T[:2])
        log.info(
            "%s: %s files on one grid of %s x %s pixels of %.9g x %.9g in %s%s", self.path, f"{len(self.files):,}",
            f"{self.grid.width:,}", f"{self.grid.height:,}", across, down, name_of(self.grid.crs), warped,
        )  # fmt: skip

    def _chunk_shape(self, first: ImageSource) -> tuple[int, int]:
        """Return height and width to read at once: few edges within files, and none across lines of striped ones."""
        pixel_bytes = self.channels * self.dtype.itemsize
        is_striped = first.chunk[1] >= first.grid.width
        width = min(self.grid.width if is_striped else CHUNK_SIDE, CHUNK_BYTES // (pixel_bytes * LINES))
        lines = min(CHUNK_BYTES // (pixel_bytes * width), CHUNK_SIDE)
        return max(lines // LINES, 1) * LINES, width

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Read the pixels (channels, height, width) of a window that lies inside the map; see ImageSource."""
        pixels, without_data = self.read_counted(x, y, width, height)
        with self._counting:
            self.without_data.update(without_data)
        return pixels

    def read_counted(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, dict[str, int]]:
        """Read a window as `read_window` does; return it, and its pixels without data by who says so, not added up."""
        window = Window(x, y, width, height)
        pixels = np.full((self.channels, height, width), self.padding, self.dtype)
        empty = np.ones((height, width), bool)
        for part in self._parts_in(window):
            inside = _intersection(part.window, window)
            rows = slice(inside.y - y, inside.y - y + inside.height)
            columns = slice(inside.x - x, inside.x - x + inside.width)
            if empty[rows, columns].any():
                values, valid = part.read(inside)
                valid &= empty[rows, columns]
                np.copyto(pixels[: len(self.bands), rows, columns], values, where=valid)
                empty[rows, columns] &= ~valid
        if self.has_validity:
            pixels[-1] = ~empty
        return pixels, {"no file has data": int(empty.sum())}

    def _parts_in(self, window: Window) -> list[PlacedImage]:
        """Return the files that intersect a window, in their order."""
        corners, ends = self._windows[:, :2], self._windows[:, :2] + self._windows[:, 2:]
        low, high = np.array(window[:2]), np.add(window[:2], window[2:])
        return [self._parts[i] for i in np.flatnonzero(((corners < high) & (ends > low)).all(1))]

    def read_decimated(self, window: Window, step: int) -> np.ndarray:
        """Read every step-th pixel of a window along both axes: (channels, h / step, w / step), both rounded up.

        All pixels are read for that; files are combined pixel by pixel.
        """
        lines = max(CHUNK_BYTES // (self.channels * self.dtype.itemsize * window.width) // step, 1) * step
        bottom = window.y + window.height
        strips = [
            self.read_window(window.x, y, window.width, min(lines, bottom - y))[:, ::step, ::step]
            for y in range(window.y, bottom, lines)
        ]
        return np.concatenate(strips, 1)


def _placed(source: ImageSource, placement: FilePlacement, grid: Grid) -> PlacedImage:
    return (
        CopiedImage(source, placement.window) if placement.is_aligned else LookedUpImage(source, placement.window, grid)
    )


def covers(placements: list[FilePlacement], grid: Grid) -> bool:
    """Return whether files that need no warping cover every pixel of a grid."""
    if not all(each.is_aligned for each in placements):
        return False
    windows = np.array([each.window for each in placements])
    corners, ends = windows[:, :2], windows[:, :2] + windows[:, 2:]
    x, y = (np.unique(np.concatenate([corners[:, axis], ends[:, axis]])) for axis in (0, 1))
    cells = np.zeros((len(y) - 1, len(x) - 1), bool)  # between the edges of all files
    for (left, top), (right, bottom) in zip(corners, ends):
        cells[slice(*np.searchsorted(y, [top, bottom])), slice(*np.searchsorted(x, [left, right]))] = True
    return bool(cells.all())


def _intersection(window: Window, other: Window) -> Window:
    left, top = max(window.x, other.x), max(window.y, other.y)
    right = min(window.x + window.width, other.x + other.width)
    bottom = min(window.y + window.height, other.y + other.height)
    return Window(left, top, right - left, bottom - top)


def _shared_rules(sources: list[ImageSource]) -> list[dict]:
    """Return the nodata rules that hold in every file, for people and for tiles whose file is not known."""
    first, *others = (source.description["nodata"] for source in sources)
    return [rule for rule in first if all(rule in each for each in others)]
