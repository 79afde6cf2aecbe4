"""The figure of a land-cover map: what its panels show, and from which pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from inference_for_tests import link_maps, write_run
from runs_for_tests import MAPS

import inference
from dataProcessors.legends.legend import NO_LABEL, builtin_legends
from dataProcessors.rasters.grid import Window
from inference.core.trained_run import open_trained
from inference.land_cover.classifying import classify
from inference.land_cover.files import LandCoverFiles
from reporting import class_map, figures
from reporting.class_map import class_map_figure
from reporting.figures.style import label_picture


def panels(figure):
    return {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in figure.axes}


def test_panels_and_the_classes_that_occur():
    legend, rng = builtin_legends()["osm"], np.random.default_rng(0)
    rgb = rng.integers(0, 255, (30, 40, 3), np.uint8)
    truth, predicted = rng.choice(np.array([2, 10], np.uint8), (2, 30, 40))
    predicted[0] = NO_LABEL
    shown = panels(figure := figures.class_map(rgb, truth, predicted, legend, "title"))
    np.testing.assert_array_equal(shown["image"], rgb)
    np.testing.assert_array_equal(shown["label map"], label_picture(truth, legend))
    np.testing.assert_array_equal(shown["land cover"], label_picture(predicted, legend))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["forest", "water", "no label"]
    assert list(panels(figures.class_map(rgb, None, predicted, legend, "title"))) == ["image", "land cover"]


@pytest.fixture(scope="module")
def classified(map_folder, tmp_path_factory):
    """A run, and the land cover of its map."""
    folder = tmp_path_factory.mktemp("figure")
    link_maps(map_folder, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_run(MAPS)
        embedded = inference.embed("results/net", stride=8)
        yield classify(open_trained(Path("results/net")), embedded, "knn", folder / "out.tif"), folder


@pytest.mark.parametrize("side", [1000, 100])
def test_the_same_places_in_all_panels(classified, monkeypatch, side):
    found, _ = classified
    monkeypatch.setattr(class_map, "MAX_SIDE", side)
    shown = panels(class_map_figure(found, found.maps.image, "title"))
    thin = 1 if side == 1000 else 4
    with rasterio.open(found.files.map) as file:
        codes = file.read(1)
    truth = found.maps.labels.read(np.zeros((1, 2), int), 384)[0, 0, ::thin, ::thin]
    np.testing.assert_array_equal(shown["label map"], label_picture(truth, found.codes.legend))
    pixels = found.maps.image.read(np.zeros((1, 2), int), 384)[0, :3, ::thin, ::thin]
    np.testing.assert_array_equal(shown["image"], pixels.transpose(1, 2, 0))
    expected = codes[thin // 2 :: thin, thin // 2 :: thin] - 1  # the middle of each square that a pixel stands for
    assert (shown["land cover"] == label_picture(expected, found.codes.legend)).all(-1).mean() > 0.99


def test_a_part_that_begins_on_no_block(classified):
    found, folder = classified
    image = found.maps.image
    part = type("Part", (), {"window": Window(130, 5, 200, 300)})
    for name in ("overview", "fingerprint", "read", "has_validity", "dtype", "source"):
        setattr(part, name, getattr(image, name))
    part.overview = lambda: (image.read(np.array([[128, 0]]), 256)[0][:, :, :202], 1, (128, 0))
    with rasterio.open(found.files.map) as file, rasterio.open(
        folder / "part.tif", "w", **file.profile | {"width": 200, "height": 300}
    ) as out:  # fmt: skip
        codes = file.read(1)[5:305, 130:330]
        out.write(codes, 1)
    shown = panels(class_map_figure(replace(found, files=LandCoverFiles(folder / "part.tif")), part, "title"))
    assert list(shown) == ["image", "land cover"], "the label map is not known to cover the same part"
    expected = label_picture(codes - 1, found.codes.legend)[: 256 - 5]
    np.testing.assert_array_equal(shown["land cover"], expected)
