"""A search: the tiles that it started from, those that it found, and where they lie on the map."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from PIL import Image

from reporting.figures.sampling import Overview, outline_squares
from reporting.figures.style import new_figure

SIDE, BORDER = 96, 5  # pixels of a tile and of its frame
STEP = SIDE + 2 * BORDER + 8  # pixels from one tile to the next
TEXT_HEIGHT = 26  # pixels below a tile for rank and similarity
COLUMNS = 5  # tiles in a row
MAX_FOUND, MAX_QUERY = 25, 10  # tiles that are shown of what was found, and of each kind of example
PIXELS_PER_INCH = 76
MAP_SIDES = 5.5, 8.5  # inches: a map is as high as the tiles beside it, but no narrower and no wider than this
BRIGHTNESS = 0.7  # of the map, so that the marks stand out
HEAT_BRIGHTNESS = 0.5  # of the map where there is no similarity
HEAT_PERCENTILES = 2, 99.8  # of the similarity, that are shown in the first and the last colour
MAX_HEAT_SIDE = 1500  # pixels; a larger raster is thinned
EXAMPLE, COUNTER_EXAMPLE, FOUND = "#009E73", "#CC3311", "#F0E442"  # that colour-blind people can distinguish
LABEL = np.array([17, 11])  # points, of a rank on the map: how far two of them must be apart
LABEL_SIDES = np.array([[1, -1], [-1, -1], [1, 1], [-1, 1], [2.2, 0], [-2.2, 0]])  # of a tile, the best one first
HALO = withStroke(linewidth=2.5, foreground="black")  # so that a number can be read on any map


class Tiles(NamedTuple):
    """Tiles of one kind.

    Attributes:
        rgb: (n, H, W, 3) uint8
        positions: (m, 2) on the map; fewer than n if some come from files
    """

    rgb: np.ndarray
    positions: np.ndarray


class Heat(NamedTuple):
    """The similarity of all tiles.

    Attributes:
        values: (rows, columns), NaN without data
        extent: left, right, bottom, top in pixels of the map
        name: what the values are
    """

    values: np.ndarray
    extent: tuple[float, float, float, float]
    name: str


def search_picture(
    examples: Tiles,
    counter_examples: Tiles,
    found: Tiles,
    similarity: np.ndarray,
    overview: Overview,
    size: int,
    heat: Heat | None,
    title: str,
) -> Figure:
    """Draw the tiles of a query, what was found in the order of similarity, and both on the map.

    Args:
        examples, counter_examples: tiles of the query, in green and red
        found: tiles that were found; the first MAX_FOUND are shown
        similarity: (k,) of what was found
        overview: the picture of the map
        size: side of a tile in pixels of the map
        heat: the similarity of all tiles, drawn on a second map; None: no second map
        title: of the figure
    """
    rows = [_frame(each.rgb[:MAX_QUERY], colour) for each, colour in _query(examples, counter_examples)]
    query = _mosaic(np.concatenate(rows))
    results = _mosaic(_frame(found.rgb[:MAX_FOUND], FOUND))
    height, width = overview.rgb.shape[:2]
    tiles_height = (len(query) + len(results)) / PIXELS_PER_INCH + 1
    tiles_width = COLUMNS * STEP / PIXELS_PER_INCH
    map_width = float(np.clip((tiles_height - 1) * width / height, *MAP_SIDES))
    map_height = min(map_width * height / width, 2 * MAP_SIDES[1])
    maps = 1 + (heat is not None)
    figure = new_figure(tiles_width + maps * map_width + 1, max(tiles_height, map_height + 1) + 0.6)
    figure.suptitle(title)
    halves = figure.add_gridspec(1, 2, width_ratios=[tiles_width, maps * map_width + 1])
    left, right = (figure.add_subfigure(halves[0, column]) for column in (0, 1))
    _draw_tiles(left, query, results, examples, counter_examples, similarity)
    marks = {EXAMPLE: examples.positions, COUNTER_EXAMPLE: counter_examples.positions}
    panels = [right.add_subplot(1, maps, number + 1) for number in range(maps)]
    points = 72 * map_width / (width * overview.step)  # for each pixel of the map, about
    _draw_map(panels[0], overview, size, found.positions, marks, points)
    if heat is not None:
        layer = _draw_heat(panels[1], overview, heat, size, marks)
        bar = right.colorbar(layer, ax=panels, location="bottom", shrink=0.5, aspect=50, pad=0.02, extend="both")
        bar.set_label(heat.name, fontsize=9)
        bar.ax.tick_params(labelsize=8)
    return figure


def _query(examples: Tiles, counter_examples: Tiles) -> list[tuple[Tiles, str]]:
    return [(examples, EXAMPLE), (counter_examples, COUNTER_EXAMPLE)]


def _frame(rgb: np.ndarray, colour: str) -> np.ndarray:
    """Return tiles (n, H, W, 3) scaled to SIDE, with a frame: (n, S, S, 3) with S = SIDE + 2 BORDER."""
    framed = np.empty((len(rgb), SIDE + 2 * BORDER, SIDE + 2 * BORDER, 3), np.uint8)
    framed[:] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    for frame, tile in zip(framed, rgb):
        method = Image.Resampling.BOX if len(tile) >= SIDE else Image.Resampling.NEAREST
        frame[BORDER:-BORDER, BORDER:-BORDER] = np.asarray(Image.fromarray(tile).resize((SIDE, SIDE), method))
    return framed


def _mosaic(framed: np.ndarray) -> np.ndarray:
    """Return tiles (n, S, S, 3) in rows of COLUMNS, with room for a line of text below each."""
    side, rows = framed.shape[1], -(-len(framed) // COLUMNS)
    mosaic = np.full((rows * (STEP + TEXT_HEIGHT), COLUMNS * STEP, 3), 255, np.uint8)
    for number, tile in enumerate(framed):
        left, top = _corner(number)
        mosaic[top : top + side, left : left + side] = tile
    return mosaic


def _corner(number: int) -> tuple[int, int]:
    row, column = divmod(number, COLUMNS)
    return column * STEP, row * (STEP + TEXT_HEIGHT)


def _draw_tiles(
    figure: SubFigure, query: np.ndarray, results: np.ndarray, examples: Tiles, counter_examples: Tiles,
    similarity: np.ndarray,
) -> None:  # fmt: skip
    above, below = figure.subplots(2, 1, height_ratios=[len(query), len(results)])
    shown = min(len(similarity), MAX_FOUND)
    number = f"the first {shown} of {len(similarity)}" if shown < len(similarity) else f"{shown}"
    for axes, picture, title in ((above, query, _query_title(counter_examples)), (below, results, f"found: {number}")):
        axes.axis("off")
        axes.set_title(title, loc="left", fontsize=11)
        axes.imshow(picture, interpolation="none")
    kinds = [("example", len(examples.rgb[:MAX_QUERY])), ("unlike", len(counter_examples.rgb[:MAX_QUERY]))]
    _write_below(above, [name for name, count in kinds for _ in range(count)])
    _write_below(below, [f"{rank}:  {value:#.3g}" for rank, value in enumerate(similarity[:shown], 1)])


def _query_title(counter_examples: Tiles) -> str:
    return "searched for" + (": like green, unlike red" if len(counter_examples.rgb) else "")


def _write_below(axes: Axes, texts: list[str]) -> None:
    for number, text in enumerate(texts):
        left, top = _corner(number)
        axes.text(left + SIDE / 2 + BORDER, top + SIDE + 2 * BORDER + 3, text, ha="center", va="top", fontsize=9)


def _draw_map(
    axes: Axes, overview: Overview, size: int, found: np.ndarray, marks: dict[str, np.ndarray], points: float
) -> None:
    """Draw the map with tiles and their ranks. points: of the figure (1/72 inch) for each pixel of the map."""
    _draw_overview(axes, overview, BRIGHTNESS)
    axes.set_title(f"where they lie: stars for examples, squares for tiles of {size} x {size} pixels", fontsize=11)
    for colour, positions in (marks | {FOUND: found}).items():
        outline_squares(axes, positions, size, colour, linewidth=1.5)
    ranked = found[:MAX_FOUND] + size / 2
    outer = np.array([axes.get_xlim(), axes.get_ylim()[::-1]])
    for rank, (x, y) in enumerate(_label_places(ranked, size / 2, points, *outer.T), 1):
        axes.text(
            x, y, str(rank), color=FOUND, fontsize=9, fontweight="bold", ha="center", va="center",
            path_effects=[HALO], clip_on=True,
        )  # fmt: skip
    for colour, positions in marks.items():
        _draw_stars(axes, positions + size / 2, colour)


def _label_places(centres: np.ndarray, half: float, points: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return where the ranks of tiles are written (n, 2): beside them, and apart from earlier ones if possible.

    Args:
        centres: (n, 2) of the tiles in pixels of the map
        half: of a tile's side in pixels
        points: for each pixel of the map
        low, high: (2,) corners of the map
    """
    placed = np.empty((0, 2))
    for centre in centres:
        beside = centre + LABEL_SIDES * (half + LABEL / 2 / points)  # (6, 2)
        inside = ((beside >= low + LABEL / 2 / points) & (beside <= high - LABEL / 2 / points)).all(1)
        clear = (np.abs(beside[:, None] - placed) * points >= LABEL).any(-1).all(-1)
        placed = np.vstack([placed, beside[(2 * inside + clear).argmax()]])
    return placed


