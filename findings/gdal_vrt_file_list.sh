#!/usr/bin/env bash
# GDAL: the list of files of a VRT has the sources of its bands, but not the parts of a VRT among them, nor its mask
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11. rasterio 1.5.2 with GDAL 3.12.2 on Python 3.13 does the
# same.
#
# Behaviour: DatasetReader.files (GDALDataset::GetFileList) names the files that a dataset consists of, and programs
# that keep something made of a map ask it whether one has changed. Of a VRT over a VRT it names the inner VRT, and not
# the GeoTIFF that holds the pixels; of a VRT with a mask band it leaves out the source of the mask. Both change what is
# read: below, the pixels change, and every file of the list is as it was. Nothing is said.
#
# What it means for the project: a prepared map would have gone on showing the pixels of before. The sources in the
# VRT's own XML are followed too; tests/dataProcessors/prepared/test_prepared_map.py changes them one by one.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     plain.vrt: its files are plain.vrt, pixels.tif; pixels or mask change with none of them: False
#     outer.vrt: its files are outer.vrt, plain.vrt; pixels or mask change with none of them: True
#     masked.vrt: its files are masked.vrt, pixels.tif; pixels or mask change with none of them: True
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

os.chdir(sys.argv[1])
SIDE, WEST, NORTH, PIXEL = 16, 600_000.0, 5_500_000.0, 10.0
BAND = '<VRTRasterBand dataType="Byte"{place}>{source}</VRTRasterBand>'
SOURCE = '<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
CHANGED = {"plain.vrt": "pixels.tif", "outer.vrt": "pixels.tif", "masked.vrt": "mask.tif"}  # VRT -> what changes


def write(name: str, value: int) -> None:
    """Write a GeoTIFF whose pixels have one value."""
    with rasterio.open(
        name, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint8", crs="EPSG:32632",
        transform=Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH),
    ) as file:
        file.write(np.full((1, SIDE, SIDE), value, np.uint8))


def write_vrt(name: str, pixels: str, mask: str = "") -> None:
    """Write a VRT of one band, and perhaps a mask."""
    place = f"<SRS>EPSG:32632</SRS><GeoTransform>{WEST}, {PIXEL}, 0, {NORTH}, 0, {-PIXEL}</GeoTransform>"
    band = BAND.format(place=' band="1"', source=SOURCE.format(name=pixels))
    masked = f"<MaskBand>{BAND.format(place='', source=SOURCE.format(name=mask))}</MaskBand>" if mask else ""
    size = f'rasterXSize="{SIDE}" rasterYSize="{SIDE}"'
    Path(name).write_text(f"<VRTDataset {size}>{place}{band}{masked}</VRTDataset>")


def listed(name: str) -> list[str]:
    """The files that a dataset consists of, by GDAL."""
    with rasterio.open(name) as file:
        return [Path(path).name for path in file.files]


def seen(name: str) -> tuple[bytes, bytes]:
    """Pixels and mask of a dataset."""
    with rasterio.open(name) as file:
        return file.read().tobytes(), file.dataset_mask().tobytes()


def content(names: list[str]) -> str:
    """A hash of files."""
    return hashlib.sha256(b"".join(Path(name).read_bytes() for name in names)).hexdigest()


write_vrt("plain.vrt", "pixels.tif")
write_vrt("outer.vrt", "plain.vrt")
write_vrt("masked.vrt", "pixels.tif", "mask.tif")
print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
found = {}
for vrt, part in CHANGED.items():
    write("pixels.tif", 1)
    write("mask.tif", 255)
    names, before = listed(vrt), seen(vrt)
    listed_before = content(names)
    write(part, 0 if part == "mask.tif" else 2)
    found[vrt] = names, seen(vrt) != before and content(names) == listed_before
    print(f"{vrt}: its files are {', '.join(names)}; pixels or mask change with none of them: {found[vrt][1]}")
expected = {
    "plain.vrt": (["plain.vrt", "pixels.tif"], False),
    "outer.vrt": (["outer.vrt", "plain.vrt"], True),
    "masked.vrt": (["masked.vrt", "pixels.tif"], True),
}
print("unchanged" if found == expected else "changed")
sys.exit(found != expected)
PYTHON
