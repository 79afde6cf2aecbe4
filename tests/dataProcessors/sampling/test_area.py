"""The training area and the reserved cells, against masks in which every tile is drawn."""

import numpy as np
import pytest
from areas_for_tests import Map, a_third_missing, reserved_pixels, touched
from maps_for_tests import write_map

from config import UserError
from dataProcessors.prepared.blocks import Summary
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area, SamplingError
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.tiffreader import TiffReader

WINDOWS = [Window(0, 0, 1300, 1100), Window(217, 61, 1111, 1499), Window(40, 1000, 500, 2000)]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("size", "spacing"), [(16, 4), (31, 6), (50, 5)])
def test_no_training_tile_touches_a_reserved_cell(window, size, spacing):
    area = Area(window, size, spacing)
    reserved = reserved_pixels(area, spacing)
    positions = area.draw(20_000, np.random.default_rng(0))
    assert not touched(positions, size, window, reserved).any()
    columns, rows = np.meshgrid(np.arange(window.x - 3, window.x + window.width - size + 4, 5), np.arange(
        window.y - 3, window.y + window.height - size + 4, 3))  # fmt: skip
    everywhere = np.stack([columns, rows], -1).reshape(-1, 2)
    inside = area.inside(everywhere)
    assert not inside.all()
    accepted = area.accepts(everywhere)
    assert not accepted[~inside].any()
    assert np.array_equal(accepted[inside], ~touched(everywhere[inside], size, window, reserved))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("size", "spacing"), [(16, 4), (31, 6), (50, 5)])
def test_scored_tiles_fill_the_reserved_cells_of_the_window_once(window, size, spacing):
    area = Area(window, size, spacing)
    tiles = area.scored_tiles()
    reserved = reserved_pixels(area, spacing)
    drawn = np.zeros(reserved.shape, int)
    for x, y in tiles - window[:2]:
        assert x >= 0 and y >= 0 and x + size <= window.width and y + size <= window.height
        drawn[y : y + size, x : x + size] += 1
    assert drawn.max() == 1 and not drawn[~reserved].any()
    assert len(tiles) == 4 * len(area.reserved_cells()) > 0
    cut = reserved & (drawn == 0)  # cells that the window's edge cuts
    margin = 2 * size
    assert not cut[margin:-margin, margin:-margin].any()


def test_every_place_of_the_training_area_has_the_same_chance():
    area = Area(Window(30, 70, 300, 260), 20, 4)
    columns, rows = np.meshgrid(np.arange(30, 330 - 19), np.arange(70, 330 - 19))
    possible = area.accepts(np.stack([columns, rows], -1).reshape(-1, 2)).reshape(columns.shape)
    drawn = area.draw(400_000, np.random.default_rng(1)) - (30, 70)
    counts = np.zeros(possible.shape)
    np.add.at(counts, (drawn[:, 1], drawn[:, 0]), 1)
    assert not counts[~possible].any()
    expected = 400_000 / possible.sum()
    chi_square = ((counts[possible] - expected) ** 2 / expected).sum() / possible.sum()  # 1 if uniform
    assert 0.95 < chi_square < 1.05


