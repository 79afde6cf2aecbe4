"""Writes the demo landscape as three GeoTIFFs: the image and two label maps, each on a grid of its own."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetWriter
from rasterio.transform import from_origin
from rasterio.warp import transform as transform_points
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from scipy import ndimage

from dataProcessors.demo.covers import COVERS, UNMAPPED
from dataProcessors.demo.noise import smooth_noise
from dataProcessors.demo.scene import MARGIN, Scene
from dataProcessors.legends.legend import Legend, builtin_legends

PIXEL = 10.0  # metres
WEST, NORTH = 460_000.0, 5_980_000.0  # UTM zone 32N metres of the image's upper-left corner
IMAGE_CRS, OSM_CRS, CLC_CRS = CRS.from_epsg(32632), CRS.from_epsg(4326), CRS.from_epsg(3035)
OSM_PIXEL = 1.2e-4  # degrees
CLC_PIXEL = 100.0  # metres
CLC_SMALLEST = 25  # pixels, 25 ha: the minimum mapping unit of CORINE Land Cover
NODES = 32  # pixels between two nodes, whose coordinates are transformed exactly
ROWS = 256  # rows that are written at once
WHITE = 255
NOTICE = "SYNTHETIC: generated landscape for demonstration, no real place, not from any satellite or survey"


def write_image(path: Path, scene: Scene, tags: dict[str, str]) -> None:
    """Write the image: uint8 RGB, 10 m, EPSG:32632, with overviews."""
    size = len(scene.image)
    transform = from_origin(WEST, NORTH, PIXEL, PIXEL)
    with _create(path, size, size, IMAGE_CRS, transform, tags) as out:
        for top in range(0, size, ROWS):
            _write_rows(out, top, scene.image[top : top + ROWS])
        out.build_overviews([4, 16], Resampling.average)


def write_osm(path: Path, scene: Scene, seed: int, tags: dict[str, str]) -> None:
    """Write the OSM label map: EPSG:4326, OSM colours, white where unmapped, borders shifted by one to three pixels."""
    colours = _cover_colours(builtin_legends()["osm"], [cover.osm for cover in COVERS.values()])
    west, south, east, north = _bounds(scene, OSM_CRS)
    width, height = round((east - west) / OSM_PIXEL), round((north - south) / OSM_PIXEL)
    transform = from_origin(west, north, OSM_PIXEL, OSM_PIXEL)
    x, y = _landscape_pixels(OSM_CRS, transform, width, height)
    _misplace(x, y, seed)
    with _create(path, width, height, OSM_CRS, transform, tags) as out:
        for top in range(0, height, ROWS):
            rows = np.arange(top, min(top + ROWS, height))
            _write_rows(out, top, colours[_lookup(scene.mapped, *_between(x, y, rows, np.arange(width)))])


def write_clc(path: Path, scene: Scene, tags: dict[str, str]) -> None:
    """Write the CLC label map: EPSG:3035, 100 m, CLC colours, no area below 25 ha, white outside."""
    legend = builtin_legends()["clc"]
    west, south, east, north = _bounds(scene, CLC_CRS)
    west, north = np.floor(west / CLC_PIXEL) * CLC_PIXEL, np.ceil(north / CLC_PIXEL) * CLC_PIXEL
    width, height = int(np.ceil((east - west) / CLC_PIXEL)), int(np.ceil((north - south) / CLC_PIXEL))
    fine = 5  # samples per pixel along each axis
    samples = from_origin(west, north, CLC_PIXEL / fine, CLC_PIXEL / fine)
    x, y = _landscape_pixels(CLC_CRS, samples, width * fine, height * fine)
    cover = _lookup(scene.cover, *_between(x, y, np.arange(height * fine), np.arange(width * fine)))
    codes = generalise(cover.reshape(height, fine, width, fine).swapaxes(1, 2).reshape(height, width, -1))
    colours = np.full((1000, 3), WHITE, np.uint8)
    assert legend.codes is not None  # maps of CORINE hold codes, or colours of codes
    colours[list(legend.codes)] = legend.colors
    with _create(path, width, height, CLC_CRS, from_origin(west, north, CLC_PIXEL, CLC_PIXEL), tags) as out:
        _write_rows(out, 0, colours[codes])


def generalise(samples: np.ndarray) -> np.ndarray:
    """Return CLC codes (H, W) from cover indices sampled inside each pixel (H, W, S).

    First the most frequent code around, then mixed codes where fields lie among other land, then no area under
    CLC_SMALLEST pixels; 0 if more than half of a pixel lies outside.
    """
    height, width, per_pixel = samples.shape
    found = sorted({cover.clc for cover in COVERS.values()})
    rank = np.full(256, len(found))  # rank of UNMAPPED
    rank[: len(COVERS)] = [found.index(cover.clc) for cover in COVERS.values()]
    pixel = np.arange(height * width).reshape(height, width, 1) * (len(found) + 1)
    total = np.bincount((pixel + rank[samples]).ravel(), minlength=height * width * (len(found) + 1))
    counts = total.reshape(height, width, -1)
    shares = {code: _around(counts[:, :, k] / per_pixel) for k, code in enumerate(found)}
    codes = np.asarray(found)[np.stack(list(shares.values())).argmax(0)]
    codes = _mixed_farmland(codes, shares)
    codes[counts[:, :, -1] > per_pixel / 2] = 0
    return _without_small_areas(codes)


def _around(share: np.ndarray) -> np.ndarray:
    """Return the mean over about 300 m."""
    return ndimage.gaussian_filter(share.astype(np.float32), 0.9)


def _mixed_farmland(codes: np.ndarray, shares: dict[int, np.ndarray]) -> np.ndarray:
    """Set code 242 where no use of farmland dominates, 243 where woods and scrub lie among farmland."""
    fields, wild = (211, 221, 222, 231), (311, 312, 313, 321, 322, 324, 411)
    farmed = [ndimage.gaussian_filter(shares[code], 2.5) for code in fields]
    natural = ndimage.gaussian_filter(sum(shares[code] for code in wild), 2.5)
    total, field = sum(farmed), np.isin(codes, fields)
    codes = np.where(field & (np.max(farmed, 0) < 0.62 * total) & (natural < 0.3), 242, codes)
    return np.where(field & (natural > 0.3), 243, codes)


def _without_small_areas(codes: np.ndarray) -> np.ndarray:
    """Replace every connected area below CLC_SMALLEST pixels by the nearest other code."""
    small = np.zeros(codes.shape, bool)
    for code in np.unique(codes[codes > 0]):
        areas, _ = ndimage.label(codes == code)
        small |= (np.bincount(areas.ravel()) < CLC_SMALLEST)[areas] & (areas > 0)
    keep = ~small & (codes > 0)
    if not keep.any():
        return codes
    row, column = ndimage.distance_transform_edt(~keep, return_distances=False, return_indices=True)
    return np.where(small, codes[row, column], codes)


def _cover_colours(legend: Legend, names: list[str]) -> np.ndarray:
    """Return the (256, 3) uint8 colour of each cover index, white for the others."""
    table = np.full((256, 3), WHITE, np.uint8)
    table[: len(names)] = [legend.colors[legend.names.index(name)] for name in names]
    return table


def _bounds(scene: Scene, crs: CRS) -> tuple[float, float, float, float]:
    """Return west, south, east, north of the landscape, including its margin, in another CRS."""
    west, north, side = WEST - MARGIN * PIXEL, NORTH + MARGIN * PIXEL, len(scene.cover) * PIXEL
    return transform_bounds(IMAGE_CRS, crs, west, north - side, west + side, north)


def _landscape_pixels(crs: CRS, transform: Affine, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return landscape column and row (float32) of every NODES-th pixel centre of another grid, up to its end."""
    columns, rows = np.meshgrid(np.arange(0, width + NODES, NODES), np.arange(0, height + NODES, NODES))
    across, down = transform.c + transform.a * (columns.ravel() + 0.5), transform.f + transform.e * (rows.ravel() + 0.5)
    east, north = transform_points(crs, IMAGE_CRS, across, down)
    x = (np.asarray(east) - WEST) / PIXEL + MARGIN
    y = (NORTH - np.asarray(north)) / PIXEL + MARGIN
    return x.reshape(rows.shape).astype(np.float32), y.reshape(rows.shape).astype(np.float32)


