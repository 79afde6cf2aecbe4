"""The pictures of figures/ for the report of a run."""

from pathlib import Path
from typing import NamedTuple

from reporting.report.facts import maps_table
from reporting.report.page import Html, Section, element, gallery, joined, link, paragraph, picture, text
from reporting.report.pictures import open_picture
from reporting.report.run import NETWORKS, Query, Run
from reporting.report.segmentation import segmentation_tables


class Kind(NamedTuple):
    """Pictures that belong together: an anchor, a title, what they show, and file stems with what each is called."""

    anchor: str
    title: str
    about: str
    stems: dict[str, str]


KINDS = (
    Kind(
        "map", "Map and sampling",
        "Tiles that were trained on, in a colour for each role; white: the reserved cells, which are only for scoring.",
        {"sampled_tiles": "Map with the sampled tiles"},
    ),
    Kind(
        "confusion", "Confusion matrices",
        "Rows: the true class of a tile; columns: the predicted one, as a share of the row.",
        {"confusion_matrix-*": "Confusion matrix of {}"},
    ),
    Kind(
        "umap", "UMAP of the embeddings",
        "Near dots are tiles with like embeddings; the axes have no meaning of their own.",
        {
            "umap": "UMAP, a dot for each scored tile", "umap_tiles": "UMAP, the scored tiles themselves",
            "umap_3d": "UMAP in three dimensions",
        },
    ),
    Kind(
        "neighbours", "Neighbours",
        "A tile in each row, and after it those of the scored tiles whose embeddings are nearest to its own.",
        {"neighbours": "Tiles and their nearest neighbours"},
    ),
    Kind(
        "proportions", "Proportions",
        "True against predicted share of each class; a dot for each scored tile.",
        {"proportions-*": "Class proportions by {}"},
    ),
    Kind(
        "distances", "Distances",
        "How far apart tiles of the same and of different classes lie.",
        {"distances": "Distances of tiles"},
    ),
    Kind(
        "segmentation", "Segmentation",
        "The class of every pixel, by windows of a tile's size whose predictions are averaged where they overlap. "
        "The region is for looking at, for tiles of it were trained on; the scores are of reserved cells alone.",
        {"segmentation-*": "Segmentation of a region by {}", "segmentation_iou-*": "IoU of each class by {}"},
    ),
)  # fmt: skip


def figure_sections(run: Run, room: int) -> tuple[list[Section], list[str]]:
    """Sections of the pictures that there are, and the names of those kinds of which there is none.

    Args:
        run: of which
        room: characters that all of them may take on the page
    """
    kinds = [kind for kind in KINDS if kind.anchor != "segmentation" or run.config.segmentation]
    files = {kind.anchor: _files(run.folder / "figures", kind) for kind in kinds}
    allowance = room * 3 // 4 // max(1, sum(map(len, files.values())))  # three bytes are four characters in base64
    sections, missing = [], []
    for kind in kinds:
        shown = [_shown(path, name, allowance) for path, name in files[kind.anchor]]
        parts = [paragraph(text(kind.about), "quiet"), gallery(shown)] if shown else []
        parts += _beside(run, kind.anchor, bool(shown))
        if parts:
            sections.append(Section(kind.anchor, kind.title, joined(parts)))
        if not shown:
            missing.append(kind.title[0].lower() + kind.title[1:] if kind.anchor != "umap" else kind.title)
    return sections, missing


def _files(figures: Path, kind: Kind) -> list[tuple[Path, str]]:
    """The picture files of a kind and what each is called; those of the best and the last network in pairs."""
    found = []
    for pattern, name in kind.stems.items():
        paths = [path for network in NETWORKS for path in (figures / network).glob(f"{pattern}.png")]
        for path in sorted(paths, key=lambda path: (path.stem, path.parent.name)):
            found.append((path, name.format(path.stem.partition("-")[2])))
    return found


def _shown(path: Path, name: str, allowance: int) -> Html:
    where = f"figures/{path.parent.name}/{path.name}"
    shown = open_picture(path, allowance)
    if shown is None:
        return paragraph(text(f"{where} cannot be read; it may be damaged."), "quiet")
    network = NETWORKS[path.parent.name]
    also = " and .svg" if path.with_suffix(".svg").exists() else ""
    return picture(shown, f"{name}, {network}", f"{name}, {network} ({where}{also})")


def _beside(run: Run, anchor: str, has_pictures: bool) -> list[Html]:
    """What stands in a section beside its pictures."""
    if anchor == "map":
        return maps_table(run)
    if anchor == "segmentation":
        return segmentation_tables(run)
    if anchor == "neighbours" and has_pictures and any(query.address for query in run.queries):
        heading = paragraph(text("Where the tiles at the beginning of the rows lie (best network):"))
        return [heading, element("ol", joined(map(_query, run.queries)))]
    return []


def _query(query: Query) -> Html:
    place = ", ".join(_degrees(*pair) for pair in ((query.lat, "NS"), (query.lon, "EW")))
    where = link(query.address, place) if query.address else text(place)
    return element("li", Html(f"{text(query.name)}: {where}"), value=str(query.row))


def _degrees(number: str, letters: str) -> str:
    try:
        value = float(number)
    except ValueError:
        return number or "unknown"
    return f"{abs(value):.5f}° {letters[value < 0]}"
