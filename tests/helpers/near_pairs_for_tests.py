"""Features of pairs of near tiles, of which is known what they have in common."""

import numpy as np
import torch
from torch import Tensor


def pairs_of_signals(n: int = 400, signals: int = 3, features: int = 7, seed: int = 0) -> list[Tensor]:
    """Return pairs with equal signals and different noise, mixed into features of different sizes, not of mean 0."""
    mixture = np.linalg.qr(np.random.default_rng(0).normal(size=(features, features)))[0] * 3.0 ** np.arange(features)
    rng = np.random.default_rng(seed)
    signal, noise = rng.normal(size=(n, signals)), rng.normal(size=(2, n, features - signals))
    return [torch.from_numpy(np.concatenate([signal, each], 1) @ mixture + 5).float() for each in noise]
