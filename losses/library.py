"""Losses of pytorch-metric-learning, applied to admissible pairs (Musgrave et al. 2020, arXiv:2008.09164)."""

from typing import Any, NamedTuple

import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.reducers import DoNothingReducer, MultipleReducers
from torch import Tensor, nn

from config.library import LIBRARY_LOSSES
from losses.distances import full_precision
from losses.ntxent import NTXentLoss

# name in the config -> class with the values and the interface of the library's, which takes less time
OWN_FORMS = {"ntxentloss": NTXentLoss}
# reduction type of a sub-loss -> columns of its indices in LossOutput.tiles: 0 anchor, 1 positive, 2 negative
ROLE_COLUMNS = {"element": (0,), "pos_pair": (0, 1), "neg_pair": (0, 2)}


class LossOutput(NamedTuple):
    """A loss and its terms.

    Attributes:
        loss: scalar
        terms: (n,) loss of each pair or anchor, float32 or wider
        tiles: (n, 3) int64 on the CPU, indices of the anchor, positive and negative of each term; -1: it has none
    """

    loss: Tensor
    terms: Tensor
    tiles: Tensor


class LibraryLoss(nn.Module):
    """One loss of the library, applied only to the pairs that it is given.

    The reduction to a scalar is the library's: the mean of the terms, for some losses only of the terms above 0; the
    contrastive loss adds the means of the positive and of the negative pairs. Distances are the library's too:
    Euclidean between embeddings scaled to length 1 for the contrastive loss, cosine similarity for all others.

    The reference set is the batch twice, and negatives are taken from the second half. So a pair that is admissible in
    both roles uses two cells of the distance table; the library asserts that no cell has both roles.

    Args:
        name: name in the config; see config.library
        parameters: arguments of the library's class
    """

    def __init__(self, name: str, parameters: dict[str, Any]):
        super().__init__()
        kind = OWN_FORMS.get(name) or getattr(losses, LIBRARY_LOSSES[name][0])
        self.library = kind(reducer=DoNothingReducer(), **parameters)
        self.reducer = MultipleReducers({n: self.library.get_default_reducer() for n in self.library.sub_loss_names()})

    def forward(self, embeddings: Tensor, pairs: tuple[Tensor, ...]) -> LossOutput:
        """Return the loss of pairs (a1, p, a2, n), indices of embeddings (N, D); without pairs 0, with gradient 0."""
        number, device = len(embeddings), embeddings.device
        a1, p, a2, n = (indices.to(device) for indices in pairs)
        with torch.autocast(device.type, enabled=False):
            wide = full_precision(embeddings)
            parts = self.library(wide, indices_tuple=(a1, p, a2, n + number), ref_emb=torch.cat([wide, wide]))
            loss = self.reducer(parts, wide, None)
        with_terms = [part for part in parts.values() if torch.is_tensor(part["losses"])]
        terms = torch.cat([wide.new_zeros(0), *(part["losses"].flatten() for part in with_terms)])
        tiles = torch.cat([torch.zeros(0, 3, dtype=torch.long), *(_tiles(part, number) for part in with_terms)])
        return LossOutput(loss, terms, tiles)


def _tiles(part: dict[str, Any], number: int) -> Tensor:
    """Return the anchor, positive and negative (n, 3) of the terms of a sub-loss, -1 for a missing role."""
    indices = part["indices"] if isinstance(part["indices"], tuple) else (part["indices"],)
    tiles = torch.full((len(indices[0]), 3), -1)
    for role, column in zip(ROLE_COLUMNS[part["reduction_type"]], indices, strict=True):
        tiles[:, role] = column.cpu() % number
    return tiles
