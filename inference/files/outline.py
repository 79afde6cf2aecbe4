"""The outline of a map in longitude and latitude, and its box, as GeoJSON (RFC 7946) has them."""

import math
from itertools import pairwise
from typing import Any

import numpy as np

from dataProcessors.rasters.grid import TURN, Bounds, nearest_turn

EAST_END = 180.0  # of the longitudes that GeoJSON has; maps over the antimeridian go on beyond it
AROUND_POLE = 10  # degrees that may lie between two of the points by which the bounds of a map are found
DIGITS = 9  # of longitude and latitude


def outline(ring: np.ndarray, bounds: Bounds) -> dict[str, Any]:
    """Return geometry and box: both are cut at the antimeridian, so that the box may begin east of where it ends.

    Around a pole, and where a map has more than half of all longitudes, its outline is its box.

    Args:
        ring: (5, 2) longitude and latitude of the map's corners, counterclockwise
        bounds: of the map, see `Grid.lonlat_bounds`
    """
    west, south, east, north = map(float, bounds)
    if east - west > TURN / 2:
        has_all = east - west > TURN - AROUND_POLE or max(-west, east) > EAST_END
        west, east = (-EAST_END, EAST_END) if has_all else (west, east)
        ring = np.array([(west, south), (east, south), (east, north), (west, north), (west, south)])
    else:
        turns = TURN * math.floor((west + EAST_END) / TURN)  # so that it begins in -180 .. 180
        ring = np.column_stack([nearest_turn(ring[:, 0], bounds) - turns, ring[:, 1]])
        west, east = west - turns, east - turns
    parts = (_beside(ring, -1), _beside(ring, 1) - (TURN, 0))  # the corners may all be on one side of it
    rings = [ring] if east <= EAST_END else [part for part in parts if len(part)]
    coordinates = [[each.round(DIGITS).tolist()] for each in rings]
    single = {"type": "Polygon", "coordinates": coordinates[0]}
    geometry = single if len(rings) == 1 else {"type": "MultiPolygon", "coordinates": coordinates}
    box = west, south, east - TURN * (east > EAST_END), north
    return {"geometry": geometry, "bbox": [round(each, DIGITS) for each in box]}


def _beside(ring: np.ndarray, side: int) -> np.ndarray:
    """Return the part of a ring (n, 2) that lies west (side -1) or east (1) of EAST_END; it may be empty."""
    points = []
    for (x0, y0), (x1, y1) in pairwise(ring.tolist()):
        if side * (x0 - EAST_END) >= 0:
            points.append((x0, y0))
        if (x0 - EAST_END) * (x1 - EAST_END) < 0:
            points.append((EAST_END, y0 + (y1 - y0) * (EAST_END - x0) / (x1 - x0)))
    return np.array([*points, *points[:1]]).reshape(-1, 2)
