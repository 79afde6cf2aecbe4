"""Class names of a raster file in its sidecar file, PATH.aux.xml, as GDAL and GIS programs read and write it."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from dataProcessors.rasters.opening import MapError

PIXEL_VALUE, NAME = 5, 2  # GDAL's usage numbers of an attribute table's columns


def category_names(path: str) -> dict[int, str]:
    """Read pixel value -> class name from the sidecar file (PATH.aux.xml): its category names or attribute table."""
    sidecar = Path(f"{path}.aux.xml")
    if not sidecar.exists():
        return {}
    try:
        return _names(ElementTree.parse(sidecar).getroot().find("PAMRasterBand"))
    except ElementTree.ParseError as error:
        raise MapError(f"{sidecar}: not valid XML ({error}). Copy the file again, or remove it.") from None
    except (OSError, ValueError, LookupError, OverflowError) as error:  # from files, numbers, encodings and short rows
        raise MapError(f"{sidecar}: cannot be read ({error}). Copy the file again, or remove it.") from None


def category_names_xml(names: Sequence[str]) -> str:
    """Return the sidecar file of a raster whose pixel values 0, 1, ... are classes with these names."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for name in names:
        ElementTree.SubElement(categories, "Category").text = "".join(c for c in name if c.isprintable())
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _names(band: ElementTree.Element | None) -> dict[int, str]:
    if band is None:
        return {}
    names = {code: (item.text or "").strip() for code, item in enumerate(band.iterfind("CategoryNames/Category"))}
    return {code: name for code, name in (names or _attribute_names(band)).items() if name}


def _attribute_names(band: ElementTree.Element) -> dict[int, str]:
    table = band.find("GDALRasterAttributeTable")
    if table is None:
        return {}
    usages = [int(field.findtext("Usage", "0")) for field in table.iterfind("FieldDefn")]
    values = next((i for i, usage in enumerate(usages) if usage == PIXEL_VALUE), None)
    names = next((i for i, usage in enumerate(usages) if usage == NAME), None)
    if names is None:
        return {}
    rows = [[cell.text or "" for cell in row.iterfind("F")] for row in table.iterfind("Row")]
    return {int(float(row[values])) if values is not None else i: row[names].strip() for i, row in enumerate(rows)}
