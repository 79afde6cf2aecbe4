"""Open raster files, one handle per thread and map, warped to the image's grid if needed."""

import threading
import xml.etree.ElementTree as ElementTree
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from dataProcessors.rasters.file_identity import file_status
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.opening import GDAL_ERRORS, MapError, error_text, open_raster

WARP_TOLERANCE = 0.001  # pixels of the warped map; with GDAL's default 0.125, 2 % of the pixels get a neighbour's value


class Handles(threading.local):
    """One open file per thread; if a grid is given, warped to it by nearest neighbour, with an added alpha band."""

    def __init__(self, path: str, grid: Grid | None = None):
        self.path, self.grid = path, grid
        self.file: DatasetReader | WarpedVRT | None = None

    def get(self) -> DatasetReader | WarpedVRT:
        """Return this thread's handle; the first call opens the file."""
        if self.file is None:
            self.file = self.open()
            if self.grid is not None:
                self.file = _warp_to_grid(self.path, self.file, self.grid)
        return self.file

    def open(self) -> DatasetReader:
        """Open the file."""
        return open_raster(self.path)


class FileHandles(Protocol):
    """What an image is read from: this thread's handle of its file, valid until the thread asks for another one."""

    def get(self) -> DatasetReader | WarpedVRT:
        """Return this thread's handle."""


class OpenFiles(threading.local):
    """The open files of a map in many files: in each thread at most `limit`, those that were used last."""

    def __init__(self, limit: int):
        self.limit, self._files = limit, OrderedDict[str, DatasetReader]()

    def of(self, path: str) -> FileHandles:
        """Return the handles of one file."""
        return _SharedHandles(self, path)

    def get(self, path: str) -> DatasetReader:
        """Return this thread's handle of a file, opening it if it is not open."""
        if path not in self._files:
            while len(self._files) >= self.limit:
                self._files.popitem(last=False)[1].close()
            self._files[path] = open_raster(path)
        self._files.move_to_end(path)
        return self._files[path]


class _SharedHandles:
    def __init__(self, files: OpenFiles, path: str):
        self.files, self.path = files, path

    def get(self) -> DatasetReader:
        return self.files.get(self.path)


def is_synthetic(file: DatasetReader) -> bool:
    """Return whether the file's tags declare that the map shows no real place, like the demo map."""
    return file.tags().get("SYNTHETIC") == "YES"


def decimated_shape(window: Window, step: int) -> tuple[int, int]:
    """Return rows and columns of every step-th pixel of a window along both axes."""
    return -(-window.height // step), -(-window.width // step)


def auxiliary_files(file: DatasetReader) -> list[tuple[str, int, int]]:
    """Return name, size and time of the files beside a map that hold its pixels: a mask, or the parts of a mosaic."""
    others = _other_files(file, {file.name})
    names = [name for name in others if not name.endswith((".aux.xml", ".ovr"))]
    return list(dict.fromkeys(status for name in names if (status := file_status(name)) is not None))


def _other_files(file: DatasetReader, seen: set[str]) -> Iterator[str]:
    """Yield the files that GDAL names beside a file. Of a VRT it leaves out the masks, and the parts of inner VRTs.

    seen: VRTs that are followed already, lest one that names itself is followed for ever
    """
    yield from file.files[1:]
    if file.driver != "VRT":
        return
    root, folder = ElementTree.fromstring(file.tags(ns="xml:VRT")["xml:VRT"]), Path(file.name).resolve().parent
    sources = [*root.iter("SourceFilename"), *root.iter("SourceDataset")]
    named = [(each.text, each.get("relativeToVRT") == "1") for each in sources if each.text]
    for name in dict.fromkeys(str(folder / text) if is_relative else text for text, is_relative in named):
        yield from (name, f"{name}.msk")
        if name.lower().endswith(".vrt") and name not in seen:
            seen.add(name)
            with suppress(*GDAL_ERRORS), rasterio.open(name) as inner:  # what is missing is told where it is read
                yield from _other_files(inner, seen)


def _warp_to_grid(path: str, file: DatasetReader, grid: Grid) -> WarpedVRT:
    has_alpha = ColorInterp.alpha in file.colorinterp
    try:
        return WarpedVRT(
            file, crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height,
            resampling=Resampling.nearest, add_alpha=not has_alpha, tolerance=WARP_TOLERANCE,
        )  # fmt: skip
    except GDAL_ERRORS as error:
        raise MapError(
            f"{path}: cannot be warped from its CRS to the image's: {error_text(error)}. Convert one of them to "
            "another CRS, for example with gdalwarp."
        ) from None
