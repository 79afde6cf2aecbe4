"""Save screenshots of finished runs: each tab of TensorBoard, and the report of a run if there is one.

python doc/screenshots.py results/NAME FOLDER
python doc/screenshots.py results FOLDER       # all runs together in TensorBoard

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
UNCHANGED_SECONDS = 2.5  # charts appear slowly
TIMEOUT = 20  # seconds for a tab


def save_screenshot(driver: Chrome, path: Path) -> None:
    """Save a screenshot of the window."""
    path.write_bytes(driver.get_screenshot_as_png())
    print(path)


def wait_until_unchanged(driver: Chrome, within: str = SHOWN) -> None:
    """Wait until all images are loaded and no text changes any more."""
    wait_until(lambda: broken_images(driver, within), TIMEOUT)
    end, last_texts, last_change = time.monotonic() + TIMEOUT, [], time.monotonic()
    while time.monotonic() < min(end, last_change + UNCHANGED_SECONDS):
        now = texts(driver, within)
        if now != last_texts:
            last_texts, last_change = now, time.monotonic()
        time.sleep(0.2)


def open_groups(driver: Chrome) -> None:
    """Open the first groups of the time series; TensorBoard itself opens two."""
    for group in ("train", "retrieval"):
        click(driver, "button[aria-label='Expand group']", group)


def save_parallel_coordinates(driver: Chrome, folder: Path) -> None:
    """Save a screenshot of the second view of the table of runs."""
    click(driver, "paper-tab", "PARALLEL")
    wait_until_unchanged(driver)
    save_screenshot(driver, folder / "hparams_parallel.png")


def save_tab(driver: Chrome, url: str, tab: str, folder: Path) -> None:
    """Save a screenshot of a tab of TensorBoard, if the run has anything to show there."""
    try:
        open_tab(driver, url, tab, TIMEOUT)
    except AssertionError as error:
        print(f"{tab}: {error}")
        return
    if tab == "timeseries":
        open_groups(driver)
    if tab == "custom_scalars":  # show the retrieval scores instead of the first charts
        wait_until_unchanged(driver)
        for group in ("training", "single_class"):
            click(driver, "button.heading[open-button]", group)
        click(driver, "button.heading:not([open-button])", "retrieval")
    if tab == "projector":
        wait_until(lambda: [] if re.search(r"Points: [1-9]", " ".join(texts(driver))) else ["points"], TIMEOUT)
    wait_until_unchanged(driver)
    save_screenshot(driver, folder / f"{tab}.png")
    if tab == "hparams" and count(driver, "paper-tab"):
        save_parallel_coordinates(driver, folder)


def save_report(driver: Chrome, report: Path, folder: Path) -> None:
    """Save screenshots of the whole report, at the width of a phone and of a desktop screen."""
    for width in REPORT_WIDTHS:
        resize(driver, width, HEIGHT)
        driver.get(report.resolve().as_uri())
        wait_until_unchanged(driver, "body")
        size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        picture = driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        path = folder / f"report_{width}.png"
        path.write_bytes(base64.b64decode(picture))
        print(path)


def main(run: Path, folder: Path) -> None:
    """Save all screenshots of a run, or of a folder of runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium(WIDTH, HEIGHT) as driver:
        with tensorboard(run / "tensorboard" if (run / "tensorboard").exists() else run) as url:
            for tab in TABS:
                save_tab(driver, url, tab, folder)
        if (run / "report.html").exists():
            save_report(driver, run / "report.html", folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
