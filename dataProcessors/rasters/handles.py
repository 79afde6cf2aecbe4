"""Open raster files, one handle per thread and map, brought onto the image's grid where need be."""

import threading
from pathlib import Path

from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.opening import GDAL_ERRORS, MapError, open_raster, reason

WARP_TOLERANCE = 0.001  # pixels of the warped map; GDAL's own 0.125 gives 2 % of the pixels a neighbour's value


class Handles(threading.local):
    """One open file per thread; warped onto a grid if one is given, by nearest neighbour, with a band of validity."""

    def __init__(self, path: str, grid: Grid | None = None):
        self.path, self.grid, self.file = path, grid, None

    def get(self):
        """The handle of this thread, opened when it is first asked for."""
        if self.file is None:
            self.file = open_raster(self.path)
            if self.grid is not None:
                self.file = _onto_grid(self.path, self.file, self.grid)
        return self.file


def is_synthetic(file) -> bool:
    """Whether a map says of itself that it shows no real place, as the demo map does."""
    return file.tags().get("SYNTHETIC") == "YES"


def decimated_shape(window: Window, step: int) -> tuple[int, int]:
    """Rows and columns of every step-th pixel of a window along both axes."""
    return -(-window.height // step), -(-window.width // step)


def about_parts(file) -> list[tuple[str, int, int]]:
    """Name, size and time of the files beside a map that hold pixels of it: its mask, or what a mosaic is made of."""
    others = [Path(name) for name in file.files[1:] if not name.endswith((".aux.xml", ".ovr"))]
    return [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in others if path.exists()]


def _onto_grid(path: str, file, grid: Grid):
    has_alpha = ColorInterp.alpha in file.colorinterp
    try:
        return WarpedVRT(
            file, crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height,
            resampling=Resampling.nearest, add_alpha=not has_alpha, tolerance=WARP_TOLERANCE,
        )  # fmt: skip
    except GDAL_ERRORS as error:
        raise MapError(
            f"{path}: cannot be brought from its CRS into the image's: {reason(error)}. Give image or label map "
            "another CRS, for example with gdalwarp."
        ) from None
