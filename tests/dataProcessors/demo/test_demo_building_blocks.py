"""What the demo landscape is built of: regions, rivers, bricks and noise, against loops and stated ranges."""

import numpy as np

from dataProcessors.demo.canvas import cells
from dataProcessors.demo.noise import SHEET, Sheets, hash32, smooth_noise, spline_weights, uniform
from dataProcessors.demo.plan import _nearest
from dataProcessors.demo.terrain import _drainage, river_margin


def test_nearest_seed_against_loop():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), 2) - 0.5
    seeds = ((grid + rng.uniform(-0.2, 0.2, (6, 6, 2))) * 10).astype(np.float32)
    x, y = rng.uniform(0, 40, (2, 300)).astype(np.float32)
    index, distance = _nearest(x, y, seeds, 10)
    slow = np.hypot(x[:, None] - seeds.reshape(-1, 2)[:, 0], y[:, None] - seeds.reshape(-1, 2)[:, 1])
    assert index.tolist() == slow.argmin(1).tolist()
    assert np.allclose(distance, slow.min(1), atol=1e-3)


def test_water_runs_downhill_and_out():
    ground = np.random.default_rng(0).random((20, 25), np.float32)
    receiver, order = _drainage(ground, np.zeros(ground.shape, bool))
    assert sorted(order) == list(range(500))
    place = {cell: k for k, cell in enumerate(order)}
    for cell, into in enumerate(receiver):
        y, x = divmod(cell, 25)
        if into < 0:
            assert y in (0, 19) or x in (0, 24)
        else:
            assert place[into] < place[cell]
            assert max(abs(into // 25 - y), abs(into % 25 - x)) == 1


def test_river_margin_is_distance_to_the_bank():
    margin = river_margin([(np.array([[10.0, 20.0], [30.0, 20.0]]), np.array([3.0, 3.0]))], 40)
    assert margin[20, 20] == -12
    assert margin[25, 20] == 8
    assert margin[0, 0] == 100


def test_cells_tile_the_plane():
    u, v = (a.astype(np.float32).ravel() for a in np.meshgrid(np.arange(-60, 60), np.arange(-40, 40)))
    brick = cells(u, v, 12, 8, 1)
    assert brick.along.min() >= 0
    assert brick.along.max() <= 12
    assert (np.unique(brick.hash, return_counts=True)[1] <= 96).all()
    same = brick.hash == brick.hash[4000]
    assert np.ptp(u[same]) <= 12
    assert np.ptp(v[same]) <= 8


def test_hash_is_uniform_and_depends_on_every_part():
    x, y = np.meshgrid(np.arange(-100, 100), np.arange(-100, 100))
    hashed = hash32(x.ravel(), y.ravel())
    assert len(np.unique(hashed)) > 39_990
    for salt in (0, 1, 200):
        numbers = uniform(hashed, salt)
        assert numbers.min() >= 0
        assert numbers.max() < 1
        assert np.abs(np.histogram(numbers, 10, (0, 1))[0] / 4000 - 1).max() < 0.07
    assert abs(np.corrcoef(uniform(hashed, 1), uniform(hashed, 2))[0, 1]) < 0.02
    assert (hash32(x, y) != hash32(y, x)).mean() > 0.99


def test_spline_weights_keep_constants_and_lines():
    at = np.linspace(2, 7, 50)
    weights = spline_weights(at, 10)
    assert np.allclose(weights.sum(1), 1, atol=1e-6)
    assert np.allclose(weights @ np.arange(10), at, atol=1e-5)


def test_noise_has_the_stated_spread():
    noise = smooth_noise(np.random.default_rng(0), 600, 20, 3)
    assert 0.6 < noise.std() < 1.4
    sheets = Sheets(np.random.default_rng(0))
    for name, sheet in sheets.by_name.items():
        assert abs(sheet[:SHEET, :SHEET].std() - 1) < 0.01, name
    x, y = np.array([5, 5 + SHEET], np.int32), np.array([7, 7 - SHEET], np.int32)
    assert len(set(sheets.at("w8", x, y).tolist())) == 1
    assert sheets.window("w8", -3, SHEET - 2, 10, 12)[9, 8] == sheets.at("w8", x[:1], y[:1])[0]
