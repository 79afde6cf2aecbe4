"""Networks: tiles -> embeddings."""

from networks.augment import random_dihedral
from networks.batchnorm import estimate_batchnorm_statistics
from networks.embedder import Embedder, build, check
from networks.normalise import Normalise
from networks.random_convolutions import RandomConvolutions
from networks.zoo import NETWORKS

__all__ = [
    "NETWORKS", "Embedder", "Normalise", "RandomConvolutions", "build", "check", "estimate_batchnorm_statistics",
    "random_dihedral",
]  # fmt: skip
