"""Runs a search and writes all of its files: those of inference.similar_places.files and a picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import EmbeddedMap
from inference.core.trained_run import TrainedRun
from inference.similar_places.files import search_folder, search_name, write_search
from inference.similar_places.places import Place
from inference.similar_places.searching import Query, Search, search
from reporting.display import Display
from reporting.figures.search import Heat, Tiles, search_picture
from reporting.figures.style import save_figure
from reporting.map_view import SYNTHETIC, show_map

PICTURE = "search"  # name of the picture, without .png
MAX_NAMED = 3  # places in its title


def make_search(
    run: TrainedRun,
    embedded: EmbeddedMap,
    image: TiffReader,
    query: Query,
    labels: LabelReader | None = None,
    index: bool | None = None,
    output: Path | None = None,
) -> Path:
    """Search, and write table, polygons, raster and picture to a folder that appears when all are there. Return it.

    Args:
        run, embedded, image, query, labels, index: see inference.similar_places.searching.search
        output: the folder, which must not exist; None: searches/NAME in the run's folder, which is replaced
    Raises:
        UserError: the search is impossible, or the files cannot be written
    """
    found = search(run, embedded, image, query, labels, index)
    with search_folder(run.folder, search_name(query, embedded.folder), output) as writing:
        write_search(writing.temporary, found)
        write_picture(writing.temporary, found)
    return writing.target


def write_picture(folder: Path, search: Search) -> None:
    """Write search.png to a folder."""
    size, tiles = search.embedded.tiles.size, search.tiles
    display, overview = show_map(search.image, size)
    figure = search_picture(
        Tiles(_rgb(display, tiles.examples, search.image), tiles.example_positions),
        Tiles(_rgb(display, tiles.counter_examples, search.image), tiles.counter_positions),
        Tiles(_rgb(display, [*search.image.read(search.positions, size)], search.image), search.positions),
        search.similarity, overview, size, _heat(search), _title(search),
    )  # fmt: skip
    save_figure(figure, folder / PICTURE, ("png",))


def _rgb(display: Display, tiles: list[np.ndarray], image: TiffReader) -> np.ndarray:
    """Return tiles, some of which may have a validity channel, as (n, H, W, 3) uint8."""
    bands = len(image.bands)
    pictures = [replace(display, has_validity=len(tile) > bands).rgb(tile[None])[0] for tile in tiles]
    return np.stack(pictures) if pictures else np.empty((0, 1, 1, 3), np.uint8)


def _heat(search: Search) -> Heat | None:
    if search.similarity_of_all is None:
        return None
    grid = search.embedded.tiles
    margin = (grid.size - grid.stride) / 2
    left, top = grid.window.x + margin, grid.window.y + margin
    extent = (left, left + grid.columns * grid.stride, top + grid.rows * grid.stride, top)
    return Heat(search.similarity_of_all.reshape(grid.rows, grid.columns), extent, search.similarity_name)


def _title(search: Search) -> str:
    query = search.query
    files = [query.tile.name] if query.tile else []
    unlike = f", unlike {_names(query.counter_examples, [])}" if query.counter_examples else ""
    synthetic = SYNTHETIC if search.image.source.synthetic else ""
    return f"Tiles similar to {_names(query.examples, files)}{unlike}{synthetic}"


def _names(places: tuple[Place, ...], files: list[str]) -> str:
    """Return the names of places and files, the first MAX_NAMED of them; dollar signs would start a formula."""
    names = [f"{lon:.4f} {lat:.4f}" for lon, lat in places] + [name.replace("$", r"\$") for name in files]
    return ", ".join(names[:MAX_NAMED]) + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")
