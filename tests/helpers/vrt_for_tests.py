"""Write small VRTs for tests: files that put bands of other files together, each with what GDAL may know of a band."""

from pathlib import Path
from xml.sax.saxutils import escape

from maps_for_tests import CORNER, UTM32

VRT_TYPES = {"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32",
             "int32": "Int32", "float32": "Float32", "float64": "Float64"}  # fmt: skip


def vrt_source(name: str) -> str:
    """Return the first band of a file beside the VRT as a band's source."""
    file = f'<SourceFilename relativeToVRT="1">{name}</SourceFilename>'
    return f"<SimpleSource>{file}<SourceBand>1</SourceBand></SimpleSource>"


def vrt_band(number: int, dtype: str, *parts: str) -> str:
    """Return a band of parts: a source, and for example a nodata value."""
    return f'<VRTRasterBand dataType="{VRT_TYPES[dtype]}" band="{number}">{"".join(parts)}</VRTRasterBand>'


def vrt_mask(name: str) -> str:
    """Return the mask of a band or of a whole VRT: 0 where there is no data."""
    return f'<MaskBand><VRTRasterBand dataType="Byte">{vrt_source(name)}</VRTRasterBand></MaskBand>'


def attribute_table_xml(columns: list[tuple[str, int, int]], rows: list[tuple], attributes: str = "") -> str:
    """Return an attribute table; columns: (title, GDAL's type, GDAL's usage)."""
    fields = "".join(
        f'<FieldDefn index="{i}"><Name>{title}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for i, (title, kind, usage) in enumerate(columns)
    )
    cells = ["".join(f"<F>{escape(str(cell))}</F>" for cell in row) for row in rows]
    filled = "".join(f'<Row index="{i}">{row}</Row>' for i, row in enumerate(cells))
    return f"<GDALRasterAttributeTable {attributes}>{fields}{filled}</GDALRasterAttributeTable>"


def write_vrt(path: Path, shape: tuple[int, int], *parts: str) -> Path:
    """Write a VRT of bands, and perhaps a mask, of (height, width) pixels at the place of all test maps."""
    place = ", ".join(map(str, CORNER.to_gdal()))
    path.write_text(
        f'<VRTDataset rasterXSize="{shape[1]}" rasterYSize="{shape[0]}"><SRS>{UTM32.to_string()}</SRS>'
        f"<GeoTransform>{place}</GeoTransform>{''.join(parts)}</VRTDataset>"
    )
    return path
