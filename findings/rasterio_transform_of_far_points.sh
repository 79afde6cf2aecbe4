#!/usr/bin/env bash
# rasterio: warp.transform raises for all points where a single one lies where the target CRS is undefined, 20 times
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11. rasterio 1.5.2 with GDAL 3.12.2 on Python 3.13 does the
# same.
#
# Behaviour: rasterio.warp.transform gives inf for some points that cannot be transformed, and raises for others: a
# point at 99 E 0 N makes the transformation of every list that it is in to UTM zone 32 fail ("Point outside of
# projection domain"), and so does the South Pole for Lambert conformal conic (EPSG:2154), or a latitude beyond 90. GDAL
# itself says for each point whether it was transformed; rasterio raises the first message that GDAL left. GDAL leaves
# 20 messages for a pair of CRSs and is silent from then on: the 21st equal call of a process raises nothing, and gives
# inf for the far point and the right place for the other. So what a program does depends on what it has done before.
#
# What it means for the project: dataProcessors/rasters/grid.py tries halves of the points where a call raises, down to
# single ones, so that each point is transformed or infinite whatever was called before.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     EPSG:32632: (9, 50) and (99, 0): Point outside of projection domain
#     EPSG:2154: (9, 50) and (10, -90): Point outside of projection domain
#     EPSG:32632: (9, 50) and (190, 5): transformed
#     EPSG:32632: (9, 50) and (nan, nan): transformed
#     EPSG:32633: of 30 equal calls the first 20 raised, and the others transformed
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import rasterio
from rasterio.warp import transform

PLACE = 9.0, 50.0  # where all of the CRSs are defined


def told(crs: str, other: tuple[float, float]) -> str:
    """What happens to the place beside another one."""
    try:
        x, _ = transform("EPSG:4326", crs, *zip(PLACE, other))
    except Exception as error:  # GDAL's errors have no public name
        return str(error)
    return "transformed" if np.isfinite(x[0]) else "lost"


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
CASES = [
    ("EPSG:32632", (99, 0)), ("EPSG:2154", (10, -90)), ("EPSG:32632", (190, 5)), ("EPSG:32632", (np.nan, np.nan)),
]  # fmt: skip
found = [told(crs, other) for crs, other in CASES]
for (crs, other), text in zip(CASES, found):
    print(f"{crs}: (9, 50) and ({other[0]:g}, {other[1]:g}): {text}")
expected = ["Point outside of projection domain"] * 2 + ["transformed"] * 2
calls = [told("EPSG:32633", (104, 0)) for _ in range(30)]
raised = calls.index("transformed") if "transformed" in calls else len(calls)
print(f"EPSG:32633: of {len(calls)} equal calls the first {raised} raised, and the others transformed")
is_so = found == expected and raised == 20 and set(calls[raised:]) == {"transformed"}
print("unchanged" if is_so else "changed")
sys.exit(not is_so)
PYTHON
