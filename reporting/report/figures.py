"""The sections of the report of a run that show the pictures in figures/."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from config import Config
from reporting.report.classes import class_tables
from reporting.report.facts import bands_table, maps_table
from reporting.report.html_elements import Html, Section, element, gallery, join, link, paragraph, picture, text
from reporting.report.pictures import open_picture
from reporting.report.run import NETWORKS, Query, RunFiles
from reporting.report.segmentation import segmentation_tables


class FigureGroup(NamedTuple):
    """Pictures that form a section of the report.

    Attributes:
        anchor: of the section
        title: of the section
        description: what the pictures show
        captions: pattern of file names, without .png -> caption; {} stands for the part after the "-", a model
        is_expected: config of a run -> whether the run draws them
    """

    anchor: str
    title: str
    description: str
    captions: dict[str, str]
    is_expected: Callable[[Config], bool] = lambda config: True


def _is_labelled(config: Config) -> bool:
    return config.validation_map is not None


FIGURE_GROUPS = (
    FigureGroup(
        "map", "Map and sampling",
        "Tiles that were trained on, in a colour for each role. White: reserved cells, where none was.",
        {"sampled_tiles": "Map with the sampled tiles"},
    ),
    FigureGroup(
        "confusion", "Confusion matrices",
        "Rows: true class of a tile. Columns: predicted class, as a share of the row.",
        {"confusion_matrix-*": "Confusion matrix of {}"},
        _is_labelled,
    ),
    FigureGroup(
        "umap", "UMAP of the embeddings",
        "Dots that are close together are tiles of reserved cells with similar embeddings. The axes have no meaning.",
        {
            "umap": "UMAP, a dot for each tile", "umap_tiles": "UMAP, pictures of the tiles",
            "umap_3d": "UMAP in three dimensions",
        },
    ),
    FigureGroup(
        "neighbours", "Neighbours",
        "Each row shows a tile of a reserved cell, and then those of the others whose embeddings are the nearest.",
        {"neighbours": "Tiles and their nearest neighbours"},
    ),
    FigureGroup(
        "proportions", "Proportions",
        "True and predicted share of each class, a dot for each scored tile.",
        {"proportions-*": "Class proportions predicted by {}"},
        _is_labelled,
    ),
    FigureGroup(
        "distances", "Distances",
        "Distances between embeddings of tiles: of the same class and of different classes, or without a label map of "
        "all.",
        {"distances": "Distances of tiles"},
    ),
    FigureGroup(
        "segmentation", "Segmentation",
        "The class of every pixel, predicted in windows of the size of a tile; where windows overlap, predictions are "
        "averaged. The region is only an illustration, because tiles in it were trained on; the scores are those of "
        "reserved cells.",
        {"segmentation-*": "Segmentation of a region by {}", "segmentation_iou-*": "IoU of each class by {}"},
        lambda config: config.segmentation,
    ),
)  # fmt: skip


def figure_sections(run: RunFiles, max_characters: int) -> tuple[list[Section], list[str]]:
    """Return the sections of all pictures that exist, and the titles of the groups without any picture.

    Args:
        run: whose pictures are shown
        max_characters: of all pictures together on the page
    """
    groups = [group for group in FIGURE_GROUPS if group.is_expected(run.config)]
    files = {group.anchor: _files(run.folder / "figures", group) for group in groups}
    # base64 writes three bytes as four characters
    max_bytes = max_characters * 3 // 4 // max(1, sum(map(len, files.values())))
    sections, missing = [], []
    for group in groups:
        shown = [_figure(path, name, max_bytes) for path, name in files[group.anchor]]
        parts = [paragraph(text(group.description), "quiet"), gallery(shown)] if shown else []
        parts += _extra_parts(run, group.anchor, bool(shown))
        if parts:
            sections.append(Section(group.anchor, group.title, join(parts)))
        if not shown:
            missing.append(group.title[0].lower() + group.title[1:] if group.anchor != "umap" else group.title)
    return sections, missing


def _files(figures: Path, group: FigureGroup) -> list[tuple[Path, str]]:
    """Return the picture files of a group with their captions; best and last network are next to each other."""
    paths_and_captions = []
    for pattern, name in group.captions.items():
        paths = [path for network in NETWORKS for path in (figures / network).glob(f"{pattern}.png")]
        for path in sorted(paths, key=lambda path: (path.stem, path.parent.name)):
            paths_and_captions.append((path, name.format(path.stem.partition("-")[2])))
    return paths_and_captions


def _figure(path: Path, name: str, max_bytes: int) -> Html:
    where = f"figures/{path.parent.name}/{path.name}"
    shown = open_picture(path, max_bytes)
    if shown is None:
        return paragraph(text(f"{where} cannot be read. The file may be damaged."), "quiet")
    network = NETWORKS[path.parent.name]
    also = " and .svg" if path.with_suffix(".svg").exists() else ""
    return picture(shown, f"{name}, {network}", f"{name}, {network} ({where}{also})")


def _extra_parts(run: RunFiles, anchor: str, has_pictures: bool) -> list[Html]:
    """Return what a section shows in addition to its pictures."""
    if anchor == "map":
        return maps_table(run) + bands_table(run) + class_tables(run)
    if anchor == "segmentation":
        return segmentation_tables(run)
    if anchor == "neighbours" and has_pictures and any(query.address for query in run.queries):
        introduction = paragraph(text("Positions of the first tile of each row (best network):"))
        return [introduction, element("ol", join(map(_query_item, run.queries)))]
    return []


def _query_item(query: Query) -> Html:
    place = ", ".join(_degrees(*pair) for pair in ((query.lat, "NS"), (query.lon, "EW")))
    where = link(query.address, place) if query.address else text(place)
    name = f"{text(query.name)}: " if query.name else ""
    return element("li", Html(f"{name}{where}"), value=str(query.row))


def _degrees(number: str, letters: str) -> str:
    try:
        value = float(number)
    except ValueError:
        return number or "unknown"
    return f"{abs(value):.5f}° {letters[value < 0]}"
