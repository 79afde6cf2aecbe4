#!/usr/bin/env bash
# GDAL: warping takes an alpha of 1 in uint16 as transparent, and one in uint8 as opaque
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11. rasterio 1.5.2 with GDAL 3.12.2 on Python 3.13 does the
# same.
#
# Behaviour: a mask of 0 and 1 is often stored as an alpha band, in the type of the other bands. DatasetReader.read and
# dataset_mask give the 1 back, and call every pixel but those of 0 valid, in uint8 as in uint16. A WarpedVRT of the
# same file, even onto its own grid, has an alpha of 0 everywhere in uint16: the warper divides by a largest alpha
# (SRC_ALPHA_MAX), and what is small beside it is rounded away. In uint8 the 1 stays; with SRC_ALPHA_MAX=1 it stays in
# both. Nothing is said.
#
# What it means for the project: a yardstick with such a band had no data anywhere. It is warped with SRC_ALPHA_MAX=1;
# tests/dataProcessors/rasters/test_feature_raster.py has an alpha of 1 in four types.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     uint8: of 300 pixels with an alpha of 1, 300 are valid when read, 300 when warped, 300 with SRC_ALPHA_MAX=1
#     uint16: of 300 pixels with an alpha of 1, 300 are valid when read, 0 when warped, 300 with SRC_ALPHA_MAX=1
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import sys

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

os.chdir(sys.argv[1])
SIDE, TRANSPARENT = 20, 5  # pixels, columns
PLACE = Affine(10, 0, 500_000, 0, -10, 5_600_000)


def write(dtype: str) -> None:
    """Write a GeoTIFF of a band and an alpha band, which is 0 in the west and 1 elsewhere."""
    pixels = np.full((2, SIDE, SIDE), 7, dtype)
    pixels[1] = np.arange(SIDE) >= TRANSPARENT
    with rasterio.open(
        "map.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=2, dtype=dtype, crs="EPSG:32632", transform=PLACE
    ) as file:
        file.colorinterp = ColorInterp.gray, ColorInterp.alpha
        file.write(pixels)


def valid() -> tuple[int, int, int]:
    """How many pixels are valid: as they are read, as they are warped, as they are warped with SRC_ALPHA_MAX=1."""
    with rasterio.open("map.tif") as file:
        counts = [np.count_nonzero(file.dataset_mask())]
        for options in ({}, {"SRC_ALPHA_MAX": "1"}):
            with WarpedVRT(
                file, crs=file.crs, transform=PLACE, width=SIDE, height=SIDE, resampling=Resampling.nearest, **options
            ) as warped:
                counts.append(np.count_nonzero(warped.read(2)))
    return tuple(counts)


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
found, total = {}, SIDE * (SIDE - TRANSPARENT)
for dtype in ("uint8", "uint16"):
    write(dtype)
    read, warped, mended = found[dtype] = valid()
    print(
        f"{dtype}: of {total} pixels with an alpha of 1, {read} are valid when read, {warped} when warped, {mended} "
        "with SRC_ALPHA_MAX=1"
    )
expected = {"uint8": (total, total, total), "uint16": (total, 0, total)}
print("unchanged" if found == expected else "changed")
sys.exit(found != expected)
PYTHON
