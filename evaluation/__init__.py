"""Scores of embeddings: numpy arrays of embeddings and proportions -> scores. Independent of maps and of torch.

This package exports the metrics. The simple models are in `evaluation.models`, and `evaluation.scoring` computes all
scores of an evaluation. Both import scikit-learn, which is slow to import, so import them where they are needed.
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
