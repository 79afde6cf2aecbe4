"""Tiles of maps: GEOMAP lists the maps of Germany, TiffReader reads an image map."""

import hashlib
import json
import logging
import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import cached_property
from pathlib import Path

import numpy as np

from config.redaction import redacted_content
from dataProcessors.content import content_hash
from dataProcessors.labels.label_maps import LabelMap
from dataProcessors.prepared.blocks import BLOCK, Summary, block_pixels, block_shape, count_valid, overview_step, pad
from dataProcessors.prepared.preparation import FORMAT
from dataProcessors.prepared.prepared_map import open_prepared
from dataProcessors.rasters.file_identity import joint_status
from dataProcessors.rasters.grid import Bounds, Window
from dataProcessors.rasters.handles import decimated_shape
from dataProcessors.rasters.image_map import ImageMap, open_image_map
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.rasters.opening import add_path_to_errors

log = logging.getLogger(__name__)
MAX_BATCH_BYTES = 64_000_000  # of the pixels that a method reads at once, if it may choose the number of tiles
DECIMATION = 16  # without a prepared map, the summary is estimated from every 16th pixel along each axis


class GEOMAP(Enum):
    """The three maps of Germany, at the paths where `"maps": "germany"` expects them."""

    SENTINEL = "data/s2-de.tif"
    OSM = "data/osm_WGS84.tif"
    CLC = "data/CLCBGR.tif"


