"""Which bands of a file are used, what they are called, and the type they are read in."""

import logging

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import UTM32, noise, write_map
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.opening import MapError


def with_names(path, names, **options):
    write_map(path, noise((len(names), 30, 40), **options), photometric="MINISBLACK")
    with rasterio.open(path, "r+") as file:
        file.descriptions = names
    return path


def whole(source: ImageSource) -> np.ndarray:
    return source.read_window(*source.grid.window)


def test_bands_by_name(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = with_names(tmp_path / "a.tif", ("blue", "Green", "red", "nir"))
    source = ImageSource(path, ("red", "green", 1, "nir"))
    assert source.bands == (3, 2, 1, 4)
    assert np.array_equal(whole(source), whole(ImageSource(path))[[2, 1, 0, 3]])
    assert "bands 3 red, 2 Green, 1 blue, 4 nir" in caplog.text
    assert source.description["band_names"] == ["red", "Green", "blue", "nir"]


def test_a_name_that_differs_only_in_case_from_another_is_found_exactly(tmp_path):
    assert ImageSource(with_names(tmp_path / "a.tif", ("b", "B", "c")), ("B",)).bands == (2,)


@pytest.mark.parametrize(
    ("names", "wanted", "parts"),
    [(("red", "nir"), "swir", ["has band 'swir'", "bands 1 to 2", "named red, nir"]),
     (("", ""), "1", ["has band '1'", "have no names"]),
     (("x", "x"), "x", ["more than one band is called 'x'", "Give its number"]),
     (("red", "Red"), "RED", ["more than one band is called 'RED'"]),
     (("red", "nir"), 3, ["has band 3", "bands 1 to 2"])],
)  # fmt: skip
def test_bands_that_are_not_there(tmp_path, names, wanted, parts):
    path = with_names(tmp_path / "a.tif", names)
    with pytest.raises(MapError) as caught:
        ImageSource(path, (1, wanted))
    assert all(part in str(caught.value) for part in parts)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "float64"])
def test_other_types_become_float32(tmp_path, dtype, caplog):
    caplog.set_level(logging.INFO)
    pixels = noise((2, 30, 40), dtype)
    source = ImageSource(write_map(tmp_path / "a.tif", pixels, photometric="MINISBLACK"))
    assert source.dtype == np.float32 and np.array_equal(whole(source), pixels.astype(np.float32))
    assert f"{dtype} is read as float32" in caplog.text
    assert ("16,777,216" in caplog.text) == (dtype != "float64")


def test_doubles_that_float32_cannot_hold_are_without_data(tmp_path):
    pixels = np.full((1, 4, 4), 1e300)
    pixels[0, 0, 0] = 2.5
    read = whole(ImageSource(write_map(tmp_path / "a.tif", pixels)))
    assert read[0, 0, 0] == 2.5 and np.isnan(read[0]).sum() == 15


def test_scale_and_offset_are_said_and_not_applied(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    pixels = noise((2, 30, 40), "uint16")
    path = write_map(tmp_path / "a.tif", pixels, photometric="MINISBLACK")
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.0001, 0.0001), (-0.1, -0.1)
    source = ImageSource(path)
    assert np.array_equal(whole(source), pixels)
    assert "scale 0.0001 and offset -0.1" in caplog.text and source.description["offsets"] == [-0.1, -0.1]


