"""What reports say of the map of a run."""

import rasterio
from maps_for_tests import noise, write_map

from dataProcessors.tiffreader import TiffReader
from reporting.map_view import shown_bands


def test_which_of_many_bands_are_shown_is_told(tmp_path):
    path = write_map(tmp_path / "image.tif", noise((4, 40, 50)), photometric="MINISBLACK")
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("B02", "", "B04", "B08")
    assert "B02, 2, B04 as" in shown_bands(TiffReader(path)), "B03 is not among them"
    told = shown_bands(TiffReader(path, bands=[1, 2, 3, 4]))
    assert told.startswith("Pictures show the bands B02, 2, B04 as red, green and blue")
    assert shown_bands(TiffReader(path, bands=[3, 2, 4, 1])).startswith("Pictures show the bands B04, 2, B08 as")
    assert shown_bands(TiffReader(path, bands=[1, 2, 3])) == ""
