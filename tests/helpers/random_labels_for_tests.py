"""Random label maps: types, bands, nodata values, masks, palettes, names in the file, and legends in the config."""

import json
from pathlib import Path

import numpy as np
import rasterio
from label_rules_for_tests import Labels
from maps_for_tests import write_map
from random_class_names_for_tests import random_names
from rasterio.enums import ColorInterp
from vrt_for_tests import vrt_band, vrt_mask, vrt_source, write_vrt

from dataProcessors.legends.legend import Legend, builtin_legends, legend_from_json

SHAPE = (17, 22)  # of all maps: height and width
TYPES = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "float32")


def random_labels(folder: Path, rng: np.random.Generator) -> Labels:
    """Write a random label map of SHAPE into a folder."""
    theme = _theme(rng)
    labels = _colours(rng, theme) if rng.random() < 0.12 else _codes(rng, theme)
    if rng.random() < 0.2:
        labels.masked = _blob(rng)
    if rng.random() < 0.2:
        labels.stored.append(np.where(_blob(rng), 0, 100).astype(labels.stored[0].dtype))
        labels.meanings.append("alpha")
        labels.nodata.append(labels.nodata[0])
    _write(folder, rng, labels)
    _name_legend(folder, rng, labels, theme)
    return labels


def _theme(rng: np.random.Generator) -> Legend:
    """Return the legend that a map roughly follows: a known one, or one of a few classes with or without codes."""
    if rng.random() < 0.6:
        return list(builtin_legends().values())[rng.integers(len(builtin_legends()))]
    size = int(rng.integers(1, 8))
    colours = rng.integers(0, 9, (size, 3)) * (31, 30, 29)
    if rng.random() < 0.3:
        colours[0] = (0, 0, 0) if rng.random() < 0.5 else (255, 255, 255)
    codes = rng.permutation(300)[:size].tolist() if rng.random() < 0.5 else [None] * size
    classes = [
        {"name": f"kind {i}", "color": colour} | ({} if code is None else {"code": code})
        for i, (colour, code) in enumerate(zip(colours.tolist(), codes))
    ]
    return legend_from_json("own", {"classes": classes} | ({"no_data": [301]} if rng.random() < 0.3 else {}))


def _name_legend(folder: Path, rng: np.random.Generator, labels: Labels, theme: Legend) -> None:
    """Let the config name the theme, or another legend, or none."""
    if rng.random() < 0.6:
        return
    known = builtin_legends()
    legend = theme if rng.random() < 0.8 else known[rng.choice(list(known))]
    labels.legend, word = legend, str(rng.choice([legend.name.upper(), *legend.aliases]))
    if legend.name == "own":
        numbers = legend.codes or [None] * len(legend)
        classes = [
            {"name": name, "color": colour} | ({} if code is None else {"code": code})
            for name, colour, code in zip(legend.names, legend.colors, numbers)
        ]
        (folder / "legend.json").write_text(json.dumps({"classes": classes, "no_data": legend.no_data}))
        labels.hint = str(folder / "legend.json")
    elif rng.random() < 0.5:
        labels.hint = word
    else:
        labels.name = word


def _colours(rng: np.random.Generator, theme: Legend) -> Labels:
    """Three bands with the colours of some classes, perhaps changed a little, among them some of no class."""
    colours = np.array([*theme.colors, *theme.no_data_colors])
    colours = colours[rng.permutation(len(colours))[: rng.integers(1, 7)]]
    if rng.random() < 0.3:
        colours = np.clip(colours + rng.integers(-4, 5, colours.shape), 0, 255)
    if rng.random() < 0.3:
        colours[-1] = rng.integers(0, 256, 3)
    bands = colours[_drawn(rng, len(colours))].transpose(2, 0, 1).astype(np.uint8)
    orders = [["red", "green", "blue"], ["blue", "green", "red"], ["undefined"] * 3]
    meanings = orders[rng.integers(3)]
    bands = bands if rng.random() < 0.7 else bands[::-1]
    tag = [None, None, 255, 0][rng.integers(4)]
    band = int(rng.integers(1, 4)) if rng.random() < 0.1 else None
    return Labels(Path(), "lc", None, None, list(bands), [tag] * 3, list(meanings), np.zeros(SHAPE, bool), band)


