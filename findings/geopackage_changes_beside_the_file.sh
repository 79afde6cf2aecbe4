#!/usr/bin/env bash
# GeoPackage: what a reader sees changes while size, time and every byte of the file stay the same
#
# Versions: pyogrio 0.13.0, with the GDAL of its wheel, on Python 3.11 with SQLite of Python's own module.
#
# Behaviour: a program that has switched a GeoPackage to SQLite's write-ahead log, and still has it open, commits its
# changes to FILE.gpkg-wal. GDAL reads both as one, so pyogrio returns the new values at once. FILE.gpkg itself is
# written to when the last program that has it open closes it, or after some thousand pages. Until then its size, its
# time of change and its hash are those of before the change.
#
# What it means for the project: prepared label maps are known by their files' size and time. The -wal file counts as a
# part of a GeoPackage, where it is there and not empty (dataProcessors/vectors/ogr_features.py).
#
# Output seen:
#     pyogrio 0.13.0, GDAL 3.12.4
#     before: ['a', 'b'], after a commit: ['b', 'b'], the file: unchanged, beside it: l.gpkg-wal
#     after it was closed: ['b', 'b'], the file: changed
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyogrio==0.13.0 shapely==2.2.0 \
    numpy==2.4.6

cd "$folder"
cat > edit.py <<'PYTHON'
import sqlite3
import sys

connection = sqlite3.connect("l.gpkg")
connection.execute("pragma journal_mode=wal")
print("open", flush=True)
sys.stdin.readline()
connection.execute("update l set class = 'b'")
connection.commit()
print("changed", flush=True)
sys.stdin.readline()
connection.close()
PYTHON

"$folder/venv/bin/python" - <<'PYTHON'
import hashlib
import os
import subprocess
import sys

import numpy as np
import pyogrio
import shapely

PLACES = shapely.to_wkb(shapely.points([(8, 50), (9, 50)]))
pyogrio.raw.write(
    "l.gpkg", PLACES, [np.array(["a", "b"], object)], ["class"], crs="EPSG:4326", geometry_type="Point",
    SPATIAL_INDEX="NO",
)  # fmt: skip


def values() -> list[str]:
    return pyogrio.raw.read("l.gpkg", read_geometry=False)[3][0].tolist()


def state() -> tuple:
    status = os.stat("l.gpkg")
    with open("l.gpkg", "rb") as file:
        return status.st_size, status.st_mtime_ns, hashlib.sha256(file.read()).hexdigest()


with subprocess.Popen([sys.executable, "edit.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as editor:
    editor.stdout.readline()
    before, file_before = values(), state()
    editor.stdin.write(b"\n")
    editor.stdin.flush()
    editor.stdout.readline()
    after, is_same = values(), state() == file_before
    beside = [name for name in sorted(os.listdir()) if name.endswith("-wal") and os.path.getsize(name)]
    editor.communicate(b"\n")
closed, is_same_then = values(), state() == file_before

print(f"pyogrio {pyogrio.__version__}, GDAL {pyogrio.__gdal_version_string__}")
words = {True: "unchanged", False: "changed"}
print(f"before: {before}, after a commit: {after}, the file: {words[is_same]}, beside it: {', '.join(beside)}")
print(f"after it was closed: {closed}, the file: {words[is_same_then]}")
is_so = (before, after, is_same, beside, is_same_then) == (["a", "b"], ["b", "b"], True, ["l.gpkg-wal"], False)
print("unchanged" if is_so else "changed")
sys.exit(not is_so)
PYTHON
