"""Parts of an image without data, declared or not: told, and avoided by the tiles that are drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fields_for_tests import config_of, of_maps, put_image, warnings
from maps_for_tests import noise, patches
from runs_for_tests import SIDE

import main
from dataProcessors.maps import open_maps
from dataProcessors.rasters.nodata import valid_mask

pytestmark = pytest.mark.usefixtures("fields")


def with_filler(value, dtype="uint8", bands=3) -> np.ndarray:
    pixels = noise((bands, SIDE, SIDE), dtype) // 2 + 1
    pixels[:, :, SIDE // 3 :][:, :, : SIDE // 3] = value
    return pixels


@pytest.mark.parametrize("options", [{}, {"nodata": 7}], ids=["none declared", "another declared"])
@pytest.mark.parametrize(
    ("value", "dtype", "bands"), [(0, "uint8", 3), (255, "uint8", 1), (-9999, "float32", 2), (65535, "uint16", 4)]
)
def test_an_undeclared_filler_is_told_and_avoided_once_named(caplog, value, dtype, bands, options):
    pixels = with_filler(value, dtype, bands)
    put_image(pixels, photometric="MINISBLACK", **options)
    open_maps(config_of(), 1)
    (told,) = [warning for warning in warnings(caplog) if "maps.nodata" in warning]
    assert told.startswith("image.tif: ") and f"% of the pixels are {value} in all bands" in told
    assert abs(float(told.split(": ")[1].split("%")[0]) - 33) < 6
    caplog.clear()
    opened = open_maps(of_maps(nodata=value), 1)
    assert not [warning for warning in warnings(caplog) if "maps.nodata" in warning]
    for x, y in opened.area.draw(500, np.random.default_rng(0)):
        assert (pixels[:, y : y + 16, x : x + 16] == value).all(0).mean() <= 0.1


def test_declared_nodata_and_values_of_low_contrast_are_no_filler(caplog):
    put_image(with_filler(0), nodata=0)
    open_maps(config_of(), 1)
    put_image(np.random.default_rng(0).normal(100, 2, (1, SIDE, SIDE)).round().astype(np.uint8))  # 100 on a fifth of it
    open_maps(config_of(), 1)
    assert not [warning for warning in warnings(caplog) if "maps.nodata" in warning]


def test_nan_and_infinity_are_no_data(no_figures):
    pixels = noise((2, SIDE, SIDE), "float32")
    for value, corner in ((np.nan, 40), (np.inf, 150), (-np.inf, 260)):
        pixels[1, corner : corner + 70, corner : corner + 70] = value
    put_image(pixels)
    opened = open_maps(config_of(), 1)
    tiles = opened.read(opened.area.draw(2000, np.random.default_rng(0)))
    assert not np.isinf(tiles).any() and np.isnan(tiles).any()
    assert np.isnan(tiles).any(1).mean((1, 2)).max() <= 0.1
    assert main.main(["config.json"]) == 0
    assert "nan" not in Path("results/run/metrics.csv").read_text().partition("accuracy")[2].splitlines()[0]


def test_no_drawn_tile_has_too_much_nodata():
    """Sampler and pools, pixel by pixel: the counts of blocks decide most of it, and must never decide wrong."""
    pixels = noise((3, SIDE, SIDE)) // 2 + 1
    nothing = patches(SIDE, SIDE, [True, False, False, False], 24, 5) | (noise((SIDE, SIDE)) < 8)
    nothing[:, : SIDE // 2] = False
    for top in (60, 188, 316):
        nothing[top : top + 11, 60:71] = True  # small holes in blocks that are full but for them
    pixels[:, nothing] = 0
    put_image(pixels, nodata=0)
    for cache, few in ((True, 20_000), (False, 500)):
        config = config_of(cache=cache, supervised=True)
        opened = open_maps(config, 1)
        pools = opened.pools
        sampler = replace(opened, config=config.model_copy(update={"supervised": False})).sampler()
        drawn = [sampler.tuples(few // 4, 2), sampler.clusters(3, 4), sampler.anchors(few)]
        drawn += [pool.positions for pool in pools.values()]
        positions = np.concatenate([each.reshape(-1, 2) for each in drawn])
        shares = np.array([nothing[y : y + 16, x : x + 16].mean() for x, y in positions.tolist()])
        assert len(shares) > 2 * few and shares.max() <= 0.1 and shares.max() > 0.05
        tiles = opened.read(positions)
        assert np.array_equal((~valid_mask(tiles, opened.image.has_validity)).mean((1, 2)), shares)
