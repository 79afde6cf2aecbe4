"""What reports need to know of the map of a run: its legend, how to show it, and where its tiles lie on Earth."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from dataProcessors.legends.legend import Legend
from dataProcessors.statistics import sample_tiles
from dataProcessors.tiffreader import TiffReader
from reporting.display import Display
from reporting.figures import Overview
from reporting.figures.style import NO_LABEL

OSM_ADDRESS = "https://www.openstreetmap.org/?mlat={lat:.5f}&mlon={lon:.5f}#map=14/{lat:.5f}/{lon:.5f}"
TILE_COLUMNS = ("x", "y", "lon", "lat", "class", "address")

SYNTHETIC = " (synthetic map)"

LonLat = Callable[[np.ndarray], np.ndarray]  # points (N, 2): column, row -> (N, 2): longitude, latitude, or NaN


@dataclass(frozen=True)
class MapView:
    """The map of a run, as figures and tables show it.

    Attributes:
        legend: of the label map that the run is evaluated on; without classes where there is none
        display: converts tiles to RGB
        overview: a small picture of the whole map
        size: side of a tile in pixels
        reserved: (M, 2) upper-left pixel of each reserved cell
        lonlat: converts points of the map to longitude and latitude
        synthetic: whether the map shows no place on Earth
        crs: coordinate system of the map
        transform: (column, row) on the map -> coordinates in the CRS
        date: name of the date on which everything is scored; "": the map is of no date
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
    date: str = ""

    @property
    def title_suffix(self) -> str:
        """Text at the end of every title, so that nobody takes a synthetic map for a real one, or mixes up dates."""
        return (f" ({self.date})" if self.date else "") + (SYNTHETIC if self.synthetic else "")

    def describe_tiles(self, positions: np.ndarray, labels: np.ndarray) -> list[list[str]]:
        """Return a row of texts for each tile: the TILE_COLUMNS; unknown values are empty texts.

        Longitude and latitude are those of the tile's centre; the address is a link to OpenStreetMap.

        Args:
            positions: (N, 2) of the tiles
            labels: (N,) class indices, -1 if a tile has no label
        """
        # without tabs, which separate TensorBoard's columns
        unlabelled = NO_LABEL if len(self.legend) else ""
        names = [" ".join(name.split()) for name in (*self.legend.names, unlabelled)]
        places = self.lonlat(positions + self.size / 2)
        return [
            [str(x), str(y), *_lonlat_texts(lon, lat), names[label], self._address(lon, lat)]
            for (x, y), (lon, lat), label in zip(positions.tolist(), places.tolist(), labels)
        ]

    def _address(self, lon: float, lat: float) -> str:
        return OSM_ADDRESS.format(lon=lon, lat=lat) if np.isfinite(lon) and not self.synthetic else ""


def show_map(image: TiffReader, size: int) -> tuple[Display, Overview]:
    """Return how tiles of a map, size x size pixels, are shown, and a small picture of the whole map."""
    display = display_of(image, size)
    pixels, step, corner = image.overview()
    return display, Overview(display.of_overview().rgb(pixels[None])[0], step, corner)


def display_of(image: TiffReader, size: int) -> Display:
    """Return how tiles of a map are shown, by a sample of tiles of size x size pixels."""
    return Display.from_tiles(sample_tiles(image, size), image.has_validity, image.source.shown_bands)


def shown_bands(image: TiffReader) -> str:
    """Return which of an image's bands are shown, why, and how others are; "": it has but three, in this order."""
    about: dict[str, Any] = image.source.description
    reason = about["shown_because"] and f", {about['shown_because']}"
    if len(image.bands) <= 3 and not reason:
        return ""
    bands = ", ".join(about["band_names"][band] or str(image.bands[band]) for band in image.source.shown_bands)
    return (
        f"Pictures show the bands {bands} as red, green and blue{reason}; 'maps.bands' shows others, the first three "
        "of its list"
    )


def _lonlat_texts(lon: float, lat: float) -> tuple[str, str]:
    return (f"{lon:.5f}", f"{lat:.5f}") if np.isfinite(lon) else ("", "")


def tiles_csv(rows: list[list[str]], queries: np.ndarray) -> str:
    """Return the rows of `describe_tiles` as CSV with one more column, "query": numbers from 1, else empty.

    queries: (q,) indices of the tiles that the figure of neighbours shows, in the order of its rows.
    """
    numbers = {int(tile): str(number) for number, tile in enumerate(queries, 1)}
    text = io.StringIO()
    table = [[*row, numbers.get(tile, "")] for tile, row in enumerate(rows)]
    csv.writer(text, lineterminator="\n").writerows([[*TILE_COLUMNS, "query"], *table])
    return text.getvalue()
