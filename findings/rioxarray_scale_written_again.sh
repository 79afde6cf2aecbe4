#!/usr/bin/env bash
# rioxarray with xarray: values that were multiplied with their scale are written with the scale once more
#
# Versions: rioxarray 0.19.0, xarray 2026.9.0, rasterio 1.4.4 with GDAL 3.10.3, numpy 2.4.6 on Python 3.11. rioxarray
# 0.23.0 with rasterio 1.5.2 on Python 3.13 does the same. With xarray 2025.10.1 the second file was right.
#
# Behaviour: embeddings lie in 8 bits in a GeoTIFF whose band says scale 1/127. rioxarray.open_rasterio gives stored
# values and, as attribute scale_factor, the scale. Arithmetic keeps attributes since xarray 2025.11, so the product of
# both still has the attribute, and to_raster writes it: the new file holds real values and says scale 1/127 too. Who
# reads it as rasters with a scale are to be read gets values that are 127 times too small. Read with
# mask_and_scale=True, the scale is no attribute, and the new file is right.
#
# What it means for the project: doc/inference.md tells users of its GeoTIFFs of embeddings to open them so.
#
# Output seen:
#     rioxarray 0.19.0, xarray 2026.9.0
#     first file: stored 127, scale 1/127: 1
#     stored * scale_factor, written: stored 1, scale 1/127: 0.00787
#     mask_and_scale=True, times 1, written: stored 1, scale 1: 1
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    rioxarray==0.19.0 xarray==2026.9.0 rasterio==1.4.4 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import rasterio
import rioxarray
import xarray
from rasterio.transform import from_origin

folder = Path(sys.argv[1])


def told(path: Path) -> tuple[float, float]:
    """Stored value and scale of the first pixel."""
    with rasterio.open(path) as file:
        return float(file.read(1)[0, 0]), file.scales[0]


first, second, third = (folder / f"{name}.tif" for name in ("first", "second", "third"))
with rasterio.open(
    first, "w", driver="GTiff", width=2, height=2, count=1, dtype="int8", nodata=-128, crs="EPSG:32632",
    transform=from_origin(6e5, 5.5e6, 10, 10),
) as file:
    file.write(np.array([[[127, -127], [0, -128]]], np.int8))
    file.scales = (1 / 127,)
stored = rioxarray.open_rasterio(first, masked=True)
(stored * stored.attrs["scale_factor"]).rio.to_raster(second)
(rioxarray.open_rasterio(first, mask_and_scale=True) * 1).rio.to_raster(third)

print(f"rioxarray {rioxarray.__version__}, xarray {xarray.__version__}")
names = "first file", "stored * scale_factor, written", "mask_and_scale=True, times 1, written"
found = [told(path) for path in (first, second, third)]
for name, (value, scale) in zip(names, found):
    print(f"{name}: stored {value:g}, scale {'1' if scale == 1 else f'1/{1 / scale:.0f}'}: {value * scale:.3g}")
expected = [(127, 1 / 127), (1, 1 / 127), (1, 1)]
same = bool(np.allclose(found, expected, rtol=1e-6))
print("unchanged" if same else "changed")
sys.exit(not same)
PYTHON
