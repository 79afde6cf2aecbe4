"""Which pixels of an image hold data.

A pixel is without data where an alpha band is 0 or NaN, where a mask says so for any band, where any band is not
finite, and where any band holds its own nodata value. Only a value of 0 that all bands of an unsigned type share must
be in all bands: a dark lake has a red of 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from dataProcessors.rasters.bands import Bands
from dataProcessors.rasters.opening import MapError

EPSILON = np.finfo(np.float32).eps
HUGE = float(np.finfo(np.float32).max) / 2  # sums of larger floats overflow


@dataclass(frozen=True)
class NodataValues:
    """Pixel values that mean "no data".

    Attributes:
        values: of each band; None: the band has none
        in_all_bands: whether only a pixel with such values in all bands is without data; else in any band
        source: who says so
    """

    values: tuple[float | None, ...]
    in_all_bands: bool
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint."""
        return {"values": list(self.values), "in_all_bands": self.in_all_bands, "source": self.source}

    def mark(self, pixels: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return where these values mark pixels without data: C bands (h, w), in the file's own types -> (h, w)."""
        found = [equals_nodata(band, value) for band, value in zip(pixels, self.values) if value is not None]
        return np.logical_and.reduce(found) if self.in_all_bands else np.logical_or.reduce(found)


def equals_nodata(pixels: np.ndarray, value: float) -> np.ndarray:
    """Return which pixels GDAL's mask of a band takes for its nodata value: equal, or for floats nearly so.

    Floats and doubles may differ a little: abs(a - b) < 2 epsilon abs(a + b), with the epsilon of floats (see
    ARE_REAL_EQUAL in GDAL). Near the largest float the sum overflows, so that -3.4e38 also stands for -3.4028235e38.
    Two cases go beyond GDAL's masks, which would leave fillers of such a size among the data: a value that no float
    can have, such as -1.8e308, stands for the nearest one; and doubles near the largest float, which they become when
    they are read, are compared as floats.
    """
    if pixels.dtype.kind != "f":
        return pixels == int(value)
    limits = np.finfo(pixels.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        own = pixels.dtype.type(min(max(value, limits.min), limits.max))
        if pixels.dtype.itemsize > 4 and HUGE < abs(value) <= 2 * HUGE:
            return equals_nodata(pixels.astype(np.float32), value)
        return (pixels == own) | (np.abs(pixels - own) < 2 * EPSILON * np.abs(pixels + own))


def valid_mask(pixels: np.ndarray, has_validity: bool) -> np.ndarray:
    """Return where pixels hold data: (..., channels, h, w) -> (..., h, w) bool.

    With `has_validity` the last channel says so (not 0). Else floats hold data where all bands are finite, and
    integers everywhere.
    """
    if has_validity:
        return pixels[..., -1, :, :] != 0
    if pixels.dtype.kind == "f":
        return np.isfinite(pixels).all(-3)
    return np.ones(pixels.shape[:-3] + pixels.shape[-2:], bool)


def can_hold(dtype: np.dtype, value: float) -> bool:
    """Return whether a pixel of this type can have a value."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


def nodata_rules(path: str, file: DatasetReader, bands: Bands, named: float | None) -> tuple[NodataValues, ...]:
    """Return the nodata values of the used bands: those that the file declares, and the one that the config names.

    Raises:
        MapError: no pixel can have the value that the config names
    """
    if named is not None and not any(can_hold(np.dtype(name), named) for name in bands.types):
        raise MapError(
            f"{path}: 'maps.nodata' is {named:g}, but pixels of type {bands.types[0]} cannot have this value."
        )
    declared = tuple(file.nodatavals[number - 1] for number in bands.numbers)
    sources = {"the file": declared, "maps.nodata": (named,) * len(declared)}
    possible = {source: _possible(values, bands) for source, values in sources.items()}
    return tuple(_rule(values, bands, source) for source, values in possible.items() if set(values) != {None})


def _possible(values: tuple[float | None, ...], bands: Bands) -> tuple[float | None, ...]:
    """Return the values that pixels can have; a file may declare any number. What is not finite is never data."""
    types = [np.dtype(name) for name in bands.types]
    return tuple(
        v if v is not None and math.isfinite(v) and can_hold(each, v) else None for v, each in zip(values, types)
    )


def _rule(values: tuple[float | None, ...], bands: Bands, source: str) -> NodataValues:
    shared_zero = set(values) == {0} and all(np.dtype(name).kind == "u" for name in bands.types)
    shown = ", ".join(f"{value:g}" for value in dict.fromkeys(values) if value is not None)
    return NodataValues(values, shared_zero, f"nodata {shown} of {source}")


@dataclass(frozen=True)
class MaskBands:
    """The bands of a file that mark pixels without data.

    Attributes:
        alpha: numbers of the alpha bands
        masked: numbers of the bands whose masks are asked for
    """

    alpha: tuple[int, ...]
    masked: tuple[int, ...]

    @classmethod
    def of(cls, file: DatasetReader, bands: Bands) -> "MaskBands":
        """Return those of a file. GDAL's own flags do not name every alpha band, and hide it behind a nodata value."""
        flags = [set(each) for each in file.mask_flag_enums]
        of_dataset = [n for n in bands.numbers if MaskFlags.per_dataset in flags[n - 1]][:1]  # all share it
        if any(MaskFlags.alpha in each for each in flags):  # then that mask is the alpha band, used or not
            of_dataset = []
        own = [n for n in bands.numbers if not flags[n - 1]]  # no flag: a mask of this band alone
        return cls(bands.alpha, (*of_dataset, *own))

    def __bool__(self) -> bool:
        return bool(self.alpha or self.masked)

    def mark(self, file: DatasetReader, window: RasterWindow, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """Return who marks pixels of a window without data -> where (h, w)."""
        marks = {}
        if self.alpha:
            values = file.read(list(self.alpha), window=window, out_shape=(len(self.alpha), *shape))
            marks["alpha"] = ((values == 0) | np.isnan(values)).any(0)
        if self.masked:
            masks = file.read_masks(list(self.masked), window=window, out_shape=(len(self.masked), *shape))
            marks["mask"] = (masks == 0).any(0)
        return marks