PALETTE = {code: (code, 255 - code, code // 2, 255 if code != 9 else 0) for code in range(256)}


def test_a_palette_is_expanded_unless_its_codes_are_named(tmp_path):
    codes = noise((1, 30, 40))
    path = write_map(tmp_path / "a.tif", codes, colormap=PALETTE)
    with rasterio.open(path) as file:
        colours = np.array([file.colormap(1)[code] for code in range(256)])
    source = ImageSource(path)
    read = whole(source)
    visible = colours[codes[0]][..., 3] > 0
    assert source.bands == (1, 2, 3)
    said = source.description
    assert (said["bands"], said["band_names"], said["scales"]) == ([1] * 3, ["red", "green", "blue"], [1] * 3)
    assert np.array_equal(read[:3, visible], colours[codes[0]].transpose(2, 0, 1)[:3, visible])
    assert not source.has_validity or np.array_equal(read[3] > 0, visible)
    assert np.array_equal(whole(ImageSource(path, (1,))), codes)


def test_a_palette_of_another_format_may_have_gaps(tmp_path):
    codes = np.arange(1200).reshape(1, 30, 40).astype(np.uint8) % 7
    write_map(tmp_path / "codes.tif", codes)
    colours = "".join(f'<Entry c1="{10 * code}" c2="0" c3="0" c4="255"/>' for code in range(5))
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="40" rasterYSize="30"><VRTRasterBand dataType="Byte" band="1">'
        f"<ColorInterp>Palette</ColorInterp><ColorTable>{colours}</ColorTable><SimpleSource>"
        '<SourceFilename relativeToVRT="1">codes.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )
    read = whole(ImageSource(tmp_path / "a.vrt"))
    assert np.array_equal(read[3] > 0, codes[0] < 5)
    assert np.array_equal(read[0], np.where(codes[0] < 5, 10 * codes[0], 0))


@pytest.mark.parametrize(("kind", "nodata"), [("Int16", None), ("Int16", -9999), ("Int32", None)])
def test_codes_below_0_have_no_colour(tmp_path, kind, nodata):
    codes = (np.arange(1200).reshape(1, 30, 40) % 7).astype(kind.lower())
    codes[0, :5], codes[0, 5:8] = -1, -9999
    write_map(tmp_path / "codes.tif", codes)
    colours = "".join(f'<Entry c1="{10 * code}" c2="0" c3="0" c4="255"/>' for code in range(7))
    declared = "" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>"
    (tmp_path / "a.vrt").write_text(
        f'<VRTDataset rasterXSize="40" rasterYSize="30"><VRTRasterBand dataType="{kind}" band="1">{declared}'
        f"<ColorInterp>Palette</ColorInterp><ColorTable>{colours}</ColorTable><SimpleSource>"
        '<SourceFilename relativeToVRT="1">codes.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )
    read = whole(ImageSource(tmp_path / "a.vrt"))
    assert np.array_equal(read[3] > 0, codes[0] >= 0)
    assert np.array_equal(read[0], np.where(codes[0] >= 0, 10 * codes[0], 0))


def test_a_palette_of_floats_colours_nothing(tmp_path):
    values = np.arange(1200).reshape(1, 30, 40).astype("float32") / 7
    write_map(tmp_path / "values.tif", values)
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="40" rasterYSize="30"><VRTRasterBand dataType="Float32" band="1">'
        '<ColorInterp>Palette</ColorInterp><ColorTable><Entry c1="1" c2="2" c3="3" c4="255"/></ColorTable>'
        '<SimpleSource><SourceFilename relativeToVRT="1">values.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    assert np.array_equal(whole(ImageSource(tmp_path / "a.vrt")), values)


@pytest.mark.parametrize("inside", ["", "<Metadata domain='GEOLOCATION'><MDI key='X_BAND'>1</MDI></Metadata>"])
def test_a_palette_that_is_declared_and_not_there_and_geolocation_arrays(tmp_path, inside):
    codes = noise((1, 30, 40))
    write_map(tmp_path / "codes.tif", codes)
    path = tmp_path / "a.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="40" rasterYSize="30">{inside}<VRTRasterBand dataType="Byte" band="1">'
        "<ColorInterp>Palette</ColorInterp><SimpleSource><SourceFilename relativeToVRT='1'>codes.tif</SourceFilename>"
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    if inside:
        with pytest.raises(MapError, match=r"geolocation arrays.*gdalwarp -geoloc -t_srs EPSG:4326"):
            ImageSource(path)
    else:
        assert np.array_equal(whole(ImageSource(path)), codes)


def placed(path, points=None, rpcs=None, **options):
    write_map(path, noise((3, 30, 40)), crs=None, place=Affine.identity(), **options)
    with rasterio.open(path, "r+") as file:
        if points:
            file.gcps = ([GroundControlPoint(r, c, 5e5 + c, 5e6 - r) for r in (0, 30) for c in (0, 40)], UTM32)
        if rpcs:
            file.rpcs = RPC(0, 1, 0, 1, [1] * 20, [0] * 20, 0, 1, 0, 1, [1] * 20, [0] * 20, 0, 1)
    return path


def test_a_file_placed_by_control_points_or_rpcs_is_refused_with_the_command(tmp_path):
    with pytest.raises(MapError, match=r"ground control points.*gdalwarp -t_srs EPSG:32632 .*a b\.tif' warped\.tif"):
        ImageSource(placed(tmp_path / "a b.tif", points=True))
    with pytest.raises(MapError, match=r"RPCs.*gdalwarp -rpc -t_srs EPSG:4326"):
        ImageSource(placed(tmp_path / "b.tif", rpcs=True))


def test_many_bands(tmp_path):
    pixels = noise((130, 30, 40), "int8")
    source = ImageSource(write_map(tmp_path / "a.tif", pixels, nodata=-128, photometric="MINISBLACK"))
    empty = (pixels == -128).any(0)
    assert source.channels == 131 and np.array_equal(whole(source)[130] == 0, empty)
    assert np.array_equal(whole(source)[:130], np.where(empty, 0, pixels))


def test_bands_of_several_types_are_read_in_one_that_holds_all(tmp_path):
    for number, dtype in enumerate(("uint8", "uint16"), 1):
        write_map(tmp_path / f"{number}.tif", noise((1, 30, 40), dtype, number))
    inside = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{n}"><SimpleSource><SourceFilename relativeToVRT="1">{n}.tif'
        f"</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for n, kind in ((1, "Byte"), (2, "UInt16"))
    )
    path = tmp_path / "a.vrt"
    path.write_text(f'<VRTDataset rasterXSize="40" rasterYSize="30">{inside}</VRTDataset>')
    source = ImageSource(path)
    assert source.dtype == np.uint16
    assert np.array_equal(
        whole(source), np.concatenate([noise((1, 30, 40), "uint8", 1), noise((1, 30, 40), "uint16", 2)])
    )


def test_an_image_of_alpha_alone_has_no_band(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 30, 40)), colorinterp=[ColorInterp.alpha])
    with pytest.raises(MapError, match="no band is used"):
        ImageSource(path)
