"""The legends that come with the project: they are complete, and their codes are those of the producers."""

from collections import Counter

import pytest

from dataProcessors.legends.legend import builtin_legends, find_builtin

PRODUCTS = {  # name -> number of classes
    "cdl": 132, "clc": 44, "clcplus": 11, "dynamic_world": 9, "esri_lulc": 9, "nlcd": 20, "osm": 13, "worldcover": 11,
}  # fmt: skip
NUMBERED = sorted(set(PRODUCTS) - {"osm"})  # the codes of OSM land use could not be confirmed
SHARED_COLOURS = {"cdl"}  # several crops are drawn in one colour by the producer
ALIASES = {
    "corine": "clc", "annual_nlcd": "nlcd", "io_lulc": "esri_lulc", "esri": "esri_lulc",
    "DynamicWorld": "dynamic_world",
    "clcplus_backbone": "clcplus", "usda_cdl": "cdl", "osmlanduse": "osm", "ESA_WorldCover": "worldcover",
}  # fmt: skip


def test_every_product_is_known():
    assert {name: len(legend) for name, legend in builtin_legends().items()} == PRODUCTS
    assert {alias: find_builtin(alias).name for alias in ALIASES} == ALIASES
    words = [word for legend in builtin_legends().values() for word in (legend.name, *legend.aliases)]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_is_complete(name, legends):
    legend = legends[name]
    assert legend.title and legend.source and legend.licence
    assert legend.url.startswith("https://")
    assert len(set(legend.names)) == len(legend)
    shared = [colour for colour, number in Counter(legend.colors).items() if number > 1]
    assert bool(shared) == (name in SHARED_COLOURS), shared
    assert not set(legend.colors) & set(legend.no_data_colors)


def test_codes_of_producers(legends):
    """Values that are easily got wrong."""
    codes = {name: dict(zip(legends[name].codes, legends[name].names)) for name in NUMBERED}
    assert tuple(codes["worldcover"]) == (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
    assert tuple(codes["esri_lulc"]) == (1, 2, 4, 5, 7, 8, 9, 10, 11)
    assert tuple(codes["dynamic_world"]) == tuple(range(9))
    assert tuple(codes["clcplus"]) == tuple(range(1, 12)) and legends["clcplus"].no_data == (253, 254, 255)
    assert codes["esri_lulc"][11] == "rangeland" and codes["dynamic_world"][8] == "snow and ice"
    assert codes["nlcd"][95] == "emergent herbaceous wetlands" and {0, 250} == set(legends["nlcd"].no_data)
    assert codes["cdl"][5] == "soybeans" and codes["cdl"][254] == "double crop barley/soybeans"
    clc = legends["clc"]
    assert (clc.codes[43], clc.code_sets[0]) == (523, tuple(range(1, 45))) and {48, -128} <= set(clc.no_data)
