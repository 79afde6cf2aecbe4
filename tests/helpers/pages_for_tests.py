"""The pages of the documentation, and what tests look for in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOC = ROOT / "doc"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOC.glob("*.md"))]
FENCE = re.compile(r"^\s*```(\w*)\n(.*?)^\s*```$", re.MULTILINE | re.DOTALL)
NOT_PROSE = re.compile(r"#|\||!\[|`python -m benchmarks \w+` on ")  # headings, tables, pictures, what a program wrote


def read(path: Path) -> str:
    return path.read_text(encoding="utf8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def code_blocks(page: Path, language: str) -> list[str]:
    """The blocks of code in this language."""
    return [code for found, code in FENCE.findall(read(page)) if found == language]


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line of prose: no code, no tables, no headings, no pictures."""
    fenced = False
    for number, line in enumerate(read(page).splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not NOT_PROSE.match(line):
            yield number, line


def links(page: Path) -> list[str]:
    """What the links and pictures of a page point to, code left out."""
    text = re.sub(r"`[^`]*`", "", FENCE.sub("", read(page)))
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """The names that headings have in links: small letters, no signs, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tables(page: Path, first_cell: str) -> list[list[list[str]]]:
    """The tables whose heading begins with this cell, as rows of cells without the heading."""
    found = re.findall(rf"^\| {re.escape(first_cell)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", read(page), re.MULTILINE)
    return [[[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()] for table in found]
