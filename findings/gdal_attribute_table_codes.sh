#!/usr/bin/env bash
# GDAL: codes from 2^31 on in the attribute table of a uint32 raster become negative numbers
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11.
#
# Behaviour: a VRT may hold a raster attribute table whose whole numbers name the codes of a band of uint32. GDAL keeps
# whole numbers of a table as int32, so that 4,067,883,965 becomes -227,083,331 where GDAL writes the table again, or a
# program asks it for the table. The pixels have their own values, so no name is found for them.
#
# What it means for the project: dataProcessors/class_tables/attribute_table.py adds 2^32 to negative codes that GDAL
# gives for a band of uint32.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     pixels [1560809756, 4067883965]
#     codes that GDAL gives [1560809756, -227083331]
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import re
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

folder, codes = Path(sys.argv[1]), [1_560_809_756, 4_067_883_965]
pixels = np.array(codes, np.uint32).reshape(1, 1, 2)
with rasterio.open(
    folder / "codes.tif", "w", driver="GTiff", width=2, height=1, count=1, dtype="uint32", crs="EPSG:32632",
    transform=from_origin(6e5, 5.5e6, 10, 10),
) as file:  # fmt: skip
    file.write(pixels)
rows = "".join(f'<Row index="{i}"><F>{code}</F><F>class {i}</F></Row>' for i, code in enumerate(codes))
table = (
    '<GDALRasterAttributeTable><FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>'
    '<FieldDefn index="1"><Name>Name</Name><Type>2</Type><Usage>2</Usage></FieldDefn>'
    f"{rows}</GDALRasterAttributeTable>"
)
(folder / "named.vrt").write_text(
    '<VRTDataset rasterXSize="2" rasterYSize="1"><GeoTransform>6e5, 10, 0, 5.5e6, 0, -10</GeoTransform>'
    '<VRTRasterBand dataType="UInt32" band="1"><SimpleSource><SourceFilename relativeToVRT="1">codes.tif'
    f"</SourceFilename><SourceBand>1</SourceBand></SimpleSource>{table}</VRTRasterBand></VRTDataset>"
)
with rasterio.open(folder / "named.vrt") as file:
    stored = file.read(1).ravel().tolist()
    given = [int(code) for code in re.findall(r"<F>(-?\d+)</F>", file.tags(ns="xml:VRT")["xml:VRT"])]
print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
print(f"pixels {stored}")
print(f"codes that GDAL gives {given}")
same = stored == codes and given == [codes[0], codes[1] - 2**32]
print("unchanged" if same else "changed")
sys.exit(not same)
PYTHON
