"""Label maps on the image's grid: where their pixels come to lie, and which class each of them is."""

import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import CORNER, LONLAT, UTM32, around, grid_of, looked_up, nearest_colours, noise, patches, write_map
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.overlap import POINTS_PER_PART, covering_window, labelled_points, sample_labels
from dataProcessors.legends.decoders import code_decoder, colour_decoders, nearest_colour_table
from dataProcessors.legends.legend import NO_LABEL, Legend
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import LabelReader, TiffReader

LAEA = CRS.from_epsg(3035)
TIES = 0.001  # share of pixels whose centre lies so near an edge of the label map's pixels that rounding decides
PART = (0.2, 0.1, 0.9, 1.3)  # of the image that the label map covers: it ends inside of it, and beyond
RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


def differing(classes, expected):
    return float((classes != expected).mean())


@pytest.fixture
def image(tmp_path):
    """An image map of 300 x 260 pixels."""
    return TiffReader(write_map(tmp_path / "image.tif", noise((3, 260, 300))))


def labels_in(image, tmp_path, values, crs=LONLAT, pixel=0.0004, side=4, part=PART, name="labels.tif", **options):
    """A label map over a part of the image: square patches of the values, codes or colours (tuples)."""
    place, height, width = around(image.grid, crs, pixel, part)
    values = np.array(values)
    chosen = patches(height, width, np.arange(len(values)), side)
    pixels = values[chosen].astype(options.pop("dtype", "uint8"))
    bands = pixels.transpose(2, 0, 1) if values.ndim == 2 else pixels[None]
    return write_map(tmp_path / name, bands, crs, place, **options)


def whole(reader):
    """Class indices (h, w) of the part of the map in use."""
    x, y, width, height = reader.window
    return reader.source.read_window(x, y, width, height)[0]


def opened(path, image, hint=None, name="land", **options):
    return LabelReader(path, name, image, hint, **options)


# where


@pytest.mark.parametrize(
    ("crs", "pixel"),
    [(LONLAT, 0.00008), (LONLAT, 0.0004), (LAEA, 3.0), (LAEA, 25.0), (LAEA, 100.0), (CRS.from_epsg(32633), 10.0),
     (UTM32, 10.0), (UTM32, 7.3)],
)  # fmt: skip
def test_every_pixel_is_the_nearest_of_the_label_map(image, tmp_path, crs, pixel):
    path = labels_in(image, tmp_path, range(1, 45), crs, pixel, side=1)
    classes = whole(opened(path, image, "clc"))
    codes, inside = looked_up(path, image.grid)
    assert 0.5 < inside.mean() < 0.8
    assert differing(classes, np.where(inside, codes[0] - 1, NO_LABEL)) < TIES


def test_a_rotated_image_and_a_south_up_label_map(tmp_path):
    rotated = CORNER @ CORNER.rotation(25)
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, 200, 200)), place=rotated))
    place, height, width = around(image.grid, LONLAT, 0.0003, (0, 0, 1, 1))
    south_up = place.translation(place.c, place.f - height * 0.0003) @ place.scale(0.0003, 0.0003)
    codes = patches(height, width, np.arange(1, 45, dtype="uint8"), 3)
    path = write_map(tmp_path / "l.tif", codes[None], LONLAT, south_up)
    codes, inside = looked_up(path, image.grid)
    assert inside.mean() > 0.6
    assert differing(whole(opened(path, image, "clc")), np.where(inside, codes[0] - 1, NO_LABEL)) < TIES


def test_prepared_and_direct_reading_agree(image, tmp_path):
    path = labels_in(image, tmp_path, range(1, 45))
    direct, prepared = opened(path, image, "clc"), opened(path, image, "clc", cache=tmp_path / "cache", threads=2)
    positions = np.array([(0, 0), (130, 101), (250, 210), (60, 26)])
    assert np.array_equal(direct.read(positions, 50), prepared.read(positions, 50))
    classes = whole(direct)
    wanted = [[(classes[y : y + 50, x : x + 50] == c).sum() for c in range(44)] for x, y in positions]
    wanted = np.array(wanted) / np.maximum(np.sum(wanted, 1, keepdims=True), 1)
    assert np.allclose(prepared.proportions(positions, 50), wanted, atol=1e-6)
    counts = np.stack([[(classes[y : y + 128, x : x + 128] == c).sum() for x in (0, 128, 256)]
                       for c in range(44) for y in (0, 128, 256)]).reshape(44, 3, 3)  # fmt: skip
    assert np.array_equal(prepared.summary.counts, counts)
    estimated = direct.summary.counts.sum(0).astype(int)
    assert np.abs(estimated - counts.sum(0)).max() < 0.25 * 128**2 and not direct.summary.exact


