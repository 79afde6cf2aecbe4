"""Random tiles, and small networks that embed them."""

import numpy as np
import torch

from networks import Architecture, Normalise, build


def rng(seed=0):
    return np.random.default_rng(seed)


def raw_tiles(number, bands, size, dtype=np.uint8, seed=0):
    return torch.from_numpy(rng(seed).integers(0, 200, (number, bands, size, size)).astype(dtype))


def colours(bands):
    return Normalise([127.5] * bands, [1 / 127.5] * bands)


def small(bands=3, norm_output=True, name="test_resnet", size=32, seed=0):
    return build(Architecture(name, bands, size, 16, norm_output), colours(bands), seed).eval()
