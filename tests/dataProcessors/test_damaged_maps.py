"""Maps that are damaged or cut off: refused before the training, or read whole."""

from pathlib import Path

import numpy as np
import pytest
from fields_for_tests import CODES, TILED, assert_refused, put_image, put_labels
from maps_for_tests import noise, patches
from runs_for_tests import SIDE

from dataProcessors.label_reader import LabelReader
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader

pytestmark = pytest.mark.usefixtures("fields")


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
