#!/usr/bin/env bash
# rasterio: merge refuses a raster whose rows go from south to north, but gives zeros for it where bounds are named
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11. rasterio 1.5.2 with GDAL 3.12.2 on Python 3.13 does the
# same.
#
# Behaviour: the rows of a GeoTIFF may go from south to north (a positive pixel height), as in Google's satellite
# embeddings. rasterio.merge.merge raises MergeError for such a file. With `bounds` the check does not see it: the
# result has the asked size and holds nothing but 0, or nodata if that is given, although the file covers the bounds.
# Nothing is said. The same map with rows from north to south is merged right, and DatasetReader.read reads both.
#
# What it means for the project: maps are never read through merge; tests/dataProcessors reads maps in both directions.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     north to south: without bounds pixels, with bounds pixels
#     south to north: without bounds MergeError, with bounds zeros
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.merge import merge

folder = Path(sys.argv[1])
MAP = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)  # rows from north to south
WEST, NORTH, PIXEL = 600_000.0, 5_500_000.0, 10.0
BOUNDS = WEST + 20, NORTH - 50, WEST + 60, NORTH - 10  # left, bottom, right, top: columns 2 to 5, rows 1 to 4
SOUTH_UP = Affine(PIXEL, 0, WEST, 0, PIXEL, NORTH - 10 * PIXEL)
WAYS = {"north to south": (MAP, Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH)), "south to north": (MAP[::-1], SOUTH_UP)}


def merged(path: Path, expected: np.ndarray, **options) -> str:
    """What merge makes of one file."""
    with rasterio.open(path) as file:
        try:
            pixels = merge([file], **options)[0][0]
        except rasterio.errors.RasterioError as error:
            return type(error).__name__
    if np.array_equal(pixels, expected):
        return "pixels"
    return "zeros" if pixels.shape == expected.shape and not pixels.any() else "something else"


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
found = {}
for name, (pixels, transform) in WAYS.items():
    path = folder / f"{name}.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=10, height=10, count=1, dtype="uint8", crs="EPSG:32632", transform=transform,
    ) as file:
        file.write(pixels[None])
    found[name] = merged(path, MAP), merged(path, MAP[1:5, 2:6], bounds=BOUNDS)
    print(f"{name}: without bounds {found[name][0]}, with bounds {found[name][1]}")
expected = {"north to south": ("pixels", "pixels"), "south to north": ("MergeError", "zeros")}
print("unchanged" if found == expected else "changed")
sys.exit(found != expected)
PYTHON
