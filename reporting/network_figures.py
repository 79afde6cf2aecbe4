"""The figures of an evaluated network: predictions of simple models, its embeddings, and where it was trained."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from dataProcessors.legends.legend import Legend
from evaluation.scores import Evaluation
from reporting import figures
from reporting.map_view import MapView
from training.scoring.snapshot import ShownNetwork


class ScoredTiles(NamedTuple):
    """The scored tiles.

    Attributes:
        embeddings: (N, D)
        labels: (N,) class indices, -1 if a tile has no label
        rgb: (N, H, W, 3) uint8
        queries: (q,) indices of the tiles whose nearest neighbours are shown
    """

    embeddings: np.ndarray
    labels: np.ndarray
    rgb: np.ndarray
    queries: np.ndarray


def network_figures(
    shown: ShownNetwork, scored: ScoredTiles, view: MapView, seed: int, title_end: str
) -> Iterator[tuple[str, Figure]]:
    """Yield tag and figure, one after the other.

    Args:
        shown: the network
        scored: its scored tiles
        view: the map of the run
        seed: of the UMAP
        title_end: last part of every title
    """
    yield from _of_predictions(shown.evaluation, view.legend, title_end)
    yield from _of_embeddings(scored, view.legend, seed, title_end)
    sampled, title = shown.snapshot.sampled, f"A sample of the tiles trained on so far{title_end}"
    yield "sampled_tiles", figures.sampling_map(view.overview, view.size, sampled, view.reserved, title)


def _of_predictions(evaluation: Evaluation, legend: Legend, title_end: str) -> Iterator[tuple[str, Figure]]:
    for model, counts in evaluation.confusion.items():
        title = f"Confusion matrix of {model}{title_end}"
        yield f"confusion_matrix/{model}", figures.confusion_matrix(counts, legend, title)
    for model, predicted in evaluation.predicted.items():
        title = f"Proportions predicted by {model}{title_end}"
        yield f"proportions/{model}", figures.proportions(predicted, evaluation.truth, legend, title)


def _of_embeddings(scored: ScoredTiles, legend: Legend, seed: int, title_end: str) -> Iterator[tuple[str, Figure]]:
    title = f"Distances between embeddings{title_end}"
    yield "distances", figures.distances(scored.embeddings, scored.labels, title)
    yield "neighbours", figures.neighbours(*scored, legend, f"Tiles with the nearest embeddings{title_end}")
    title = f"UMAP of {len(scored.labels):,} tiles of reserved cells{title_end}"
    points = figures.umap_layout(scored.embeddings, seed)
    yield "umap", figures.umap(points, scored.labels, legend, title)
    yield "umap_tiles", figures.umap_tiles(points, scored.rgb, scored.labels, legend, title)
    points = figures.umap_layout(scored.embeddings, seed, dimensions=3)
    yield "umap_3d", figures.umap_3d(points, scored.labels, legend, title)
