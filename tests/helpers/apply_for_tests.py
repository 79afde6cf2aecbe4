"""The verbs as a user calls them, and readers of what they write."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.warp import transform

import main

SIZE = 16


def said(capsys, *arguments: str) -> str:
    """Call main.py; return what it prints."""
    capsys.readouterr()
    assert main.main([*arguments]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments: str) -> str:
    """Call main.py with something that it cannot do; return the one line that it says, and see that nothing is left."""
    before = files_of(Path())
    capsys.readouterr()
    try:
        code = main.main([*arguments])
    except SystemExit as error:  # of argparse, which also says how the verb is called
        code = error.code
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert files_of(Path()) == before, "something was written, or left half-written"
    assert len(lines) == 1 or lines[-1].startswith("main.py"), lines
    return lines[-1]


def files_of(folder: Path) -> dict[str, int]:
    """Return the files of a folder with the times when they were changed, but for the cache."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts)
    return {str(path): path.stat().st_mtime_ns for path in paths}


def centre(x: int, y: int) -> list[str]:
    """Longitude and latitude of the middle of the tile at a position, as words of the command line."""
    with rasterio.open("image.tif") as file:
        lon, lat = transform(file.crs, "EPSG:4326", *zip(file.transform @ (x + SIZE / 2, y + SIZE / 2)))
    return [f"{lon[0]:.8f}", f"{lat[0]:.8f}"]


def pixels(path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()
