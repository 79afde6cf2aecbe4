import multiprocessing
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from scipy import ndimage

from dataProcessors import demo
from dataProcessors.demo import files, make_demo, make_season
from dataProcessors.demo.canvas import cells
from dataProcessors.demo.covers import COVERS, DISTRICT_KINDS, INDEX, UNMAPPED
from dataProcessors.demo.noise import SHEET, Sheets, hash32, smooth_noise, spline_weights, uniform
from dataProcessors.demo.painting import PAINTERS
from dataProcessors.demo.plan import _nearest
from dataProcessors.demo.scene import make_scene
from dataProcessors.demo.seasons import SEASONS
from dataProcessors.demo.terrain import _drainage, river_margin
from dataProcessors.legends.legend import builtin_legends

WHITE = (255, 255, 255)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo"), size=640, seed=3)


@pytest.fixture(scope="module")
def scene():
    return make_scene(2048, 0)


@pytest.fixture
def known_scenes(monkeypatch):
    """Have every landscape be made only once: these tests look at files."""
    monkeypatch.setattr("dataProcessors.demo.scene.make_scene", known_scene)


known_scene = cache(make_scene)


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


def test_mapped_covers_are_slightly_wrong(scene):
    unmapped = scene.mapped == UNMAPPED
    wrong = (scene.cover != scene.mapped) & ~unmapped
    assert 0.002 < unmapped.mean() < 0.04
    assert 0.01 < wrong.mean() < 0.1


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


def test_equal_seeds_give_equal_files_and_other_seeds_do_not(small, tmp_path):
    again = make_demo(tmp_path / "again", size=640, seed=3)
    other = make_demo(tmp_path / "other", size=640, seed=4)
    for name in ("image", "osm", "clc"):
        a, b, c = (rasterio.open(getattr(paths, name)).read() for paths in (small, again, other))
        assert np.array_equal(a, b)
        assert a.shape != c.shape or (a != c).mean() > 0.1


def test_files_say_they_are_synthetic(small, known_scenes, tmp_path, capsys):
    for path in small:
        assert "synthetic" in path.name
        with rasterio.open(path) as source:
            assert source.tags()["SYNTHETIC"] == "YES"
            assert "SYNTHETIC" in source.tags()["TIFFTAG_IMAGEDESCRIPTION"]
    assert "SYNTHETIC" in (small.image.parent / "README.txt").read_text()
    make_demo(tmp_path, size=512)
    assert "SYNTHETIC" in capsys.readouterr().out


def test_what_is_there_is_not_made_again(small, capsys, monkeypatch):
    before = [path.stat().st_mtime_ns for path in small]
    monkeypatch.setattr(demo, "_write", lambda *_: pytest.fail("the landscape was made again"))
    assert make_demo(small.image.parent, size=640, seed=3) == small
    assert [path.stat().st_mtime_ns for path in small] == before
    assert capsys.readouterr().out == ""


def test_another_size_or_seed_in_the_same_folder_is_made(known_scenes, tmp_path):
    make_demo(tmp_path, size=512)
    paths = make_demo(tmp_path, size=560, seed=5)
    with rasterio.open(paths.image) as image:
        assert image.shape == (560, 560)
        assert image.tags()["DEMO_SEED"] == "5"


@pytest.mark.parametrize("stage", ["write_osm", "write_clc", "write_image"])
def test_interrupted_making_leaves_nothing(known_scenes, tmp_path, monkeypatch, stage):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, stage, interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path, size=512)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_made_again(known_scenes, tmp_path):
    paths = make_demo(tmp_path, size=512)
    os.remove(paths.clc)
    make_demo(tmp_path, size=512)
    assert paths.clc.exists()


def test_two_processes_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=make_demo, args=(tmp_path, 512)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    names = {"synthetic-image.tif", "synthetic-osm.tif", "synthetic-clc.tif", "README.txt"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with rasterio.open(tmp_path / "synthetic-image.tif") as image:
        image.read()


def test_too_small_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 512"):
        make_demo(Path(tmp_path) / "none", size=100)
    assert not (tmp_path / "none").exists()


def test_progress_goes_from_first_to_last_step():
    seen = []
    make_scene(512, 0, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_every_osm_class_occurs_and_none_takes_all(scene):
    osm = builtin_legends()["osm"].names
    table = np.array([osm.index(cover.osm) for cover in COVERS.values()])
    shares = np.bincount(table[scene.cover.ravel()], minlength=13) / scene.cover.size
    assert (shares > 0.002).all(), dict(zip(osm, shares))
    assert shares.max() < 0.4
    assert len({cover.clc for i, cover in enumerate(COVERS.values()) if (scene.cover == i).any()}) >= 15


def test_image_is_neither_black_nor_burnt_out(scene):
    assert (scene.image == 255).mean() < 0.02
    assert (scene.image.max(2) == 0).mean() < 0.001
    assert 40 < scene.image.mean() < 130


def test_blocks_join_without_seams(scene):
    """Steps between neighbouring columns are as large at block borders as anywhere else."""
    from dataProcessors.demo.scene import BLOCK, MARGIN

    steps = np.abs(np.diff(scene.image.astype(float), axis=1)).mean((0, 2))
    borders = [k * BLOCK - MARGIN - 1 for k in range(1, 2048 // BLOCK)]
    assert steps[borders].max() < 1.25 * np.median(steps)


def test_tables_are_complete():
    assert set(PAINTERS) == set(COVERS)
    assert {cover.osm for cover in COVERS.values()} == set(builtin_legends()["osm"].names)
    assert {cover.clc for cover in COVERS.values()} <= set(builtin_legends()["clc"].codes)
    assert all(set(kind.covers) <= set(INDEX) for kind in DISTRICT_KINDS.values())


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


def test_lookup_against_loop():
    rng = np.random.default_rng(0)
    cover = rng.integers(0, 30, (20, 20)).astype(np.uint8)
    x, y = rng.uniform(-3, 23, (2, 200)).astype(np.float32)
    slow = [cover[int(b), int(a)] if 0 <= a < 20 and 0 <= b < 20 else UNMAPPED for a, b in zip(x, y)]
    assert files._lookup(cover, x, y).tolist() == slow


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


def test_summer_is_the_season_of_the_demo_map():
    assert np.array_equal(make_scene(512, 0).image, make_scene(512, 0, season=SEASONS["summer"]).image)
    assert set(SEASONS["autumn"].painters) == set(COVERS)
