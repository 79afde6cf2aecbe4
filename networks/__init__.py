"""Networks: tiles -> embeddings."""

from networks.augment import random_dihedral
from networks.batchnorm import estimate_batchnorm_statistics
from networks.embedder import NETWORKS, Embedder, build
from networks.normalise import Normalise

__all__ = ["NETWORKS", "Embedder", "Normalise", "build", "estimate_batchnorm_statistics", "random_dihedral"]