def test_two_legends_of_one_file_are_prepared_apart(image, tmp_path):
    path = labels_in(image, tmp_path, range(1, 14))
    assert opened(path, image, "clc").key != opened(path, image, "osm").key != opened(path, image).key


# colours


@pytest.mark.parametrize("name", ["osm", "clc"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("hinted", [True, False])
def test_colours_in_either_order(image, tmp_path, legends, name, order, hinted):
    colours = [colour if order == "RGB" else colour[::-1] for colour in legends[name].colors]
    path = labels_in(image, tmp_path, colours, LAEA, 100.0, side=1)
    reader = opened(path, image, name if hinted else None)
    assert reader.source.decode.description == f"colours in {order} order"
    assert (reader.legend.names, reader.legend.name) == (legends[name].names, "land")
    values, inside = looked_up(path, image.grid)
    seen, which = np.unique(values.reshape(3, -1).T, axis=0, return_inverse=True)
    expected = nearest_colours(seen if order == "RGB" else seen[:, ::-1], legends[name])[which]
    assert differing(whole(reader), np.where(inside, expected.reshape(inside.shape), NO_LABEL)) < TIES
    assert len(np.unique(whole(reader))) > len(legends[name]) / 2


@pytest.mark.parametrize("options", [{}, {"nodata": 0}, {"nodata": 255}], ids=["no nodata", "nodata 0", "nodata 255"])
def test_black_outside_the_label_map_is_no_class(image, tmp_path, legends, options):
    """CORINE's burnt areas are black: what a warp fills up with must not become burnt."""
    burnt = legends["clc"].names.index("burnt areas")
    colours = [c for i, c in enumerate(legends["clc"].colors) if i != burnt]
    path = labels_in(image, tmp_path, colours, LAEA, 100.0, side=1, **options)
    classes = whole(opened(path, image, "clc"))
    inside = looked_up(path, image.grid)[1]
    assert (~inside).mean() > 0.2
    assert (classes == burnt).sum() == 0
    assert differing(classes == NO_LABEL, ~inside) < TIES


def test_burnt_areas_inside_the_map_are_a_class(image, tmp_path, legends):
    path = labels_in(image, tmp_path, legends["clc"].colors[30:36], LAEA, 100.0, side=1)
    burnt = legends["clc"].names.index("burnt areas")
    values, inside = looked_up(path, image.grid)
    assert differing(whole(opened(path, image, "clc")) == burnt, inside & (values == 0).all(0)) < TIES
    assert (inside & (values == 0).all(0)).sum() > 500


def test_a_source_with_nodata_masks_and_alpha_has_no_labels_there(image, tmp_path, legends):
    colours = [c for c in legends["clc"].colors[:20]]
    black = labels_in(image, tmp_path, [*colours, (0, 0, 0)], LAEA, 100.0, side=1, name="black.tif", nodata=0)
    values, inside = looked_up(black, image.grid)
    there = inside & values.any(0)
    assert differing(whole(opened(black, image, "clc")) != NO_LABEL, there) < TIES
    place, height, width = around(image.grid, LAEA, 100.0, PART)
    pixels = np.array(colours, np.uint8)[patches(height, width, np.arange(20), 1)].transpose(2, 0, 1)
    shown = patches(height, width, [True, False, True], 2, seed=1)
    masked = write_map(tmp_path / "mask.tif", pixels, LAEA, place, mask=shown)
    four = np.concatenate([pixels, 255 * shown[None].astype(np.uint8)])
    alpha = write_map(tmp_path / "alpha.tif", four, LAEA, place, photometric="RGB", colorinterp=RGBA)
    visible, inside = looked_up(alpha, image.grid)
    assert 0.1 < (visible[3] == 0)[inside].mean() < 0.9
    for path in (masked, alpha):
        assert differing(whole(opened(path, image, "clc")) != NO_LABEL, inside & (visible[3] > 0)) < TIES


def test_white_is_no_label_and_counts_neither_for_nor_against(image, tmp_path, legends):
    colours = [legends["osm"].colors[2], *[(255, 255, 255)] * 30]
    path = labels_in(image, tmp_path, colours, LAEA, 30.0, side=1)
    classes = whole(opened(path, image, "osm"))
    assert set(np.unique(classes)) == {2, NO_LABEL}
    assert (classes == 2).mean() < 0.1


@pytest.mark.parametrize("name", ["osm", "clc"])
def test_colours_near_a_legend_equal_a_slow_loop(legends, name):
    legend, rng = legends[name], np.random.default_rng(0)
    near = np.array(legend.colors)[rng.integers(0, len(legend), 4000)] + rng.integers(-9, 10, (4000, 3))
    colours = np.concatenate([np.clip(near, 0, 255), rng.integers(0, 256, (2000, 3)), legend.colors])
    expected = nearest_colours(colours, legend)
    rgb, bgr = colour_decoders(legend)
    found = rgb.to_classes(colours.T.astype(np.uint8)[:, None])[0]
    assert np.array_equal(found, expected)
    assert 0.1 < (expected == NO_LABEL).mean() < 0.9
    swapped = colours[:, ::-1].T.astype(np.uint8)[:, None]
    assert np.array_equal(bgr.to_classes(swapped)[0], expected)


def test_two_colours_within_reach_resolve_to_the_nearer_and_ties_to_the_first():
    rng = np.random.default_rng(1)
    legend = Legend("close", tuple("abcdefgh"), tuple(map(tuple, rng.integers(100, 116, (8, 3)).tolist())))
    colours = rng.integers(90, 126, (6000, 3))
    expected = nearest_colours(colours, legend)
    distance = np.sort(np.abs(colours[:, None] - np.array(legend.colors)).sum(2), 1)
    assert ((distance[:, 1] <= 15) & (distance[:, 0] < distance[:, 1])).sum() > 300
    assert ((distance[:, 0] <= 15) & (distance[:, 0] == distance[:, 1])).sum() > 100
    table = nearest_colour_table(legend)
    assert np.array_equal(table[colours @ [65536, 256, 1]], expected)


def test_farther_than_fifteen_is_no_label():
    table = nearest_colour_table(Legend("one", ("a",), ((100, 100, 100),)))
    assert table[(105 << 16) + (95 << 8) + 105] == 0  # 5 + 5 + 5
    assert table[(116 << 16) + (100 << 8) + 100] == NO_LABEL
    assert table[(106 << 16) + (95 << 8) + 105] == NO_LABEL


# palettes and codes


def test_a_palette_of_the_legends_colours(image, tmp_path, legends, caplog):
    caplog.set_level("INFO")
    codes = np.random.default_rng(0).permutation(np.arange(1, 200))[:13]
    colormap = {int(code): colour for code, colour in zip(codes, legends["osm"].colors)} | {0: (255, 255, 255)}
    path = labels_in(image, tmp_path, [*codes, 0], side=2, colormap=colormap)
    reader = opened(path, image, "osm")
    assert reader.legend.names == legends["osm"].names
    assert reader.source.decode.description == "colours of the palette"
    values, inside = looked_up(path, image.grid)
    class_of = np.full(256, NO_LABEL)
    class_of[codes] = np.arange(13)
    assert differing(whole(reader), np.where(inside, class_of[values[0]], NO_LABEL)) < TIES
    unnamed = opened(path, image)
    assert len(unnamed.legend) == 14, "colours alone are no evidence"
    assert "it has the colours of osm" in caplog.text and '"legends": {"land": "osm"}' in caplog.text


def test_a_palette_of_other_colours_gives_the_codes_their_colours(image, tmp_path):
    colormap = {3: (10, 20, 30), 7: (90, 90, 20), 200: (5, 100, 100)}
    reader = opened(labels_in(image, tmp_path, list(colormap), colormap=colormap), image)
    assert reader.legend.colors == tuple(colormap.values())
    assert reader.legend.names == ("class 3", "class 7", "class 200")


AUX = """<PAMDataset><PAMRasterBand band="1">{}</PAMRasterBand></PAMDataset>"""
CATEGORIES = AUX.format(
    "<CategoryNames><Category>NA</Category><Category>water</Category><Category/>"
    "<Category>forest</Category></CategoryNames>"
)
TABLE = AUX.format(
    "<GDALRasterAttributeTable><FieldDefn><Name>V</Name><Usage>5</Usage></FieldDefn>"
    "<FieldDefn><Name>N</Name><Usage>2</Usage></FieldDefn>"
    "<Row><F>0</F><F>NA</F></Row><Row><F>1</F><F>water</F></Row><Row><F>3.0</F><F>forest</F></Row>"
    "</GDALRasterAttributeTable>"
)


@pytest.mark.parametrize("sidecar", [CATEGORIES, TABLE], ids=["category names", "attribute table"])
def test_codes_with_names_and_colours_of_the_file(image, tmp_path, sidecar):
    path = labels_in(image, tmp_path, [0, 1, 3, 9], colormap={1: (0, 0, 200), 3: (1, 100, 2)})
    (tmp_path / "labels.tif.aux.xml").write_text(sidecar)
    reader = opened(path, image, cache=tmp_path / "cache")
    assert (reader.legend.names, reader.legend.codes) == (("water", "forest"), (1, 3))
    assert reader.legend.colors == ((0, 0, 200), (1, 100, 2))
    values, inside = looked_up(path, image.grid)
    expected = np.where(inside & (values[0] == 1), 0, np.where(inside & (values[0] == 3), 1, NO_LABEL))
    assert differing(whole(reader), expected) < TIES  # neither NA nor the code without a name


def test_other_ranges_of_the_same_names_are_prepared_anew(image, tmp_path):
    path = labels_in(image, tmp_path, [1, 2, 3], part=(-0.1, -0.1, 1.1, 1.1))
    fields = (("low", 3), ("high", 4), ("name", 2))
    columns = "".join(f"<FieldDefn><Name>{name}</Name><Usage>{usage}</Usage></FieldDefn>" for name, usage in fields)
    for end in (1, 2):
        rows = f"<Row><F>1</F><F>{end}</F><F>water</F></Row><Row><F>3</F><F>3</F><F>forest</F></Row>"
        table = f"<GDALRasterAttributeTable>{columns}{rows}</GDALRasterAttributeTable>"
        (tmp_path / "labels.tif.aux.xml").write_text(AUX.format(table))
        tiles = opened(path, image, cache=tmp_path / "cache").read([[0, 0]], 200)[0, 0]
        expected = np.select([looked_up(path, image.grid)[0][0] <= end], [0], NO_LABEL)[:200, :200]
        assert differing(tiles == 0, expected == 0) < TIES


def test_a_broken_sidecar(image, tmp_path):
    path = labels_in(image, tmp_path, [1, 3])
    (tmp_path / "labels.tif.aux.xml").write_text("<PAMDataset>")
    with pytest.raises(MapError, match="not valid XML"):
        opened(path, image)


@pytest.mark.parametrize(
    ("dtype", "codes"),
    [("uint8", [0, 7, 254]), ("uint16", [300, 65535, 12]), ("int16", [-5, 0, 32000]), ("int32", [-70000, 2, 10**6])],
)
def test_codes_without_names(image, tmp_path, dtype, codes):
    path = labels_in(image, tmp_path, codes, dtype=dtype)
    reader = opened(path, image)
    assert reader.legend.names == tuple(f"class {code}" for code in sorted(codes))
    assert len(set(reader.legend.colors)) == 3
    values, inside = looked_up(path, image.grid)
    assert differing(whole(reader), np.where(inside, np.searchsorted(sorted(codes), values[0]), NO_LABEL)) < TIES


def test_declared_nodata_is_no_class(image, tmp_path):
    path = labels_in(image, tmp_path, [1, 2, 3], nodata=2)
    reader = opened(path, image)
    assert reader.legend.codes == (1, 3)
    values, inside = looked_up(path, image.grid)
    assert differing(whole(reader) != NO_LABEL, inside & (values[0] != 2)) < TIES


def test_corine_codes_of_three_digits_and_from_one(image, tmp_path, legends):
    three = labels_in(image, tmp_path, legends["clc"].codes, side=1, name="three.tif", dtype="int16")
    ones = labels_in(image, tmp_path, range(1, 45), side=1, name="ones.tif")
    for path in (three, ones):
        reader = opened(path, image, "clc")
        assert reader.legend.names == legends["clc"].names
        values, inside = looked_up(path, image.grid)
        order = np.unique(values[0], return_inverse=True)[1].reshape(inside.shape)
        assert differing(whole(reader), np.where(inside, order, NO_LABEL)) < TIES


def test_a_legend_of_ones_own(image, tmp_path):
    classes = [{"name": "wet", "color": [0, 0, 200], "code": 40}, {"name": "dry", "color": [200, 200, 0], "code": 5}]
    legend = tmp_path / "legend.json"
    legend.write_text(json.dumps({"classes": classes, "no_data": [6]}))
    codes = labels_in(image, tmp_path, [5, 40, 6], name="codes.tif")
    colours = labels_in(image, tmp_path, [(200, 201, 5), (0, 0, 200), (255, 255, 255)], name="colours.tif")
    for path in (codes, colours):
        reader = opened(path, image, str(legend))
        assert reader.legend.names == ("wet", "dry")
        values, inside = looked_up(path, image.grid)
        blue = values[-1]  # the codes themselves, where there is one band
        expected = np.select([np.isin(blue, [40, 200]), blue == 5], [0, 1], NO_LABEL)
        assert differing(whole(reader), np.where(inside, expected, NO_LABEL)) < TIES


def test_codes_that_a_legend_does_not_give_are_told(image, tmp_path, caplog):
    legend = tmp_path / "legend.json"
    legend.write_text(json.dumps({"classes": [{"name": name, "color": [9, 9, 9]} for name in ("wood", "lake")]}))
    reader = opened(labels_in(image, tmp_path, [1, 2] * 20 + [0]), image, str(legend))
    assert "has no codes, so 1 is read as wood, and 0, which occurs, as unlabelled" in caplog.text
    assert set(np.unique(whole(reader))) == {0, 1, NO_LABEL}


@pytest.mark.parametrize("content", ["no json", "[]", '{"classes": []}', '{"classes": [{"name": "a"}]}', None])
def test_what_is_no_legend_file(image, tmp_path, content):
    if content is not None:
        (tmp_path / "legend.json").write_text(content)
    with pytest.raises(MapError, match=r"is not a legend\. Use .*worldcover.*, or a JSON file"):
        opened(labels_in(image, tmp_path, [1, 2]), image, str(tmp_path / "legend.json"))


def test_code_decoder_of_unordered_codes():
    legend = Legend("own", ("a", "b", "c"), ((0, 0, 0),) * 3, (9, -4, 70000))
    decode = code_decoder(legend, legend.codes)
    values = np.array([[[9, -4, 70000, 8, -5, 70001, 0]]], np.int32)
    assert decode.to_classes(values).tolist() == [[0, 1, 2] + [NO_LABEL] * 4]
    small = np.array([[[9, 252, 8]]], np.uint8)
    valid = np.array([[True, True, True]])
    assert decode(small, valid).tolist() == [[0, NO_LABEL, NO_LABEL]]
    assert decode(small, ~valid).tolist() == [[NO_LABEL] * 3]


# what cannot be used


def test_colours_that_match_no_legend(image, tmp_path):
    path = labels_in(image, tmp_path, [(10, 120, 60), (60, 10, 120)])
    with pytest.raises(MapError, match=r"labels.tif: 0.0% of the pixels match the legend .* 'maps.legends'"):
        opened(path, image)


def test_a_named_legend_that_explains_too_little(image, tmp_path, legends):
    path = labels_in(image, tmp_path, [legends["osm"].colors[2], (10, 120, 60)], side=1)
    told = r"labels.tif: [45]\d.\d% of the pixels match the legend osm .*; 95% are needed.* 10/120/60 \([45]\d"
    with pytest.raises(MapError, match=told):
        opened(path, image, "osm")


@pytest.mark.parametrize("crs", [LONLAT, LAEA, UTM32])
@pytest.mark.parametrize("part", [(3, 0, 4, 1), (-40, -40, -30, -30)])
def test_no_overlap(image, tmp_path, crs, part):
    path = labels_in(image, tmp_path, range(1, 45), crs, 0.0004 if crs == LONLAT else 20.0, part=part)
    with pytest.raises(MapError, match="does not overlap the part of the image in use"):
        opened(path, image, "clc")


def test_a_map_all_nodata_does_not_overlap(image, tmp_path):
    with pytest.raises(MapError, match="does not overlap"):
        opened(labels_in(image, tmp_path, [5], nodata=5), image, "clc")


@pytest.mark.parametrize("crs", ["EPSG:32632", LONLAT])
def test_labels_in_one_corner_of_a_large_map(tmp_path, crs):
    """One pixel of a thousand has a label: hardly any window of a sample meets one."""
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 2500, 3000), np.uint8)))
    path = labels_in(image, tmp_path, [7], crs, 20.0 if crs != LONLAT else 0.0003, side=1, part=(0, 0, 1, 1), nodata=0)
    with rasterio.open(path, "r+") as file:
        codes = np.zeros(file.shape, np.uint8)
        height, width = codes.shape
        codes[height // 2 : height // 2 + height // 30, width // 3 : width // 3 + width // 30] = 7
        file.write(codes, 1)
    labels = opened(path, image)
    assert labels.legend.names == ("class 7",)
    assert 0.0005 < (whole(labels) == 0).mean() < 0.002


def test_labels_in_one_corner_of_the_part_in_use(tmp_path):
    """Most of the label map's labels lie beside the image, in the same blocks of the file."""
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 1000, 1000), np.uint8)))
    place = image.grid.transform @ Affine.translation(-2000, 0)
    codes = np.zeros((1000, 5000), np.uint8)
    codes[:, :1990:7] = codes[:, 3010::7] = 5
    codes[700:715, 2600:2615] = 7
    path = write_map(tmp_path / "labels.tif", codes[None], UTM32, place, nodata=0)
    source = LabelSource(path, image.grid)
    values, valid = sample_labels(source, image.grid.window)
    assert np.isin(values[0][valid], 7).mean() == 1
    rng = np.random.default_rng(0)
    columns, rows = labelled_points(source, image.grid.window, rng).T
    assert len(columns) == 15 * 15 < POINTS_PER_PART
    assert ((columns > 600) & (columns < 615) & (rows > 700) & (rows < 715)).all()


