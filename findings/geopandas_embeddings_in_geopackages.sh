#!/usr/bin/env bash
# geopandas: a column of embeddings becomes text in a GeoPackage, and long embeddings lose most of their numbers
#
# Versions: geopandas 1.2.0 with pyogrio 0.13.0, pandas 3.1.1, pyarrow 26.0.1 and numpy 2.4.6 on Python 3.11.
#
# Behaviour: read from a GeoParquet file, the embedding of each row is a numpy array. GeoDataFrame.to_file writes what
# numpy prints of it, as text, without a warning: numbers between brackets, without commas, with as many digits as numpy
# shows. Of an array with more than 1,000 numbers numpy prints the first three and the last three, so that the others
# are lost. GeoJSON and FlatGeobuf get the same text. With use_arrow=True a GeoPackage holds a list of all numbers.
#
# What it means for the project: doc/inference.md tells users of its GeoParquet files to write with use_arrow=True.
#
# Output seen:
#     64 numbers, GPKG: text with 64 of them; use_arrow=True: list with 64
#     64 numbers, GeoJSON: text with 64 of them; use_arrow=True: ndarray with 64
#     64 numbers, FlatGeobuf: text with 64 of them; use_arrow=True: text with 64 of them
#     1001 numbers, GPKG: text with 6 of them; use_arrow=True: list with 1001
#     1001 numbers, GeoJSON: text with 6 of them; use_arrow=True: ndarray with 1001
#     1001 numbers, FlatGeobuf: text with 6 of them; use_arrow=True: text with 1001 of them
#     0 warnings
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    geopandas==1.2.0 pyogrio==0.13.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import re
import sys
import warnings
from pathlib import Path

import geopandas
import numpy as np
import shapely

folder = Path(sys.argv[1])
FORMATS = {"GPKG": "gpkg", "GeoJSON": "geojson", "FlatGeobuf": "fgb"}


def told(value: object) -> str:
    """The type of what was read, and how many numbers it has."""
    if isinstance(value, str):
        return f"text with {len(re.findall(r'[-+.e0-9]*[0-9][-+.e0-9]*', value))} of them"
    return f"{type(value).__name__} with {len(value)}"


def written(frame: geopandas.GeoDataFrame, driver: str, use_arrow: bool) -> str:
    """What is read of the first embedding of a frame that was written."""
    path = folder / f"{use_arrow}-{len(frame['embedding'][0])}.{FORMATS[driver]}"
    frame.to_file(path, driver=driver, use_arrow=use_arrow)
    return told(geopandas.read_file(path)["embedding"][0])


found, lines = {}, []
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    for length in (64, 1001):
        embedding = np.linspace(0, 1, length, dtype=np.float32)
        points = geopandas.points_from_xy([0, 1], [0, 1], crs="EPSG:4326")
        geopandas.GeoDataFrame({"embedding": [embedding, embedding]}, geometry=points).to_parquet(folder / "e.parquet")
        frame = geopandas.read_parquet(folder / "e.parquet")
        for driver in FORMATS:
            found[length, driver] = written(frame, driver, False), written(frame, driver, True)
            usual, arrow = found[length, driver]
            print(f"{length} numbers, {driver}: {usual}; use_arrow=True: {arrow}")
print(f"{len(seen)} warnings")
expected = {}
for length, kept in ((64, 64), (1001, 6)):
    for driver, arrow in (
        ("GPKG", f"list with {length}"), ("GeoJSON", f"ndarray with {length}"),
        ("FlatGeobuf", f"text with {length} of them"),
    ):
        expected[length, driver] = f"text with {kept} of them", arrow
same = found == expected and not seen
print("unchanged" if same else "changed")
sys.exit(not same)
PYTHON
