"""Saves pictures of what finished runs show: each tab of TensorBoard, and a run's report if there is one.

python doc/screenshots.py results/NAME FOLDER
python doc/screenshots.py results FOLDER       # of all runs together, as TensorBoard compares them

Needs tests/requirements.txt, chromium and chromedriver.
"""

import base64
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser_for_tests import (
    SHOWN,
    Chrome,
    broken_images,
    chromium,
    click,
    count,
    open_tab,
    resize,
    tensorboard,
    texts,
    wait_until,
)

WIDTH, HEIGHT = 1440, 1000
REPORT_WIDTHS = 390, 1280
TABS = "timeseries", "scalars", "images", "text", "custom_scalars", "hparams", "histograms", "projector"
SETTLED = 2.5  # seconds without a change of the texts: charts fade in
LOADED = 20  # seconds that a tab may take


def save(driver: Chrome, path: Path) -> None:
    """The page as it is, of the whole length of the window."""
    path.write_bytes(driver.get_screenshot_as_png())
    print(path)


def settle(driver: Chrome, within: str = SHOWN) -> None:
    """Wait until all images are there and nothing more appears."""
    wait_until(lambda: broken_images(driver, within), LOADED)
    end, seen, since = time.monotonic() + LOADED, [], time.monotonic()
    while time.monotonic() < min(end, since + SETTLED):
        now = texts(driver, within)
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.2)


def open_groups(driver: Chrome) -> None:
    """Open the first groups of the time series; TensorBoard itself opens two."""
    for group in ("train", "retrieval"):
        click(driver, "button[aria-label='Expand group']", group)


def shoot_parallel_coordinates(driver: Chrome, folder: Path) -> None:
    """The second view of the table of runs."""
    click(driver, "paper-tab", "PARALLEL")
    settle(driver)
    save(driver, folder / "hparams_parallel.png")


def shoot_tab(driver: Chrome, url: str, tab: str, folder: Path) -> None:
    """One tab of TensorBoard, where the run has anything for it."""
    try:
        open_tab(driver, url, tab, LOADED)
    except AssertionError as error:
        print(f"{tab}: {error}")
        return
    if tab == "timeseries":
        open_groups(driver)
    if tab == "custom_scalars":  # what retrieval reaches, instead of the training and the first scores
        settle(driver)
        for group in ("training", "single_class"):
            click(driver, "button.heading[open-button]", group)
        click(driver, "button.heading:not([open-button])", "retrieval")
    if tab == "projector":
        wait_until(lambda: [] if re.search(r"Points: [1-9]", " ".join(texts(driver))) else ["points"], LOADED)
    settle(driver)
    save(driver, folder / f"{tab}.png")
    if tab == "hparams" and count(driver, "paper-tab"):
        shoot_parallel_coordinates(driver, folder)


def shoot_report(driver: Chrome, report: Path, folder: Path) -> None:
    """The whole report, at the width of a phone and of a desk."""
    for width in REPORT_WIDTHS:
        resize(driver, width, HEIGHT)
        driver.get(report.resolve().as_uri())
        settle(driver, "body")
        size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        picture = driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        path = folder / f"report_{width}.png"
        path.write_bytes(base64.b64decode(picture))
        print(path)


def main(run: Path, folder: Path) -> None:
    """Everything of a run's folder, or of a folder of runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium(WIDTH, HEIGHT) as driver:
        with tensorboard(run / "tensorboard" if (run / "tensorboard").exists() else run) as url:
            for tab in TABS:
                shoot_tab(driver, url, tab, folder)
        if (run / "report.html").exists():
            shoot_report(driver, run / "report.html", folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
