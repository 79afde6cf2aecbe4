"""How the classes of a label map stand in a raster: by the map's own codes, with their names and colours."""

import logging
from dataclasses import dataclass

import numpy as np

from dataProcessors.class_tables.attribute_table import attribute_table_xml
from dataProcessors.class_tables.class_names import category_names_xml
from dataProcessors.legends.legend import MAX_CODE, NO_LABEL, Colour, Legend

log = logging.getLogger(__name__)
TYPES = ("uint8", "uint16", "int16", "uint32", "int32", "int64")  # of pixels, the first that holds all codes is used


@dataclass(frozen=True)
class ClassCodes:
    """The codes of classes in a raster.

    Attributes:
        legend: of the K classes
        codes: K pixel values: those of the label map, or the indices in the legend where that holds only colours
        dtype: of the pixels
        nodata: pixel value without a class
    """

    legend: Legend
    codes: tuple[int, ...]
    dtype: str
    nodata: int

    @property
    def table(self) -> np.ndarray:
        """The pixel value (256,) of each class index; nodata for all that are no class."""
        table = np.full(NO_LABEL + 1, self.nodata, self.dtype)
        table[: len(self.codes)] = self.codes
        return table

    @property
    def palette(self) -> dict[int, tuple[int, int, int, int]] | None:
        """Pixel value -> red, green, blue, alpha; None: values beyond 255 have no palette."""
        if self.dtype != "uint8":
            return None
        colours = {code: (*colour, 255) for code, colour in zip(self.codes, self.legend.colors)}
        return colours | {self.nodata: (0, 0, 0, 0)}

    def side_file(self) -> str:
        """Return what GDAL reads of the classes from the file beside the raster: names, without a palette colours."""
        if self.dtype != "uint8":
            rows: list[tuple[int, str, Colour]] = list(zip(self.codes, self.legend.names, self.legend.colors))
            return attribute_table_xml(rows)
        names = dict(zip(self.codes, self.legend.names))
        return category_names_xml([names.get(code, "") for code in range(max(names) + 1)])


def class_codes(legend: Legend) -> ClassCodes:
    """Return how the classes of a legend stand in a raster; log what GIS programs show without a palette."""
    codes = tuple(range(len(legend))) if legend.codes is None else legend.codes
    free = {dtype: _free_value(dtype, codes) for dtype in TYPES}
    dtype, nodata = next((dtype, value) for dtype, value in free.items() if value is not None)
    if dtype != "uint8":
        log.info(
            "codes of %s from %d to %d need pixels of %s, without a palette: the file beside the map names the colours",
            legend.name, min(codes), max(codes), dtype,
        )  # fmt: skip
    return ClassCodes(legend, codes, dtype, nodata)


def _free_value(dtype: str, codes: tuple[int, ...]) -> int | None:
    """Return the largest value of a type that is no code; None: the type cannot hold the codes and one more value."""
    low, high = int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), MAX_CODE)
    if min(codes) < low or max(codes) > high:
        return None
    return next((value for value in range(high, max(low, high - len(codes)) - 1, -1) if value not in codes), None)