def _codes(rng: np.random.Generator, theme: Legend) -> Labels:
    """Bands of codes, of which perhaps one is named, with a palette and names in the file."""
    count = int(rng.choice([1, 1, 1, 2, 3, 5]))
    dtype, shared = np.dtype(rng.choice(TYPES)), _pool(rng, theme)
    stored, codes = [], []
    for _ in range(count):
        codes = _possible(shared, dtype)[: rng.integers(1, 9)] if len(shared) < 200 else _possible(shared, dtype)
        codes = np.append(codes, _possible(rng.integers(0, 256, 1), dtype)) if rng.random() < 0.2 else codes
        stored.append(codes[_drawn(rng, len(codes))].astype(dtype))
    if dtype.kind == "f":
        _spoil(rng, stored[0])
    labels = Labels(Path(), "lc", None, None, stored, [], ["undefined"] * count, np.zeros(SHAPE, bool))
    labels.nodata = [_tag(rng, codes, dtype)] * count
    if rng.random() < (0.8 if count > 1 else 0.1):
        labels.band = int(rng.integers(1, count + 1))
    if rng.random() < 0.6:
        labels.palette = {code: colour for code, colour in _palette(rng, theme, codes).items() if 0 <= code < 256}
    return labels


def _pool(rng: np.random.Generator, theme: Legend) -> np.ndarray:
    """Return codes to draw from, in random order: the theme's, the first numbers, any, or too many."""
    numberings = [*theme.numberings, tuple(range(1, len(theme) + 1))]
    pools = [np.array(numberings[rng.integers(len(numberings))])] * 5
    pools += [np.arange(2), np.arange(6), np.arange(6) * 10, rng.integers(-(2**31), 2**32, 6), np.arange(300)]
    return rng.permutation(np.append(pools[rng.integers(len(pools))], list(theme.no_data)[:1]).astype(np.int64))


