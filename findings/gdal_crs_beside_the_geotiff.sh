#!/usr/bin/env bash
# GDAL: a GeoTIFF of a rotated pole has its CRS in another file, and a COG as well
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11. rasterio 1.5.2 with GDAL 3.12.2 on Python 3.13 does the
# same.
#
# Behaviour: GeoTIFF has no keys for some projections, such as the rotated pole of regional weather and climate models
# (+proj=ob_tran) or the Lambert conformal conic alternative (+proj=lcca). GDAL then writes the CRS into NAME.aux.xml
# beside the file, without a message. rasterio reads it from there, so the file seems complete; a copy of it alone,
# and one that was written under a temporary name and renamed, has no CRS. The COG driver does the same, though a COG is
# meant to be read from a server as one file. A CRS that GeoTIFF can hold (here EPSG:3035) stays in the file.
#
# What it means for the project: maps that it writes appear by a rename, and had no CRS then. It moves what GDAL wrote
# beside them; tests/inference/files/test_raster_file.py and test_cog.py have a map of a rotated pole.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     GTiff, laea: CRS read True, file beside it False, CRS read after a rename True
#     GTiff, ob_tran: CRS read True, file beside it True, CRS read after a rename False
#     GTiff, lcca: CRS read True, file beside it True, CRS read after a rename False
#     COG, laea: CRS read True, file beside it False, CRS read after a rename True
#     COG, ob_tran: CRS read True, file beside it True, CRS read after a rename False
#     COG, lcca: CRS read True, file beside it True, CRS read after a rename False
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
from rasterio.crs import CRS

os.chdir(sys.argv[1])
SIDE = 64  # pixels
PROJECTIONS = {
    "laea": CRS.from_epsg(3035),
    "ob_tran": CRS.from_string(
        "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180 +to_meter=0.0174532925199433 "
        "+datum=WGS84"
    ),
    "lcca": CRS.from_string("+proj=lcca +lat_0=50 +lon_0=10 +datum=WGS84"),
}


def written(driver: str, crs: CRS) -> tuple[bool, bool, bool]:
    """Whether the CRS of a new file is read, whether a file lies beside it, and whether it is read after a rename."""
    place = Affine(0.1, 0, -5, 0, -0.1, 5)
    with rasterio.open(
        "map.tif", "w", driver=driver, width=SIDE, height=SIDE, count=1, dtype="uint8", crs=crs, transform=place
    ) as file:
        file.write(np.ones((1, SIDE, SIDE), np.uint8))
    with rasterio.open("map.tif") as file:
        before = file.crs == crs
    has_side_file = os.path.exists("map.tif.aux.xml")
    os.replace("map.tif", "renamed.tif")
    with rasterio.open("renamed.tif") as file:
        after = file.crs == crs
    if has_side_file:
        os.remove("map.tif.aux.xml")
    return before, has_side_file, after


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
unchanged = True
for driver in ("GTiff", "COG"):
    for name, crs in PROJECTIONS.items():
        before, beside, after = written(driver, crs)
        print(f"{driver}, {name}: CRS read {before}, file beside it {beside}, CRS read after a rename {after}")
        unchanged &= (before, beside, after) == ((True, False, True) if name == "laea" else (True, True, False))
print("unchanged" if unchanged else "changed")
sys.exit(not unchanged)
PYTHON
