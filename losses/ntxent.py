"""NT-Xent loss: each positive pair against all negatives of its anchor."""

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import BaseMetricLossFunction
from torch import Tensor
from torch.nn.functional import softplus


class NTXentLoss(BaseMetricLossFunction):
    """Normalised temperature-scaled cross entropy (Sohn 2016; Chen et al. 2020, arXiv:2002.05709).

    The loss of a positive pair (a, p) is -log(exp(s_ap / t) / (exp(s_ap / t) + sum over n of exp(s_an / t))), where s
    is the cosine and n are the negatives of a; 0 for an anchor without negatives. That of pytorch-metric-learning has
    the same values, and compares every positive pair with every negative pair of the batch: with 384 tiles these are
    tens of millions and take seconds. Here the sum is taken once for each anchor.

    Args:
        temperature: t, over 0
        arguments: of the library's base class
    """

    def __init__(self, temperature: float = 0.07, **arguments: object):
        super().__init__(**arguments)
        self.temperature = temperature

    def compute_loss(
        self, embeddings: Tensor, labels: None, indices_tuple: tuple[Tensor, ...], ref_emb: Tensor, ref_labels: None
    ) -> dict[str, dict]:
        """Return the loss of each positive pair as the library's reducers take it.

        Args:
            embeddings: (N, D)
            labels, ref_labels: not used
            indices_tuple: a1, p, a2, n: the positive pairs (a1, p) and the negative pairs (a2, n)
            ref_emb: (M, D), which p and n are indices of
        """
        a1, p, a2, n = indices_tuple
        if not len(a1):
            return self.zero_losses()
        scaled = self.distance(embeddings, ref_emb) / self.temperature
        positives, negatives = scaled[a1, p], scaled[a2, n]
        largest = scaled.new_full((len(scaled),), -torch.inf).scatter_reduce(0, a2, negatives.detach(), "amax")
        sums = scaled.new_zeros(len(scaled)).index_add(0, a2, (negatives - largest[a2]).exp())
        has_negatives = sums[a1] > 0
        against = largest[a1[has_negatives]] + sums[a1[has_negatives]].log()  # log of the sum over the negatives
        losses = torch.zeros_like(positives).masked_scatter(has_negatives, softplus(against - positives[has_negatives]))
        return {"loss": {"losses": losses, "indices": (a1, p), "reduction_type": "pos_pair"}}

    def get_default_distance(self) -> CosineSimilarity:
        """Return the cosine."""
        return CosineSimilarity()
