"""Which bands pictures show: those that the file says are red, green and blue, or whose names do, else the first."""

import numpy as np
import pytest
import rasterio
from maps_for_tests import noise, write_map
from rasterio.enums import ColorInterp

from dataProcessors.rasters.shown_bands import choose_shown
from dataProcessors.tiffreader import TiffReader
from reporting.map_view import show_map, shown_bands

GREY, RED, GREEN, BLUE = ColorInterp.gray, ColorInterp.red, ColorInterp.green, ColorInterp.blue


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["B02", "B03", "B04", "B08"], (2, 1, 0)),
        (["Coastal Blue", "Blue", "Green", " red ", "Red Edge", "NIR"], (3, 2, 1)),
        (["B1", "B2", "B3", "B4", "B8", "B8A"], (3, 2, 1)),
        (["B1", "B2", "B3", "B4", "B5", "B7"], (0, 1, 2)),  # of Landsat 5, or of 8: it is not known which
        ([f"SR_B{number}" for number in (1, 2, 3, 4, 5, 6, 7)], (3, 2, 1)),
        ([f"SR_B{number}" for number in (1, 2, 3, 4, 5, 7)], (2, 1, 0)),
        (["red", "green", "nir", "swir"], (0, 1, 2)),
        (["red", "red", "green", "blue"], (0, 1, 2)),
        (["nir", "red"], (0, 1)),
        (["", "", ""], (0, 1, 2)),
        ([], ()),
    ],
)
def test_names_say_which_bands_are_red_green_and_blue(names, shown):
    found, reason = choose_shown(names, [GREY] * len(names))
    assert found == shown
    assert reason == ("by their names" if shown != tuple(range(len(shown))) else "")


def test_what_the_file_says_of_its_bands_comes_first():
    assert choose_shown(["red", "green", "blue", ""], [BLUE, GREEN, RED, GREY]) == ((2, 1, 0), "as the file says")
    assert choose_shown(["B02", "B03", "B04"], [RED, GREEN, BLUE]) == ((0, 1, 2), ""), "as every RGB image says"
    assert choose_shown(["B02", "B03", "B04"], [RED, GREEN, GREY]) == ((2, 1, 0), "by their names")


@pytest.mark.parametrize("cache", [False, True])
def test_pictures_show_these_bands_unless_the_user_has_chosen_bands(tmp_path, cache):
    pixels = noise((7, 300, 280))
    path = write_map(tmp_path / "image.tif", pixels, photometric="MINISBLACK")
    with rasterio.open(path, "r+") as file:
        file.descriptions = tuple(f"SR_B{number}" for number in range(1, 8))
    folder = tmp_path / "cache" if cache else None
    given, chosen = TiffReader(path, cache=folder), TiffReader(path, bands=[1, 2, 3, 4, 5, 6, 7], cache=folder)
    assert given.key != chosen.key, "the prepared overviews have other bands"
    assert given.fingerprint()["content"] == chosen.fingerprint()["content"], "but the map is the same"
    for image, bands in ((given, [3, 2, 1]), (chosen, [0, 1, 2])):
        overview, step, _ = image.overview()
        assert np.array_equal(overview, pixels[bands, ::step, ::step])
        display, picture = show_map(image, 32)
        assert display.bands == tuple(bands)
        assert np.array_equal(picture.rgb, display.rgb(pixels[None])[0, ::step, ::step])
    assert "SR_B4, SR_B3, SR_B2 as red, green and blue, by their names" in shown_bands(given)
    assert "SR_B1, SR_B2, SR_B3 as red, green and blue; 'maps.bands'" in shown_bands(chosen)
