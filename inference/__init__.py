"""A trained network on whole maps: `embed` computes the embedding of every tile, `classify` and `search` use them."""

from inference.core.embedded_map import EmbeddedMap, open_embedded
from inference.core.trained_run import TrainedRun, open_trained
from inference.embedding.export import embed
from inference.embedding.whole_map import embed_map
from inference.land_cover.classifying import classify
from inference.similar_places.searching import Query, search

__all__ = [
    "EmbeddedMap", "Query", "TrainedRun", "classify", "embed", "embed_map", "open_embedded", "open_trained", "search",
]  # fmt: skip
