"""Images of several dates: how they are opened, compared, read as one map, and used by the maps of a run."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import CORNER, LONLAT, noise, patches, write_map

from config import Maps, UserError, validate
from dataProcessors.dated_images import check_alike, open_dates
from dataProcessors.maps import open_maps
from dataProcessors.rasters.image_map import open_image_map
from dataProcessors.rasters.opening import MapError
from dataProcessors.statistics import sample_tiles, standardisation
from dataProcessors.tiffreader import TiffReader
from training.runs.compatibility import check_config, check_maps, config_as_dict

SIDE = 400
DATES = {"2019": "a.tif", "2020": "b.tif", "2022": "c.tif"}
VALUES = {
    "network": "test_resnet", "loss": "tripletloss", "validation_map": "land", "image_size": 16,
    "validation_spacing": 4, "validation_nb": 60, "min_neg_dist": 6, "max_neg_dist": 12,
    "maps": {"image": DATES, "labels": {"land": "labels.tif"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of three dates, of which the second lacks data in the west, and labels of four classes."""
    folder = tmp_path_factory.mktemp("dates")
    for seed, name in enumerate(DATES.values()):
        pixels = noise((3, SIDE, SIDE), seed=seed) // 2 + 1 + 40 * seed
        if name == "b.tif":
            pixels[:, :, :150] = 0
        write_map(folder / name, pixels, nodata=0 if name == "b.tif" else None)
    write_map(folder / "labels.tif", patches(SIDE, SIDE, np.arange(1, 5, dtype=np.uint8), 40)[None])
    return folder


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def opened_with(**changes):
    own = VALUES["maps"] | changes.pop("maps", {})
    return open_maps(validate(VALUES | {"maps": own} | changes), 1)


@pytest.mark.parametrize("cache", [True, False])
def test_tiles_are_those_of_the_file_of_their_date(cache):
    maps = opened_with(cache=cache)
    files = ["c.tif", "a.tif", "b.tif"]  # the scored date, which is the last one, comes first
    tiles = maps.area.draw(60, np.random.default_rng(0))
    read = maps.read(tiles)
    assert read.shape == (60, 4, 16, 16) and read.transpose(0, 2, 3, 1).flags.c_contiguous
    for (x, y, date), pixels in zip(tiles.tolist(), read):
        with rasterio.open(files[date]) as file:
            there = file.read(window=((y, y + 16), (x, x + 16)))
        assert np.array_equal(pixels[:3], there)
        assert np.array_equal(pixels[3], (there != 0).all(0)), "images without a mark have data everywhere"
    assert np.array_equal(maps.read(tiles[:, :2])[:, :3], maps.image.read(tiles[:, :2], 16))
    assert maps.read(tiles[:0]).shape == (0, 4, 16, 16)


def test_tiles_are_drawn_where_their_date_has_data():
    tiles = opened_with().area.draw(800, np.random.default_rng(0))
    second = tiles[:, 2] == 2
    assert tiles[second, 0].min() > 130 and tiles[~second, 0].min() < 30
    assert len(set(tiles[:, 2].tolist())) == 3


@pytest.mark.parametrize(("given", "scored"), [({}, "c.tif"), ({"validation_date": "2020"}, "b.tif")])
def test_everything_is_scored_on_one_date(given, scored, caplog):
    caplog.set_level("INFO")
    maps = opened_with(maps=given, supervised=True)
    assert maps.image.path == scored
    assert f"Everything is scored on {'2020' if given else '2022'}" in caplog.text
    pools = maps.pools
    assert [pools[role].positions.shape[1] for role in ("fit", "score", "train")] == [2, 2, 3]
    for role in ("fit", "score"):
        assert scored != "b.tif" or pools[role].positions[:, 0].min() > 130
    assert len(set(pools["train"].positions[:, 2].tolist())) == 3
    classes = maps.read_labels(pools["train"].positions)
    assert np.array_equal(classes, pools["train"].labels)
    assert maps.sampler().tuples(5).shape == (5, 3, 3)


def test_pools_of_scored_tiles_do_not_depend_on_other_dates():
    several, alone = opened_with().pools, opened_with(maps={"image": "c.tif"}).pools
    for role in ("fit", "score"):
        assert np.array_equal(several[role].positions, alone[role].positions)


