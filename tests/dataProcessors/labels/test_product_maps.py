"""Small maps of each known product are read by its name."""

import numpy as np
import pytest
from maps_for_tests import noise, patches, write_map

from dataProcessors.label_reader import LabelReader
from dataProcessors.legends.legend import NO_LABEL, builtin_legends
from dataProcessors.tiffreader import TiffReader

NUMBERED = sorted(name for name, legend in builtin_legends().items() if legend.codes)


def of_product(legend, codes, rng):
    """Classes (h, w) in patches, NO_LABEL in some, and the pixels of a map of them."""
    no_data = [code for code in legend.no_data if 0 <= code < (256 if max(codes) < 256 else 1000)]
    classes = patches(128, 128, np.arange(len(legend), dtype=np.uint8), 4)
    pixels = np.asarray(codes)[classes]
    if no_data:
        empty = patches(128, 128, [True, False, False, False, False, False, False], 4, seed=1)
        pixels[empty] = rng.choice(no_data, empty.sum())
        classes[empty] = NO_LABEL
    return classes, pixels


def read_by_name(folder, legend, word, pixels, **options):
    image = TiffReader(write_map(folder / "image.tif", noise((3, 128, 128))))
    dtype = options.pop("dtype", "uint8" if pixels.max() < 256 else "int16")
    path = write_map(folder / "labels.tif", pixels[None].astype(dtype), **options)
    reader = LabelReader(path, word, image)
    x, y, width, height = reader.window
    return reader, reader.source.read_window(x, y, width, height)[0]


@pytest.mark.parametrize(
    ("name", "numbering"), [(name, k) for name in NUMBERED for k in range(len(builtin_legends()[name].numberings))]
)
def test_a_map_of_codes_is_read_by_its_name(tmp_path, legends, name, numbering):
    legend = legends[name]
    classes, pixels = of_product(legend, legend.numberings[numbering], np.random.default_rng(0))
    for word in (name, legend.aliases[0].upper()):
        reader, found = read_by_name(tmp_path, legend, word, pixels)
        assert reader.legend.names == legend.names
        assert np.array_equal(found, classes)


def test_a_map_that_declares_a_palette_and_has_none(tmp_path, legends):
    """GDAL writes no palette into files of signed numbers."""
    legend = legends["worldcover"]
    classes, pixels = of_product(legend, legend.codes, np.random.default_rng(0))
    pixels[0, 0] = -1  # is no class
    palette = {code: (*colour, 255) for code, colour in zip(legend.codes, legend.colors)}
    found = read_by_name(tmp_path, legend, "worldcover", pixels, dtype="int16", colormap=palette)[1]
    assert found[0, 0] == NO_LABEL and np.array_equal(found[1:], classes[1:])


@pytest.mark.parametrize("name", NUMBERED)
def test_a_map_with_a_palette_is_read_by_its_name(tmp_path, legends, name):
    """The codes decide, since a palette may draw several classes alike, or have colours of its own."""
    legend = legends[name]
    codes = next(numbering for numbering in legend.numberings if max(numbering) < 256)
    classes, pixels = of_product(legend, codes, np.random.default_rng(0))
    palette = {code: (*colour, 255) for code, colour in zip(codes, legend.colors)}
    reader, found = read_by_name(tmp_path, legend, name, pixels, colormap=palette)
    assert reader.legend.names == legend.names
    assert np.array_equal(found, classes)


def test_a_map_of_colours_of_osm_is_read_by_its_name(tmp_path, legends):
    legend = legends["osm"]
    classes = patches(128, 128, np.arange(len(legend), dtype=np.uint8), 4)
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, 128, 128))))
    path = write_map(tmp_path / "labels.tif", np.array(legend.colors, np.uint8)[classes].transpose(2, 0, 1))
    reader = LabelReader(path, "osmlanduse", image)
    assert reader.legend.names == legend.names
    assert np.array_equal(reader.source.read_window(*reader.window)[0], classes)
