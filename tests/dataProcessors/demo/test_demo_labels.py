"""The maps of the demo beside one another: all show the same land, with the small errors of real label maps."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from scipy import ndimage

from dataProcessors.demo import files, make_season
from dataProcessors.demo.covers import COVERS, INDEX, UNMAPPED
from dataProcessors.legends.legend import builtin_legends

WHITE = (255, 255, 255)


def classes_on_image(paths, name):
    """Class indices of a label map brought onto the image's grid, -1 where there is none."""
    legend = builtin_legends()[name]
    with rasterio.open(paths.image) as image, rasterio.open(getattr(paths, name)) as source:
        grid = {"crs": image.crs, "transform": image.transform, "width": image.width, "height": image.height}
        with WarpedVRT(source, resampling=Resampling.nearest, **grid) as warped:
            colours = warped.read().reshape(3, -1).T
    table = np.full(2**24, -1)
    table[as_numbers(np.array(legend.colors))] = np.arange(len(legend))
    return table[as_numbers(colours)].reshape(grid["height"], grid["width"])


def as_numbers(colours):
    """A number for each of the colours (..., 3)."""
    return colours.astype(int) @ (1, 256, 256**2)


def test_grids_are_those_of_real_maps(small):
    with rasterio.open(small.image) as image, rasterio.open(small.osm) as osm, rasterio.open(small.clc) as clc:
        assert [m.crs.to_epsg() for m in (image, osm, clc)] == [32632, 4326, 3035]
        assert image.res == (10, 10)
        assert clc.res == (100, 100)
        assert 10 <= osm.res[1] * 111_320 <= 15
        assert image.shape == (640, 640)
        assert image.profile["tiled"]
        for each in (image, osm, clc):
            assert each.dtypes == ("uint8",) * 3


def test_label_maps_hold_legend_colours_or_white(small):
    for name in ("osm", "clc"):
        legend = builtin_legends()[name]
        with rasterio.open(getattr(small, name)) as source:
            colours = np.unique(as_numbers(source.read().reshape(3, -1).T))
        assert set(colours) - set(as_numbers(np.array([*legend.colors, WHITE]))) == set()
        assert len(colours) > 5


def test_label_maps_cover_the_image(small):
    assert (classes_on_image(small, "clc") >= 0).all()
    assert (classes_on_image(small, "osm") >= 0).mean() > 0.9


def test_label_maps_lie_where_the_image_shows_them(small):
    """Both label maps agree with each other far better than when one of them is shifted or turned."""
    table = {cover.clc: cover.osm for cover in COVERS.values()}
    legends = builtin_legends()
    osm_of_clc = np.array([legends["osm"].names.index(table[c]) if c in table else -1 for c in legends["clc"].codes])
    osm, clc = classes_on_image(small, "osm"), osm_of_clc[classes_on_image(small, "clc")]

    def agreement(a):
        both = (a >= 0) & (clc >= 0)
        return (a == clc)[both].mean()

    assert agreement(osm) > 0.6
    assert agreement(osm) > agreement(osm[::-1]) + 0.2
    assert agreement(osm) > agreement(np.roll(osm, 200, 1)) + 0.2


def test_water_of_the_label_map_is_dark_blue_in_the_image(small):
    water = classes_on_image(small, "osm") == builtin_legends()["osm"].names.index("water")
    inner = ndimage.binary_erosion(water, iterations=6)
    with rasterio.open(small.image) as image:
        red, _, blue = image.read().astype(float)
    assert inner.sum() > 500
    assert red[inner].mean() < blue[inner].mean()
    assert red[inner].mean() < red[~water].mean() - 20


def test_autumn_shows_the_same_land_in_other_colours(small, capsys, monkeypatch):
    path = make_season(small.image.parent, size=640, seed=3)
    with rasterio.open(small.image) as image, rasterio.open(path) as autumn:
        assert (autumn.transform, autumn.crs, autumn.shape) == (image.transform, image.crs, image.shape)
        assert autumn.tags()["SYNTHETIC"] == "YES" and autumn.tags()["DEMO_SEASON"] == "autumn"
        before, after = image.read().astype(float), autumn.read().astype(float)
    classes, names = classes_on_image(small, "osm"), builtin_legends()["osm"].names
    greenness = {
        name: [(pixels[1] - pixels[0])[classes == names.index(name)].mean() for pixels in (before, after)]
        for name in ("forest", "pastures", "water") if (classes == names.index(name)).sum() > 500
    }  # fmt: skip
    assert len(greenness) > 1
    assert all(after < before - 5 for name, (before, after) in greenness.items() if name != "water")
    monkeypatch.setattr("dataProcessors.demo.scene.make_scene", lambda *_, **__: pytest.fail("it was made again"))
    assert make_season(small.image.parent, size=640, seed=3) == path
    assert "Creating" in capsys.readouterr().out


def test_borders_of_the_osm_map_are_off_by_a_few_pixels():
    """Where the true cover is the same 5 pixels around, the OSM map has it; nearer to a border it often does not."""
    cover = np.zeros((384, 384), np.uint8)
    column, row = np.meshgrid(np.arange(384), np.arange(384))
    cover[(column // 24 + row // 24) % 2 == 1] = INDEX["lake"]
    x, y = (a.astype(float) for a in np.meshgrid(np.arange(13) * files.NODES, np.arange(13) * files.NODES))
    files._misplace(x, y, seed=0)
    found = files._lookup(cover, *files._between(x, y, np.arange(20, 360), np.arange(20, 360)))
    wrong = found != cover[20:360, 20:360]
    inner = (np.abs(column % 24 - 11.5) < 6.5) & (np.abs(row % 24 - 11.5) < 6.5)
    assert not wrong[inner[20:360, 20:360]].any()
    assert 0.02 < wrong.mean() < 0.3


def test_lookup_against_loop():
    rng = np.random.default_rng(0)
    cover = rng.integers(0, 30, (20, 20)).astype(np.uint8)
    x, y = rng.uniform(-3, 23, (2, 200)).astype(np.float32)
    slow = [cover[int(b), int(a)] if 0 <= a < 20 and 0 <= b < 20 else UNMAPPED for a, b in zip(x, y)]
    assert files._lookup(cover, x, y).tolist() == slow


def test_generalised_keeps_large_areas_and_drops_small_ones():
    samples = np.full((40, 40, 25), INDEX["arable"], np.uint8)
    samples[5:15, 5:15] = INDEX["lake"]  # 100 ha
    samples[25:28, 25:28] = INDEX["quarry"]  # 9 ha
    samples[:, :3] = UNMAPPED
    codes = files.generalise(samples)
    assert codes[10, 10] == 512
    assert set(np.unique(codes).tolist()) == {0, 211, 512}
    assert (codes[:, :3] == 0).all()
    assert (codes[:, 3:] > 0).all()


def test_generalised_has_no_area_below_25_pixels():
    samples = np.random.default_rng(0).integers(0, len(COVERS), (12, 12, 1)).astype(np.uint8)
    codes = files.generalise(np.repeat(np.repeat(samples, 6, 0), 6, 1))
    for code in np.unique(codes[codes > 0]):
        areas, count = ndimage.label(codes == code)
        assert count == 0 or np.bincount(areas.ravel())[1:].min() >= 25
