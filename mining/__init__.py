"""Mining: embeddings and admissible pairs -> the tiles that form the tuples."""

from mining.cluster_index import ClusterBatch, ClusterIndex
from mining.hard import Hardest, batch_hard, random_hard, second_negative

# HARD_*: online, among the tiles of the batch; RANDOM_HARD_*: offline, among additional random draws over the map
MINING_MODES = ("HARD_NEGATIVE", "HARD_POSITIVE", "RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE")

__all__ = [
    "MINING_MODES",
    "ClusterBatch",
    "ClusterIndex",
    "Hardest",
    "batch_hard",
    "random_hard",
    "second_negative",
]
