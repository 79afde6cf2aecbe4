"""How the map of a run is shown, and what is said of a tile on it."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from dataProcessors.legends.legend import Legend
from reporting.display import Display
from reporting.figures import Overview
from reporting.figures.style import NO_LABEL

ADDRESS = "https://www.openstreetmap.org/?mlat={lat:.5f}&mlon={lon:.5f}#map=14/{lat:.5f}/{lon:.5f}"
TILE_COLUMNS = ("x", "y", "lon", "lat", "class", "address")

LonLat = Callable[[np.ndarray], np.ndarray]  # points (N, 2), column and row -> longitude and latitude (N, 2), or NaN


@dataclass(frozen=True)
class MapView:
    """What pictures need to know of the map.

    Attributes:
        legend: of the label map that the run is evaluated on
        display: how tiles are shown
        overview: a small picture of the map
        size: side of a tile, pixels
        reserved: (M, 2) upper-left pixels of the reserved cells
        lonlat: where points of the map lie on Earth
        synthetic: whether they lie nowhere on Earth
        crs: coordinate system of the map
        transform: (column, row) on the map -> coordinates
    """

    legend: Legend
    display: Display
    overview: Overview
    size: int
    reserved: np.ndarray
    lonlat: LonLat
    synthetic: bool = False
    crs: CRS | None = None
    transform: Affine | None = None

    @property
    def note(self) -> str:
        """What ends every title, for it must not be forgotten about the map."""
        return " (synthetic map)" if self.synthetic else ""

    def about_tiles(self, positions: np.ndarray, labels: np.ndarray) -> list[list[str]]:
        """A row for each tile, with the TILE_COLUMNS: its position, where its middle lies, its class, its address.

        positions: (N, 2). labels: (N,), -1 where there is none. What is not known is empty.
        """
        names = [" ".join(name.split()) for name in (*self.legend.names, NO_LABEL)]  # no tab may be in a column
        places = self.lonlat(positions + self.size / 2)
        return [
            [str(x), str(y), *_place(lon, lat), names[label], self._address(lon, lat)]
            for (x, y), (lon, lat), label in zip(positions.tolist(), places.tolist(), labels)
        ]

    def _address(self, lon: float, lat: float) -> str:
        return ADDRESS.format(lon=lon, lat=lat) if np.isfinite(lon) and not self.synthetic else ""


def _place(lon: float, lat: float) -> tuple[str, str]:
    return (f"{lon:.5f}", f"{lat:.5f}") if np.isfinite(lon) else ("", "")


def tiles_csv(rows: list[list[str]], shown: np.ndarray) -> str:
    """The rows of `about_tiles` as CSV, with the number (from 1) of those that are shown with their neighbours."""
    numbers = {int(tile): str(number) for number, tile in enumerate(shown, 1)}
    text = io.StringIO()
    table = [[*row, numbers.get(tile, "")] for tile, row in enumerate(rows)]
    csv.writer(text, lineterminator="\n").writerows([[*TILE_COLUMNS, "query"], *table])
    return text.getvalue()
