"""Names of classes that a raster file brings along: category names and attribute tables.

They stand in the file itself (a VRT, an Erdas file), in GDAL's sidecar PATH.aux.xml, or where else GDAL finds them.
rasterio cannot read them, but GDAL writes all it knows of a file into a VRT, which is XML.
"""

import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
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
BAD_NUMBERS = (OSError, ValueError, LookupError, OverflowError)  # from files, numbers, encodings and short rows


@dataclass(frozen=True)
class FileNames:
    """The named codes of one band, and the file or the part of it that names them."""

    rows: list[CodeRow]
    place: str


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
    """Return the named codes of a band, from its sidecar, itself or another file beside it; None: no names.

    Args:
        path: of the raster file
        vrt: what GDAL knows of it, see `vrt_of`
        band: counted from 1
    Raises:
        MapError: the sidecar file is damaged
    """
    names = _names_of_gdal(path, vrt, band)
    return names or (_names_beside(path) if band == 1 else None)


def _names_of_gdal(path: str, vrt: ElementTree.Element, band: int) -> FileNames | None:
    sidecar = f"{path}.aux.xml"
    for place, root, tag in ((sidecar, _read_sidecar(sidecar), "PAMRasterBand"), (path, vrt, "VRTRasterBand")):
        try:
            rows = _rows(place, _band_element(root, tag, band))
        except BAD_NUMBERS as error:
            raise MapError(f"{place}: cannot be read ({error}). Copy the file again, or remove it.") from None
        if rows is not None:
            return FileNames(rows, place) if rows else None
    return None


def _names_beside(path: str) -> FileNames | None:
    """Return the names of the files that GDAL does not read: .vat.dbf, else .clr."""
    for suffix, read in ((".vat.dbf", vat_names), (".clr", clr_names)):
        if names := read(path):
            rows = [CodeRow(code, code, name) for code, name in sorted(names.items())]
            return FileNames(rows, str(find_side_file(path, suffix)))
    return None


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


def _rows(place: str, band: ElementTree.Element | None) -> list[CodeRow] | None:
    """Return the rows of the category names, whose places are their codes, or else of the attribute table.

    None: there are neither. An attribute table that is not understood has no rows.
    """
    categories = [] if band is None else [(item.text or "").strip() for item in band.iterfind("CategoryNames/Category")]
    if any(categories):
        return [CodeRow(code, code, name) for code, name in enumerate(categories) if name]
    table = None if band is None else band.find("GDALRasterAttributeTable")
    if table is None:
        return None
    rows = table_rows(table)
    if rows is None:
        titles = [field.findtext("Name", "") for field in table.iterfind("FieldDefn")]
        log.warning(
            "%s: the attribute table with the columns %s was not understood and is not used: it does not say which "
            "column holds the codes and which the names. Call them Value and Class_Name, or describe the classes in a "
            "JSON file and name it in 'maps.legends'", place, ", ".join(titles) or "(none)",
        )  # fmt: skip
    return rows or []
