"""Classes in a raster: codes of any size, the value of nodata, names and colours that are read back."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import rasterio
from maps_for_tests import CORNER, UTM32

from dataProcessors.class_tables.attribute_table import table_rows
from dataProcessors.class_tables.class_names import names_of_file, vrt_of
from dataProcessors.legends.legend import NO_LABEL, Legend, builtin_legends
from inference.land_cover.class_codes import class_codes


def legend_of(*codes):
    colours = tuple((10 * place, 200 - place, 7) for place in range(len(codes)))
    return Legend("x", tuple(f"kind {code}" for code in codes), colours, codes)


@pytest.mark.parametrize(
    ("codes", "dtype", "nodata"),
    [
        ((1, 5, 9), "uint8", 255), ((0, 255), "uint8", 254), ((254, 255, 253), "uint8", 252),
        ((111, 523), "uint16", 65535), ((-1, 3), "int16", 32767), ((70_000,), "uint32", 2**32 - 1),
        ((-70_000, 1), "int32", 2**31 - 1), ((2**40, -5), "int64", 2**53),
    ],
)  # fmt: skip
def test_the_smallest_type_and_a_free_value_for_nodata(tmp_path, codes, dtype, nodata):
    found = class_codes(legend_of(*codes))
    assert (found.dtype, found.nodata) == (dtype, nodata)
    assert found.table.dtype == dtype and found.table[: len(codes)].tolist() == list(codes)
    assert (found.table[len(codes) :] == nodata).all() and len(found.table) == NO_LABEL + 1
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=2, height=1, count=1, dtype=dtype, nodata=nodata, crs=UTM32, transform=CORNER
    ) as file:
        file.write(np.full((1, 1, 2), codes[0], dtype))
        if found.palette:
            file.write_colormap(1, found.palette)
    (tmp_path / "a.tif.aux.xml").write_text(found.side_file())
    with rasterio.open(path) as file:
        assert file.nodata == nodata
        rows = names_of_file(str(path), vrt_of(file), 1).rows
        if dtype == "uint8":
            assert [file.colormap(1)[code][:3] for code in codes] == list(found.legend.colors)
    assert {(row.low, row.high, row.name) for row in rows} == {(code, code, f"kind {code}") for code in codes}
    if dtype != "uint8":
        assert [row.colour for row in rows] == list(found.legend.colors)


def test_a_map_of_colours_has_the_places_of_its_classes():
    legend = builtin_legends()["osm"]
    assert legend.codes is None
    assert class_codes(legend).codes == tuple(range(len(legend)))


def test_names_that_no_file_may_hold_lose_those_letters():
    legend = Legend("x", ("a\x00b", "<c> & d"), ((1, 2, 3), (4, 5, 6)), (300, 400))
    table = ElementTree.fromstring(class_codes(legend).side_file()).find("PAMRasterBand/GDALRasterAttributeTable")
    assert [row.name for row in table_rows(table)] == ["ab", "<c> & d"]
