"""Rasters of others, such as embeddings of a foundation model, as features of tiles of the image map."""

import logging
import threading
from collections.abc import Callable

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow

from dataProcessors.rasters.grid import EXTENT_POINTS, Grid, Window, apply_affine
from dataProcessors.rasters.handles import WARP_TOLERANCE, auxiliary_files
from dataProcessors.rasters.map_file import map_file
from dataProcessors.rasters.opening import (
    GDAL_ERRORS,
    MapError,
    add_path_to_errors,
    convert_read_errors,
    no_such_file,
    open_raster,
)
from dataProcessors.rasters.opening import error_text as gdal_text
from dataProcessors.rasters.remote_options import is_missing

log = logging.getLogger(__name__)
ALPHAEARTH_NODATA = -128
OPAQUE = {"SRC_ALPHA_MAX": "1"}  # from which alpha on a pixel counts as a whole; in 16 bits GDAL takes 1 as transparent

Dequantise = Callable[[np.ndarray, DatasetReader, list[int]], np.ndarray]  # values (C, h, w), file, bands -> (C, h, w)


def _from_alphaearth(values: np.ndarray, file: DatasetReader, bands: list[int]) -> np.ndarray:
    """Return the unit vectors of AlphaEarth's int8 values q: sign(q) (q / 127.5)^2."""
    return np.sign(values) * (values / 127.5) ** 2


def _scaled(values: np.ndarray, file: DatasetReader, bands: list[int]) -> np.ndarray:
    """Return values by the scale and offset that the file declares for each band."""
    scales, offsets = (np.array([each[band - 1] for band in bands]) for each in (file.scales, file.offsets))
    return values * scales[:, None, None] + offsets[:, None, None]


def _as_stored(values: np.ndarray, file: DatasetReader, bands: list[int]) -> np.ndarray:
    return values


DEQUANTISE: dict[str, Dequantise] = {"alphaearth": _from_alphaearth, "scale_offset": _scaled, "none": _as_stored}


class FeatureRaster:
    """A raster of any CRS, resolution and extent: its header, and what does not depend on the image.

    Args:
        path: of the file
        dequantise: name of DEQUANTISE: what the stored values mean
    Raises:
        MapError: the file is missing, declares no CRS, or holds values that cannot be features
    """

    def __init__(self, path: str, dequantise: str = "none"):
        self.path, self.dequantise = path, dequantise
        if is_missing(path):
            raise MapError(f"{no_such_file(path)}. Correct its path in 'yardsticks', or remove it there.")
        self.map_file = map_file(path)
        with self.map_file.read(lambda: open_raster(path)) as file:
            self.bands = [i for i, use in zip(file.indexes, file.colorinterp) if use != ColorInterp.alpha]
            self.dtype = self._checked_type(file)
            self.native = Grid(file.crs, file.transform, file.width, file.height)
            self.nodata = self._nodata(file)
            self.identity = {  # everything that determines the values
                "file": self.map_file.identity(), "dequantise": dequantise, "nodata": self.nodata,
                "scales": file.scales, "offsets": file.offsets, "place": [str(file.crs), list(file.transform)],
                "parts": auxiliary_files(file),
            }  # fmt: skip
        if self.native.crs is None:
            raise MapError(f"{path}: declares no CRS. Add it, for example with gdal_edit.py -a_srs.")

    def _checked_type(self, file: DatasetReader) -> np.dtype:
        types = {file.dtypes[band - 1] for band in self.bands}
        if not types or any("complex" in each for each in types):
            raise MapError(
                f"{self.path}: its values are {', '.join(sorted(types)) or 'an alpha band alone'}, but a yardstick "
                "needs real numbers. Convert it, for example with gdal_translate -ot Float32."
            )
        dtype = np.result_type(*types)
        if self.dequantise == "alphaearth" and dtype.kind == "f":
            raise MapError(
                f'{self.path}: "dequantise": "alphaearth" is for values of -128 to 127, but the file holds {dtype}. '
                'Set it to "none" for values that are de-quantised already.'
            )
        return dtype

    def _nodata(self, file: DatasetReader) -> float | None:
        """Return the value without data; NaN for floats that declare none, so that no NaN is interpolated."""
        if self.dequantise == "alphaearth":
            return ALPHAEARTH_NODATA
        declared = dict.fromkeys(str(file.nodatavals[band - 1]) for band in self.bands)  # a NaN equals no other
        if len(declared) > 1:
            raise MapError(
                f"{self.path}: its bands declare different nodata values: {', '.join(declared)}. Bring them to one, "
                "for example with gdalwarp -dstnodata."
            )
        if file.nodata is None:
            return float("nan") if self.dtype.kind == "f" else None
        return file.nodata