@pytest.mark.parametrize("crs", [UTM32, LONLAT, LAEA])
def test_a_label_map_of_another_place_is_not_read(tmp_path, monkeypatch, crs):
    """It may be as large as a continent."""
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 260, 300), np.uint8)))
    pixel = 0.0004 if crs == LONLAT else 20.0
    path = labels_in(image, tmp_path, range(1, 45), crs, pixel, part=(20, 20, 40, 40))
    monkeypatch.setattr(LabelSource, "read_native", None)
    with pytest.raises(MapError, match="does not overlap"):
        opened(path, image, "clc")


@pytest.mark.parametrize("crs", [UTM32, LONLAT, LAEA])
def test_the_part_around_a_window_holds_all_of_it(image, tmp_path, crs):
    pixel = 0.0001 if crs == LONLAT else 10.0
    source = LabelSource(labels_in(image, tmp_path, range(1, 45), crs, pixel, part=(-1, -1, 2, 2)), image.grid)
    window = Window(100, 50, 80, 60)
    x, y, width, height = covering_window(source, window)
    grid, native = source.grid, source.native_grid
    centres = np.meshgrid(np.arange(native.width) + 0.5, np.arange(native.height) + 0.5)
    columns, rows = (axis.ravel() for axis in centres)
    there = np.stack(grid.pixels_of(native.crs, *(native.transform @ (columns, rows))))
    within = ((there >= [[100], [50]]) & (there < [[180], [110]])).all(0)
    in_part = (columns > x) & (columns < x + width) & (rows > y) & (rows < y + height)
    assert within.any()
    assert not (within & ~in_part).any()
    assert in_part.sum() < 3 * within.sum()


