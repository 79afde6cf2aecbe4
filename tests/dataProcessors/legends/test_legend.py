"""Legends, and from class indices to proportions and labels."""

import numpy as np
import pytest

from dataProcessors.legends.legend import NO_LABEL, dominant, find_builtin, legend_from_json, proportions

GREEN = {"name": "green", "color": [0, 255, 0]}


def test_the_legends_of_the_project(legends):
    assert {name: len(legends[name]) for name in ("osm", "clc")} == {"osm": 13, "clc": 44}
    assert legends["osm"].codes is None
    assert legends["clc"].codes[:2] == (111, 112) and legends["clc"].codes[-1] == 523
    assert legends["clc"].colors[legends["clc"].names.index("burnt areas")] == (0, 0, 0)


def test_proportions_equal_a_slow_count():
    tiles = np.random.default_rng(0).choice(np.array([0, 1, 2, 4, NO_LABEL], np.uint8), (6, 1, 9, 7))
    tiles[2] = NO_LABEL
    tiles[3] = 4
    shares = proportions(tiles, 5)
    assert shares.shape == (6, 5) and shares.dtype == np.float32
    for tile, row in zip(tiles, shares):
        labelled = [value for value in tile.ravel().tolist() if value != NO_LABEL]
        wanted = [labelled.count(c) / max(len(labelled), 1) for c in range(5)]
        assert np.allclose(row, wanted, atol=1e-6)
    assert shares[2].sum() == 0
    assert dominant(shares).tolist() == [s.argmax() if s.any() else -1 for s in shares]


def test_proportions_of_no_tiles():
    assert proportions(np.empty((0, 1, 4, 4), np.uint8), 3).shape == (0, 3)


def test_a_legend_from_json():
    classes = [GREEN | {"code": 3}, {"name": "red", "color": [255, 0, 0], "code": 1}]
    legend = legend_from_json("own", {"classes": classes})
    assert (legend.names, legend.codes, legend.colors[0]) == (("green", "red"), (3, 1), (0, 255, 0))
    assert legend.numberings == ((3, 1),)
    texts = {"title": "Own", "source": "me", "url": "https://example.org", "licence": "none", "aliases": ["mine"]}
    more = {"no_data": [0, 9], "no_data_colors": [[255, 255, 255]], "code_sets": [[30, 10], [5, 6]]}
    full = legend_from_json("own", {"classes": classes} | texts | more)
    assert full.numberings == ((3, 1), (30, 10), (5, 6))
    assert (full.no_data, full.no_data_colors, full.title, full.aliases) == ((0, 9), ((255,) * 3,), "Own", ("mine",))


def test_classes_of_one_name_are_told_apart():
    red = {"name": "red", "color": [255, 0, 0]}
    assert legend_from_json("own", {"classes": [GREEN, red, GREEN]}).names == ("green (1)", "red", "green (3)")
    numbered = [each | {"code": code} for each, code in zip((GREEN, red, GREEN), (30, 20, 10))]
    assert legend_from_json("own", {"classes": numbered}).names == ("green (30)", "red", "green (10)")


TWO = [GREEN | {"code": 1}, {"name": "red", "color": [255, 0, 0], "code": 2}]


NO_CLASSES = [
    [], [GREEN] * 255, [GREEN | {"color": [0, 0]}], [GREEN | {"color": [0, 0, 256]}], [GREEN | {"color": [0.5, 0, 0]}],
    [GREEN | {"code": "x"}], [GREEN | {"code": 1}, GREEN | {"code": 1}], [GREEN | {"code": 1}, GREEN],
    [{"name": "green"}], [3], None,
]  # fmt: skip
NO_MORE = [
    {"no_data": [2]}, {"no_data": ["x"]}, {"no_data_colors": [[1, 2]]}, {"code_sets": [[1]]}, {"code_sets": [[1, 1]]},
    {"nodata": [0]},
]  # fmt: skip


@pytest.mark.parametrize("entry", [{}, *({"classes": c} for c in NO_CLASSES), *({"classes": TWO} | m for m in NO_MORE)])
def test_what_is_no_legend(entry):
    with pytest.raises((ValueError, KeyError, TypeError)):
        legend_from_json("own", entry)


def test_legends_are_found_by_name_and_alias_in_either_case(legends):
    assert find_builtin("OSM") == find_builtin("OsmLandUse") == legends["osm"]
    assert find_builtin("Corine") == legends["clc"]
    assert find_builtin("lc") is None
