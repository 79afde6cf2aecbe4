"""Losses of pytorch-metric-learning on admissible pairs (Musgrave et al. 2020, arXiv:2008.09164)."""

from typing import Any, NamedTuple

import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.reducers import DoNothingReducer, MultipleReducers
from torch import Tensor, nn

from config.library import LIBRARY_LOSSES
from losses.distances import full_precision

# what the terms of a part of a loss are of -> the roles that its indices name: 0 anchor, 1 positive, 2 negative
NAMED = {"element": (0,), "pos_pair": (0, 1), "neg_pair": (0, 2)}


class LossOutput(NamedTuple):
    """A loss and what it is made of.

    Attributes:
        loss: scalar
        terms: (n,) loss of each pair or anchor, float32 or wider
        tiles: (n, 3) int64 on the CPU, anchor, positive and negative that each term is of; -1: it names none
    """

    loss: Tensor
    terms: Tensor
    tiles: Tensor


class LibraryLoss(nn.Module):
    """One loss of the library, that sees the pairs it is given and no others.

    Its scalar is the library's: the mean of the terms, where the library says so of those above 0; the contrastive
    loss adds that of the positive and that of the negative pairs. Distances are the library's too: Euclidean between
    embeddings scaled to length 1 for the contrastive loss, the cosine for all others.

    The second half of the reference set is the batch once more, and negatives are taken from there: so a pair that is
    admissible in both roles is two cells of the table of distances, where the library asserts that no cell is both.

    Args:
        name: in the config; see config.library
        parameters: for its class
    """

    def __init__(self, name: str, parameters: dict[str, Any]):
        super().__init__()
        self.library = getattr(losses, LIBRARY_LOSSES[name][0])(reducer=DoNothingReducer(), **parameters)
        self.reducer = MultipleReducers({n: self.library.get_default_reducer() for n in self.library.sub_loss_names()})

    def forward(self, embeddings: Tensor, pairs: tuple[Tensor, ...]) -> LossOutput:
        """Loss of pairs (a1, p, a2, n), indices of the embeddings (N, D); of none it is 0, with a gradient of 0."""
        number, device = len(embeddings), embeddings.device
        a1, p, a2, n = (indices.to(device) for indices in pairs)
        with torch.autocast(device.type, enabled=False):
            wide = full_precision(embeddings)
            parts = self.library(wide, indices_tuple=(a1, p, a2, n + number), ref_emb=torch.cat([wide, wide]))
            loss = self.reducer(parts, wide, None)
        filled = [part for part in parts.values() if torch.is_tensor(part["losses"])]
        terms = torch.cat([wide.new_zeros(0), *(part["losses"].flatten() for part in filled)])
        tiles = torch.cat([torch.zeros(0, 3, dtype=torch.long), *(_named(part, number) for part in filled)])
        return LossOutput(loss, terms, tiles)


def _named(part: dict[str, Any], number: int) -> Tensor:
    """Anchor, positive and negative (n, 3) that the terms of a part of a loss name, -1 for none."""
    indices = part["indices"] if isinstance(part["indices"], tuple) else (part["indices"],)
    tiles = torch.full((len(indices[0]), 3), -1)
    for role, column in zip(NAMED[part["reduction_type"]], indices, strict=True):
        tiles[:, role] = column.cpu() % number
    return tiles
