#!/usr/bin/env bash
# GDAL: a download that breaks off counts as the whole, for as long as the process lives; versions of a file are mixed
#
# Versions: rasterio 1.4.4 with GDAL 3.10.3 on Python 3.11.
#
# Behaviour: where the connection of a range request ends after a part of its bytes, /vsicurl/ takes the part for the
# whole, keeps it, and answers later reads of the place from it without asking the server. So a block of pixels stays
# unreadable when the server is well again (GDAL_HTTP_MAX_RETRY does not apply). Where it happens in the header, the
# file may open without its CRS: the tags that did not come are left out, with a warning in the log. And where a file
# changes on the server (ETag, Last-Modified and content) after a part of it was read, the next part is taken from the
# new file without an error or a warning.
#
# What it means for the project: dataProcessors/rasters/map_file.py sees to it that the beginning of a file has come as
# a whole, lets GDAL forget the file before it tries again, and asks the server for the version after every batch.
#
# Output seen:
#     rasterio 1.4.4, GDAL 3.10.3
#     broken off in a block: read fails; again, server well: read fails, requests sent: 0
#     broken off in the header: opened, CRS None
#     file changed between two reads: no error, second read is of the new file
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6

cat > "$folder/server.py" <<'PYTHON'
"""Serves one file; the query of a POST says after how many bytes the next answer breaks off, or that it changes."""
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version, files = "HTTP/1.1", [open(name, "rb").read() for name in sys.argv[1:]]
    state = {"breaks": -1, "version": 0, "gets": 0}

    def answer(self, status, content, headers=()):
        self.send_response(status)
        for name, value in ({"Content-Length": len(content), "ETag": f'"{self.state["version"]}"'} | dict(headers)).items():
            self.send_header(name, str(value))
        self.end_headers()

    def do_POST(self):
        name, _, value = self.path.rpartition("?")[2].partition("=")
        if value:
            self.state[name] = int(value)
        content = str(self.state["gets"]).encode()
        self.answer(200, content)
        self.wfile.write(content)

    def do_HEAD(self):
        self.answer(200, self.files[self.state["version"]])

    def do_GET(self):
        whole = self.files[self.state["version"]]
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = whole[int(first) : int(last) + 1]
        span = f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}"
        self.answer(206, part, [("Content-Range", span)])
        self.state["gets"] += 1
        if self.state["breaks"] >= 0:
            part, self.close_connection = part[: self.state["breaks"]], True
            self.state["breaks"] = -1
        self.wfile.write(part)

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import logging
import subprocess
import sys
import urllib.request

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasterio.windows import Window

logging.disable(logging.WARNING)
folder, SIDE = sys.argv[1], 512
names, maps = [], []
for seed in (0, 1):
    pixels = np.random.default_rng(seed).integers(0, 256, (3, SIDE, SIDE), np.uint8)
    with rasterio.open(
        f"{folder}/plain.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=3, dtype="uint8",
        crs="EPSG:32632", transform=from_origin(6e5, 5.5e6, 10, 10),
    ) as file:
        file.write(pixels)
    names.append(f"{folder}/{seed}.tif")
    copy(f"{folder}/plain.tif", names[-1], driver="COG", BLOCKSIZE=128, COMPRESS="NONE", OVERVIEWS="NONE")
    maps.append(pixels)
server = subprocess.Popen([sys.executable, f"{folder}/server.py", *names], stdout=subprocess.PIPE, text=True)
host = f"http://127.0.0.1:{int(server.stdout.readline())}"


def tell(what: str) -> int:
    with urllib.request.urlopen(f"{host}/?{what}", b"") as answer:
        return int(answer.read())


def is_read(file, window: Window) -> bool:
    try:
        file.read(window=window)
    except RasterioIOError:
        return False
    return True


OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_MAX_RETRY": "3", "GDAL_HTTP_RETRY_DELAY": "0.01"}
FIRST, SECOND = Window(0, 0, 64, 64), Window(400, 400, 64, 64)
SHOWN = {True: "succeeds", False: "fails"}
try:
    print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
    with rasterio.Env(**OPTIONS):
        with rasterio.open(f"{host}/a.tif") as file:
            tell("breaks=1000")
            then = is_read(file, SECOND)
            before = tell("gets")
            again, asked = is_read(file, SECOND), tell("gets") - before
        print(f"broken off in a block: read {SHOWN[then]}; again, server well: read {SHOWN[again]}, requests sent: {asked}")
        tell("breaks=500")
        with rasterio.open(f"{host}/b.tif") as file:
            crs = file.crs
        print(f"broken off in the header: opened, CRS {crs}")
        with rasterio.open(f"{host}/c.tif") as file:
            file.read(window=FIRST)
            tell("version=1")
            found = file.read(window=SECOND)
        is_new = np.array_equal(found, maps[1][:, 400:464, 400:464])
        print(f"file changed between two reads: no error, second read is of the {'new' if is_new else 'old'} file")
finally:
    server.kill()
unchanged = (then, again, asked, crs, is_new) == (False, False, 0, None, True)
print("unchanged" if unchanged else "changed")
sys.exit(not unchanged)
PYTHON
