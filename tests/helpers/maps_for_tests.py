"""Write small GeoTIFFs for tests, and read them in slow, obvious ways to compare with."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform

from dataProcessors.legends.legend import NO_LABEL, Legend
from dataProcessors.prepared.blocks import BLOCK
from dataProcessors.rasters.grid import Grid

ZION = Path(__file__).parents[3] / "shared/realdata/zion"  # a real map; tests are skipped if it is missing
UTM32 = CRS.from_epsg(32632)
LONLAT = CRS.from_epsg(4326)
ROTATED_POLE = CRS.from_string(  # of weather models; no GeoTIFF can hold it
    "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180 +to_meter=0.0174532925199433 +datum=WGS84"
)
CORNER = Affine(10, 0, 600_000, 0, -10, 5_500_000)  # 10 m pixels in the middle of Germany


def write_map(path: Path, pixels: np.ndarray, crs=UTM32, place: Affine = CORNER, **options) -> Path:
    """Write pixels (C, h, w) as a GeoTIFF.

    Options are those of rasterio, and mask (h, w) bool, colormap {code: (r, g, b)}, colorinterp.
    """
    mask, colormap, colorinterp = (options.pop(name, None) for name in ("mask", "colormap", "colorinterp"))
    size = dict(zip(("count", "height", "width"), pixels.shape))
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", dtype=pixels.dtype, crs=crs, transform=place, **size, **options
        ) as file,
    ):
        if colorinterp:
            file.colorinterp = colorinterp
        file.write(pixels)
        if colormap:
            file.write_colormap(1, colormap)
        if mask is not None:
            file.write_mask(mask)
    return path


def at(column: float, row: float, place: Affine = CORNER) -> Affine:
    """Return the transform of a map whose upper-left corner is at a column and row of another map."""
    return place @ Affine.translation(column, row)


def pieces(folder: Path, pixels: np.ndarray, across: int, down: int, place: Affine = CORNER, **options) -> list[str]:
    """Cut pixels (C, h, w) into across x down files, of sizes that differ by one pixel at most."""
    folder.mkdir()
    rows, columns = (np.linspace(0, side, n + 1).astype(int) for side, n in zip(pixels.shape[1:], (down, across)))
    files = []
    for i, (top, bottom) in enumerate(pairwise(rows)):
        for j, (left, right) in enumerate(pairwise(columns)):
            path, part = folder / f"{i:02} {j:02}.tif", pixels[:, top:bottom, left:right]
            files.append(str(write_map(path, part, place=at(left, top, place), **options)))
    return files


def noise(shape, dtype="uint8", seed=0) -> np.ndarray:
    """Return random pixels of any type, over the whole range of the type."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 100, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def patches(height: int, width: int, values, side: int, seed=0) -> np.ndarray:
    """Return an array (height, width) of square patches, each with one of the values, at random."""
    values = np.asarray(values)
    drawn = np.random.default_rng(seed).integers(0, len(values), (-(-height // side), -(-width // side)))
    return np.kron(values[drawn], np.ones((side, side), values.dtype))[:height, :width]


def grid_of(width=300, height=200, crs=UTM32, place=CORNER) -> Grid:
    return Grid(crs, place, width, height)


def around(grid: Grid, crs, pixel: float, part=(0.0, 0.0, 1.0, 1.0)) -> tuple[Affine, int, int]:
    """Return transform, height and width of a map in another CRS that covers a part (x0, y0, x1, y1) of a grid."""
    x0, y0, x1, y1 = part
    corners = [(c * grid.width, r * grid.height) for c in (x0, x1) for r in (y0, y1)]
    x, y = transform(grid.crs, crs, *zip(*(grid.transform @ corner for corner in corners)))
    width, height = (int(np.ceil((max(v) - min(v)) / pixel)) for v in (x, y))
    return Affine(pixel, 0, min(x), 0, -pixel, max(y)), height, width


def looked_up(path: Path, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the map's values (B, h, w) at the centres of the grid's pixels, and which of these lie on it (h, w)."""
    with rasterio.open(path) as file:
        content, crs, place = file.read(), file.crs, file.transform
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    x, y = transform(grid.crs, crs, *(v.ravel() for v in grid.transform @ (columns, rows)))
    places = (np.floor(v).astype(int).reshape(columns.shape) for v in ~place @ (np.array(x), np.array(y)))
    columns, rows = places
    _, height, width = content.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return content[:, np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)], inside


def nearest_colours(colours: np.ndarray, legend: Legend) -> np.ndarray:
    """Return the class of each colour (N, 3): the nearest colour within 15 in L1, the first one of equals."""
    classes = []
    for colour in colours.astype(int):
        distances = [sum(abs(a - b) for a, b in zip(colour, known)) for known in legend.colors]
        classes.append(distances.index(min(distances)) if min(distances) <= 15 else NO_LABEL)
    return np.array(classes, np.uint8)


def corners_in(window, size: int, n: int, seed=0) -> np.ndarray:
    """Return n random positions (n, 2) of tiles in a window; those in its four corners are among them."""
    x, y, width, height = window
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.integers(x, x + width - size + 1, n), rng.integers(y, y + height - size + 1, n)], 1)
    ends = [(c, r) for c in (x, x + width - size) for r in (y, y + height - size)]
    return np.concatenate([drawn[: max(n - 4, 0)], ends])


def counted(there: np.ndarray) -> np.ndarray:
    """Count the pixels that are set in each 128 px block, block by block: (h, w) bool -> (rows, columns)."""
    height, width = there.shape
    return np.array(
        [[there[y : y + BLOCK, x : x + BLOCK].sum() for x in range(0, width, BLOCK)] for y in range(0, height, BLOCK)]
    )
