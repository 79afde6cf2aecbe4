"""Random images: types, bands, nodata values, masks, alpha and palettes, with what must be read of them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from maps_for_tests import write_map
from rasterio.enums import ColorInterp
from vrt_for_tests import vrt_band, vrt_mask, vrt_source, write_vrt

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass
class RandomImage:
    """An image file, and the rules that its pixels follow.

    Attributes:
        path: of the file
        stored: each band of the file (h, w), in its own type
        nodata: declared nodata value of each band
        near: pixels (h, w) of each band that stand for its nodata value without being equal to it
        masks: of each band, where it is masked (h, w)
        alpha: numbers of the alpha bands
        palette: code -> (r, g, b, a), or None
        bands, named: options for the reader: the bands to use, and a nodata value
    """

    path: Path
    stored: list[np.ndarray]
    nodata: list[float | None]
    near: list[np.ndarray]
    masks: list[np.ndarray]
    alpha: tuple[int, ...] = ()
    palette: dict[int, tuple[int, ...]] | None = None
    bands: tuple[int, ...] | None = None
    named: float | None = None
    used: tuple[int, ...] = field(default=())

    def __post_init__(self):
        without_alpha = tuple(n for n in range(1, len(self.stored) + 1) if n not in self.alpha)
        self.used = self.bands or without_alpha

    def expected(self) -> tuple[np.ndarray, np.ndarray]:
        """Return bands (C, h, w) as they must be read, and where they hold data (h, w), pixel by pixel."""
        height, width = self.stored[0].shape
        expand = self.palette is not None and self.bands is None
        valid = np.zeros((height, width), bool)
        pixels = np.zeros((3 if expand else len(self.used), height, width))
        for row in range(height):
            for column in range(width):
                values = [self.stored[n - 1][row, column].item() for n in self.used]
                valid[row, column] = self._holds_data(row, column, values)
                if expand:
                    values = self.palette[values[0]]
                    valid[row, column] &= values[3] > 0
                pixels[:, row, column] = values[: len(pixels)]
        return pixels, valid

    def _holds_data(self, row: int, column: int, values: list[float]) -> bool:
        alpha = [float(self.stored[n - 1][row, column]) for n in self.alpha if n not in self.used]
        if any(value == 0 or np.isnan(value) for value in alpha):
            return False
        if any(self.masks[n - 1][row, column] for n in self.used) or not np.isfinite(values).all():
            return False
        with np.errstate(over="ignore"):
            if not np.isfinite(np.float32(values)).all():
                return False
        declared = [self.nodata[n - 1] for n in self.used]
        near = [bool(self.near[n - 1][row, column]) for n in self.used]
        return not (self._marked(values, declared, near) or self._marked(values, [self.named] * len(values), near))

    def _marked(self, values: list[float], nodata: list[float | None], near: list[bool]) -> bool:
        unsigned = all(self.stored[n - 1].dtype.kind == "u" for n in self.used)
        types = [self.stored[n - 1].dtype for n in self.used]
        held = [
            n is not None and (v == (kind.type(n) if kind.kind == "f" else n) or (close and n == -3.4e38))
            for v, n, close, kind in zip(values, nodata, near, types)
        ]
        return all(held) if unsigned and set(nodata) == {0} else any(held)


def random_image(folder: Path, rng: np.random.Generator) -> RandomImage:
    """Write a random image of at most 40 x 40 pixels into a folder."""
    height, width = rng.integers(8, 40, 2)
    makers = [_tiff, _tiff, _vrt, _palette]
    return makers[rng.integers(len(makers))](folder, rng, (int(height), int(width)))


def _tiff(folder: Path, rng: np.random.Generator, shape: tuple[int, int]) -> RandomImage:
    """One type, one nodata value, perhaps an internal mask and an alpha band anywhere."""
    dtype, count = np.dtype(rng.choice(TYPES)), int(rng.integers(1, 7))
    tag = _nodata(rng, dtype)
    stored, near = zip(*(_band(rng, dtype, shape, tag) for _ in range(count)))
    alpha = (int(rng.integers(1, count + 1)),) if count > 1 and rng.random() < 0.4 else ()
    for number in alpha:
        transparent = _blob(rng, shape)
        stored[number - 1][transparent], near[number - 1][transparent] = 0, False
    mask = _blob(rng, shape) if rng.random() < 0.3 and not alpha else np.zeros(shape, bool)
    meanings = [ColorInterp.alpha if n in alpha else ColorInterp.undefined for n in range(1, count + 1)]
    path = write_map(
        folder / "image.tif", np.stack(stored), nodata=tag, photometric="MINISBLACK", colorinterp=meanings,
        mask=~mask if mask.any() else None,
    )  # fmt: skip
    image = RandomImage(path, list(stored), [tag] * count, list(near), [mask] * count, alpha)
    return _with_options(rng, image)


def _vrt(folder: Path, rng: np.random.Generator, shape: tuple[int, int]) -> RandomImage:
    """A type, a nodata value and perhaps a mask of its own for each band."""
    image, inside = RandomImage(folder / "image.vrt", [np.zeros(shape)], [], [], []), ""
    image.stored = []
    for number in range(1, int(rng.integers(1, 5)) + 1):
        dtype = np.dtype(rng.choice(TYPES))
        tag = _nodata(rng, dtype)
        band, near = _band(rng, dtype, shape, tag)
        mask = _blob(rng, shape) if rng.random() < 0.2 else np.zeros(shape, bool)
        write_map(folder / f"band{number}.tif", band[None])
        masked = ""
        if mask.any():
            write_map(folder / f"mask{number}.tif", np.where(mask, 0, 255).astype(np.uint8)[None])
            masked = vrt_mask(f"mask{number}.tif")
        declared = "" if tag is None else f"<NoDataValue>{tag!r}</NoDataValue>"
        inside += vrt_band(number, dtype.name, declared, vrt_source(f"band{number}.tif"), masked)
        for kept, value in ((image.stored, band), (image.nodata, tag), (image.near, near), (image.masks, mask)):
            kept.append(value)
    write_vrt(image.path, shape, inside)
    image.__post_init__()
    return _with_options(rng, image)


def _palette(folder: Path, rng: np.random.Generator, shape: tuple[int, int]) -> RandomImage:
    codes = rng.integers(0, 256, shape).astype(np.uint8)
    tag = int(rng.integers(256)) if rng.random() < 0.5 else None
    colours = {code: (*map(int, rng.integers(0, 256, 3)), 255) for code in range(256)}
    path = write_map(folder / "image.tif", codes[None], nodata=tag, colormap=colours)
    with rasterio.open(path) as file:  # GDAL makes the colour of the nodata value transparent
        colours = file.colormap(1)
    nothing = np.zeros(shape, bool)
    image = RandomImage(path, [codes], [tag], [nothing], [nothing], palette=colours)
    return _with_options(rng, image)


def _with_options(rng: np.random.Generator, image: RandomImage) -> RandomImage:
    numbers = rng.permutation(len(image.stored))[: rng.integers(1, len(image.stored) + 1)] + 1
    if rng.random() < 0.4 or len(image.alpha) == len(image.stored):
        image.bands = tuple(map(int, numbers))
    image.__post_init__()
    if rng.random() < 0.4:
        band = image.stored[image.used[0] - 1]
        value = band.flat[rng.integers(band.size)].item()
        image.named = value if np.isfinite(value) else None
    return image


def _nodata(rng: np.random.Generator, dtype: np.dtype) -> float | None:
    if dtype.kind == "f":
        return [None, 0.0, -9999.0, float("nan"), -3.4e38, 0.1][rng.integers(6 if dtype == np.float64 else 5)]
    limits = np.iinfo(dtype)
    return [None, 0, int(limits.min), int(limits.max), 7][rng.integers(5)]


def _band(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, int], tag) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels with some holes of the nodata value and of 0, and which only nearly have it."""
    if dtype.kind == "f":
        pixels = rng.normal(0, 100, shape).astype(dtype)
        pixels[rng.random(shape) < 0.02] = np.nan
        pixels[rng.random(shape) < 0.02] = np.inf
    else:
        limits = np.iinfo(dtype)
        pixels = rng.integers(max(limits.min, -300), min(limits.max, 300), shape, endpoint=True).astype(dtype)
    pixels[_blob(rng, shape)] = 0
    near = np.zeros(shape, bool)
    if tag is not None:
        where = _blob(rng, shape)
        is_rounded = tag == -3.4e38 and dtype == np.float32 and rng.random() < 0.7
        pixels[where] = np.finfo(np.float32).min if is_rounded else tag
        near = where & is_rounded
    return pixels, near


def _blob(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return a random rectangle and some single pixels (h, w)."""
    where = rng.random(shape) < 0.03
    (top, bottom), (left, right) = (np.sort(rng.integers(0, side + 1, 2)) for side in shape)
    where[top:bottom, left:right] = True
    return where
