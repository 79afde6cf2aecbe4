"""Functions that return the HTML elements of the report of a run.

They escape plain text, `str`, when it becomes HTML; parameters of the type `Html` are not escaped again.
"""

import html
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, NewType

from reporting.report.pictures import Picture

Html = NewType("Html", str)

STYLE = Path(__file__).with_name("report.css")
# The page loads and runs nothing, even if a hostile name in a config should get into it as HTML.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Section(NamedTuple):
    """A section of the page: the name of its anchor, its heading, and its content."""

    anchor: str
    title: str
    content: Html


def text(value: object) -> Html:
    """Escape plain text for HTML. Half of a surrogate pair, possible in JSON but not in a file, becomes "?"."""
    return Html(html.escape(str(value)).encode("utf8", "replace").decode("utf8"))


def join(parts: Iterable[Html]) -> Html:
    """Join pieces of HTML, one on each line."""
    return Html("\n".join(parts))


def element(name: str, content: Html, **attributes: str) -> Html:
    """Return an element; attribute values are plain text, and `class_` is the attribute "class"."""
    attribute_text = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{attribute_text}>{content}</{name}>")


def paragraph(content: Html, class_: str = "") -> Html:
    """Return a paragraph."""
    return element("p", content, class_=class_) if class_ else element("p", content)


def link(address: str, content: str) -> Html:
    """Return a link to a web page, to which browsers send no referrer; other addresses become plain text."""
    if not address.startswith(("https://", "http://")):
        return text(content)
    return element("a", text(content), href=address, rel="noreferrer")


def picture(content: Picture, alt_text: str, caption: str = "") -> Html:
    """Return a picture with its caption. A wide picture is not shrunk on a phone, but scrolls in its own box.

    Args:
        content: the picture
        alt_text: describes the picture to people who cannot see it
        caption: below the picture
    """
    image = f'<img src="{content.uri}" alt="{text(alt_text)}" width="{content.width}" height="{content.height}">'
    below = element("figcaption", text(caption)) if caption else ""
    return element("figure", Html(f'<div class="scroll">{image}</div>{below}'))


def gallery(figures: list[Html], class_: str = "gallery") -> Html:
    """Return figures side by side, as many as fit into the width of the window."""
    return element("div", join(figures), class_=class_)


def table(caption: str, head: list[str], rows: list[list[Html]], class_: str = "") -> Html:
    """Return a table whose first column names the rows. If it is too wide, it scrolls in its own box.

    A row of one cell is a heading for the rows below it.
    """
    names = join(element("th", text(name), scope="col") for name in head)
    body = join(_row(row, len(head)) for row in rows)
    head_html = f"<thead><tr>{names}</tr></thead>" if any(head) else ""
    content = f"{element('caption', element('span', text(caption)))}{head_html}<tbody>{body}</tbody>"
    return element("div", element("table", Html(content), class_=class_), class_="scroll", tabindex="0")


def _row(cells: list[Html], columns: int) -> Html:
    if len(cells) == 1:
        return element("tr", element("th", cells[0], colspan=str(columns), scope="rowgroup"), class_="group")
    return element("tr", join([element("th", cells[0], scope="row"), *(element("td", cell) for cell in cells[1:])]))


def document(title: str, head: Html, sections: list[Section]) -> str:
    """Return the whole page: header, links to the sections, sections."""
    links = join(element("a", text(section.title), href=f"#{section.anchor}") for section in sections)
    body = join(
        element("section", join([element("h2", text(section.title)), section.content]), id=section.anchor)
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