def _draw_stars(axes: Axes, centres: np.ndarray, colour: str) -> None:
    axes.scatter(
        centres[:, 0], centres[:, 1], s=110, marker="*", color=colour, edgecolors="white", linewidths=0.8, zorder=3
    )


def _draw_overview(axes: Axes, overview: Overview, brightness: float) -> None:
    height, width = (side * overview.step for side in overview.rgb.shape[:2])
    x, y = overview.origin
    axes.imshow((overview.rgb * brightness).astype(np.uint8), extent=(x, x + width, y + height, y))
    axes.autoscale(False)
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.tick_params(labelsize=8)


def _draw_heat(axes: Axes, overview: Overview, heat: Heat, size: int, marks: dict[str, np.ndarray]) -> AxesImage:
    _draw_overview(axes, overview._replace(rgb=_grey(overview.rgb)), HEAT_BRIGHTNESS)
    axes.set_title("similarity of all tiles", fontsize=11)
    step = -(-max(heat.values.shape) // MAX_HEAT_SIDE)
    values = heat.values[::step, ::step]
    limits: dict[str, Any] = {}
    if np.isfinite(values).any():
        limits = dict(zip(("vmin", "vmax"), np.nanpercentile(values, HEAT_PERCENTILES)))
    for colour, positions in marks.items():
        _draw_stars(axes, positions + size / 2, colour)
    return axes.imshow(values, extent=heat.extent, cmap="magma", interpolation="nearest", **limits)


def _grey(rgb: np.ndarray) -> np.ndarray:
    return np.repeat(rgb.mean(-1, keepdims=True), 3, -1)
