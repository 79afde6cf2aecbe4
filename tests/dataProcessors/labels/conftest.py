"""Images that the tests of label maps share, and how they read label maps on them."""

import numpy as np
import pytest
from label_files_for_tests import HERE, SIDE
from maps_for_tests import noise, write_map

from config import LabelFile
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader


@pytest.fixture
def image(tmp_path):
    """An image map of 300 x 260 pixels."""
    return TiffReader(write_map(tmp_path / "image.tif", noise((3, 260, 300))))


@pytest.fixture
def read(tmp_path):
    """Opens a label map on the image's pixels; returns the reader and the class names (h, w), "" where unlabelled."""
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, SIDE, SIDE)), **HERE))

    def opened(path, hint=None, name="lc", band=None, **options):
        reader = LabelReader(LabelFile(path=str(path), band=band), name, image, hint, **options)
        classes = reader.source.read_window(0, 0, SIDE, SIDE)[0]
        return reader, np.array([*reader.legend.names, ""])[np.minimum(classes, len(reader.legend))]

    return opened
