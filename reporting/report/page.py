"""The pieces of HTML that the report of a run is made of.

Whatever is plain text is escaped here, at the place where it becomes HTML; a parameter that takes HTML says so in its
type.
"""

import html
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, NewType

from reporting.report.pictures import Picture

Html = NewType("Html", str)

STYLE = Path(__file__).with_name("report.css")
# The page loads nothing and runs nothing, whatever a hostile name in a config should be able to put into it.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Section(NamedTuple):
    """A part of the page: the name of its anchor, its heading, and what it holds."""

    anchor: str
    title: str
    content: Html


def text(value: object) -> Html:
    """Plain text as HTML; half of a surrogate pair, which JSON may hold and no file, becomes a question mark."""
    return Html(html.escape(str(value)).encode("utf8", "replace").decode("utf8"))


def joined(parts: Iterable[Html]) -> Html:
    """HTML after HTML, a line each."""
    return Html("\n".join(parts))


def element(name: str, content: Html, **attributes: str) -> Html:
    """An element with attributes, whose values are plain text; `class_` and the like stand for reserved words."""
    told = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{told}>{content}</{name}>")


def paragraph(content: Html, class_: str = "") -> Html:
    """A paragraph."""
    return element("p", content, class_=class_) if class_ else element("p", content)


def link(address: str, content: str) -> Html:
    """A link to a page on the web that is not told where it was followed; no other address becomes a link."""
    if not address.startswith(("https://", "http://")):
        return text(content)
    return element("a", text(content), href=address, rel="noreferrer")


def picture(shown: Picture, alternative: str, caption: str = "") -> Html:
    """A picture with its caption; a wide one keeps readable letters on a phone and scrolls in a box of its own.

    Args:
        shown: the picture
        alternative: what it shows, for those who do not see it
        caption: below it
    """
    image = f'<img src="{shown.uri}" alt="{text(alternative)}" width="{shown.width}" height="{shown.height}">'
    below = element("figcaption", text(caption)) if caption else ""
    return element("figure", Html(f'<div class="scroll">{image}</div>{below}'))


def gallery(figures: list[Html], class_: str = "gallery") -> Html:
    """Figures side by side, as many as there is room for."""
    return element("div", joined(figures), class_=class_)


def table(caption: str, head: list[str], rows: list[list[Html]], class_: str = "") -> Html:
    """A table whose first column names the rows; it scrolls in a box of its own where it is too wide.

    A row of one cell is a heading of the rows below it.
    """
    names = joined(element("th", text(name), scope="col") for name in head)
    body = joined(_row(row, len(head)) for row in rows)
    shown_head = f"<thead><tr>{names}</tr></thead>" if any(head) else ""
    content = f"{element('caption', element('span', text(caption)))}{shown_head}<tbody>{body}</tbody>"
    return element("div", element("table", Html(content), class_=class_), class_="scroll", tabindex="0")


def _row(cells: list[Html], columns: int) -> Html:
    if len(cells) == 1:
        return element("tr", element("th", cells[0], colspan=str(columns), scope="rowgroup"), class_="group")
    return element("tr", joined([element("th", cells[0], scope="row"), *(element("td", cell) for cell in cells[1:])]))


def document(title: str, head: Html, sections: list[Section]) -> str:
    """The whole page: its head, links to its sections, and these."""
    links = joined(element("a", text(section.title), href=f"#{section.anchor}") for section in sections)
    body = joined(
        element("section", joined([element("h2", text(section.title)), section.content]), id=section.anchor)
        for section in sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>
{STYLE.read_text(encoding="utf8")}</style>
</head>
<body>
<header>
{head}
</header>
<nav aria-label="Sections">
{links}
</nav>
<main>
{body}
</main>
</body>
</html>
"""
