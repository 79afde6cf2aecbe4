#!/usr/bin/env bash
# GDAL: the mask of a band of doubles covers values beside its nodata value, as far as for floats
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11. rasterio 1.5.2 with GDAL 3.12.2 on Python 3.13 does the
# same.
#
# Behaviour: read_masks of a float64 band with a nodata value also masks other values, whose relative distance is below
# some 5e-7: the tolerance is that of float32, although a double tells such values apart in their tenth digit. With
# nodata 1e9 a value of 1000000100 is no data, with 1000 a value of 1000.0003. Integers are compared exactly.
#
# What it means for the project: dataProcessors/rasters/nodata.py compares floats and doubles in this way, so that a
# pixel is without data where every other program that asks GDAL says so.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     float64, nodata 1e+09: masked 1000000000, 1000000100; not masked 1000000500
#     float64, nodata 1000: masked 1000, 1000.0003; not masked 1000.001
#     int32, nodata 1e+09: masked 1000000000; not masked 1000000100, 1000000500
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6

"$folder/venv/bin/python" - "$folder/map.tif" <<'PYTHON'
import sys

import numpy as np
import rasterio
from rasterio.transform import from_origin


def masked(values: np.ndarray, nodata: float) -> list[bool]:
    """Which values of a band GDAL takes for no data."""
    with rasterio.open(
        sys.argv[1], "w", driver="GTiff", width=len(values), height=1, count=1, dtype=values.dtype, nodata=nodata,
        transform=from_origin(0, 1, 1, 1),
    ) as file:
        file.write(values[None, None])
    with rasterio.open(sys.argv[1]) as file:
        return (file.read_masks(1)[0] == 0).tolist()


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
LARGE, SMALL = [1e9, 1e9 + 100, 1e9 + 500], [1000, 1000.0003, 1000.001]
found = []
for dtype, values in (("float64", LARGE), ("float64", SMALL), ("int32", LARGE)):
    array = np.array(values, dtype)
    inside = masked(array, values[0])
    shown = [f"{value:.10g}" for value in array.tolist()]
    parts = [", ".join(text for text, each in zip(shown, inside) if each is wanted) for wanted in (True, False)]
    print(f"{dtype}, nodata {values[0]:g}: masked {parts[0]}; not masked {parts[1]}")
    found.append(inside)
expected = [[True, True, False], [True, True, False], [True, False, False]]
print("unchanged" if found == expected else "changed")
sys.exit(found != expected)
PYTHON
