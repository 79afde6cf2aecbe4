"""Which bands of a raster file hold its labels, and which mark pixels without data.

Labels are read through a VRT that shows the file's bands as plain numbers: GDAL lets a mask hide a nodata value, and a
nodata value hide an alpha band, and a warp thins files by their overviews; in the VRT nothing is hidden or averaged.
"""

import os
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from dataProcessors.rasters.grid import Grid
from dataProcessors.rasters.handles import Handles
from dataProcessors.rasters.nodata import equals_nodata
from dataProcessors.rasters.opening import GDAL_ERRORS, MapError, UnreadableError, error_text

GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "uint64": "UInt64", "int64": "Int64", "float16": "Float16", "float32": "Float32", "float64": "Float64",
}  # fmt: skip
COLOUR_BANDS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
UNKNOWN_BANDS = (ColorInterp.gray, ColorInterp.undefined)  # GDAL calls the first of several unknown bands gray
OWN_MASK_FLAGS = {frozenset({MaskFlags.nodata}), frozenset({MaskFlags.all_valid})}


@dataclass(frozen=True)
class LabelBands:
    """The bands of a label map.

    Attributes:
        values: one band of codes, or red, green and blue, counted from 1
        nodata: the declared nodata value of each of them, or None
        dtype: type of these bands
        flags: sources of VRT bands that are 0 where there is no data: "4" (band), "mask,1" (mask of band 1)
    """

    values: tuple[int, ...]
    nodata: tuple[float | None, ...]
    dtype: np.dtype
    flags: tuple[str, ...]

    def without_data(self, values: np.ndarray) -> np.ndarray:
        """Return where all bands hold their nodata value, or one is not finite: (B, h, w) -> (h, w) bool."""
        pairs = zip(values, self.nodata)
        missing = np.logical_and.reduce([_equals(band, nodata) for band, nodata in pairs])
        return missing if values.dtype.kind != "f" else missing | ~np.isfinite(values).all(0)


def label_bands(
    path: str, name: str, file: DatasetReader, vrt: ElementTree.Element, band: int | None = None
) -> LabelBands:
    """Return the bands of a label map.

    Args:
        path: of the file
        name: the user's name of the map
        file: the open file
        vrt: what GDAL knows of it, see `vrt_of`
        band: the band of codes that the config names, counted from 1
    Raises:
        MapError: it has several bands and they are no colours, or its values have a type that cannot be classes
    """
    values = _value_bands(path, name, file, band)
    dtype = np.dtype(file.dtypes[values[0] - 1])
    if dtype.name not in GDAL_TYPES:
        raise MapError(f"{path}: a label map must hold colours or integer codes. Got {dtype}.")
    alpha = [str(each) for each in _alpha_bands(file) if each not in values]
    masks = [f"mask,{each}" for each in values if _has_mask(file.mask_flag_enums[each - 1])]
    return LabelBands(values, tuple(_nodata(vrt, each) for each in values), dtype, (*alpha, *masks))


def _nodata(vrt: ElementTree.Element, band: int) -> float | None:
    """Return the declared nodata value, also one that the band's type cannot hold, which rasterio leaves out."""
    text = vrt.findtext(f"VRTRasterBand[@band='{band}']/NoDataValue")
    if text is None:
        return None
    try:
        return int(text)  # exact beyond 2**53
    except ValueError:
        return float(text)


def _value_bands(path: str, name: str, file: DatasetReader, band: int | None) -> tuple[int, ...]:
    if band is not None:
        if band not in file.indexes:
            raise MapError(
                f"{path}: 'maps.labels' names band {band} of the label map {name}, but the file has bands 1 to "
                f"{file.count}."
            )
        return (band,)
    bands = [each for each in file.indexes if each not in _alpha_bands(file)]
    if len(bands) == 1:
        return tuple(bands)
    meanings, types = [file.colorinterp[each - 1] for each in bands], {file.dtypes[each - 1] for each in bands}
    if len(bands) == 3 and types == {"uint8"}:
        if set(meanings) == set(COLOUR_BANDS):
            return tuple(bands[meanings.index(each)] for each in COLOUR_BANDS)
        if set(meanings) <= set(UNKNOWN_BANDS):
            return tuple(bands)
    raise codes_error(path, name, f"its {len(bands)} bands ({', '.join(sorted(types))}) are no colours")