def test_codes_that_only_masked_pixels_have_are_no_classes(image, tmp_path):
    path = labels_in(image, tmp_path, [3, 9])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(file.read(1) != 9)
    assert opened(path, image).legend.names == ("class 3",)


def test_a_label_map_much_smaller_than_the_image(tmp_path):
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 2500, 3000), np.uint8)))
    path = labels_in(image, tmp_path, [1, 2], pixel=0.00005, side=3, part=(0.7, 0.7, 0.704, 0.704))
    reader = opened(path, image, "clc")
    assert {0, 1} < set(np.unique(whole(reader)))


def test_a_label_map_of_the_whole_world(image, tmp_path):
    place = CORNER.scale(0.5, -0.5) @ CORNER.translation(-360, -180)
    codes = patches(360, 720, np.arange(1, 45, dtype="uint8"), 1)
    path = write_map(tmp_path / "world.tif", codes[None], LONLAT, place)
    assert differing(whole(opened(path, image, "clc")), looked_up(path, image.grid)[0][0] - 1) < TIES


def test_labels_without_crs_need_the_images_size(image, tmp_path):
    codes = patches(260, 300, np.arange(1, 45, dtype="uint8"), 5)
    same = write_map(tmp_path / "same.tif", codes[None], crs=None, nodata=3)
    assert np.array_equal(whole(opened(same, image, "clc")), np.where(codes == 3, NO_LABEL, codes - 1))
    other = write_map(tmp_path / "other.tif", codes[None, :, :299], crs=None)
    with pytest.raises(MapError, match=r"The image has 300 x 260 pixels, the label map 299 x 260"):
        opened(other, image, "clc")


