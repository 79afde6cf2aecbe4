"""The maps of a run: which files, what is said of missing ones, and how they come together."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from maps_for_tests import LONLAT, ZION, around, grid_of, noise, patches, write_map

from config import LabelFile, UserError, validate
from dataProcessors import maps
from dataProcessors.cache import unused_files
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.maps import open_maps
from dataProcessors.named_maps import DATA, map_files, named_maps
from dataProcessors.rasters.opening import MapError
from dataProcessors.sampling.area import SamplingError
from dataProcessors.sampling.supervised_sampler import SupervisedSampler
from dataProcessors.tiffreader import GEOMAP

MINIMAL = {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm"}
SMALL = {"image_size": 16, "validation_spacing": 4, "validation_nb": 60, "min_neg_dist": 6, "max_neg_dist": 12}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own_maps(tmp_path, legends):
    """Config values of an image with labels in another CRS, as paths; the labels leave a strip in the west free."""
    image = write_map(tmp_path / "image.tif", noise((3, 700, 800)))
    place, height, width = around(grid_of(800, 700), LONLAT, 0.0002, (0.1, 0, 1, 1))
    colours = np.array(legends["osm"].colors, np.uint8)[patches(height, width, np.arange(13), 25)]
    labels = write_map(tmp_path / "Land.tif", colours.transpose(2, 0, 1), LONLAT, place)
    return MINIMAL | SMALL | {"maps": {"image": str(image), "labels": {"Land": str(labels)}}, "validation_map": "LAND"}


def test_the_maps_of_germany_are_documented():
    assert [entry.name for entry in GEOMAP] == ["SENTINEL", "OSM", "CLC"]
    assert [entry.value for entry in GEOMAP] == ["data/s2-de.tif", "data/osm_WGS84.tif", "data/CLCBGR.tif"]
    assert ImageSampler.rectangle == (5.97, 47.65, 15.03, 55.41)


@pytest.mark.parametrize(
    ("label_map", "file", "source"),
    [("osm", "data/osm_WGS84.tif", "osmlanduse.org"), ("clc", "data/CLCBGR.tif", "land.copernicus.eu")],
)
def test_missing_maps_of_germany(label_map, file, source):
    with pytest.raises(MapError) as caught:
        map_files(validate(MINIMAL | {"validation_map": label_map}))
    told = str(caught.value)
    image, labels = told.index("data/s2-de.tif: there is no such file"), told.index(f"{file}: there is no such file")
    assert image < told.index("s2maps.eu") < labels < told.index(source)
    assert told.endswith("python main.py maps=demo")
    assert "\n" not in told


def test_only_the_files_in_use_are_missed():
    Path("data").mkdir()
    Path("data/s2-de.tif").touch()
    with pytest.raises(MapError) as caught:
        map_files(validate(MINIMAL))
    assert "s2-de" not in str(caught.value) and "CLCBGR" not in str(caught.value)
    Path("data/osm_WGS84.tif").touch()
    files = map_files(validate(MINIMAL))
    assert files.image == "data/s2-de.tif" and files.labels["clc"].path == "data/CLCBGR.tif"
    assert files.rect == (5.97, 47.65, 15.03, 55.41)
    assert validate(MINIMAL).legend_hints == {"osm": "osm", "clc": "clc"}


def test_missing_maps_of_ones_own(own_maps):
    with pytest.raises(MapError, match=r"nowhere\.tif: there is no such file\. .*maps=demo"):
        open_maps(validate(own_maps | {"maps": own_maps["maps"] | {"image": "nowhere.tif"}}), 1)


def test_missing_files_of_a_map_in_many_files(own_maps):
    missing = r"nowhere\.tif: there is no such file\. gone\.tif: there is no such file"
    for image, told in ((["nowhere.tif", "gone.tif"], missing), ("x/*.tif", "no file matches")):
        with pytest.raises(MapError, match=told):
            map_files(validate(own_maps | {"maps": own_maps["maps"] | {"image": image}}))


@pytest.mark.parametrize(
    ("changes", "command"),
    [({}, "gdalbuildvrt mosaic.vrt 'b c.tif' image.tif"),
     ({"crs": "EPSG:3035"}, "gdalwarp -r near -t_srs EPSG:3035 'b c.tif' image.tif mosaic.tif")],
)  # fmt: skip
def test_many_files_need_a_prepared_map(own_maps, changes, command):
    files = {"image": ["image.tif", "b c.tif"], **changes}
    config = validate(own_maps | {"cache": False, "maps": own_maps["maps"] | files})
    with pytest.raises(MapError) as caught:
        maps.open_image(config, config.maps, 1)
    assert "set 'cache' to true" in str(caught.value) and str(caught.value).endswith(command)
    config = validate(own_maps | {"cache": False, "maps": own_maps["maps"] | {"image": "im*.tif"}})
    assert maps.open_image(config, config.maps, 1).path == "image.tif", "a pattern of one file is that file"


@pytest.mark.parametrize("cache", [True, False])
def test_own_maps_come_together(own_maps, cache):
    opened = open_maps(validate(own_maps | {"cache": cache}), 2)
    assert (len(opened.labels.legend), opened.labels.legend.name) == (13, "Land")
    assert opened.labels.window == opened.image.window == (0, 0, 800, 700)
    assert opened.image.is_whole
    positions = opened.area.draw(5, np.random.default_rng(0))
    assert np.array_equal(opened.read(positions), opened.image.read(positions, 16))
    assert set(opened.fingerprints()) == {"image", "Land"}
    assert Path("data/cache").exists() == cache


def test_pools_are_made_once_and_hold_what_they_should(own_maps):
    config = validate(own_maps | {"supervised": True})
    opened = open_maps(config, 1)
    pools = opened.pools
    assert {role: len(pool) for role, pool in pools.items()} == {"fit": 120, "score": 12, "train": 240}
    assert opened.area.accepts(pools["fit"].positions).all() and opened.area.accepts(pools["train"].positions).all()
    assert opened.area.touches_reserved(pools["score"].positions).all()
    assert np.bincount(pools["fit"].labels).min() >= 9
    files = {path: path.stat().st_mtime_ns for path in Path("data/cache/pools").iterdir()}
    again = replace(opened).pools
    assert {path: path.stat().st_mtime_ns for path in Path("data/cache/pools").iterdir()} == files and len(files) == 3
    assert all(np.array_equal(pools[role].positions, again[role].positions) for role in pools)
    other = replace(opened, config=config.model_copy(update={"seed": 1})).pools
    assert not np.array_equal(pools["fit"].positions, other["fit"].positions)
    assert set(replace(opened, config=config.model_copy(update={"supervised": False})).pools) == {"fit", "score"}


@pytest.mark.parametrize("cache", [True, False])
def test_maps_without_labels_have_the_same_area_and_tiles_without_proportions(own_maps, cache, caplog):
    caplog.set_level(logging.INFO)
    image = {"image": own_maps["maps"]["image"]}
    opened = open_maps(validate(own_maps | {"maps": image, "validation_map": None, "cache": cache}), 1)
    pools = opened.pools
    assert {role: pool.proportions.shape for role, pool in pools.items()} == {"fit": (120, 0), "score": (12, 0)}
    assert opened.area.accepts(pools["fit"].positions).all()
    assert opened.area.touches_reserved(pools["score"].positions).all()
    for pool in pools.values():
        assert len(np.unique(pool.positions, axis=0)) == len(pool) and (pool.labels == -1).all()
    assert "score pool: 12 tiles without labels" in caplog.text
    positions = pools["score"].positions
    assert (opened.read_classes(positions) == 255).all() and (opened.read_labels(positions) == -1).all()
    assert opened.read_classes(positions).shape == (12, 16, 16)
    assert set(opened.fingerprints()) == {"image"}
    again = replace(opened).pools
    assert all(np.array_equal(pools[role].positions, again[role].positions) for role in pools)
    assert unused_files(maps.CACHE) == [], "the pools belong to a map that is there"


def test_fewer_scored_tiles_than_wanted_are_told(own_maps, caplog):
    caplog.set_level(logging.INFO)
    config = validate(own_maps | {"validation_nb": 2000, "validation_spacing": 30})
    opened = open_maps(config, 1)
    pool = opened.pools["score"]
    assert f"{len(pool)} tiles are scored instead of 200" in caplog.text


def test_samplers(own_maps):
    config = validate(own_maps)
    opened = open_maps(config, 1)
    sampler = opened.sampler()
    assert isinstance(sampler, ImageSampler)
    assert [sampler.min_pos, sampler.max_pos, sampler.min_neg, sampler.max_neg] == [16, 80, 96, 192]
    supervised = config.model_copy(update={"supervised": True, "random_reset": 0.5, "seed": 4})
    sampler = replace(opened, config=supervised).sampler()
    assert isinstance(sampler, SupervisedSampler) and (sampler.random_reset, sampler.seed) == (0.5, 4)


def test_near_tiles_overlap_and_are_the_same_whatever_a_training_draws(own_maps):
    opened = open_maps(validate(own_maps), 1)
    anchors, near = opened.near_tiles(300)
    assert anchors.shape == near.shape == (300, 2) and len(np.unique(anchors, axis=0)) > 250
    distances = np.abs(anchors - near)
    assert 5 < distances.max() <= 0.7 * 16 and (distances > 0).any(1).all()
    reserved = opened.area.reserved_cells()  # of 2 x 2 tiles
    for position in (*anchors, *near):
        assert not ((position < reserved + 32) & (position + 16 > reserved)).all(1).any()
    other = validate(own_maps | {"seed": 5, "min_pos_dist": 2, "max_pos_dist": 3, "supervised": True})
    assert np.array_equal(replace(opened, config=other).near_tiles(300), (anchors, near))


def test_a_loss_without_negatives_needs_no_map_that_could_hold_them(own_maps):
    far = own_maps | {"min_neg_dist": 60, "max_neg_dist": 70}  # tile sides of 16 pixels, on 800 x 700
    opened = open_maps(validate(far), 1)
    with pytest.raises(SamplingError, match="'min_neg_dist' is 960 pixels"):
        opened.sampler()
    without = validate(far | {"loss": "vicregloss", "norm_output": False})
    tuples = replace(opened, config=without).sampler().tuples(20, 0)
    near = validate(own_maps | {"loss": "vicregloss", "norm_output": False})
    assert np.array_equal(tuples, replace(opened, config=near).sampler().tuples(20, 0))  # the distance plays no part


def test_too_few_classes_for_supervised_training(own_maps, tmp_path, legends):
    two = np.array(legends["osm"].colors, np.uint8)[patches(700, 800, [2, 10], 60)].transpose(2, 0, 1)
    path = write_map(tmp_path / "two.tif", two)
    values = own_maps | {"maps": own_maps["maps"] | {"labels": {"osm": str(path)}}, "supervised": True}
    values["validation_map"] = "osm"
    config = validate(values | {"loss": "quadrupletloss"})
    opened = open_maps(config, 1)
    with pytest.raises(SamplingError, match="with quadrupletloss needs tiles of at least 3 classes; 2 are found"):
        opened.sampler()
    assert isinstance(replace(opened, config=validate(values)).sampler(), SupervisedSampler)


def test_nodata_of_the_image_is_kept_out(own_maps, tmp_path):
    pixels = noise((3, 700, 800)) // 2 + 1
    pixels[:, :, :300] = 0
    image = write_map(tmp_path / "dark.tif", pixels)
    named = own_maps["maps"] | {"image": str(image), "nodata": 0}
    for cache in (True, False):
        opened = open_maps(validate(own_maps | {"maps": named, "cache": cache}), 1)
        tiles = opened.read(opened.area.draw(500, np.random.default_rng(0)))
        assert (tiles == 0).all(1).mean((1, 2)).max() <= 0.1


def test_a_map_too_small_for_the_tiles(own_maps):
    with pytest.raises(UserError, match="800 x 700 pixels; tiles of 200 pixels with a reserved cell every 4"):
        open_maps(validate(own_maps | {"image_size": 200}), 1)


def test_a_legend_that_the_config_names(own_maps):
    named = own_maps["maps"] | {"legends": {"Land": "clc"}}
    opened = open_maps(validate(own_maps | {"maps": named}), 1)
    assert len(opened.labels.legend) == 44


def test_the_demo_map_is_asked_for_by_name(monkeypatch):
    from types import SimpleNamespace

    from dataProcessors import demo

    made = SimpleNamespace(image=Path("i.tif"), osm=Path("o.tif"), clc=Path("c.tif"))
    monkeypatch.setattr(demo, "make_demo", lambda folder: made if folder == DATA / "demo" else None)
    files = named_maps(validate(MINIMAL | {"maps": "demo"}))
    assert files.image == "i.tif"
    assert files.labels == {"osm": LabelFile(path="o.tif"), "clc": LabelFile(path="c.tif")}
    monkeypatch.setattr(demo, "make_season", lambda folder, season: folder / f"{season}.tif")
    seasons = named_maps(validate(MINIMAL | {"maps": "demo_seasons"}))
    assert seasons.image == {"summer": "i.tif", "autumn": str(DATA / "demo/autumn.tif")}
    assert seasons.scored_date == "autumn" and seasons.labels == files.labels


@pytest.mark.skipif(not ZION.exists(), reason="the maps of Zion National Park are not here")
@pytest.mark.parametrize(
    ("file", "classes"),
    [("labels.tif", {"Water": 0.1, "Developed": 1.2, "Barren": 7.3, "Forest": 52.6, "Shrubland": 37.4,
                     "Herbaceous": 0.3, "Cultivated": 0.6, "Wetlands": 0.5}), ("labels_nlcd2011.tif", 14)],
)  # fmt: skip
def test_zion(file, classes):
    own = {"image": str(ZION / "imagery.tif"), "labels": {"landcover": str(ZION / file)}}
    changes = {"maps": own, "validation_map": "landcover", "image_size": 32}
    opened = open_maps(validate(MINIMAL | changes | {"validation_nb": 500}), 2)
    assert (opened.image.dtype, len(opened.image.bands), opened.image.has_validity) == ("uint16", 4, False)
    assert opened.image.summary.counts.sum() == 1128 * 1428  # no pixel without data
    counts = opened.labels.summary.counts.sum((1, 2), dtype=np.int64)
    assert counts.sum() > 0.98 * 1128 * 1428
    if isinstance(classes, dict):
        assert opened.labels.legend.names == tuple(classes)
        assert np.allclose(100 * counts / counts.sum(), list(classes.values()), atol=0.1)
    else:
        assert opened.labels.legend.url and (counts > 0).sum() == classes  # of the 20 of NLCD, by codes and palette
    pool = opened.pools["fit"]
    rare = pool.labels == opened.labels.legend.names.index("Water" if isinstance(classes, dict) else "open water")
    assert len(pool) == 1000 and rare.sum() > 20  # though water covers a thousandth
