"""Maps that cannot be used, and numbers too large for a map: one line, exit code 2, and nothing left."""

from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
from affine import Affine
from fields_for_tests import CODES, HERE, ROTATED, SOUTH_UP, assert_refused, config_of, put_image, put_labels, warnings
from maps_for_tests import grid_of, noise, patches
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from runs_for_tests import MAPS, SIDE, small_config

from config import validate
from dataProcessors.maps import open_maps

pytestmark = pytest.mark.usefixtures("fields")
LOCAL = CRS.from_wkt('LOCAL_CS["arbitrary",UNIT["metre",1]]')


def netcdf() -> None:
    """The image as a netCDF, whose bands are subdatasets."""
    rasterio.shutil.copy("image.tif", "image.nc", driver="netCDF")


def half_missing() -> list[str]:
    """An image without data in the west, and a rectangle there."""
    pixels = noise((3, SIDE, SIDE)) // 2 + 1
    pixels[:, :, : SIDE // 2] = 0
    put_image(pixels, nodata=0)
    west, south, east, north = grid_of(SIDE, SIDE, place=HERE).lonlat_bounds()
    rect = [west, south, west + 0.4 * (east - west), north]
    return [f"maps.rect={[float(edge) for edge in rect]}"]


def strip_of_labels() -> None:
    """Labels in the west only, where no reserved cell lies."""
    codes = np.full((1, SIDE, SIDE), 255, np.uint8)
    codes[:, :, :30] = patches(SIDE, 30, CODES, 24)
    put_labels(codes, nodata=255)


def table(row: str) -> str:
    fields = "<FieldDefn><Usage>5</Usage></FieldDefn><FieldDefn><Usage>2</Usage></FieldDefn>"
    table = f"<GDALRasterAttributeTable>{fields}<Row>{row}</Row></GDALRasterAttributeTable>"
    return f"<PAMDataset><PAMRasterBand>{table}</PAMRasterBand></PAMDataset>"


def sidecar(text: str):
    return lambda: Path("labels.tif.aux.xml").write_text(text) and None


def colours(first, second):
    values = np.array([first, second], np.uint8)[patches(SIDE, SIDE, [0, 1], 24)].transpose(2, 0, 1)
    return lambda: put_labels(values) and None


def codes_of(dtype):
    return lambda: put_labels(patches(SIDE, SIDE, CODES, 24)[None].astype(dtype)) and None


# what is done to the maps, what is changed in the config, which path is named, what is told
FAULTS = {
    "missing image": (lambda: Path("image.tif").unlink(), [], "image.tif", "no such file", "maps=demo"),
    "missing label map": (lambda: Path("labels.tif").unlink(), [], "labels.tif", "no such file", "maps=demo"),
    "path too long": (None, [f"maps.image={'x' * 300}.tif"], "x.tif", "no such file"),
    "folder": (lambda: Path("folder").mkdir(), ["maps.image=folder"], "folder", "as a raster file", "'maps'"),
    "text": (lambda: Path("image.tif").write_text("text") and None, [], "image.tif", "as a raster file"),
    "label map is text": (lambda: Path("labels.tif").write_text("text") and None, [], "labels.tif", "raster file"),
    "several subdatasets": (netcdf, ["maps.image=image.nc"], "image.nc", "no bands", "gdal_translate", ":Band1"),
    "a subdataset": (netcdf, ["maps.image=NETCDF:image.nc:Band1"], "NETCDF:image.nc:Band1", "there is no such file",
                     "gdal_translate NETCDF:image.nc:Band1 map.tif"),
    "empty": (lambda: Path("image.tif").write_bytes(b"") and None, [], "image.tif", "as a raster file", "'maps'"),
    "image without CRS, label map of another size": (
        lambda: put_image(crs=None) and None, [], "labels.tif", "384 x 384", "192 x 192", "gdal_edit.py -a_srs"),
    "image without CRS, label map of another transform": (
        lambda: put_image(crs=None) and put_labels(place=ROTATED) and None, [], "labels.tif", "transforms"),
    "neither has a CRS, another transform": (
        lambda: put_image(crs=None) and put_labels(crs=None, place=SOUTH_UP) and None, [], "labels.tif", "transforms"),
    "label map without CRS, another transform": (
        lambda: put_labels(crs=None, place=HERE @ Affine.translation(1, 0)) and None, [], "labels.tif", "transforms"),
    "band that is not there": (None, ["maps.bands=[1,7]"], "image.tif", "band 7", "bands 1 to 3"),
    "no band": (None, ["maps.bands=[]"], "image.tif", "no band is used", "'maps.bands'"),
    "no usable band": (lambda: put_image(noise((1, SIDE, SIDE)), colorinterp=[ColorInterp.alpha]) and None, [],
                       "image.tif", "no band is used"),
    "complex image": (lambda: put_image(np.ones((1, SIDE, SIDE), "complex64")) and None, [],
                      "image.tif", "complex numbers", "gdal_calc.py"),
    "no overlap": (lambda: put_labels(place=HERE @ Affine.translation(900, 0)) and None, [],
                   "labels.tif", "does not overlap", "'maps.rect'"),
    "rectangle outside": (None, ["maps.rect=[50,10,51,11]"], "image.tif", "lies outside", "The image covers ["),
    "rectangle, no CRS": (lambda: put_image(crs=None) and None, ["maps.rect=[9,49,10,50]"], "image.tif", "maps.rect"),
    "rectangle, CRS of no place": (
        lambda: put_image(crs=LOCAL) and None, ["maps.rect=[9,49,10,50]"], "image.tif", "No pixel can be transformed"),
    "label map, CRS of no place": (
        lambda: put_labels(crs=LOCAL) and None, [], "labels.tif", "cannot be warped from its CRS", "gdalwarp"),
    "image transform of no extent": (
        lambda: put_image(place=Affine(10, 0, 5e5, 10, 0, 5e6)) and None, [], "image.tif", "no area", "gdal_edit.py"),
    "label transform of no extent": (
        lambda: put_labels(place=Affine(0, 0, 5e5, 0, 0, 5e6)) and None, [], "labels.tif", "no area"),
    "colours of no legend": (colours((10, 120, 60), (60, 10, 120)), [], "labels.tif", "0.0% of the pixels match",
                             "'maps.legends'"),
    "labels of floats": (lambda: put_labels(patches(SIDE, SIDE, CODES / 2, 24)[None].astype("float32")) and None, [],
                         "labels.tif", "whole numbers", "float32 values such as", "gdal_translate -ot Byte labels.tif"),
    "complex labels": (codes_of("complex64"), [], "labels.tif", "integer codes. Got complex64"),
    "codes beyond all numbers": (lambda: put_labels(patches(SIDE, SIDE, CODES, 24)[None].astype("uint64") + 2**63)
                                 and None, [], "labels.tif", "within ±2**53"),
    "side car is no XML": (sidecar("<PAM"), [], "labels.tif.aux.xml", "not valid XML", "remove it"),
    "side car of no encoding": (sidecar('<?xml version="1.0" encoding="none"?><PAMDataset/>'), [],
                                "labels.tif.aux.xml", "cannot be read", "remove it"),
    "side car without numbers": (sidecar(table("<F>a</F><F>wood</F>")), [], "labels.tif.aux.xml", "cannot be read"),
    "side car with short rows": (sidecar(table("<F>1</F>")), [], "labels.tif.aux.xml", "cannot be read"),
    "side car, endless code": (sidecar(table("<F>1e999</F><F>wood</F>")), [], "labels.tif.aux.xml", "cannot be read"),
    "rectangle without data": (half_missing, [], "", "image.tif: no pixel", "has data", "'maps.rect'"),
    "rectangle without data, no cache": (half_missing, ["cache=false"], "", "image.tif: no pixel", "'maps.rect'"),
    "tile larger than the map": (None, ["image_size=512"], "", "384 x 384 pixels", "'image_size'"),
    "distance beyond the map": (None, ["min_pos_dist=1e9", "max_pos_dist=1e9"], "", "'min_pos_dist'", "1e+09 tile"),
    "distance beyond all numbers": (None, ["min_neg_dist=1e300", "max_neg_dist=1e308"], "", "'min_neg_dist'"),
    "more scored tiles than reserved": (None, ["validation_nb=5000"], "", "'validation_nb' is 5000", "500 tiles",
                                        "at most 649"),
    "no tile in the reserved cells": (strip_of_labels, [], "", "reserved cells hold no tile", "labels.tif",
                                      "'validation_spacing'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_one_line_and_leaves_nothing(capsys, fault):
    do, arguments, path, *told = FAULTS[fault]
    more = do() if do else None
    assert_refused(capsys, arguments + (more or []), path, *told)


def test_upper_distances_far_beyond_the_map_mean_all_of_it():
    config = config_of(max_pos_dist=1e300, max_neg_dist=1e300)
    tuples = open_maps(config, 1).sampler().tuples(3000)
    apart = np.abs(tuples[:, 1:] - tuples[:, :1])
    assert apart[:, 0].min() >= 8 and apart[:, 1].min() >= 64 and apart.max() > 0.9 * (SIDE - 16)


def test_fewer_reserved_tiles_than_wanted_by_default_are_one_warning(caplog):
    config = validate({key: v for key, v in small_config(maps=MAPS).items() if key != "validation_nb"})
    opened = open_maps(config, 1)
    opened.check_scored_tiles()
    pool = opened.pools["score"]
    (told,) = warnings(caplog)
    assert f"{len(pool)} tiles are scored instead of 500" in told and len(pool) == 4 * len(opened.area.reserved_cells())
