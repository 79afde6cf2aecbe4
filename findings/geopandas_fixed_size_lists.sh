#!/usr/bin/env bash
# geopandas: lists of fixed length lose their length when they are written again, or cannot be read back at all
#
# Versions: geopandas 1.2.0, pandas 3.1.1, pyarrow 26.0.1, duckdb 2.0.1 on Python 3.11.
#
# Behaviour: a GeoParquet file with a column of fixed-size lists, as embeddings are stored, is read by geopandas: each
# list is a numpy array. Written by geopandas again, it is a list of any length. Read with pandas.ArrowDtype for all
# columns, it keeps its length, also in the file that geopandas then writes; but that file its own read_parquet refuses
# (NotImplementedError: the name of the type in the metadata of pandas, "fixed_size_list<element: int8>[4][pyarrow]",
# cannot be parsed). duckdb reads the lists of any of these files as lists of any length (TINYINT[]): its functions of
# arrays need a cast to FLOAT[4]. pyarrow reads all of the files.
#
# What it means for the project: inference/geoparquet.py writes fixed-size lists, without metadata of pandas. Its users
# are told what the readers make of them.
#
# Output seen:
#     as written: fixed_size_list<element: int8>[4]; geopandas: ndarray; duckdb: TINYINT[]
#     written again by geopandas: list<element: int8>; geopandas: ndarray; duckdb: TINYINT[]
#     written again with ArrowDtype: fixed_size_list<element: int8>[4]; geopandas: NotImplementedError; duckdb: TINYINT[]
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    geopandas==1.2.0 pandas==3.1.1 pyarrow==26.0.1 duckdb==2.0.1 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import duckdb
import geopandas
import pandas
import pyarrow
import pyarrow.parquet
import shapely

folder = Path(sys.argv[1])
NAMES = "as written", "written again by geopandas", "written again with ArrowDtype"
paths = [folder / f"{name}.parquet" for name in NAMES]


def kind_for_geopandas(path: Path) -> str:
    """What geopandas makes of a list, or the error."""
    try:
        return type(geopandas.read_parquet(path)["embedding"].iloc[0]).__name__
    except Exception as error:
        return type(error).__name__


values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(range(8), pyarrow.int8()), 4)
points = pyarrow.array(shapely.to_wkb(shapely.points([(0, 0), (1, 1)])).tolist(), pyarrow.binary())
geo = {"version": "1.1.0", "primary_column": "geometry",
       "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}}}
table = pyarrow.table({"embedding": values, "geometry": points}).replace_schema_metadata({"geo": json.dumps(geo)})
pyarrow.parquet.write_table(table, paths[0])
geopandas.read_parquet(paths[0]).to_parquet(paths[1])
kept = geopandas.read_parquet(paths[0], to_pandas_kwargs={"types_mapper": pandas.ArrowDtype})
kept.to_parquet(paths[2])

found = []
for name, path in zip(NAMES, paths):
    stored = str(pyarrow.parquet.read_schema(path).field("embedding").type)
    described = duckdb.sql(f"DESCRIBE SELECT embedding FROM '{path}'").fetchall()[0][1]
    found.append((stored, kind_for_geopandas(path), described))
    print(f"{name}: {stored}; geopandas: {found[-1][1]}; duckdb: {described}")
FIXED, ANY = "fixed_size_list<element: int8>[4]", "list<element: int8>"
expected = [
    (FIXED, "ndarray", "TINYINT[]"), (ANY, "ndarray", "TINYINT[]"), (FIXED, "NotImplementedError", "TINYINT[]"),
]
print("unchanged" if found == expected else "changed")
sys.exit(found != expected)
PYTHON