class TiffReader:
    """Tiles of one image map.

    Args:
        path: a GeoTIFF, or a pattern or list of several; see dataProcessors.rasters.image_map. Or an image map that is
            open already, with its bands, nodata value and CRS
        bands: bands to read, counted from 1 or by name; None: all but alpha
        nodata: a value that means "no data", in addition to what the file declares
        rect: west, south, east, north in EPSG:4326, the part in use; None: the whole image
        crs: onto which the files are warped; None: they are on one grid
        cache: folder of prepared maps; None: read windows from the GeoTIFF
        threads: threads that prepare the map, or read windows
    Raises:
        MapError: a file is missing, damaged, or of a kind that cannot be used
    """

    def __init__(
        self, path: Path | str | Sequence[Path | str] | ImageMap, *, bands: Sequence[int | str] | None = None,
        nodata: float | None = None, rect: Bounds | None = None, crs: str | None = None,
        cache: Path | str | None = None, threads: int = 1,
    ):  # fmt: skip
        source = path if isinstance(path, ImageMap) else open_image_map(path, bands, nodata, crs)
        with add_path_to_errors(source.path):
            window = source.grid.window_of(rect)
        self._open(source, window, cache, threads)
        self._log_without_data()

    def _open(
        self, source: ImageMap | LabelMap, window: Window, cache: Path | str | None, threads: int, **parts: object
    ) -> None:
        self.path, self.source, self.grid, self.window = source.path, source, source.grid, window
        self.crs, self.transform = source.grid.crs, source.grid.transform
        self.width, self.height = source.grid.width, source.grid.height
        self.dtype, self.bands = source.dtype, source.bands
        around = _on_blocks(window)
        self.key = _key(source, around, parts)
        self._prepared = None
        if cache is not None:
            self._prepared = open_prepared(source, self.key, around, self._count, Path(cache), threads)
        held = source if self._prepared is None else self._prepared  # a whole map is prepared without validity
        self.has_validity, self.channels = held.has_validity, held.channels
        self._windows = ThreadPoolExecutor(threads, "windows")  # threads start only if windows are read
        self.summary = self._decimated_summary(around) if self._prepared is None else self._prepared.summary

    def read(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Read tiles (N, channels, size, size) in the map's dtype; in memory a pixel's channels lie side by side.

        The channels are the bands and, if `has_validity`, a last one: 1 where a pixel holds data, 0 elsewhere.

        Args:
            positions: (N, 2) int, column and row of each tile's upper-left pixel, from the map's upper-left pixel
            size: side of the tiles in pixels
        Raises:
            ValueError: a tile reaches beyond the part of the map in use, or a position has a date
        """
        positions = np.atleast_2d(np.asarray(positions, np.int64))
        if positions.shape[1] > 2:
            raise ValueError(f"{self.path}: a file has no dates; read positions (N, 2) of it.")
        positions = positions.reshape(-1, 2)
        self._check_inside(positions, size)
        out = np.empty((len(positions), size, size, self.channels), self.dtype)
        tiles = out.transpose(0, 3, 1, 2)
        if self._prepared is not None:
            self._prepared.read(positions, size, out)
        else:
            list(self._windows.map(self._read_window, tiles, positions.tolist()))
            self.source.map_files.check_unchanged()
        return tiles

    def _read_window(self, tile: np.ndarray, position: list[int]) -> None:
        tile[:] = self.source.read_window(*position, *tile.shape[:0:-1])

    @property
    def is_whole(self) -> bool:
        """Whether every pixel holds data for certain."""
        return not self.has_validity and self.dtype.kind != "f"

    def nodata_share(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Return the nodata share of each tile's pixels: (N,) float."""
        parts = in_parts(positions, size, self.channels * (1 + self.dtype.itemsize))
        shares = [(~valid_mask(self.read(part, size), self.has_validity)).mean((-2, -1)) for part in parts]
        return np.concatenate(shares) if shares else np.zeros(0)

    def overview(self) -> tuple[np.ndarray, int, tuple[int, int]]:
        """Return the part in use as a decimated image (c, h, w), the decimation step, and its corner's position.

        Its c channels are the bands that pictures show (the source's `shown_bands`), and the validity if there is one.
        """
        around = self.summary.window
        step = overview_step(around)
        if self._prepared is None:
            pixels, bands = self.source.read_decimated(around, step), tuple(range(len(self.bands)))
        else:
            pixels, bands = self._prepared.overview, self.source.overview_bands
        shown = [bands.index(band) for band in self.source.shown_bands]
        return np.concatenate([pixels[shown], pixels[len(bands) :]]), step, around[:2]  # validity: none, or one channel

    def fingerprint(self) -> dict:
        """Return what identifies the map: its files, its grid, the part in use, and a hash of its content.

        It is stored and shown, so its URLs hold no credentials.
        """
        return redacted_content(self._facts())

    def _facts(self) -> dict:
        status = joint_status(self.source.files)
        return {
            "path": self.path,
            "bytes": status[0] if status else None,
            "modified": status[1] / 1e9 if status else None,
            "crs": str(self.crs),
            "size": [self.width, self.height],
            "transform": list(self.transform)[:6],
            "type": self.dtype.name,
            **self.source.description,
            "window": list(self.window),
            "content": self._content,
            "synthetic": self.source.synthetic,
            "prepared_as": self.key,
        }

    @cached_property
    def _content(self) -> str:
        return content_hash(self.read, self.window, self._prepared)

    @property
    def _counts_are_known(self) -> bool:
        return self.is_whole

    def _check_inside(self, positions: np.ndarray, size: int) -> None:
        low, high = np.array(self.window[:2]), np.array(self.window[:2]) + self.window[2:]
        outside = ((positions < low) | (positions + size > high)).any(1)
        if outside.any():
            first = positions[outside][0].tolist()
            raise ValueError(f"{self.path}: the tile of {size} px at {first} is not inside {self.window}.")

    def _count(self, pixels: np.ndarray, side: int = BLOCK) -> np.ndarray:
        return count_valid(pixels, self.source.has_validity, side)

    def _log_without_data(self) -> None:
        """Log how many pixels are without data, and who says so."""
        around = self.summary.window
        pixels = around.width * around.height
        missing = 1 - float(self.summary.counts.sum(dtype=np.int64)) / pixels
        about = "" if self.summary.exact else "about "
        shares = self._without_data_shares(pixels)
        reasons = ", ".join(f"{source} {share:.1%}" for source, share in shares.items() if share) or "nothing marks any"
        log.info("%s: %s%.1f%% of the part in use is without data (%s)", self.path, about, 100 * missing, reasons)

    def _without_data_shares(self, pixels: int) -> dict[str, float]:
        """Return who says that pixels are without data, and of which share of them. pixels: of the part in use."""
        if self._prepared is not None:
            return {source: count / pixels for source, count in self._prepared.without_data.items()}
        read = math.prod(decimated_shape(self.summary.window, DECIMATION))  # for the summary
        return {source: count / read for source, count in self.source.without_data.items()}

    def _decimated_summary(self, around: Window) -> Summary:
        """Estimate the counts from every 16th pixel, read from the file's overviews if it has any.

        Where every pixel holds data for certain, nothing is read.
        """
        if self._counts_are_known:
            return Summary(around, block_pixels(around).astype(np.uint16)[None])
        rows, columns = block_shape(around)
        side = BLOCK // DECIMATION
        pixels = pad(self.source.read_decimated(around, DECIMATION), rows * side, columns * side, self.source.padding)
        read, whole = block_pixels(around, DECIMATION), block_pixels(around)  # of each block; the rest is padding
        counts = np.minimum(self._count(pixels, side), read) * (whole / read).astype(np.float32)
        return Summary(around, np.rint(counts).astype(np.uint16), exact=False)


def in_parts(positions: np.ndarray, size: int, pixel_bytes: int = 8) -> list[np.ndarray]:
    """Split positions into parts whose pixels, of `pixel_bytes` each, stay under MAX_BATCH_BYTES."""
    step = max(1, MAX_BATCH_BYTES // (pixel_bytes * size * size))
    return [positions[i : i + step] for i in range(0, len(positions), step)]


def _on_blocks(window: Window) -> Window:
    """Return the window with its corner moved up and left to a multiple of BLOCK."""
    x, y = window.x // BLOCK * BLOCK, window.y // BLOCK * BLOCK
    return Window(x, y, window.x + window.width - x, window.y + window.height - y)


def _key(source: ImageMap | LabelMap, window: Window, parts: dict) -> str:
    """Return the name of a prepared map: it changes with the file, the part in use, and how its values are read."""
    identity = {
        "file": source.map_files.identity(),
        "window": list(window),
        "format": FORMAT,
        **source.read_settings,  # may include files beside this one
        **parts,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    name = re.sub(r"[^\w.-]", "_", Path(source.map_files.name).stem)
    return f"{name}-{digest[:16]}"