def test_equal_seeds_give_equal_draws():
    area = Area(WINDOWS[0], 31, 6)
    first, again, other = (area.draw(50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.dtype == np.int64 and area.draw(0, np.random.default_rng(0)).shape == (0, 2)


# nodata


@pytest.mark.parametrize("max_nodata", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("window", [Window(0, 0, 1300, 1500), Window(200, 77, 1000, 1400)])
def test_no_tile_with_too_much_nodata_is_drawn(max_nodata, window):
    there = a_third_missing()
    assert 0.25 < (~there).mean() < 0.45
    area = Map(there, window).area(40, max_nodata)
    for tiles in (area.draw(3000, np.random.default_rng(0)), area.scored_tiles()):
        shares = [(~there[y : y + 40, x : x + 40]).mean() for x, y in tiles]
        assert max(shares) <= max_nodata
        assert max_nodata == 0 or max(shares) > 0.5 * max_nodata  # what is tolerated is not refused


def test_has_data_equals_a_slow_loop_and_reads_only_what_the_counts_leave_open():
    there = a_third_missing()
    world = Map(there, Window(0, 0, 1300, 1500))
    area, rng = world.area(40, 0.2), np.random.default_rng(3)
    positions = np.stack([rng.integers(0, 1261, 3000), rng.integers(0, 1461, 3000)], 1)
    expected = [(~there[y : y + 40, x : x + 40]).mean() <= 0.2 for x, y in positions]
    assert area.has_data(positions).tolist() == expected
    assert 0 < world.asked < 0.8 * len(positions)
    world.summary = Summary(world.summary.window, world.summary.counts, exact=False)
    asked_before = world.asked
    assert world.area(40, 0.2).has_data(positions).tolist() == expected
    assert world.asked == asked_before + len(positions)


@pytest.mark.parametrize("missing", range(1, 100))
def test_a_share_that_is_just_tolerated_is_accepted_and_one_pixel_more_is_not(tmp_path, missing):
    there = np.arange(100).reshape(10, 10) >= missing
    world, tile = Map(there, Window(0, 0, 10, 10)), np.zeros((1, 2), np.int64)
    image = TiffReader(write_map(tmp_path / "a.tif", np.ones((1, 10, 10), np.uint8), mask=there))
    assert image.nodata_share(tile, 10).tolist() == [missing / 100]
    for share, is_accepted in ((missing / 100, True), ((missing - 1) / 100, False)):
        by_counts = NodataLimit(world.summary, 10, share, lambda positions: pytest.fail("the counts decide"))
        estimate = Summary(world.window, world.summary.counts, exact=False)
        by_pixels = NodataLimit(estimate, 10, share, lambda positions: image.nodata_share(positions, 10))
        assert [each.accepts(tile).tolist() for each in (by_counts, by_pixels)] == [[is_accepted]] * 2


def test_places_over_small_gaps_have_the_same_chance_as_all_others():
    """Tiles whose middle lies in a block without data are drawn too, where enough of them has data."""
    there = np.ones((1200, 1200), bool)
    there[768:896, 768:896] = False  # one whole block
    world = Map(there, Window(0, 0, 1200, 1200))
    drawn = world.area(100, 0.6).draw(40_000, np.random.default_rng(0)) + 50
    middle_missing = ~there[drawn[:, 1], drawn[:, 0]]
    ring = (np.abs(drawn - 832) < 64 + 20).all(1) & ~middle_missing
    assert middle_missing.sum() > 0 and ring.sum() > 0
    columns, rows = np.meshgrid(np.arange(0, 1101), np.arange(0, 1101))
    every = np.stack([columns, rows], -1).reshape(-1, 2)
    every = every[(np.abs(every + 50 - 832) < 100).all(1)]
    possible = every[world.area(100, 0.6).accepts(every)] + 50
    share = (~there[possible[:, 1], possible[:, 0]]).sum() / (np.abs(possible - 832) < 84).all(1).sum()
    assert abs(middle_missing.sum() / (middle_missing.sum() + ring.sum()) - share) < 0.1


def test_a_tile_that_holds_all_data_of_its_blocks_may_lack_as_much_as_is_tolerated():
    there = np.zeros((256, 256), bool)
    there[30:50, 40:60] = True
    for missing, accepted in ((2, True), (3, False)):  # rows of 20
        there[30 : 30 + missing] = False
        assert Map(there, Window(0, 0, 256, 256)).area(20, 0.1).has_data(np.array([[40, 30]])).tolist() == [accepted]


def test_without_exact_shares_only_what_the_counts_show_is_accepted():
    there = a_third_missing()
    world = Map(there, Window(0, 0, 1300, 1500))
    area = Area(world.window, 40, 4, NodataLimit(world.summary, 40, 0.1))
    tiles = area.draw(500, np.random.default_rng(0))
    assert max((~there[y : y + 40, x : x + 40]).mean() for x, y in tiles) <= 0.1


# what is impossible


@pytest.mark.parametrize("window", [Window(0, 0, 150, 900), Window(5, 5, 900, 159)])
def test_a_map_too_small(window):
    with pytest.raises(UserError, match="40 pixels with a reserved cell every 4 tile sides need at least 160"):
        Area(window, 40, 4)


def test_no_data_at_all():
    with pytest.raises(SamplingError, match="no pixel with data"):
        Map(np.zeros((400, 400), bool), Window(0, 0, 400, 400)).area(40).draw(1, np.random.default_rng(0))


def test_no_room_for_a_tile():
    there = np.zeros((400, 400), bool)
    there[::2] = True
    with pytest.raises(SamplingError, match="No position was found for a training tile of 40 pixels"):
        Map(there, Window(0, 0, 400, 400)).area(40).draw(3, np.random.default_rng(0))


def test_places_that_are_few_are_found():
    there = np.zeros((1024, 1024), bool)
    for row in range(0, 1024, 128):
        for column in range(0, 1024, 128):
            there[row + 40 : row + 84, column + 40 : column + 84] = True  # of 16,384 places of a block 25 are whole
    area = Map(there, Window(0, 0, 1024, 1024)).area(40)
    assert area.has_data(area.draw(200, np.random.default_rng(0))).all()
