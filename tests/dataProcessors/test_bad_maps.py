"""Bad raster input: every fault ends in one line and exit code 2 and leaves nothing behind, or is read right."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import LONLAT, UTM32, ZION, around, grid_of, looked_up, noise, patches, write_map
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from runs_for_tests import MAPS, SIDE, small_config, write_fields

import main
from config import validate
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.maps import open_maps
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import LabelReader, TiffReader

HERE = Affine(10, 0, 500_000, 0, -10, 5_500_000)  # where the map of fields lies
ROTATED = HERE @ Affine.rotation(25)
SOUTH_UP = HERE @ Affine.translation(0, SIDE) @ Affine.scale(1, -1)
LOCAL = CRS.from_wkt('LOCAL_CS["arbitrary",UNIT["metre",1]]')
TILED = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
TIES = 0.001  # share of pixels whose centre lies so near an edge of the label map's pixels that rounding decides
CODES = np.arange(1, 9, dtype="uint8")


@pytest.fixture(autouse=True)
def fields(tmp_path, monkeypatch):
    """The map of fields and a config for it, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    write_fields(tmp_path)
    Path("config.json").write_text(json.dumps(small_config(maps=MAPS)))


def put_image(pixels=None, name="image.tif", place=HERE, **options) -> Path:
    return write_map(Path(name), noise((3, SIDE, SIDE)) if pixels is None else pixels, place=place, **options)


def put_labels(pixels=None, name="labels.tif", place=HERE, **options) -> Path:
    codes = patches(SIDE, SIDE, CODES, 24)[None]
    return write_map(Path(name), codes if pixels is None else pixels, place=place, **options)


def config_of(**changes):
    return validate(small_config(**{"maps": MAPS} | changes))


def of_maps(**changes):
    return config_of(maps=MAPS | changes)


def whole(reader) -> np.ndarray:
    """Class indices (h, w) of the part of the map in use."""
    return reader.source.read_window(*reader.window)[0]


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def assert_refused(capsys, arguments, path, *told) -> None:
    """The command line ends with code 2 after one line that names the path, and nothing of the run or map is left."""
    assert main.main(["config.json", *arguments]) == 2
    message = capsys.readouterr().err.strip()
    assert "\n" not in message and len(message) < 900, message
    assert all(part in message for part in (path, *told)), message
    assert not list(Path("results").glob("*"))
    left = [entry.name for entry in Path("data").rglob("*") if entry.name != "cache"]
    assert not [name for name in left if ".part-" in name or (path and name.startswith(f"{Path(path).stem}-"))], left


# errors: what is done to the maps, what is changed in the config, which path is named, what is told


def half_missing() -> list[str]:
    """An image without data in the west, and a rectangle there."""
    pixels = noise((3, SIDE, SIDE)) // 2 + 1
    pixels[:, :, : SIDE // 2] = 0
    put_image(pixels, nodata=0)
    west, south, east, north = grid_of(SIDE, SIDE, place=HERE).lonlat_bounds()
    rect = [west, south, west + 0.4 * (east - west), north]
    return [f"maps.rect={[float(edge) for edge in rect]}"]


def mixed_types(*types) -> list[str]:
    """An image whose bands have these types, as GDAL's XML files can have them."""
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{i}"><SimpleSource><SourceFilename relativeToVRT="1">image.tif'
        f"</SourceFilename><SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>"
        for i, kind in enumerate(types, 1)
    )
    place = "<SRS>EPSG:32632</SRS><GeoTransform>500000,10,0,5500000,0,-10</GeoTransform>"
    Path("mixed.vrt").write_text(f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}">{place}{bands}</VRTDataset>')
    return ["maps.image=mixed.vrt"]


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


