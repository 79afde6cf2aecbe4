"""Soft contrast: tiles are drawn together as far as their class proportions agree."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from losses.base import Loss, check_not_negative, check_positive
from losses.distances import full_precision
from losses.readout import readout_errors


class SoftContrastLoss(Loss):
    """Has the neighbours of each tile, by cosine, follow how much of their land the tiles have in common.

    After SoftCon (Wang et al. 2024, arXiv:2405.20462), which contrasts images softly, by the similarity of their
    multi-labels. Here labels are proportions p, and similarity is the overlap, for n tiles with embeddings z:

        o_ij = sum over the classes c of min(p_ic, p_jc), in [0, 1]
        w_ij = o_ij^sharpness, for j != i, divided by their sum over j
        q_ij = softmax over j != i of cos(z_i, z_j) / temperature
        l_i  = sum over j of w_ij log(w_ij / q_ij), which is 0 where q follows w

    With proportions of one class each it is the supervised contrast of Khosla et al. 2020 (arXiv:2004.11362), up to a
    constant. A tile that overlaps no other has the loss 0.

    To l_i comes `readout` times the error with which a linear model, fitted on the other half of the batch, reads the
    tile's proportions from its embedding; see losses.readout.

    Args:
        temperature: of the cosines, > 0; the smaller, the more the nearest tiles decide
        sharpness: exponent of the overlap, > 0; the larger, the less tiles count that have only a part in common
        readout: weight of the linear model's error, >= 0
    Raises:
        ValueError: a parameter is out of its range
    """

    def __init__(self, temperature: float = 0.1, sharpness: float = 4.0, readout: float = 0.0):
        super().__init__()
        self.temperature = check_positive("SoftContrastLoss", "temperature", temperature)
        self.sharpness = check_positive("SoftContrastLoss", "sharpness", sharpness)
        self.readout = check_not_negative("SoftContrastLoss", "readout", readout)

    def terms(self, embeddings: Tensor, proportions: Tensor) -> Tensor:
        """Return the loss of each tile (n,), from embeddings (n, D) and proportions (n, K) whose rows sum to 1."""
        directions = normalize(full_precision(embeddings))
        itself = torch.eye(len(directions), dtype=torch.bool, device=directions.device)
        cosines = (directions @ directions.T / self.temperature).masked_fill(itself, -torch.inf)
        overlap = overlaps(proportions.to(directions)).masked_fill(itself, 0.0)
        weights = relative_weights(overlap, self.sharpness)
        log_shares = cosines.log_softmax(1).masked_fill(itself, 0.0)
        terms = (torch.special.xlogy(weights, weights) - weights * log_shares).sum(1)
        terms = terms.clamp(min=0.0) * overlap.any(1)
        return terms + self.readout * readout_errors(embeddings, proportions) if self.readout else terms


def relative_weights(overlap: Tensor, sharpness: float) -> Tensor:
    """Return o^sharpness (n, n), divided by its sum over each row; a row of zeros stays so.

    Each overlap is divided by the largest of its row first, because powers of small numbers become 0.
    """
    largest = overlap.amax(1, keepdim=True)
    powers = (overlap / largest.clamp(min=torch.finfo(overlap.dtype).tiny)).pow(sharpness)
    return powers / powers.sum(1, keepdim=True).clamp(min=1.0)  # the largest is 1


def overlaps(proportions: Tensor) -> Tensor:
    """Return the overlap (n, n), in [0, 1], of all pairs of proportions (n, K)."""
    table = proportions.new_zeros(len(proportions), len(proportions))  # never one of (n, n, K)
    for share in proportions.T:
        table += torch.minimum(share[:, None], share)
    return table
