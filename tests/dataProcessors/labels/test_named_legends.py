"""Label maps with a legend that the config or the label map's name names: which class is a code?"""

import json

import numpy as np
import pytest
from label_files_for_tests import FIVE, names_of, put
from labels_for_tests import TIES, differing, labels_in, opened, whole
from maps_for_tests import looked_up

from dataProcessors.legends.decoders import code_decoder
from dataProcessors.legends.legend import NO_LABEL, Legend
from dataProcessors.rasters.opening import MapError


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


def test_two_legends_of_one_file_are_prepared_apart(image, tmp_path):
    path = labels_in(image, tmp_path, range(1, 14))
    assert opened(path, image, "clc").key != opened(path, image, "osm").key != opened(path, image).key


@pytest.mark.parametrize("name", ["clc", "CLC", "Corine"])
def test_the_name_of_the_label_map_names_a_legend(read, tmp_path, legends, name):
    codes = np.array([1, 2, 12, 23, 41], "uint8")[FIVE]
    reader, names = read(put(tmp_path, codes), name=name)
    assert reader.legend.name == name and reader.legend.names == legends["clc"].names
    assert np.array_equal(names, names_of(codes, {i + 1: each for i, each in enumerate(legends["clc"].names)}))
    with pytest.raises(MapError, match="give the label map another name"):
        read(put(tmp_path, FIVE + 200, name="other.tif"), name=name)


def test_codes_of_a_named_legend_come_before_the_colours_of_the_palette(read, tmp_path, legends):
    """CORINE's burnt areas are black, as are entries of a palette that nobody set."""
    clc = legends["clc"]
    codes = np.array([1, 2, 12, 23, 41], "uint8")[FIVE]
    codes[:8, :8] = 77
    palette = {i + 1: colour for i, colour in enumerate(clc.colors)}
    _, names = read(put(tmp_path, codes, colormap=palette), "clc")
    assert np.array_equal(names, names_of(codes, {i + 1: name for i, name in enumerate(clc.names)}))
    assert (names[:8, :8] == "").all()
