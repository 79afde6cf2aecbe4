"""Writes class indices as a GeoTIFF that GIS programs show with the colours and names of the classes."""

from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from dataProcessors.class_tables.class_names import category_names_xml
from dataProcessors.legends.legend import NO_LABEL, Legend
from storage import atomic_write, write_text


def write_class_raster(path: Path, classes: np.ndarray, legend: Legend, crs: CRS, transform: Affine) -> None:
    """Write class indices (H, W) uint8, NO_LABEL where unlabelled, to `path`, and the class names to path.aux.xml.

    Args:
        path: of the GeoTIFF
        classes: of the pixels
        legend: names and colours of the classes
        crs: coordinate reference system
        transform: (column, row) -> coordinates, from the upper-left pixel
    Raises:
        StorageError: the disk refuses a write
    """
    height, width = classes.shape
    colours = {value: (*colour, 255) for value, colour in enumerate(legend.colors)}
    with MemoryFile() as memory:  # GDAL reports no error if the disk is full when it closes a file
        with memory.open(
            driver="GTiff", width=width, height=height, count=1, dtype="uint8", nodata=NO_LABEL,
            crs=crs, transform=transform, photometric="palette", compress="deflate",
        ) as out:  # fmt: skip
            out.write(classes, 1)
            out.write_colormap(1, colours | {NO_LABEL: (0, 0, 0, 0)})
        with atomic_write(path) as temporary:
            temporary.write_bytes(memory.getbuffer())
    write_text(path.with_name(f"{path.name}.aux.xml"), category_names_xml(legend.names))