def _misplace(x: np.ndarray, y: np.ndarray, seed: int) -> None:
    """Shift the nodes as an inaccurate survey would: smoothly, mostly by 1 to 3 pixels, in place."""
    rng = np.random.default_rng([seed, 314])
    for coordinates in (x, y):
        shift = 1.3 * smooth_noise(rng, max(coordinates.shape), 3)[: coordinates.shape[0], : coordinates.shape[1]]
        coordinates += np.clip(shift, -3, 3)


def _between(x: np.ndarray, y: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate the coordinates of whole rows and columns between the nodes, bilinearly."""
    row, down = np.divmod(rows, NODES)
    column, across = np.divmod(columns, NODES)
    down, across = (down / NODES).astype(np.float32)[:, None], (across / NODES).astype(np.float32)
    at_rows = [p[row] + (p[row + 1] - p[row]) * down for p in (x, y)]
    return tuple(p[:, column] + (p[:, column + 1] - p[:, column]) * across for p in at_rows)


def _lookup(cover: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the cover index at each point; UNMAPPED outside the landscape."""
    column, row = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    last = len(cover) - 1
    outside = (column < 0) | (row < 0) | (column > last) | (row > last)
    found = cover.ravel()[np.clip(row, 0, last) * np.int32(last + 1) + np.clip(column, 0, last)]
    return np.where(outside, np.uint8(UNMAPPED), found)


def _create(path: Path, width: int, height: int, crs: CRS, transform: Affine, tags: dict[str, str]) -> DatasetWriter:
    """Create a tiled RGB GeoTIFF whose tags declare it synthetic."""
    out = rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=3, dtype="uint8", crs=crs, transform=transform,
        photometric="RGB", tiled=True, blockxsize=256, blockysize=256, compress="deflate", zlevel=1, predictor=2,
        num_threads=2, interleave="pixel",
    )  # fmt: skip
    out.update_tags(TIFFTAG_IMAGEDESCRIPTION=NOTICE, **tags)
    return out


def _write_rows(out: DatasetWriter, top: int, colours: np.ndarray) -> None:
    """Write (rows, width, 3) colours, starting at row `top`."""
    out.write(np.moveaxis(colours, 2, 0), window=Window(0, top, out.width, len(colours)))
