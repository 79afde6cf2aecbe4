"""Names of classes that a raster file brings along: category names and attribute tables.

They stand in the file itself (a VRT, an Erdas file), in GDAL's sidecar PATH.aux.xml, or where else GDAL finds them.
rasterio cannot read them, but GDAL writes all it knows of a file into a VRT, which is XML.
"""

import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasterio.io import DatasetReader, MemoryFile
from rasterio.shutil import copy

from dataProcessors.class_tables.attribute_table import CodeRow, table_rows
from dataProcessors.class_tables.clr_table import clr_names
from dataProcessors.class_tables.side_files import find_side_file
from dataProcessors.class_tables.vat_table import vat_names
from dataProcessors.rasters.opening import GDAL_ERRORS, MapError, error_text

log = logging.getLogger(__name__)
TABLE = "GDALRasterAttributeTable"
VRT_BAND = "VRTRasterBand"
BAD_NUMBERS = (OSError, ValueError, LookupError, OverflowError)  # from files, numbers, encodings and short rows


@dataclass(frozen=True)
class FileNames:
    """The named codes of one band, and the file or the part of it that names them."""

    rows: list[CodeRow]
    origin: str


def vrt_of(file: DatasetReader) -> ElementTree.Element:
    """Return all that GDAL knows of a file, but its pixels, as the XML of a VRT.

    Raises:
        MapError: GDAL cannot describe the file
    """
    try:
        with MemoryFile(ext=".vrt") as memory:
            copy(file, memory.name, driver="VRT")
            return ElementTree.fromstring(memory.read())
    except (*GDAL_ERRORS, ElementTree.ParseError) as error:
        raise MapError(f"{file.name}: cannot be read: {error_text(error)}. Copy the file again.") from None


def names_of_file(path: str, vrt: ElementTree.Element, band: int) -> FileNames | None:
    """Return the named codes of a band, from its sidecar, another file beside it or itself; None: no names.

    The files beside it are read here, also those that some versions of GDAL read: so all versions give the same names.

    Args:
        path: of the raster file
        vrt: what GDAL knows of it, see `vrt_of`
        band: counted from 1
    Raises:
        MapError: the sidecar file is damaged
    """
    sidecar = f"{path}.aux.xml"
    root = _read_sidecar(sidecar)
    beside = _band_element(root, "PAMRasterBand", band)
    is_repeated = beside is not None and beside.find(TABLE) is not None  # GDAL also knows the sidecar's table
    return (
        _names_in_xml(sidecar, root, "PAMRasterBand", band)
        or _names_beside(path, ".vat.dbf", vat_names, band)
        or _names_in_xml(path, None if is_repeated else vrt, VRT_BAND, band)
        or _names_beside(path, ".clr", clr_names, band)
    )


def _names_in_xml(origin: str, root: ElementTree.Element | None, tag: str, band: int) -> FileNames | None:
    try:
        rows = _rows(origin, _band_element(root, tag, band))
    except BAD_NUMBERS as error:
        raise MapError(f"{origin}: cannot be read ({error}). Copy the file again, or remove it.") from None
    return FileNames(rows, origin) if rows else None


def _names_beside(path: str, suffix: str, read: Callable[[str], dict[int, str]], band: int) -> FileNames | None:
    names = read(path) if band == 1 else {}
    rows = [CodeRow(code, code, name) for code, name in sorted(names.items())]
    return FileNames(rows, str(find_side_file(path, suffix))) if rows else None


def category_names_xml(names: Sequence[str]) -> str:
    """Return the sidecar file of a raster whose pixel values 0, 1, ... are classes with these names."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for name in names:
        ElementTree.SubElement(categories, "Category").text = "".join(c for c in name if c.isprintable())
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _read_sidecar(sidecar: str) -> ElementTree.Element | None:
    if not Path(sidecar).exists():
        return None
    try:
        return ElementTree.parse(sidecar).getroot()
    except ElementTree.ParseError as error:
        raise MapError(f"{sidecar}: not valid XML ({error}). Copy the file again, or remove it.") from None
    except BAD_NUMBERS as error:
        raise MapError(f"{sidecar}: cannot be read ({error}). Copy the file again, or remove it.") from None


def _band_element(root: ElementTree.Element | None, tag: str, band: int) -> ElementTree.Element | None:
    bands = [] if root is None else root.iterfind(tag)
    return next((each for each in bands if each.get("band", "1") == str(band)), None)


def _rows(origin: str, band: ElementTree.Element | None) -> list[CodeRow]:
    """Return the rows of the category names, whose places are their codes, or else of the attribute table."""
    categories = [] if band is None else [(item.text or "").strip() for item in band.iterfind("CategoryNames/Category")]
    if any(categories):
        return [CodeRow(code, code, name) for code, name in enumerate(categories) if name]
    table = None if band is None else band.find(TABLE)
    of_uint32 = band is not None and band.tag == VRT_BAND and band.get("dataType") == "UInt32"
    rows = [] if table is None else table_rows(table, of_uint32)
    if table is not None and rows is None:
        titles = [field.findtext("Name", "") for field in table.iterfind("FieldDefn")]
        log.warning(
            "%s: the attribute table with the columns %s was not understood and is not used: it does not say which "
            "column holds the codes and which the names. Call them Value and Class_Name, or describe the classes in a "
            "JSON file and name it in 'maps.legends'", origin, ", ".join(titles) or "(none)",
        )  # fmt: skip
    return rows or []
