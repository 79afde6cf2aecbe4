"""Losses: embeddings of tuples or clusters -> a scalar. Only tensor operations."""

from losses.base import Loss
from losses.magnet import MagNetLoss
from losses.quadruplet import QuadrupletLoss
from losses.soft_contrast import SoftContrastLoss
from losses.triplet import TripletLoss
from losses.vicreg import VICRegLoss

LOSSES = {
    "tripletloss": TripletLoss,
    "quadrupletloss": QuadrupletLoss,
    "magnetloss": MagNetLoss,
    "vicregloss": VICRegLoss,
    "softcontrastloss": SoftContrastLoss,
}

__all__ = ["LOSSES", "Loss", "MagNetLoss", "QuadrupletLoss", "SoftContrastLoss", "TripletLoss", "VICRegLoss"]
