"""Mining: embeddings and admissible pairs -> which tiles form the tuples."""

from mining.cluster_index import ClusterBatch, ClusterIndex
from mining.hard import Hardest, batch_hard, random_hard, second_negative

# online, inside the batch: HARD_*; offline, among fresh draws over the map: RANDOM_HARD_*
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
