"""The landscape of the demo map: its covers, its picture and its seasons."""

import numpy as np
import pytest

from dataProcessors.demo.covers import COVERS, DISTRICT_KINDS, INDEX, UNMAPPED
from dataProcessors.demo.painting import PAINTERS
from dataProcessors.demo.scene import make_scene
from dataProcessors.demo.seasons import SEASONS
from dataProcessors.legends.legend import builtin_legends


@pytest.fixture(scope="module")
def scene():
    return make_scene(2048, 0)


def test_every_osm_class_occurs_and_none_takes_all(scene):
    osm = builtin_legends()["osm"].names
    table = np.array([osm.index(cover.osm) for cover in COVERS.values()])
    shares = np.bincount(table[scene.cover.ravel()], minlength=13) / scene.cover.size
    assert (shares > 0.002).all(), dict(zip(osm, shares))
    assert shares.max() < 0.4
    assert len({cover.clc for i, cover in enumerate(COVERS.values()) if (scene.cover == i).any()}) >= 15


def test_mapped_covers_are_slightly_wrong(scene):
    unmapped = scene.mapped == UNMAPPED
    wrong = (scene.cover != scene.mapped) & ~unmapped
    assert 0.002 < unmapped.mean() < 0.04
    assert 0.01 < wrong.mean() < 0.1


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


def test_progress_goes_from_first_to_last_step():
    seen = []
    make_scene(512, 0, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_tables_are_complete():
    assert set(PAINTERS) == set(COVERS)
    assert {cover.osm for cover in COVERS.values()} == set(builtin_legends()["osm"].names)
    assert {cover.clc for cover in COVERS.values()} <= set(builtin_legends()["clc"].codes)
    assert all(set(kind.covers) <= set(INDEX) for kind in DISTRICT_KINDS.values())


def test_summer_is_the_season_of_the_demo_map():
    assert np.array_equal(make_scene(512, 0).image, make_scene(512, 0, season=SEASONS["summer"]).image)
    assert set(SEASONS["autumn"].painters) == set(COVERS)