def _possible(codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return those of the codes that a type holds exactly, or some that every type holds."""
    exact = codes.astype(dtype).astype(np.float64) == codes
    return codes[exact] if exact.any() else np.arange(3)


def _spoil(rng: np.random.Generator, codes: np.ndarray) -> None:
    """Put into codes of a float type what is no code: NaN, infinity, seldom a half."""
    for value, chance in ((np.nan, 0.5), (np.inf, 0.2), (2.5, 0.1)):
        if rng.random() < chance:
            codes[_blob(rng)] = value


def _tag(rng: np.random.Generator, codes: np.ndarray, dtype: np.dtype) -> float | None:
    if rng.random() < 0.5:
        return None
    if dtype.kind == "f":
        return [float(codes[0]), float("nan"), -3.4e38][rng.integers(3)]
    return [int(codes[0]), 0, int(np.iinfo(dtype).max), int(np.iinfo(dtype).min)][rng.integers(4)]


def _palette(rng: np.random.Generator, theme: Legend, codes: np.ndarray) -> dict[int, tuple[int, ...]]:
    """Return a colour table: the theme's, perhaps with one of another colour; greys; near CORINE's; any."""
    numberings = theme.numberings or (tuple(range(1, len(theme) + 1)),)
    own = {code: colour for each in numberings for code, colour in zip(each, theme.colors)}
    kind = rng.integers(6)
    if kind == 0:
        return {code: (code, code, code) for code in range(256)}
    if kind == 1:
        near = np.array(builtin_legends()["clc"].colors)
        near = np.clip(near + rng.integers(-3, 4, near.shape), 0, 255).tolist()
        return {int(code): tuple(near[rng.integers(44)]) for code in codes}
    if kind == 2:
        return {int(code): tuple(rng.integers(0, 256, 3).tolist()) for code in codes}
    if kind == 3:
        own[int(codes[0])] = tuple(rng.integers(0, 256, 3).tolist())
    return own


def _write(folder: Path, rng: np.random.Generator, labels: Labels) -> None:
    """Write the bands as a TIFF or as a VRT, with palette, mask and names; what GDAL makes of a palette is kept."""
    dtypes = {band.dtype.name for band in labels.stored}
    fits_tiff = not labels.palette or (len(labels.stored) == 1 and dtypes == {"uint8"})
    is_vrt = not fits_tiff or rng.random() < 0.3
    names = random_names(rng, labels) if rng.random() < 0.4 else ""
    labels.path = folder / ("labels.vrt" if is_vrt else "labels.tif")
    if is_vrt:
        inside = rng.random() < 0.5
        _write_vrt(folder, rng, labels, names if inside else "")
        names = "" if inside else names
    else:
        _write_tiff(rng, labels)
    if names:
        band = f'<PAMRasterBand band="{labels.named}">{names}</PAMRasterBand>'
        Path(f"{labels.path}.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>", encoding="utf8")
    with rasterio.open(labels.path) as file:
        labels.meanings = [meaning.name for meaning in file.colorinterp]
        has_palette = file.colorinterp[0] == ColorInterp.palette
        labels.palette = {code: each[:3] for code, each in file.colormap(1).items() if each[3]} if has_palette else {}


def _write_tiff(rng: np.random.Generator, labels: Labels) -> None:
    options = {"nodata": labels.nodata[0], "photometric": "MINISBLACK"}
    if labels.palette:
        options["colormap"] = labels.palette
    elif len(labels.stored) == 1 and labels.stored[0].dtype == np.uint8 and labels.stored[0].max() < 2:
        options |= {"nbits": 1, "photometric": str(rng.choice(["MINISBLACK", "MINISWHITE"])), "nodata": None}
        labels.nodata = [None]
    if not labels.palette and "nbits" not in options:
        options["colorinterp"] = [ColorInterp[meaning] for meaning in labels.meanings]
    mask = ~labels.masked if labels.masked.any() else None
    write_map(labels.path, np.stack(labels.stored), mask=mask, **options)


def _write_vrt(folder: Path, rng: np.random.Generator, labels: Labels, names: str) -> None:
    inside = ""
    for number, (band, meaning) in enumerate(zip(labels.stored, labels.meanings), 1):
        write_map(folder / f"band{number}.tif", band[None])
        if band.dtype.kind in "iu" and labels.nodata[number - 1] is None and rng.random() < 0.2:
            labels.nodata[number - 1] = int(rng.choice([-128, -1, 255, 65535]))
        tag = labels.nodata[number - 1]
        parts = [vrt_source(f"band{number}.tif")]
        parts += [] if tag is None else [f"<NoDataValue>{tag!r}</NoDataValue>"]
        parts += [names] if number == labels.named else []
        if number == 1 and labels.palette:
            listed = [labels.palette.get(code, (0, 0, 0)) for code in range(max(labels.palette) + 1)]
            entries = "".join(f'<Entry c1="{r}" c2="{g}" c3="{b}" c4="255"/>' for r, g, b in listed)
            parts += [f"<ColorTable>{entries}</ColorTable><ColorInterp>Palette</ColorInterp>"]
        elif meaning != "undefined":
            parts += [f"<ColorInterp>{meaning.capitalize()}</ColorInterp>"]
        inside += vrt_band(number, band.dtype.name, *parts)
    masked = ""
    if labels.masked.any():
        write_map(folder / "mask.tif", np.where(labels.masked, 0, 255).astype(np.uint8)[None])
        masked = vrt_mask("mask.tif")
    write_vrt(labels.path, SHAPE, inside, masked)


def _drawn(rng: np.random.Generator, number: int) -> np.ndarray:
    """Return which of so many things each pixel is, each with a share of its own."""
    return rng.choice(number, SHAPE, p=rng.dirichlet(np.full(number, 2.0)))


def _blob(rng: np.random.Generator) -> np.ndarray:
    """Return a random rectangle (h, w)."""
    where = np.zeros(SHAPE, bool)
    (top, bottom), (left, right) = (np.sort(rng.integers(0, side + 1, 2)) for side in SHAPE)
    where[top:bottom, left:right] = True
    return where