def test_image_without_crs(tmp_path):
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, 60, 50)), crs=None))
    path = write_map(tmp_path / "l.tif", patches(60, 50, np.arange(1, 45, dtype="uint8"), 5)[None], crs=None)
    assert (whole(opened(path, image, "clc")) != NO_LABEL).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_codes_if_they_are_whole_numbers(image, tmp_path, dtype):
    path = labels_in(image, tmp_path, [7, -2, 300, 5], dtype=dtype, nodata=5)
    reader = opened(path, image)
    assert reader.legend.codes == (-2, 7, 300)
    values, inside = looked_up(path, image.grid)
    expected = np.select([values[0] == code for code in reader.legend.codes], [0, 1, 2], NO_LABEL)
    assert differing(whole(reader), np.where(inside, expected, NO_LABEL)) < TIES
    rounded = labels_in(image, tmp_path, [7, np.finfo(np.float32).min], dtype=dtype, nodata=-3.4e38)
    assert opened(rounded, image).legend.codes == (7,)
    with pytest.raises(MapError, match=rf"{dtype} values such as 1.5. .* gdal_translate -ot Byte .*labels.tif"):
        opened(labels_in(image, tmp_path, [1, 1.5], dtype=dtype), image)


def test_bands_that_are_no_colours_and_too_many_codes(image, tmp_path):
    with pytest.raises(MapError, match=r'its 3 bands \(uint16\) are no colours.* "labels": {"land": .*"band": 1}'):
        opened(labels_in(image, tmp_path, [(500, 2, 3)], dtype="uint16", photometric="MINISBLACK"), image)
    with pytest.raises(MapError, match=r"must have 1 to 254 classes. Got \d+ codes"):
        opened(labels_in(image, tmp_path, range(1000), side=1, dtype="uint16"), image)


def test_the_labelled_share_is_told(image, tmp_path, caplog):
    opened(labels_in(image, tmp_path, range(1, 45), part=(0, 0, 0.5, 1)), image, "clc", cache=tmp_path / "cache")
    told = [record for record in caplog.records if "is labelled" in record.message]
    assert 48 < float(told[0].message.split("labels.tif: ")[1].split("%")[0]) < 54
    assert told[0].levelname == "WARNING"


def test_a_source_reads_any_window(tmp_path):
    grid = grid_of(200, 150)
    place, height, width = around(grid, LONLAT, 0.0003, PART)
    path = write_map(tmp_path / "l.tif", noise((1, height, width)), LONLAT, place)
    source = LabelSource(path, grid)
    values, valid = source.read_raw(0, 0, 200, 150)
    part, part_valid = source.read_raw(63, 40, 90, 80)
    assert np.array_equal(part, values[:, 40:120, 63:153])
    assert np.array_equal(part_valid, valid[40:120, 63:153])
