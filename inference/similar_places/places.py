"""Tiles that a search starts from: those at places on the map, and the middle of an image file."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from config import UserError
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.tiffreader import TiffReader
from inference.core.centred_tiles import tiles_around
from inference.core.trained_run import TrainedRun

log = logging.getLogger(__name__)
PIXEL_RATIO = 1.2  # pixels that differ more in their sides are warned of
Place = tuple[float, float]  # longitude, latitude in EPSG:4326


def positions_at(places: Sequence[Place], image: TiffReader, limit: NodataLimit) -> np.ndarray:
    """Return the positions (n, 2) of the tiles whose centres are the places.

    A tile that would reach beyond the part of the map in use is moved inside, which is logged.

    Raises:
        UserError: the map has no place on Earth, or places lie outside the part in use or have not enough data
    """
    if not len(places):
        return np.empty((0, 2), np.int64)
    if image.crs is None:
        raise UserError(
            f"{image.path} declares no CRS: places on it have no longitude and latitude. Give an example as a file "
            "instead, with --tile."
        )
    tiles = tiles_around(image.source.grid, image.window, np.array(places, float), limit.size)
    if not tiles.inside.all():
        west, south, east, north = image.source.grid.part(image.window).lonlat_bounds()
        raise UserError(
            f"{image.path}: {_texts(places, ~tiles.inside)} lies outside the part of the map in use: longitude "
            f"{west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}. A place is its longitude, then its "
            "latitude."
        )
    if tiles.moved.any():
        log.info(
            "%s: the tile around %s reaches beyond the part of the map in use, and is moved inside",
            image.path, _texts(places, tiles.moved),
        )  # fmt: skip
    accepted = limit.accepts(tiles.positions)
    if not accepted.all():
        raise UserError(
            f"{image.path}: at {_texts(places, ~accepted)} more than {limit.max_nodata:.0%} of a tile of {limit.size} "
            f"x {limit.size} pixels is without data ('max_nodata'). Choose another place."
        )
    return tiles.positions


def _texts(places: Sequence[Place], which: np.ndarray) -> str:
    return ", ".join(f"{lon:g} {lat:g}" for (lon, lat), is_named in zip(places, which) if is_named)


def tile_of_file(path: Path, image: TiffReader, run: TrainedRun) -> np.ndarray:
    """Return the middle (channels, size, size) of an image file, as the reader of the map gives tiles.

    Raises:
        UserError: it cannot be read, has other bands or another type than the map, is smaller than a tile, or its
            middle has not enough data
    """
    size, limit = run.config.image_size, run.config.max_nodata
    if not path.exists():
        raise UserError(f"{path}: there is no such file. Give a GeoTIFF with the bands of {image.path}.")
    file = TiffReader(path, bands=run.maps.bands, nodata=run.maps.nodata)
    if (len(file.bands), file.dtype) != (len(image.bands), image.dtype):
        raise UserError(
            f"{path} has {len(file.bands)} bands of {file.dtype}, and {image.path}, which is searched, "
            f"{len(image.bands)} of {image.dtype}. Give a file of the same bands and type."
        )
    if min(file.width, file.height) < size:
        raise UserError(
            f"{path} has {file.width} x {file.height} pixels, less than a tile of {size} x {size}. Give a larger one."
        )
    _warn_of_pixels(file, image)
    middle = np.array([[(file.width - size) // 2, (file.height - size) // 2]])
    if file.nodata_share(middle, size)[0] > limit:
        raise UserError(
            f"{path}: more than {limit:.0%} of its middle, {size} x {size} pixels, is without data ('max_nodata'). "
            "Give another file."
        )
    (tile,) = file.read(middle, size)
    if image.has_validity and not file.has_validity:
        tile = np.concatenate([tile, valid_mask(tile, False)[None].astype(tile.dtype)])
    return tile


def _warn_of_pixels(file: TiffReader, image: TiffReader) -> None:
    """Log a warning if the pixels of a file are not as large as the map's; known where both have projected CRSs."""
    sides = [_pixel_side(file), _pixel_side(image)]
    if sides[0] and sides[1] and max(sides) > PIXEL_RATIO * min(sides):
        log.warning(
            "%s: its pixels are %.3g m wide and those of %s %.3g m: what the network sees in them differs",
            file.path, sides[0], image.path, sides[1],
        )  # fmt: skip


def _pixel_side(image: TiffReader) -> float:
    """Return the side of a pixel in metres; 0 where the CRS does not say."""
    if image.crs is None or not image.crs.is_projected:
        return 0.0
    return float(abs(image.transform.determinant) ** 0.5 * image.crs.linear_units_factor[1])