def test_statistics_are_of_all_dates():
    maps = opened_with()
    mean, _ = standardisation(maps.images, 16)
    of_each = [standardisation(image, 16)[0] for image in maps.images.readers.values()]
    assert np.ptp(of_each, axis=0).min() > 30
    assert (mean > np.min(of_each, 0)).all() and (mean < np.max(of_each, 0)).all()
    assert len(sample_tiles(maps.images, 16, 7)) == 21


def test_the_fingerprints_of_all_dates_are_kept_and_compared(tmp_path):
    maps = opened_with()
    found = maps.fingerprints()
    assert list(found) == ["image", "image 2019", "image 2020", "land"]
    assert [each.get("date") for each in found.values()] == ["2022", "2019", "2020", None]
    assert found["image 2020"]["path"] == "b.tif" and found["image"]["statistics"] != found["image 2019"]["statistics"]
    check_maps(tmp_path, found, {"maps": found})
    changed = opened_with(maps={"image": DATES | {"2019": "b.tif"}}).fingerprints()
    with pytest.raises(UserError, match="is not the map that the run was started with"):
        check_maps(tmp_path, changed, {"maps": found})


def test_a_resumed_run_may_have_its_dates_elsewhere_but_no_others():
    config = validate(VALUES)
    before = {"config": config_as_dict(config)}
    moved = validate(VALUES | {"maps": VALUES["maps"] | {"image": {date: f"x/{p}" for date, p in DATES.items()}}})
    check_config(Path("run"), moved, before)
    renamed = validate(VALUES | {"maps": VALUES["maps"] | {"image": {"2018": "a.tif", "2022": "c.tif"}}})
    with pytest.raises(UserError, match=r"'maps\.image' is \['2018', '2022'\]"):
        check_config(Path("run"), renamed, before)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pixels": noise((3, SIDE, SIDE - 1))}, "size 399 x 400 pixels and 400 x 400 pixels"),
        ({"pixels": noise((5, SIDE, SIDE))}, "number of bands 5 and 3"),
        ({"pixels": noise((3, SIDE, SIDE), "uint16")}, "type uint16 and uint8"),
        ({"place": CORNER @ Affine.translation(3, 0)}, "transform "),
        ({"crs": LONLAT}, "CRS EPSG:4326 and EPSG:32632"),
    ],
)
def test_images_of_other_grids_bands_and_types_are_refused_in_one_line(tmp_path, changed, said):
    given = {"pixels": noise((3, SIDE, SIDE))} | changed
    other = write_map(tmp_path / "other.tif", given.pop("pixels"), **given)
    with pytest.raises(MapError) as caught:
        check_alike([open_image_map("a.tif"), open_image_map(other)])
    told = str(caught.value)
    assert told.startswith(f"{other} and a.tif are two dates of one map, and differ: ") and said in told
    assert "\n" not in told


def test_each_file_is_opened_once_and_none_is_prepared_if_they_differ(tmp_path):
    opened, prepared = [], []

    def open_source(files):
        opened.append(files.image)
        return open_image_map(files.image)

    def prepare(source):
        prepared.append(source.path)
        return TiffReader(source)

    sides = {"a.tif": 64, "b.tif": 64, "c.tif": 63}
    paths = [str(write_map(tmp_path / name, noise((3, side, 64)))) for name, side in sides.items()]
    files = Maps(image=dict(zip(("2019", "2022"), paths)), validation_date="2019")
    assert list(open_dates(files, open_source, prepare).readers) == ["2019", "2022"]
    assert opened == prepared == paths[:2]
    opened.clear()
    prepared.clear()
    with pytest.raises(MapError, match="two dates of one map"):
        open_dates(Maps(image=dict(zip(("2019", "2022"), paths[1:]))), open_source, prepare)
    assert opened == paths[1:] and not prepared


def test_names_of_bands_and_scales(tmp_path, caplog):
    def described(name, bands, offset):
        path = write_map(tmp_path / name, noise((2, 64, 64)))
        with rasterio.open(path, "r+") as file:
            file.descriptions, file.offsets = bands, (offset, offset)
        return str(path)

    one, other = described("one.tif", ("red", "nir"), 0), described("other.tif", ("nir", "red"), 0)
    with pytest.raises(MapError, match="names of the bands"):
        check_alike([open_image_map(one), open_image_map(other)])
    check_alike([open_image_map(one), open_image_map(described("moved.tif", ("red", "nir"), -1000))])
    assert "other scales or offsets" in caplog.text


def test_a_file_has_no_dates():
    with pytest.raises(ValueError, match="has no dates"):
        opened_with().image.read(np.array([[0, 0, 1], [5, 5, 0]]), 16)
