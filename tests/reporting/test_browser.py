"""TensorBoard's pages and the report of a run in a browser."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from browser_for_tests import (
    broken_images,
    chromium,
    click,
    count,
    missing_programs,
    open_tab,
    resize,
    severe,
    tensorboard,
    texts,
    wait_until,
)

WINDOW = 1440, 1000
RUNS = {"trained", "untrained", "band_statistics", "random_convolutions", "chance"}
SCALARS = {"train", "single_class", "multi_class", "retrieval", "yardsticks"}
FIGURES = (
    "umap", "umap_tiles", "umap_3d", "neighbours", "distances", "sampled_tiles",
    "confusion_matrix/knn", "proportions/knn",
)  # fmt: skip
IMAGES = {"batch/tiles", "batch/hardest", *(f"figures/{name}" for name in FIGURES)}


@pytest.fixture(scope="module")
def driver():
    if missing := missing_programs():
        reason = f"not on the PATH: {', '.join(missing)}"
        pytest.fail(reason) if os.environ.get("CI_BROWSER") == "1" else pytest.skip(reason)
    with chromium(*WINDOW) as driver:
        yield driver


@pytest.fixture(scope="module")
def run(driver, request) -> Path:
    """A run's folder; without a browser none is made."""
    return request.getfixturevalue("complete_run")


@pytest.fixture(scope="module")
def url(run) -> Iterator[str]:
    with tensorboard(run / "tensorboard") as url:
        yield url


@pytest.fixture(autouse=True)
def quiet_console(driver) -> Iterator[None]:
    """No page may have an error in the console; TensorBoard itself has none, with any log folder."""
    resize(driver, *WINDOW)
    yield
    assert not severe(driver)


def wait_for_texts(driver, expected: Iterable[str]) -> None:
    wait_until(lambda: set(expected) - set(texts(driver)))


def test_time_series_have_all_groups(driver, url):
    open_tab(driver, url, "timeseries")
    wait_for_texts(driver, RUNS | SCALARS | {"batch", "figures"})
    wait_until(lambda: broken_images(driver))


def test_scalars_have_all_groups_and_charts(driver, url):
    open_tab(driver, url, "scalars")
    wait_for_texts(driver, RUNS | SCALARS)
    click(driver, "button.heading:not([open-button])")
    wait_for_texts(driver, {"train/loss", "retrieval/MAP@R", "multi_class/sum_error/knn"})
    wait_until(lambda: [] if count(driver, "vz-line-chart2") >= len(SCALARS) else ["charts"])


def test_images_are_all_there_and_load(driver, url):
    open_tab(driver, url, "images")
    wait_for_texts(driver, RUNS | IMAGES)
    wait_until(lambda: [] if count(driver, "img") >= len(IMAGES) else ["an image for each tag"])
    wait_until(lambda: broken_images(driver))


def test_text_shows_the_config_of_the_run(driver, url, run):
    open_tab(driver, url, "text")
    wait_for_texts(driver, {"config", "scores"})
    wait_until(lambda: [] if any(text.startswith("{") for text in texts(driver)) else ["the config"])
    (shown,) = [text for text in texts(driver) if text.startswith("{")]
    assert json.loads(shown) == json.loads((run / "config.json").read_text(encoding="utf8"))


def test_projector_loads_the_points(driver, url):
    open_tab(driver, url, "projector")
    wait_for_texts(driver, {"class"})
    wait_until(lambda: [] if re.search(r"(best|last):\d{5} ", " ".join(texts(driver))) else ["best:STEP or last:STEP"])
    wait_until(lambda: [] if re.search(r"Points: [1-9]", " ".join(texts(driver))) else ["points"])


def test_custom_scalars_have_charts(driver, url):
    open_tab(driver, url, "custom_scalars")
    wait_for_texts(driver, RUNS | {"training", "single_class", "multi_class", "retrieval", "loss"})
    wait_until(lambda: [] if count(driver, "vz-line-chart2") else ["charts"])


def test_hparams_have_config_and_scores_of_the_run(driver, url):
    open_tab(driver, url, "hparams")
    wait_for_texts(
        driver, {"learning_rate", "loss", "retrieval/MAP@R", "Number of matching session groups: 1", "trained"}
    )


def test_histograms_have_distances(driver, url):
    open_tab(driver, url, "histograms")
    wait_for_texts(driver, {"distances"})
    wait_until(lambda: [] if count(driver, "vz-histogram-timeseries") else ["a histogram"])


@pytest.mark.parametrize("width", [360, 1280])
def test_report_fits_the_window(driver, run, width):
    resize(driver, width, 800)
    driver.get((run / "report.html").resolve().as_uri())
    wait_until(lambda: broken_images(driver, "body"))
    assert count(driver, "img", "body") > 0
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
