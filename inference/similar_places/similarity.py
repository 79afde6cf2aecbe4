"""How similar tiles are to examples and unlike counter-examples: one number for each embedding.

It is the mean similarity to the examples less that to the counter-examples (Rocchio 1971, "Relevance feedback in
information retrieval"). Both kinds of similarity turn this mean into a function of a single vector, so that one pass
over the embeddings is enough for any number of examples.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from inference.core.embedded_map import EmbeddedMap

CHUNK_BYTES = 1 << 20  # of the float32 embeddings that a thread handles at once: they stay in the processor's cache
SMALLEST_SQUARE = np.float32(1e-12)  # of an embedding's length; a shorter one has no direction, and is like no other


class Similarity(Protocol):
    """A function of embeddings; rows that are equal get equal values, wherever they stand and whoever computes them."""

    @property
    def name(self) -> str:
        """What the values are, in words."""

    @property
    def nearest_to(self) -> np.ndarray | None:
        """(D,) the point to which the most similar embeddings are the nearest ones; None: there is no such point."""

    def of(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the similarity (n,) float32 of embeddings (n, D) float32."""


@dataclass(frozen=True)
class Cosine:
    """The product of embeddings, scaled to length 1, with a vector.

    A network's embeddings of length 1 are a little longer or shorter when they are stored in 8 bits, which would decide
    between similar tiles.

    Attributes:
        name: what it is, in words
        weights: (D,) float32
    """

    name: str
    weights: np.ndarray

    @property
    def nearest_to(self) -> np.ndarray | None:
        """(D,) the direction of the vector, on the unit sphere."""
        length = np.linalg.norm(self.weights)
        return self.weights / length if length > 0 else None

    def of(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the similarity (n,) float32 of embeddings (n, D) float32."""
        # not `@`, which adds up a row in an order that depends on the row's place: equal rows would not tie
        squares = np.einsum("nd,nd->n", embeddings, embeddings)
        return np.einsum("nd,d->n", embeddings, self.weights) / np.sqrt(np.maximum(squares, SMALLEST_SQUARE))


@dataclass(frozen=True)
class Product:
    """The product of embeddings of any length with a vector, plus a constant.

    Attributes:
        name: what it is, in words
        weights: (D,) float32
        constant: what is added
    """

    name: str
    weights: np.ndarray
    constant: float

    @property
    def nearest_to(self) -> np.ndarray | None:
        """None: the longest embeddings in one direction have the largest products."""
        return None

    def of(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the similarity (n,) float32 of embeddings (n, D) float32."""
        return np.einsum("nd,d->n", embeddings, self.weights) + np.float32(self.constant)


@dataclass(frozen=True)
class Distance:
    """The root of the mean squared Euclidean distance to points, negated.

    The mean squared distance is the squared distance to the points' centre plus their own spread around it.

    Attributes:
        name: what it is, in words
        centre: (D,) float32, mean of the points
        spread: mean squared distance of the points from their centre
    """

    name: str
    centre: np.ndarray
    spread: float = 0.0

    @property
    def nearest_to(self) -> np.ndarray | None:
        """(D,) the centre."""
        return self.centre

    def of(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the similarity (n,) float32 of embeddings (n, D) float32."""
        apart = embeddings - self.centre  # differences: |x|^2 - 2xy + |y|^2 would lose the digits of small distances
        return -np.sqrt(np.einsum("nd,nd->n", apart, apart) + np.float32(self.spread))


def similarity_to(examples: np.ndarray, counter_examples: np.ndarray, unit_length: bool) -> Similarity:
    """Return the similarity to examples (E, D), E >= 1, and unlike counter-examples (F, D), F >= 0.

    For embeddings of length 1 it is the cosine: its mean over the examples less that over the counter-examples. For
    others it is the negative Euclidean distance: to one example, or the root of the mean squared distance to several;
    with counter-examples, the mean squared distance to these less that to the examples.
    """
    examples, counter_examples = (np.asarray(each, np.float64) for each in (examples, counter_examples))
    centre = examples.mean(0)
    against = counter_examples.mean(0) if len(counter_examples) else np.zeros_like(centre)
    if unit_length:
        name = "mean cosine" if len(examples) > 1 else "cosine"
        name += " to the examples less that to the counter-examples" if len(counter_examples) else ""
        return Cosine(name, (centre - against).astype(np.float32))
    if not len(counter_examples):
        spread = ((examples - centre) ** 2).sum(1).mean()
        return Distance("negative Euclidean distance", centre.astype(np.float32), float(spread))
    constant = (counter_examples**2).sum(1).mean() - (examples**2).sum(1).mean()
    name = "mean squared Euclidean distance to the counter-examples less that to the examples"
    return Product(name, (2 * (centre - against)).astype(np.float32), float(constant))


def similarity_of_all(embedded: EmbeddedMap, similarity: Similarity, threads: int = 1) -> np.ndarray:
    """Return the similarity (T,) float32 of all tiles, NaN for those without an embedding.

    The vectors are read once, in chunks; the values do not depend on the number of threads.
    """
    result = np.empty(len(embedded.vectors), np.float32)
    step = max(1, CHUNK_BYTES // (4 * embedded.dimensions))

    def fill(start: int) -> None:
        chunk = slice(start, start + step)
        result[chunk] = similarity.of(embedded.embeddings(chunk))

    with ThreadPoolExecutor(threads, "similarity") as pool:
        list(pool.map(fill, range(0, len(result), step)))
    result[~embedded.valid] = np.nan
    return result
