"""Randomness that depends only on the place: hashes of integers, smooth noise on a grid, periodic texture sheets."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

SHEET = 1024  # period of a texture sheet in pixels, a power of two so that wrapping is a bit mask
PITCH = SHEET + 512  # side of the array of a sheet, which repeats its start at the end, so that windows are slices


def hash32(*parts: ArrayLike) -> np.ndarray:
    """Mix integers (arrays or ints of any sign, broadcast) into uniformly distributed uint32."""
    mixed: Any = np.uint32(0x9E3779B9)  # an array as soon as a part is one
    for part in parts:
        if getattr(part, "dtype", None) != np.uint32:
            part = np.asarray(part).astype(np.int32).view(np.uint32)
        mixed = mixed ^ part
        mixed = np.multiply(mixed ^ (mixed >> np.uint32(16)), np.uint32(0x7FEB352D), dtype=np.uint32)
        mixed = np.multiply(mixed ^ (mixed >> np.uint32(15)), np.uint32(0x846CA68B), dtype=np.uint32)
    return mixed ^ (mixed >> np.uint32(16))


def uniform(hashed: np.ndarray, salt: int) -> np.ndarray:
    """Return one float32 in [0, 1) for each uint32 of `hashed`; another salt (0..255) gives independent numbers."""
    mixed = (hashed ^ np.uint32(salt * 0x01000193)) * np.uint32(0x85EBCA6B)
    return ((mixed ^ (mixed >> np.uint32(15))) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def spline_weights(at: np.ndarray, nodes: int) -> np.ndarray:
    """Return (N, nodes) float32: weights of the uniform cubic B-spline with nodes at 0, 1, .. for points `at` (N,)."""
    first = np.floor(at).astype(np.int64)
    t = at - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1) / 6
    table = np.zeros((len(at), nodes), np.float32)
    for k in range(4):
        np.add.at(table, (np.arange(len(at)), np.clip(first + k - 1, 0, nodes - 1)), weights[:, k].astype(np.float32))
    return table


def smooth_noise(rng: np.random.Generator, side: int, wavelength: float, octaves: int = 1) -> np.ndarray:
    """Return (side, side) float32 noise, standard deviation about 1, features of `wavelength` cells.

    Each octave halves wavelength and amplitude.
    """
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        step = max(wavelength / 2**octave / 2, 1.0)
        nodes = int(side / step) + 4
        weights = spline_weights(np.arange(side) / step + 1, nodes)
        total += weights @ rng.standard_normal((nodes, nodes), np.float32) @ weights.T * np.float32(2.0**-octave)
    return total / np.float32(0.48 * np.sqrt(sum(4.0**-o for o in range(octaves))))


class Sheets:
    """Textures of mean 0, standard deviation 1 and period SHEET along both axes: (PITCH, PITCH) float32, by name.

    w3 .. w128 have one wavelength in pixels each, `rough` has all of them, `swell` waves in one direction, `white` is
    white noise.
    """

    WAVELENGTHS = (3, 5, 8, 16, 32, 64, 128)

    def __init__(self, rng: np.random.Generator):
        fy, fx = np.fft.fftfreq(SHEET)[:, None], np.fft.rfftfreq(SHEET)[None]
        radius = np.maximum(np.hypot(fy, fx), 1e-6).astype(np.float32)
        spectra = {f"w{w}": np.exp(-(np.log(radius * w) ** 2) / 0.18) for w in self.WAVELENGTHS}
        spectra["rough"] = np.where((radius > 1 / 160) & (radius < 1 / 3), radius**-1.8, 0)
        spectra["swell"] = spectra["w8"] * np.exp(-((np.arctan2(fy, fx) - 0.5) ** 2) / 0.06)
        sheets = {name: self._sheet(rng, spectrum) for name, spectrum in spectra.items()}
        sheets["white"] = rng.standard_normal((SHEET, SHEET), np.float32)
        self.by_name = {name: np.pad(sheet, (0, PITCH - SHEET), mode="wrap") for name, sheet in sheets.items()}

    @staticmethod
    def _sheet(rng: np.random.Generator, spectrum: np.ndarray) -> np.ndarray:
        sheet = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SHEET, SHEET), np.float32)) * spectrum)
        return ((sheet - sheet.mean()) / sheet.std()).astype(np.float32)

    def window(self, name: str, x0: int, y0: int, width: int, height: int) -> np.ndarray:
        """Return a (height, width) view of a sheet, at most 512 each way, from pixel (x0, y0) of the landscape on."""
        top, left = y0 % SHEET, x0 % SHEET
        return self.by_name[name][top : top + height, left : left + width]

    def at(self, name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return (n,) values of a sheet at points (n,) int32 of the landscape."""
        wrap = np.int32(SHEET - 1)
        return np.take(self.by_name[name].ravel(), (y & wrap) * np.int32(PITCH) + (x & wrap))
