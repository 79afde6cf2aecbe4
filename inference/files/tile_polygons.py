"""The outlines of tiles: polygons in the CRS of the map, as well-known binary, and their bounding boxes."""

import numpy as np

from dataProcessors.rasters.grid import Grid, apply_affine

CORNERS = np.array([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)])  # column, row: counterclockwise where rows go south
WKB_POLYGON = np.dtype(  # of one ring of five points; packed, little-endian
    [("order", "u1"), ("type", "<u4"), ("rings", "<u4"), ("points", "<u4"), ("ring", "<f8", (len(CORNERS), 2))]
)


def tile_rings(grid: Grid, positions: np.ndarray, size: int) -> np.ndarray:
    """Return the outlines (n, 5, 2), x and y in the grid's CRS, counterclockwise, the first point again at the end.

    positions: (n, 2) upper-left pixels of tiles; size: their side in pixels
    """
    corners = CORNERS if grid.transform.determinant < 0 else CORNERS[::-1]  # rows may go north, too
    pixels = positions[:, None] + size * corners  # (n, 5, 2)
    return np.stack(apply_affine(grid.transform, pixels[..., 0], pixels[..., 1]), -1)


def as_wkb(rings: np.ndarray) -> np.ndarray:
    """Return polygons (n,) of WKB_POLYGON: the bytes of each are its well-known binary. rings: (n, 5, 2)."""
    polygons = np.empty(len(rings), WKB_POLYGON)
    polygons["order"], polygons["type"], polygons["rings"], polygons["points"] = 1, 3, 1, len(CORNERS)
    polygons["ring"] = rings
    return polygons


def boxes(rings: np.ndarray) -> np.ndarray:
    """Return xmin, ymin, xmax, ymax (n, 4) of polygons. rings: (n, 5, 2)."""
    return np.concatenate([rings.min(1), rings.max(1)], 1)