class AlignedRaster:
    """Tiles of a feature raster on the image's grid: floats bilinear, integers nearest, then de-quantised.

    Overviews of the file are never used: they may be averages of quantised values.

    Args:
        raster: the raster
        grid: of the image
        window: part of the grid in use
    Raises:
        MapError: the image declares no CRS, or the raster does not overlap the window
    """

    def __init__(self, raster: FeatureRaster, grid: Grid, window: Window):
        self.raster, self.path, self.grid = raster, raster.path, grid
        if grid.crs is None:
            raise MapError(f"{self.path}: cannot be brought onto the image's pixels: the image declares no CRS.")
        with add_path_to_errors(self.path):
            self._check_overlap(window)
        self._local = threading.local()

    def _check_overlap(self, window: Window) -> None:
        columns, rows = np.meshgrid(
            np.linspace(window.x, window.x + window.width, EXTENT_POINTS),
            np.linspace(window.y, window.y + window.height, EXTENT_POINTS),
        )
        native = self.raster.native
        here = native.pixels_of(self.grid.crs, *apply_affine(self.grid.transform, columns.ravel(), rows.ravel()))
        columns, rows = np.meshgrid(
            np.linspace(0, native.width, EXTENT_POINTS), np.linspace(0, native.height, EXTENT_POINTS)
        )
        there = self.grid.pixels_of(native.crs, *apply_affine(native.transform, columns.ravel(), rows.ravel()))
        if not (_any_inside(native.window, *here) or _any_inside(window, *there)):
            raise MapError(
                f"{self.path}: does not overlap the part of the image in use. Use a raster of the image's place, or "
                "remove it from 'yardsticks'."
            )

    def read(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Return tiles (N, C + 1, size, size) float32 at positions (N, 2): the bands, and 1 where all hold data.

        Raises:
            MapError: the file is damaged
        """
        bands = self.raster.bands
        tiles = np.empty((len(positions), len(bands) + 1, size, size), np.float32)
        for tile, (x, y) in zip(tiles, positions.tolist()):
            values, valid = self._read(x, y, size)
            tile[:-1], tile[-1] = values, valid
        self.raster.map_file.check_unchanged()
        return tiles

    def _read(self, x: int, y: int, size: int) -> tuple[np.ndarray, np.ndarray]:

        def read() -> tuple[DatasetReader, np.ndarray]:
            file, warped = self._handles()
            return file, warped.read([*self.raster.bands, warped.count], window=RasterWindow(x, y, size, size))

        with convert_read_errors(self.path, (x, y, size, size)):
            file, pixels = self.raster.map_file.read(read)
        values, valid = pixels[:-1], pixels[-1] != 0
        if self.raster.nodata is not None:
            valid &= ~(values == self.raster.nodata).any(0)
        wide = values.astype(np.float64)
        values = DEQUANTISE[self.raster.dequantise](wide, file, self.raster.bands)
        valid &= np.isfinite(values).all(0)
        return np.where(valid, values, 0), valid

    def _handles(self) -> tuple[DatasetReader, WarpedVRT]:
        """Return this thread's file, without its overviews, and the file warped to the grid with a last band alpha."""
        if not hasattr(self._local, "handles"):
            resampling = Resampling.bilinear if self.raster.dtype.kind == "f" else Resampling.nearest
            try:
                file = rasterio.open(self.path, overview_level="NONE")
                warped = WarpedVRT(
                    file, crs=self.grid.crs, transform=self.grid.transform, width=self.grid.width,
                    height=self.grid.height, resampling=resampling, tolerance=WARP_TOLERANCE,
                    src_nodata=self.raster.nodata, add_alpha=ColorInterp.alpha not in file.colorinterp, **OPAQUE,
                )  # fmt: skip
            except GDAL_ERRORS as error:
                raise MapError(f"{self.path}: cannot be warped to the image's pixels: {gdal_text(error)}") from None
            self._local.handles = file, warped
        return self._local.handles


def _any_inside(window: Window, columns: np.ndarray, rows: np.ndarray) -> bool:
    """Return whether any of the points (N,), (N,) lies in the window; points that are not finite lie nowhere."""
    across = (columns >= window.x) & (columns < window.x + window.width)
    down = (rows >= window.y) & (rows < window.y + window.height)
    return bool((across & down).any())
