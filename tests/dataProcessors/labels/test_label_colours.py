"""Label maps of colours, and of codes with a palette: which class of a legend is a colour?"""

import numpy as np
import pytest
from labels_for_tests import LAEA, TIES, differing, labels_in, opened, whole
from maps_for_tests import looked_up, nearest_colours

from dataProcessors.legends.decoders import colour_decoders, nearest_colour_table
from dataProcessors.legends.legend import NO_LABEL, Legend
from dataProcessors.rasters.opening import MapError


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


def test_colours_that_match_no_legend(image, tmp_path):
    path = labels_in(image, tmp_path, [(10, 120, 60), (60, 10, 120)])
    with pytest.raises(MapError, match=r"labels.tif: 0.0% of the pixels match the legend .* 'maps.legends'"):
        opened(path, image)


def test_a_named_legend_that_explains_too_little(image, tmp_path, legends):
    path = labels_in(image, tmp_path, [legends["osm"].colors[2], (10, 120, 60)], side=1)
    told = r"labels.tif: [45]\d.\d% of the pixels match the legend osm .*; 95% are needed.* 10/120/60 \([45]\d"
    with pytest.raises(MapError, match=told):
        opened(path, image, "osm")
