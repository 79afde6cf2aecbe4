"""Attribute tables as GDAL gives them, where that is not what the file says."""

import numpy as np
import pytest
from maps_for_tests import write_map
from vrt_for_tests import attribute_table_xml, vrt_band, vrt_source, write_vrt

from dataProcessors.class_tables.attribute_table import _unwrapped
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader

CODES = np.array([7, 2**31 - 1, 2**31, 4_067_883_965, 2**32 - 2], np.uint32)
INTEGER, TEXT = 0, 2


def test_codes_beyond_int32_have_their_names(tmp_path):
    """GDAL holds whole numbers of a table as int32: those from 2^31 on become negative."""
    codes = CODES.repeat(100).reshape(20, 25)
    write_map(tmp_path / "codes.tif", codes[None])
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 20, 25), np.uint8)))
    columns = [("from", INTEGER, 3), ("to", INTEGER, 4), ("words", TEXT, 2)]
    rows = [(int(code) - 1, int(code), f"class {number}") for number, code in enumerate(CODES)]
    table = attribute_table_xml(columns, rows)
    write_vrt(tmp_path / "labels.vrt", (20, 25), vrt_band(1, "uint32", vrt_source("codes.tif"), table))
    labels = LabelReader(tmp_path / "labels.vrt", "lc", image)
    classes = labels.source.read_window(*labels.window)[0]
    assert [labels.legend.names[index] for index in classes[:, 0]] == [f"class {int(i * 25 // 100)}" for i in range(20)]


@pytest.mark.parametrize(
    ("held", "expected"),
    [((3, 5), (3, 5)), ((-5, -3), (2**32 - 5, 2**32 - 3)), ((2**31 - 1, -(2**31)), (2**31 - 1, 2**31)),
     ((-1, 2), (-1, 2))],
)  # fmt: skip
def test_ranges_of_uint32(held, expected):
    assert _unwrapped(*held) == expected
