"""How many of its dimensions an embedding uses."""

import numpy as np


def used_dimensions(embeddings: np.ndarray) -> float:
    """Return the share in [0, 1] of their dimensions that embeddings (N, D) use; NaN of fewer than two embeddings.

    The effective rank (Roy & Vetterli 2007) of the centred embeddings, the exponential of the entropy of their
    normalised singular values, divided by the largest rank that is possible, min(N - 1, D). RankMe (Garrido et al.
    2023, arXiv:2210.02885) judges embeddings without labels by it. 0: all embeddings are equal.
    """
    embeddings = np.asarray(embeddings, np.float64)
    possible = min(len(embeddings) - 1, embeddings.shape[1])
    if possible < 1:
        return float("nan")
    centred = embeddings - embeddings.mean(0)
    singular = np.linalg.svd(centred, compute_uv=False)
    singular = singular[singular > np.finfo(np.float64).eps * len(embeddings) * np.abs(embeddings).max()]
    shares = singular / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()) / possible) if len(shares) else 0.0
