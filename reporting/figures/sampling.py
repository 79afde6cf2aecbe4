"""The map with the tiles that were sampled from it."""

from itertools import cycle, product
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reporting.figures.style import ROLE_COLOURS, new_figure

WIDTH = 9  # inches of the figure
MAX_SQUARES = 5_000  # of one role; if there are more, they are drawn as points
MIN_SQUARE_SIDE = 3  # points (1/72 inch), of a tile on the figure; smaller tiles are drawn as points
# of each role: colour, line style of a square, and marker of a point
STYLES: list[tuple[str, Any, str]] = [
    (colour, line, marker) for (line, marker), colour in product((("-", "s"), (":", "^")), ROLE_COLOURS)
]
BRIGHTNESS = 0.7  # of the map, so that the colours stand out
CELL_TILES = 2  # sides of a reserved cell, in tiles


class Overview(NamedTuple):
    """A small picture of the whole map.

    Attributes:
        rgb: (h, w, 3) uint8
        step: pixels of the map for each pixel of the picture
        origin: (x, y), the pixel of the map at the upper-left corner of the picture
    """

    rgb: np.ndarray
    step: float
    origin: tuple[int, int]


def sampling_map(
    overview: Overview, size: int, roles: dict[str, np.ndarray], reserved: np.ndarray, title: str
) -> Figure:
    """Draw the map, darkened, with tiles as squares in a colour for each role, and outlines of the reserved cells.

    Args:
        overview: the picture of the map
        size: side of a tile in pixels of the map
        roles: name of a role -> positions (n, 2) of its tiles
        reserved: (M, 2) upper-left pixel of each reserved cell, of 2 x 2 tiles
        title: of the figure
    """
    height, width = (side * overview.step for side in overview.rgb.shape[:2])
    x, y = overview.origin
    figure = new_figure(WIDTH, float(np.clip(WIDTH * height / width, 3, 14)) + 1)
    axes = figure.add_subplot(title=title, xlabel="column of the map (pixels)", ylabel="row of the map (pixels)")
    axes.imshow((overview.rgb * BRIGHTNESS).astype(np.uint8), extent=(x, x + width, y + height, y))
    axes.autoscale(False)
    axes.ticklabel_format(style="plain", useOffset=False)
    side = size / width * (WIDTH - 1) * 72  # of a tile on the figure, points
    outline_squares(axes, reserved, CELL_TILES * size, "white", linewidth=min(0.8, side / 8))
    for positions, (colour, line, marker) in zip(roles.values(), cycle(STYLES)):
        if side >= MIN_SQUARE_SIDE and len(positions) <= MAX_SQUARES:
            outline_squares(axes, positions, size, colour, linewidth=1.2, linestyle=line)
        else:
            _draw_points(axes, positions, size, color=colour, marker=marker)
    _add_legend(figure, roles, reserved)
    return figure


def outline_squares(axes: Axes, positions: np.ndarray, side: float, colour: str, **style: Any) -> None:
    """Draw the outlines of squares; their upper-left pixels are the positions (n, 2)."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * side
    polygons = positions.reshape(-1, 1, 2) + corners  # (n, 4, 2)
    axes.add_collection(PolyCollection(list(polygons), facecolors="none", edgecolors=colour, **style))


def _draw_points(axes: Axes, positions: np.ndarray, side: float, **style: Any) -> None:
    """Draw a point at the centre of each tile at positions (n, 2), if tiles are too many or too small for outlines."""
    size = float(np.clip(120 / np.sqrt(max(1, len(positions))), 0.7, 2.5))  # points; more of them are smaller
    axes.plot(*(positions + side / 2).T, linestyle="", markersize=size, markeredgewidth=0, **style)


def _add_legend(figure: Figure, roles: dict[str, np.ndarray], reserved: np.ndarray) -> None:
    """Add a legend of the roles below the map, on a dark background, because the colours are made for one."""
    reserved_entry = ("reserved cells", reserved, ("white", "-", "s"))
    handles = [
        Patch(facecolor="none", edgecolor=colour, linestyle=line, linewidth=2, label=f"{name} ({len(positions):,})")
        for name, positions, (colour, line, _) in [reserved_entry, *zip(roles, roles.values(), cycle(STYLES))]
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=5, labelcolor="white", facecolor="#303030", framealpha=1
    )
