"""A sample of a label map's values where it has data, and how much of it a way to read the map explains."""

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from config import command
from dataProcessors.class_tables.clr_table import clr_colours
from dataProcessors.class_tables.vat_table import vat_colours
from dataProcessors.labels.label_bands import code_of_nodata
from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.overlap import has_other_longitudes, sample_labels
from dataProcessors.legends.decoders import Decoder, colour_keys, no_data_colours
from dataProcessors.legends.legend import COLOUR_TOLERANCE, NO_LABEL, Colour
from dataProcessors.rasters.bands import colour_table
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
FREQUENT = 0.01  # share of the pixels with data from which on a colour must be in a legend
MIN_EXPLAINED = 0.95  # share of the pixels with data that a legend must explain
MOSTLY = 0.5  # share of the pixels whose three bands are equal, from which on they are no colours
SHOWN_VALUES = 5
OTHER_LONGITUDES = (
    "One of them counts longitudes from 0 to 360, the other from -180 to 180. Convert the one from 0 to 360: gdalwarp "
    "-t_srs EPSG:4326 --config CENTER_LONG 0 IN.tif OUT.tif"
)


@dataclass(frozen=True)
class Sample:
    """Values of a label map.

    Attributes:
        source: the label map
        values: (B, 1, n), only where the map has data
        palette: code -> colour of the colour table, or of a file beside the map; {}: there is none
    """

    source: LabelSource
    values: np.ndarray
    palette: dict[int, Colour]

    @property
    def holds_colours(self) -> bool:
        """Whether the map has three bands of colours, and not one of codes."""
        return len(self.values) == 3

    @cached_property
    def is_mostly_equal(self) -> bool:
        """Whether three bands hold the same value in most pixels: codes, such as one band for each year, or greys."""
        return self.holds_colours and bool((self.values == self.values[:1]).all(0).mean() > MOSTLY)

    @cached_property
    def different(self) -> tuple[np.ndarray, np.ndarray]:
        """The values that differ, (B, 1, d), and the share of the pixels that has each of them, (d,)."""
        keys = colour_keys(self.values)[0] if self.holds_colours else self.values[0, 0]
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        return self.values[:, :, first], counts / max(counts.sum(), 1)

    def explained(self, decoder: Decoder) -> float:
        """Return the share of the pixels with data to which a decoder gives a class.

        Codes and colours for which its legend has no class, but which it calls "no data", are not counted.
        """
        values, shares = self.different
        known = decoder.to_classes(values)[0] != NO_LABEL
        counted = known | ~self.no_data(decoder)
        return float(shares[known].sum() / max(shares[counted].sum(), 1e-12)) if counted.any() else 0.0

    def no_data(self, decoder: Decoder) -> np.ndarray:
        """Return which of the values that differ stand for "no data" in a decoder's legend: (d,) bool."""
        values, _ = self.different
        without = no_data_colours(decoder.legend)
        if self.holds_colours:
            stored = [[colour["RGB".index(letter)] for letter in decoder.order] for colour in without]
            colours = np.array(stored, np.int64).reshape(-1, 3)
            distances = np.abs(values.astype(np.int64).reshape(3, 1, -1) - colours.T[:, :, None]).sum(0)
            return (distances <= COLOUR_TOLERANCE).any(0)
        codes = [*decoder.legend.no_data, *(code for code, colour in self.palette.items() if colour in without)]
        if values.dtype.kind in "iu":
            codes = [code for each in codes if (code := code_of_nodata(each, values.dtype)) is not None]
        return np.isin(values[0, 0], codes)

    def unexplained(self, decoder: Decoder) -> str:
        """Return the most frequent values that a decoder gives no class, with their shares, in words."""
        values, shares = self.different
        unknown = np.flatnonzero((decoder.to_classes(values)[0] == NO_LABEL) & ~self.no_data(decoder))
        most = unknown[np.argsort(-shares[unknown], kind="stable")][:SHOWN_VALUES]
        texts = ["/".join(f"{value:g}" for value in values[:, 0, each].tolist()) for each in most]
        return ", ".join(f"{text} ({shares[each]:.1%})" for text, each in zip(texts, most))


def take_sample(source: LabelSource, window: Window) -> Sample:
    """Return a sample of a label map where it overlaps the part of the image in use.

    Raises:
        MapError: it does not overlap, or its values cannot be classes
    """
    values, valid = sample_labels(source, window)
    if not valid.any():
        raise MapError(_no_overlap(source, window))
    if has_other_longitudes(source, window):
        log.warning("%s: covers only a part of the image in use. %s", source.path, OTHER_LONGITUDES)
    sample = Sample(source, values[:, valid][:, None], _palette(source))
    check_whole_numbers(source, values[0][valid])
    return sample


def check_whole_numbers(source: LabelSource, values: np.ndarray) -> None:
    """Raise a MapError, with the command that converts the file, if one of the values (n,) is no whole number."""
    if values.dtype.kind != "f":
        return
    broken = values[values != np.rint(values)]
    if len(broken):
        kind = "Byte" if values.min() >= 0 and values.max() < 255.5 else "Int32"
        convert = command("gdal_translate", "-ot", kind, source.path, "codes.tif")
        raise MapError(
            f"{source.path}: the codes of classes are whole numbers, but the file holds {values.dtype} values such as "
            f"{broken[0]:g}. If rounded values are classes, convert it: {convert}. If they are measurements, use a "
            "label map."
        )


def _no_overlap(source: LabelSource, window: Window) -> str:
    problem = f"{source.path}: the label map does not overlap the part of the image in use. "
    if has_other_longitudes(source, window):
        return problem + OTHER_LONGITUDES
    return problem + "Choose a label map of the same place, or another 'maps.rect'."


def _palette(source: LabelSource) -> dict[int, Colour]:
    band = source.labels.values[0]
    if len(source.labels.values) > 1:
        return {}
    table = colour_table(source.native, band)
    if not table and source.native.count == 1:
        return clr_colours(source.path) or vat_colours(source.path)
    return {code: colour[:3] for code, colour in table.items() if colour[3] > 0}
