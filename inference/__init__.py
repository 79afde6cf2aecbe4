"""A trained network on whole maps: `embed` computes the embedding of every tile, `classify` and `search` use them."""

from inference.embedded_map import EmbeddedMap, open_embedded
from inference.embedding import embed

__all__ = ["EmbeddedMap", "embed", "open_embedded"]
