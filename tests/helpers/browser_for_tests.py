"""Start TensorBoard and a headless Chromium, and read what its pages show."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

PROGRAMS = ("chromium", "chromedriver")
NARROW = 600  # pixels
SHOWN = "plugins-component"  # the part of TensorBoard's page below its header

# Polymer puts elements into shadow roots, and the projector is an iframe; ordinary searches find neither.
WALK = """
function* nodes(node) {
    if (node.nodeType === Node.ELEMENT_NODE) {
        const unseen = ["STYLE", "SCRIPT", "TEMPLATE", "NOSCRIPT"].includes(node.tagName);
        if (unseen || getComputedStyle(node).display === "none") return;
        yield node;
        const within = node.tagName === "IFRAME" && node.contentDocument?.documentElement;
        if (within) yield* nodes(within);
        if (node.shadowRoot) yield* nodes(node.shadowRoot);
    } else if (node.nodeType === Node.TEXT_NODE) {
        yield node;
    }
    for (const child of node.childNodes) yield* nodes(child);
}
const root = document.querySelector(arguments[0]);
const all = root ? [...nodes(root)] : [];
const found = (css) => all.filter((node) => node.nodeType === Node.ELEMENT_NODE && node.matches(css));
"""


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


def wait_until(missing: Callable[[], Collection[str]], seconds: float = 60) -> None:
    """Wait until nothing is missing.

    Args:
        missing: function that returns descriptions of what is still missing
        seconds: to wait; then an AssertionError says what is still missing
    """
    end = time.monotonic() + seconds
    while still := missing():
        assert time.monotonic() < end, f"still missing after {seconds} s: {', '.join(sorted(still))}"
        time.sleep(0.1)


def fetch(url: str) -> dict | None:
    """Fetch JSON from TensorBoard; return None if nothing answers yet."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return None


@contextmanager
def tensorboard(folder: Path, seconds: float = 60) -> Iterator[str]:
    """Run TensorBoard for a log folder on a free port; yield its URL when it has read all runs."""
    runs = {str(path.parent.relative_to(folder)) for path in folder.rglob("events.out.tfevents.*")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_until(lambda: _unread(process, output, url, runs), seconds)
            yield url
        finally:
            _end(process)


def _unread(process: subprocess.Popen, output: IO[bytes], url: str, runs: set[str]) -> set[str]:
    if process.poll() is not None:
        output.seek(0)
        raise AssertionError(f"TensorBoard ended: {output.read().decode(errors='replace')[-2000:]}")
    read = fetch(f"{url}/data/runs")
    return {"an answer of TensorBoard"} if read is None else runs - set(read)


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def chromium(width: int, height: int) -> Iterator[Chrome]:
    """Run a headless Chromium with the installed driver; nothing is downloaded."""
    os.environ["SE_OFFLINE"] = "true"
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},{height}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        resize(driver, width, height)  # without the window's frame
        yield driver
    finally:
        driver.quit()


def resize(driver: Chrome, width: int, height: int) -> None:
    """Show pages as on a screen of this size in CSS pixels; on a narrow one as on a phone."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < NARROW}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def open_tab(driver: Chrome, url: str, tab: str, seconds: float = 60) -> None:
    """Open a tab of TensorBoard, such as "scalars", once TensorBoard has something to show there."""

    def missing() -> list[str]:
        plugin = (fetch(f"{url}/data/plugins_listing") or {}).get(tab, {})
        return [] if plugin.get("enabled") else [f"the tab {tab}"]

    wait_until(missing, seconds)
    driver.get("about:blank")  # a change only after the # would not load the page again
    driver.get(f"{url}/#{tab}")
    wait_until(lambda: [] if texts(driver) else [f"anything on the tab {tab}"], seconds)


def texts(driver: Chrome, within: str = SHOWN) -> list[str]:
    """Return all visible texts in an element, with shadow roots and iframes, in the order of the document."""
    script = "return all.filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim())"
    return [text for text in driver.execute_script(WALK + script, within) if text]


def count(driver: Chrome, css: str, within: str = SHOWN) -> int:
    """Return how many elements match a selector."""
    return driver.execute_script(WALK + "return found(arguments[1]).length", within, css)


def click(driver: Chrome, css: str, text: str = "", within: str = SHOWN) -> int:
    """Click all elements that match a selector and contain this text; return their number."""
    script = """
    const targets = found(arguments[1]).filter((node) => node.textContent.includes(arguments[2]));
    targets.forEach((node) => node.click());
    return targets.length"""
    return driver.execute_script(WALK + script, within, css, text)


def broken_images(driver: Chrome, within: str = SHOWN) -> list[str]:
    """Return the images that are not loaded, or not yet."""
    script = """
    return found("img").filter((image) => !image.complete || image.naturalWidth === 0)
        .map((image) => "image " + (image.alt || image.src.slice(0, 150)))"""
    return driver.execute_script(WALK + script, within)


def severe(driver: Chrome) -> list[str]:
    """Return the errors in the console of the browser since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
