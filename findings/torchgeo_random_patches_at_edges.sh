#!/usr/bin/env bash
# torchgeo: RandomPatchSampler never reaches the edges of a map, and gives nothing for a map of up to 1.41 tiles
#
# Versions: torchgeo 0.10.1 with torch 2.14.1, geopandas 1.2.0, shapely 2.2.0, rasterio 1.5.2 and numpy 2.5.5 on Python
# 3.13.
#
# Behaviour: since 0.10 random tiles come from RandomPatchSampler, and RandomGeoSampler is deprecated. The new one draws
# the centres of tiles at least half a diagonal, not half a side, away from the edges. Of tiles of 96 pixels the nearest
# to an edge begins 20 pixels away from it: a frame of a fifth of a tile around the map is in no tile. On a map of 96 to
# 135 pixels a side, on which a tile has room, no tile is drawn at all, without a message, while len() still says how
# many there should be. RandomGeoSampler, on the same maps, draws from the whole map.
#
# What it means for the project: benchmarks/with_torchgeo.py measures speed alone. The project's own sampler draws tiles
# up to the last pixel.
#
# Output seen:
#     torchgeo 0.10.1, tiles of 96 pixels, columns of their left edges
#     map of 1000 pixels: RandomPatchSampler 2000 of 2000, 20 to 884; RandomGeoSampler 2000 of 2000, 0 to 903
#     map of 135 pixels: RandomPatchSampler 0 of 2000; RandomGeoSampler 2000 of 2000, 0 to 38
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.13 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
    torchgeo==0.10.1 torch==2.14.1 torchvision==0.29.1 geopandas==1.2.0 shapely==2.2.0 rasterio==1.5.2 numpy==2.5.5

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.transform import from_origin
from torchgeo.datasets import RasterDataset
from torchgeo.samplers import RandomGeoSampler, RandomPatchSampler

warnings.simplefilter("ignore", DeprecationWarning)
folder = Path(sys.argv[1])
WEST, PIXEL, SIZE, TILES = 600_000.0, 10.0, 96, 2000
GENERATORS = {
    RandomPatchSampler: lambda: np.random.default_rng(0), RandomGeoSampler: lambda: torch.Generator().manual_seed(0),
}


def left_edges(sampler_class: type, side: int) -> tuple[int, list[int]]:
    """How many tiles a sampler promises on a map of so many pixels a side, and the columns where its tiles begin."""
    path = folder / f"{side}.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8", crs="EPSG:32632",
        transform=from_origin(WEST, 5_500_000.0, PIXEL, PIXEL),
    ) as file:
        file.write(np.zeros((1, side, side), np.uint8))
    sampler = sampler_class(RasterDataset(str(path)), size=SIZE, length=TILES, generator=GENERATORS[sampler_class]())
    return len(sampler), [round((index[0].start - WEST) / PIXEL) for index in sampler]


print(f"torchgeo {version('torchgeo')}, tiles of {SIZE} pixels, columns of their left edges")
found = {}
for side in (1000, 135):
    parts = []
    for sampler_class in GENERATORS:
        promised, columns = left_edges(sampler_class, side)
        found[side, sampler_class] = (len(columns), *((min(columns), max(columns)) if columns else ()))
        reached = f", {min(columns)} to {max(columns)}" if columns else ""
        parts.append(f"{sampler_class.__name__} {len(columns)} of {promised}{reached}")
    print(f"map of {side} pixels: {'; '.join(parts)}")
inside, edges = found[1000, RandomPatchSampler], found[1000, RandomGeoSampler]
same = (
    inside[0] == TILES and inside[1] >= 19 and inside[2] <= 1000 - SIZE - 19
    and edges[1] < 5 and edges[2] > 1000 - SIZE - 5
    and found[135, RandomPatchSampler] == (0,) and found[135, RandomGeoSampler][0] == TILES
)
print("unchanged" if same else "changed")
sys.exit(not same)
PYTHON
