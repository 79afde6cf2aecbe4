"""The grid of tiles, against loops over the window."""

import numpy as np
import pytest
from affine import Affine

from config import UserError
from dataProcessors.rasters.grid import Window
from inference.core.tile_grid import TileGrid

GRIDS = [  # window, size, stride
    (Window(0, 0, 96, 64), 32, 32), (Window(7, 11, 100, 75), 32, 32), (Window(3, 0, 90, 61), 32, 16),
    (Window(3, 0, 90, 61), 30, 7), (Window(5, 5, 200, 90), 16, 40), (Window(5, 9, 16, 16), 16, 16),
]  # fmt: skip


@pytest.mark.parametrize(("window", "size", "stride"), GRIDS)
def test_all_tiles_that_lie_in_the_window_row_by_row(window, size, stride):
    tiles = TileGrid(window, size, stride)
    expected = [
        (x, y)
        for y in range(window.y, window.y + window.height - size + 1, stride)
        for x in range(window.x, window.x + window.width - size + 1, stride)
    ]
    assert len(tiles) == len(expected) == tiles.rows * tiles.columns
    assert tiles.positions(np.arange(len(tiles))).tolist() == [list(each) for each in expected]
    covered = [max(each[axis] for each in expected) + size for axis in (0, 1)]
    assert tiles.uncovered() == (window.x + window.width - covered[0], window.y + window.height - covered[1])


@pytest.mark.parametrize(("window", "size", "stride"), GRIDS)
def test_a_pixel_of_the_raster_lies_around_the_middle_of_its_tile(window, size, stride):
    place, tiles = Affine(10, 2, 5000, 1, -10, 8000), TileGrid(window, size, stride)
    raster = tiles.raster_transform(place)
    for number in range(len(tiles)):
        row, column = divmod(number, tiles.columns)
        middle = tiles.positions(np.array([number]))[0] + size / 2
        assert np.allclose(raster @ (column + 0.5, row + 0.5), place @ tuple(middle))
    step = np.subtract(raster @ (1, 0), raster @ (0, 0))
    assert np.allclose(step, np.subtract(place @ (stride, 0), place @ (0, 0)))


def test_a_window_smaller_than_a_tile_is_refused():
    with pytest.raises(UserError, match=r"100 x 31 pixels, less than a tile of 32 x 32"):
        TileGrid(Window(0, 0, 100, 31), 32, 32)
    with pytest.raises(UserError, match="stride is 0 px"):
        TileGrid(Window(0, 0, 100, 100), 32, 0)
