"""Networks: tiles -> embeddings."""

from networks.architecture import Architecture
from networks.augment import draw_ways, random_dihedral, turned
from networks.batchnorm import estimate_batchnorm_statistics, local_statistics
from networks.embedder import Embedder, build, check
from networks.fused import fuse_batchnorm
from networks.head_inputs import HEAD_INPUTS, HeadInputs
from networks.normalise import Normalise
from networks.random_convolutions import RandomConvolutions
from networks.zoo import NETWORKS

__all__ = [
    "HEAD_INPUTS", "NETWORKS", "Architecture", "Embedder", "HeadInputs", "Normalise", "RandomConvolutions",
    "build", "check", "draw_ways", "estimate_batchnorm_statistics", "fuse_batchnorm", "local_statistics",
    "random_dihedral", "turned",
]  # fmt: skip
