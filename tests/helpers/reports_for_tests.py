"""Read the report of a run, and check what must hold for every one."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

MAX_BYTES = 10_000_000
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The content of a page; fails if elements are not closed in the right order."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements, self.words, self.cells, self._open = [], [], [], []
        self.feed(path.read_text(encoding="utf8"))
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
        if tag == "small":
            self.cells[-1][-1] += "|"
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words.append(data)
        if {"td", "th"} & set(self._open):
            self.cells[-1][-1] += f"*{data}*" if "strong" in self._open else data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def row(self, name):
        """Return the cells after the one that names the row."""
        (found,) = (cells[1:] for cells in self.cells if cells[0].partition("|")[0] == name)
        return found


def image_of(attributes):
    head, _, content = attributes["src"].partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
    assert head == f"data:image/{image.format.lower()}"
    image.load()
    return image


def checked(path):
    """Check what must hold for every page, and return the page."""
    assert path.stat().st_size < MAX_BYTES
    page = Page(path)
    names = [tag for tag, _ in page.elements]
    assert not {"script", "iframe", "object", "link", "base", "form", "svg"} & set(names)
    for attributes in page.all("img"):
        image = image_of(attributes)
        assert attributes["alt"].strip()
        shape = int(attributes["width"]) / int(attributes["height"])
        assert shape == pytest.approx(image.width / image.height, rel=0.02)
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("srcset", "style", "background") for name in attributes)
        assert tag == "a" or "href" not in attributes
        assert tag == "img" or "src" not in attributes
    for attributes in page.all("a"):
        inside = attributes["href"].startswith("#")
        assert inside or (attributes["href"].startswith("https://www.openstreetmap.org/") and attributes["rel"])
        assert not inside or attributes["href"][1:] in [each.get("id") for _, each in page.elements]
    style = re.search(r"<style>(.*?)</style>", path.read_text(encoding="utf8"), re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    return page