def codes_error(path: str, name: str, reason: str) -> MapError:
    """Return the error for a file whose bands hold codes, such as one band for each year."""
    entry = f'"labels": {{"{name}": {{"path": "{path}", "band": 1}}}}'
    return MapError(f"{path}: {reason}, so the bands hold codes. Say in 'maps' which band is used: {entry}.")


def _alpha_bands(file: DatasetReader) -> list[int]:
    return [each for each, meaning in zip(file.indexes, file.colorinterp) if meaning == ColorInterp.alpha]


def _has_mask(flags: list[MaskFlags]) -> bool:
    """Return whether a band has a mask that neither its nodata value nor an alpha band gives."""
    return frozenset(flags) not in OWN_MASK_FLAGS and MaskFlags.alpha not in flags


def _equals(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Return where values are the nodata value; floats may differ a little, as those of images."""
    if nodata is None or not np.isfinite(nodata):  # values that are not finite are no data anyway
        return np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        return equals_nodata(values, nodata)
    code = code_of_nodata(nodata, values.dtype)
    return np.zeros(values.shape, bool) if code is None else values == code


def code_of_nodata(nodata: float, dtype: np.dtype) -> int | None:
    """Return the value of an integer type that a declared nodata value means; None: no pixel can have it.

    Programs that know no signed bytes declare -128 for values of 0..255 that are stored as 128, and the like.
    """
    limits, bits = np.iinfo(dtype), 8 * np.dtype(dtype).itemsize
    if not float(nodata).is_integer():
        return None
    code = int(nodata)
    if not -(2 ** (bits - 1)) <= code < 2**bits:
        return None  # of neither sign
    return code if limits.min <= code <= limits.max else code - 2**bits if code > limits.max else code + 2**bits


class LabelHandles(Handles):
    """Open label maps, one per thread: bands of values, then of flags; warped to a grid if one is given."""

    def __init__(self, path: str, vrt: str, grid: Grid | None = None):
        super().__init__(path, grid)
        self.vrt = vrt

    def open(self) -> DatasetReader:
        """Open the VRT of the file's bands."""
        try:
            return rasterio.open(self.vrt)
        except GDAL_ERRORS as error:
            message = f"{self.path}: cannot be opened: {error_text(error)} Copy the file again."
            raise UnreadableError(message) from None


def plain_vrt(path: str, file: DatasetReader, vrt: ElementTree.Element, bands: LabelBands) -> str:
    """Return a VRT with the bands of values and of flags, without nodata values, masks and overviews."""
    t, srs = file.transform, "" if file.crs is None else f"<SRS>{escape(file.crs.to_wkt())}</SRS>"
    transform = ", ".join(repr(float(each)) for each in (t.c, t.a, t.b, t.f, t.d, t.e))
    sources = [(GDAL_TYPES[bands.dtype.name], str(each)) for each in bands.values]
    sources += [(GDAL_TYPES[bands.dtype.name], flag) for flag in bands.flags]
    name = escape(_gdal_name(path, file, vrt))
    listed = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{number}"><SimpleSource><OpenOptions>'
        '<OOI key="OVERVIEW_LEVEL">NONE</OOI></OpenOptions>'
        f'<SourceFilename relativeToVRT="0">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for number, (kind, band) in enumerate(sources, 1)
    )
    size = f'rasterXSize="{file.width}" rasterYSize="{file.height}"'
    return f"<VRTDataset {size}>{srs}<GeoTransform>{transform}</GeoTransform>{listed}</VRTDataset>"


def _gdal_name(path: str, file: DatasetReader, vrt: ElementTree.Element) -> str:
    """Return the name by which GDAL opens a file: an absolute path, or for example that of a remote file.

    Links are not followed: GDAL looks for a mask beside the link.
    """
    if os.path.exists(path):
        return str(Path(path).absolute())
    source = None if file.driver == "VRT" else vrt.findtext(".//SourceFilename")
    return source or file.files[0]
