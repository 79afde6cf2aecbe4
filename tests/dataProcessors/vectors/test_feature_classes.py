"""The classes of polygons and points: their own, and those of a legend."""

from collections import Counter

import numpy as np
import pytest
from maps_for_tests import grid_of
from vectors_for_tests import read_map, write_csv

from dataProcessors.legends.legend import NO_LABEL, Legend, builtin_legends
from dataProcessors.rasters.opening import MapError
from dataProcessors.vectors.feature_classes import classes_of_legend, own_classes, warn_of_numbers
from inference.land_cover.class_codes import class_codes


def test_classes_have_one_order_whatever_the_order_of_the_features():
    counts = Counter({"11210": 5, "9": 1, "b": 2, "B": 1, "a": 7, "12100": 1})
    names, codes, classes = own_classes("f", counts)
    assert names == ("9", "11210", "12100", "a", "B", "b") and codes is None
    assert classes["B"] == 4 and own_classes("f", Counter(dict(reversed(counts.items()))))[0] == names
    assert own_classes("f", Counter([3, -1, 20]))[:2] == (("class -1", "class 3", "class 20"), (-1, 3, 20))
    assert own_classes("f", Counter(["3", "1"]))[:2] == (("1", "3"), (1, 3))
    with pytest.raises(MapError, match=r"1 to 254 classes\. Got 255"):
        own_classes("f", Counter(range(255)))


def test_classes_of_a_legend_by_code_or_name(caplog):
    legend = Legend("own", ("forest", "water"), ((0, 9, 0), (0, 0, 9)), (311, 512), ((1, 2),), (48,))
    by_code, by_name = {"311": 0, "512": 1}, {"Forest": 0, "WATER": 1}
    assert classes_of_legend("f", legend, Counter({"311": 5, "512": 1, 48: 30})) == ((311, 512), by_code)
    assert classes_of_legend("f", legend, Counter({1: 5, 2: 1})) == ((1, 2), {1: 0, 2: 1})
    assert classes_of_legend("f", legend, Counter({"Forest": 99, "WATER": 1, "x": 2})) == ((311, 512), by_name)
    assert "x (2)" in caplog.text
    with pytest.raises(MapError, match=r"50.0% of the features have a code or name of the legend own. Others: x \(4\)"):
        classes_of_legend("f", legend, Counter({"forest": 4, "x": 4}))


def test_classes_have_the_codes_of_the_column(tmp_path):
    """CORINE's polygons have codes of three digits, its rasters 1 to 44: a land-cover map follows its label map."""
    grid, clc = grid_of(200, 150), builtin_legends()["clc"]
    for codes in clc.numberings:
        path = write_csv(tmp_path / "p.csv", grid, [(9.5, 20.5), (40.5, 20.5)], [codes[0], codes[40]])
        reader = read_map(tmp_path, {"path": str(path), "column": "class"}, hint="clc")
        assert class_codes(reader.legend).codes == reader.legend.codes == codes
        found = reader.read(np.array([[9, 20], [40, 20]]), 1).ravel().tolist()
        assert [reader.legend.codes[index] for index in found] == [codes[0], codes[40]]


def test_a_column_that_may_number_the_features_is_told(caplog):
    warn_of_numbers("f", "id", Counter(range(12)))
    assert "f: the column 'id' has 12 values in 12 features: does it number them?" in caplog.text
    caplog.clear()
    warn_of_numbers("f", "class", Counter({"a": 2, "b": 9, "c": 1}))
    warn_of_numbers("f", "class", Counter("abc"))  # a few features, each of a class of its own
    assert not caplog.text


@pytest.mark.parametrize("cached", [False, True])
def test_that_points_are_enlarged_in_an_estimate_is_told(tmp_path, caplog, cached):
    grid = grid_of(200, 150)
    path = write_csv(tmp_path / "p.csv", grid, [(x + 0.5, 20.5) for x in range(0, 200, 40)], list("ababa"))
    with caplog.at_level("INFO"):
        reader = read_map(tmp_path, {"path": str(path), "column": "class"}, cache=tmp_path / "c" if cached else None)
    assert "100.0% of the features with a value have a class" in caplog.text
    assert ("where a point counts as 16 x 16 pixels" in caplog.text) != cached
    assert ("at most 4.2% of the part in use is labelled" in caplog.text) != cached
    assert reader.fingerprint()["legend"]["enlarged_points"] != cached


@pytest.mark.parametrize("cached", [False, True])
def test_a_map_of_samples_is_read_like_any_label_map(tmp_path, cached):
    grid = grid_of(200, 150)
    places = [(x + 0.5, y + 0.5) for x in range(0, 200, 3) for y in range(0, 150, 3)]
    values = [["oak", "beech"][(int(x) + int(y)) % 2] for x, y in places]
    path = str(write_csv(tmp_path / "p.csv", grid, places, values))
    reader = read_map(tmp_path, {"path": path, "column": "class"}, cache=tmp_path / "cache" if cached else None)
    assert (reader.legend.name, reader.legend.names) == ("samples", ("beech", "oak"))
    assert reader.fingerprint()["synthetic"] is False and reader.fingerprint()["column"] == "class"
    tile = reader.read(np.array([[30, 60]]), 32)[0, 0]
    wanted = {(int(y) - 60, int(x) - 30): int(value == "oak") for (x, y), value in zip(places, values)}
    for (row, column), value in np.ndenumerate(tile):
        assert value == wanted.get((row, column), NO_LABEL)
    assert reader.proportions(np.array([[0, 0], [1, 1]]), 1).tolist() == [[0, 1], [0, 0]]
    assert reader.summary.exact == cached and reader.summary.counts.sum() > 0
    key = reader.key
    write_csv(tmp_path / "p.csv", grid, places[:-1], values[:-1])
    assert read_map(tmp_path, {"path": path, "column": "class"}).key != key


def test_polygons_of_a_known_legend_are_read_by_the_name_of_the_map(tmp_path, legends):
    grid = grid_of(200, 150)
    path = str(write_csv(tmp_path / "clc.csv", grid, [(10.5, 10.5), (20.5, 20.5), (30.5, 30.5)], ["311", "512", "111"]))
    for name, hint in (("corine", None), ("mine", "clc")):
        reader = read_map(tmp_path, {"path": path, "column": "class"}, name, hint)
        assert reader.legend.names == legends["clc"].names
        assert reader.source.read_window(10, 10, 1, 1)[0, 0, 0] == legends["clc"].codes.index(311)
    with pytest.raises(MapError, match=r"0\.0% of the features have a code or name of the legend worldcover"):
        read_map(tmp_path, {"path": path, "column": "class"}, "worldcover")
