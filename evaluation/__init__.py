"""Embeddings and proportions, as numpy arrays -> scores. Knows nothing of maps, nor of torch.

The metrics are here; the simple models are in `evaluation.models`, and all scores of an evaluation in
`evaluation.scoring` (both import scikit-learn, so they are imported by name where they are needed).
"""

from evaluation.chance import chance_graded_map_at_r, chance_map_at_r, chance_multilabel_map
from evaluation.proportions import sum_error
from evaluation.retrieval import graded_map_at_r, map_at_r, multilabel_map
from evaluation.silhouette import gsil

__all__ = [
    "chance_graded_map_at_r",
    "chance_map_at_r",
    "chance_multilabel_map",
    "graded_map_at_r",
    "gsil",
    "map_at_r",
    "multilabel_map",
    "sum_error",
]