FAULTS = {
    "missing image": (lambda: Path("image.tif").unlink(), [], "image.tif", "no such file", "maps=demo"),
    "missing label map": (lambda: Path("labels.tif").unlink(), [], "labels.tif", "no such file", "maps=demo"),
    "path too long": (None, [f"maps.image={'x' * 300}.tif"], "x.tif", "no such file"),
    "folder": (lambda: Path("folder").mkdir(), ["maps.image=folder"], "folder", "as a raster file", "'maps'"),
    "text": (lambda: Path("image.tif").write_text("text") and None, [], "image.tif", "as a raster file"),
    "label map is text": (lambda: Path("labels.tif").write_text("text") and None, [], "labels.tif", "raster file"),
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
        lambda: put_image(crs=LOCAL) and None, ["maps.rect=[9,49,10,50]"], "image.tif", "cannot be transformed to"),
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


def damage(path: Path) -> Path:
    """A file with random bytes in its middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 300] = noise(300, seed=1).tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("which", ["image.tif", "labels.tif"])
def test_a_corrupt_block_is_found_before_the_training(capsys, which, cache):
    put_image(**TILED) if which == "image.tif" else put_labels(noise((1, SIDE, SIDE)) // 4, **TILED)
    damage(Path(which))
    assert_refused(capsys, [f"cache={str(cache).lower()}"], which, "cannot be read", "The file is damaged there")


def test_a_corrupt_block_is_found_where_it_is_read_without_a_cache():
    reader = TiffReader(put_image(**TILED))  # damaged after it was opened
    damage(Path("image.tif"))
    positions = np.stack(np.meshgrid(np.arange(0, 368, 16), np.arange(0, 368, 16)), -1).reshape(-1, 2)
    with pytest.raises(MapError, match=r"image.tif: columns .* cannot be read .* damaged there"):
        TiffReader("image.tif").read(positions, 16)
    assert reader.width == SIDE


def test_a_corrupt_block_of_a_label_map_beyond_the_image(capsys):
    """The codes that occur are looked for in the whole file, so it is met though no tile lies there."""
    damage(put_labels(noise((1, 1500, 1500)) // 4, **TILED))
    assert_refused(capsys, [], "labels.tif", "cannot be read", "The file is damaged there")


@pytest.mark.parametrize("layout", [TILED, {}, {"compress": "lzw"}], ids=["tiled deflate", "strips", "lzw strips"])
def test_a_map_cut_off_anywhere_is_refused_or_whole(layout):
    path, cut = put_image(**layout), Path("cut.tif")
    content, pixels = path.read_bytes(), noise((3, SIDE, SIDE))
    lengths = [*range(1, 800, 80), *np.linspace(800, len(content) - 1, 15).astype(int), len(content)]
    outcomes = []
    for length in lengths:
        cut.write_bytes(content[:length])
        try:
            outcomes.append(np.array_equal(TiffReader(cut, cache="cache").read(np.array([[0, 0]]), SIDE)[0], pixels))
        except MapError as error:
            assert "cut.tif" in str(error) and "\n" not in str(error)
            assert not Path("cache").exists() or not list(Path("cache").iterdir())
            outcomes.append(None)
    assert False not in outcomes and outcomes[-1] is True and outcomes.count(None) > 20


def test_a_label_map_cut_off_anywhere_is_refused_or_whole():
    image, path, cut = TiffReader("image.tif"), put_labels(**TILED), Path("cut.tif")
    content, codes, outcomes = path.read_bytes(), patches(SIDE, SIDE, CODES, 24), []
    for length in [*range(1, 800, 80), *np.linspace(800, len(content) - 1, 15).astype(int), len(content)]:
        cut.write_bytes(content[:length])
        try:
            reader = LabelReader(cut, "land", image, cache="cache")
            outcomes.append(np.array_equal(reader.read(np.array([[0, 0]]), SIDE)[0, 0] + 1, codes))
        except MapError as error:
            assert "cut.tif" in str(error) and "\n" not in str(error)
            outcomes.append(None)
    assert False not in outcomes and outcomes[-1] is True and outcomes.count(None) > 15


# read right: places


@pytest.mark.parametrize(("of_image", "of_labels"), [(None, None), (None, UTM32), (UTM32, None)])
def test_equal_pixels_without_a_crs_are_taken_and_warned_of(caplog, of_image, of_labels):
    put_image(crs=of_image)
    put_labels(crs=of_labels)
    opened = open_maps(config_of(), 1)
    assert np.array_equal(whole(opened.labels), patches(SIDE, SIDE, CODES, 24) - 1)
    (told,) = [warning for warning in warnings(caplog) if "no CRS" in warning]
    assert told.startswith("labels.tif: ")
    assert ("the image" in told.split(".")[1], "the label map" in told.split(".")[1]) == (not of_image, not of_labels)


def test_maps_with_a_crs_are_not_warned_of(caplog):
    open_maps(config_of(), 1)
    assert warnings(caplog) == []


PLACES = {"north-up": HERE, "rotated": ROTATED, "south-up": SOUTH_UP}


@pytest.mark.parametrize("of_labels", PLACES)
@pytest.mark.parametrize("of_image", PLACES)
@pytest.mark.parametrize("part", [None, 0.35], ids=["whole", "rectangle"])
def test_labels_lie_right_on_rotated_and_south_up_maps(of_image, of_labels, part):
    put_image(place=PLACES[of_image])
    path = put_labels(place=PLACES[of_labels])
    grid, rect = grid_of(SIDE, SIDE, place=PLACES[of_image]), None
    if part is not None:
        west, south, east, north = grid.lonlat_bounds()
        margins = part * (east - west), part * (north - south)
        rect = [west + margins[0], south + margins[1], east - margins[0], north - margins[1]]
    opened = open_maps(of_maps(rect=rect), 1)
    x, y, width, height = opened.image.window
    assert (width < SIDE) == (part is not None)
    codes, inside = looked_up(path, grid)
    expected = np.where(inside, codes[0] - 1, NO_LABEL)[y : y + height, x : x + width]
    corners = np.array([(x + column, y + row) for column in (0, width - 100) for row in (0, height - 100)])
    for reader, pixels in ((opened.image, noise((3, SIDE, SIDE))), (opened.labels, None)):
        for tile, (column, row) in zip(reader.read(corners, 100), corners):
            if pixels is not None:
                assert np.array_equal(tile, pixels[:, row : row + 100, column : column + 100])
            else:
                there = expected[row - y : row - y + 100, column - x : column - x + 100]
                assert (tile[0] != there).mean() < TIES
    assert (whole(opened.labels) != expected).mean() < TIES and (expected != NO_LABEL).mean() > 0.3


def test_labels_of_one_half_leave_the_other_unlabelled(caplog):
    put_labels(patches(SIDE, SIDE // 2, CODES - 1, 24)[None])  # 0, which warping puts outside, is a class too
    opened = open_maps(config_of(), 1)
    assert (whole(opened.labels)[:, SIDE // 2 :] == NO_LABEL).all()
    assert (whole(opened.labels)[:, : SIDE // 2] != NO_LABEL).all()
    shares = opened.labels.proportions(np.array([(0, 0), (SIDE // 2, 0), (SIDE - 16, 99)]), 16).sum(1)
    assert shares.tolist() == [1, 0, 0]
    assert any("labels.tif: 50.0% of the part in use is labelled" in warning for warning in warnings(caplog))
    positions = np.concatenate([pool.positions for pool in opened.pools.values()])
    assert (positions[:, 0] < SIDE // 2).all()


@pytest.mark.skipif(not ZION.exists(), reason="the maps of Zion National Park are not here")
def test_a_crs_of_an_unknown_datum():
    image = TiffReader(ZION / "imagery.tif")
    path = ZION / "labels_nlcd2011.tif"
    labels = LabelReader(path, "nlcd", image)
    codes, inside = looked_up(path, image.grid)
    class_of = np.full(256, NO_LABEL)
    class_of[list(labels.legend.codes)] = np.arange(len(labels.legend))
    assert inside.mean() > 0.9
    assert (whole(labels) != np.where(inside, class_of[codes[0]], NO_LABEL)).mean() < TIES


def test_a_palette_of_sixteen_bits_with_codes_above_255():
    colormap = {code: (code % 256, code // 256, 40) for code in (1, 255, 256, 300, 60000)}
    codes = patches(SIDE, SIDE, np.array(list(colormap), "uint16"), 24)
    put_labels(codes[None], colormap=colormap)
    labels = open_maps(config_of(), 1).labels
    assert (labels.legend.codes, labels.legend.colors) == (tuple(colormap), tuple(colormap.values()))
    assert np.array_equal(np.array(labels.legend.codes)[whole(labels)], codes)


def test_a_broken_side_car_of_an_image_is_not_needed():
    Path("image.tif.aux.xml").write_text("<PAM")
    assert open_maps(config_of(), 1).image.width == SIDE


# pixels


def with_filler(value, dtype="uint8", bands=3) -> np.ndarray:
    pixels = noise((bands, SIDE, SIDE), dtype) // 2 + 1
    pixels[:, :, SIDE // 3 :][:, :, : SIDE // 3] = value
    return pixels


@pytest.mark.parametrize("options", [{}, {"nodata": 7}], ids=["none declared", "another declared"])
@pytest.mark.parametrize(
    ("value", "dtype", "bands"), [(0, "uint8", 3), (255, "uint8", 1), (-9999, "float32", 2), (65535, "uint16", 4)]
)
def test_an_undeclared_filler_is_told_and_avoided_once_named(caplog, value, dtype, bands, options):
    pixels = with_filler(value, dtype, bands)
    put_image(pixels, photometric="MINISBLACK", **options)
    open_maps(config_of(), 1)
    (told,) = [warning for warning in warnings(caplog) if "maps.nodata" in warning]
    assert told.startswith("image.tif: ") and f"% of the pixels are {value} in all bands" in told
    assert abs(float(told.split(": ")[1].split("%")[0]) - 33) < 6
    caplog.clear()
    opened = open_maps(of_maps(nodata=value), 1)
    assert not [warning for warning in warnings(caplog) if "maps.nodata" in warning]
    for x, y in opened.area.draw(500, np.random.default_rng(0)):
        assert (pixels[:, y : y + 16, x : x + 16] == value).all(0).mean() <= 0.1


def test_declared_nodata_and_values_of_low_contrast_are_no_filler(caplog):
    put_image(with_filler(0), nodata=0)
    open_maps(config_of(), 1)
    put_image(np.random.default_rng(0).normal(100, 2, (1, SIDE, SIDE)).round().astype(np.uint8))  # 100 on a fifth of it
    open_maps(config_of(), 1)
    assert not [warning for warning in warnings(caplog) if "maps.nodata" in warning]


def test_nan_and_infinity_are_no_data(no_figures):
    pixels = noise((2, SIDE, SIDE), "float32")
    for value, corner in ((np.nan, 40), (np.inf, 150), (-np.inf, 260)):
        pixels[1, corner : corner + 70, corner : corner + 70] = value
    put_image(pixels)
    opened = open_maps(config_of(), 1)
    tiles = opened.read(opened.area.draw(2000, np.random.default_rng(0)))
    assert not np.isinf(tiles).any() and np.isnan(tiles).any()
    assert np.isnan(tiles).any(1).mean((1, 2)).max() <= 0.1
    assert main.main(["config.json"]) == 0
    assert "nan" not in Path("results/run/metrics.csv").read_text().partition("accuracy")[2].splitlines()[0]


def test_no_drawn_tile_has_too_much_nodata():
    """Sampler and pools, pixel by pixel: the counts of blocks decide most of it, and must never decide wrong."""
    pixels = noise((3, SIDE, SIDE)) // 2 + 1
    nothing = patches(SIDE, SIDE, [True, False, False, False], 24, 5) | (noise((SIDE, SIDE)) < 8)
    nothing[:, : SIDE // 2] = False
    for top in (60, 188, 316):
        nothing[top : top + 11, 60:71] = True  # small holes in blocks that are full but for them
    pixels[:, nothing] = 0
    put_image(pixels, nodata=0)
    for cache, few in ((True, 20_000), (False, 500)):
        config = config_of(cache=cache, supervised=True)
        opened = open_maps(config, 1)
        pools = opened.pools
        sampler = replace(opened, config=config.model_copy(update={"supervised": False})).sampler()
        drawn = [sampler.tuples(few // 4, 2), sampler.clusters(3, 4), sampler.anchors(few)]
        drawn += [pool.positions for pool in pools.values()]
        positions = np.concatenate([each.reshape(-1, 2) for each in drawn])
        shares = np.array([nothing[y : y + 16, x : x + 16].mean() for x, y in positions.tolist()])
        assert len(shares) > 2 * few and shares.max() <= 0.1 and shares.max() > 0.05
        tiles = opened.read(positions)
        assert np.array_equal((~valid_mask(tiles, opened.image.has_validity)).mean((1, 2)), shares)


# state


def rewritten(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def of_another_shape(path):
    np.save(path, np.zeros((2, 2), np.uint8))


def of_another_window(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"window": [0, 0, 128, 128]}))


FILES = ["about.json", "blocks.npy", "counts.npy", "overview.npy"]
DAMAGES = {
    "missing": Path.unlink, "empty": rewritten(lambda content: b""), "cut": rewritten(lambda content: content[:-9]),
    "no text": rewritten(lambda content: b"\xff\xfe" + content),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, each) for name in FILES for each in DAMAGES),
        ("about.json", of_another_window), ("blocks.npy", of_another_shape), ("counts.npy", of_another_shape),
        ("overview.npy", of_another_shape),
    ],
)  # fmt: skip
@pytest.mark.parametrize("which", ["image", "labels"])
def test_a_damaged_prepared_map_is_made_again(caplog, which, name, damage):
    before = open_maps(config_of(), 1)
    folder = Path("data/cache") / getattr(before, which).key
    Path("data/cache").rename("used")  # what is mapped into memory still must not change
    shutil.copytree("used", "data/cache")
    DAMAGES.get(damage, damage)(folder / name)
    again = open_maps(config_of(), 1)
    assert f"{folder}: the prepared map is damaged" in caplog.text
    positions = np.array([(0, 0), (120, 90), (SIDE - 130, SIDE - 130)])
    with rasterio.open("image.tif") as file:
        pixels = file.read()
    for tile, (x, y) in zip(again.image.read(positions, 130), positions):
        assert np.array_equal(tile, pixels[:, y : y + 130, x : x + 130])
    codes = looked_up(Path("labels.tif"), again.image.grid)[0][0]
    for tile, (x, y) in zip(again.labels.read(positions, 130), positions):
        assert np.array_equal(tile[0] + 1, codes[y : y + 130, x : x + 130])
    assert sorted(entry.name for entry in folder.iterdir()) == FILES


@pytest.mark.parametrize(
    "change",
    [lambda content: content[: len(content) // 2], lambda content: content[:-1], lambda content: b"no zip",
     lambda content: b"", lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:]],
    ids=["half", "one byte short", "no zip", "empty", "a flipped byte"],
)  # fmt: skip
@pytest.mark.parametrize("role", ["fit", "score"])
def test_a_damaged_pool_is_made_again(caplog, role, change):
    opened = open_maps(config_of(), 1)
    before = opened.pools
    (path,) = Path("data/cache/pools").glob(f"{role}-*.npz")
    content = path.read_bytes()
    path.write_bytes(change(content))
    after = replace(opened).pools
    assert "The pool is drawn again" in caplog.text
    for name in before:
        assert np.array_equal(before[name].positions, after[name].positions)
        assert np.array_equal(before[name].proportions, after[name].proportions)
    assert path.read_bytes() == content


# distances and numbers


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


def test_a_label_map_of_other_places_around_the_image(caplog):
    place, height, width = around(grid_of(SIDE, SIDE, place=HERE), LONLAT, 0.0002, (0, 0, 0.5, 1))
    put_labels(patches(height, width, CODES, 5)[None], crs=LONLAT, place=place)
    labels = open_maps(config_of(), 1).labels
    codes, inside = looked_up(Path("labels.tif"), labels.grid)
    assert (whole(labels) != np.where(inside, codes[0] - 1, NO_LABEL)).mean() < TIES
    assert any("of the part in use is labelled" in warning for warning in warnings(caplog))
