"""Search of an embedded map: the tiles that are most similar to those at some places, or to an image file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import UserError
from dataProcessors.label_reader import LabelReader
from dataProcessors.legends.legend import dominant
from dataProcessors.maps import nodata_limit
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import EmbeddedMap
from inference.core.matching_maps import check_belongs
from inference.core.trained_run import TrainedRun
from inference.similar_places.candidates import best_apart, exact_candidates
from inference.similar_places.index import index_candidates
from inference.similar_places.places import Place, positions_at, tile_of_file
from inference.similar_places.similarity import similarity_of_all, similarity_to

UNLABELLED = ""  # name of the class of a tile without labels


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Attributes:
        examples: places whose tiles are to be similar
        counter_examples: places whose tiles are to be different
        tile: an image file whose middle is one more example
        k: number of tiles to find
    """

    examples: tuple[Place, ...] = ()
    counter_examples: tuple[Place, ...] = ()
    tile: Path | None = None
    k: int = 20

    def __post_init__(self) -> None:
        if not self.examples and self.tile is None:
            raise UserError("A search needs an example: a place (--at LON LAT) or a file (--tile FILE.tif).")
        if self.k < 1:
            raise UserError(f"The number of tiles to find (-k) must be at least 1. Got {self.k}.")


@dataclass(frozen=True)
class QueryTiles:
    """The tiles that a query names.

    Attributes:
        examples: (channels, size, size) each: those of the places, then that of the file
        counter_examples: (channels, size, size) each
        example_positions: (e, 2) of the examples that lie on the map
        counter_positions: (F, 2)
    """

    examples: list[np.ndarray]
    counter_examples: list[np.ndarray]
    example_positions: np.ndarray
    counter_positions: np.ndarray


@dataclass(frozen=True)
class Search:
    """What was searched for, and what was found.

    Attributes:
        query: what was searched for
        tiles: its tiles
        embedded: the map that was searched
        image: its pixels
        positions: (k, 2) of the tiles that were found, the most similar one first
        similarity: (k,) float32
        lonlat: (k, 2) of their centres; NaN where the map has no place on Earth
        classes: (k,) names of their dominant classes, "" if unlabelled; None: there is no label map
        similarity_name: what the similarity is, in words
        similarity_of_all: (T,) float32, NaN without embedding; None: an index was used, which does not compare all
    """

    query: Query
    tiles: QueryTiles
    embedded: EmbeddedMap
    image: TiffReader
    positions: np.ndarray
    similarity: np.ndarray
    lonlat: np.ndarray
    classes: list[str] | None
    similarity_name: str
    similarity_of_all: np.ndarray | None


def search(
    run: TrainedRun,
    embedded: EmbeddedMap,
    image: TiffReader,
    query: Query,
    labels: LabelReader | None = None,
    index: bool | None = None,
) -> Search:
    """Return the tiles of an embedded map that are most similar to examples, and overlap neither them nor one another.

    Args:
        run: the network that embedded the map
        embedded: the embedded map
        image: the map that was embedded
        query: what is searched for
        labels: a label map, for the classes of what is found
        index: find candidates by an index of faiss; None: if the map has very many tiles
    Raises:
        UserError: a place or file cannot be used, the map holds fewer tiles, or it was embedded by another network
    """
    check_belongs(run, embedded, image)
    tiles = query_tiles(run, image, query)
    similarity = similarity_to(_embed(run, tiles.examples), _embed(run, tiles.counter_examples), embedded.unit_length)
    candidates, of_all = index_candidates(embedded, similarity, index), None
    if candidates is None:
        of_all = similarity_of_all(embedded, similarity, run.execution.threads)
        candidates = exact_candidates(of_all)
    found = best_apart(candidates, query.k, embedded.tiles, tiles.example_positions)
    positions, size = embedded.tiles.positions(found.tiles), embedded.tiles.size
    lonlat = image.source.grid.lonlat(positions + size / 2)
    classes = _classes(labels, positions, size) if labels else None
    return Search(query, tiles, embedded, image, positions, found.similarity, lonlat, classes, similarity.name, of_all)


def query_tiles(run: TrainedRun, image: TiffReader, query: Query) -> QueryTiles:
    """Return the tiles that a query names.

    Raises:
        UserError: a place or file cannot be used
    """
    limit = nodata_limit(run.config, image)
    positions = [positions_at(places, image, limit) for places in (query.examples, query.counter_examples)]
    examples, counter_examples = ([*image.read(each, limit.size)] for each in positions)
    if query.tile is not None:
        examples.append(tile_of_file(query.tile, image, run))
    return QueryTiles(examples, counter_examples, *positions)


def _embed(run: TrainedRun, tiles: list[np.ndarray]) -> np.ndarray:
    """Return embeddings (n, D) of tiles, one by one: those of a file may have a channel more."""
    return np.concatenate([run.embed(tile[None]) for tile in tiles]) if tiles else np.empty((0, run.config.output_size))


def _classes(labels: LabelReader, positions: np.ndarray, size: int) -> list[str]:
    names = [*labels.legend.names, UNLABELLED]
    return [names[label] for label in dominant(labels.proportions(positions, size))]
