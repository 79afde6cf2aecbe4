"""Losses: embeddings of tuples or clusters -> a scalar. Only tensor operations."""

from losses.base import Loss
from losses.magnet import MagNetLoss
from losses.quadruplet import QuadrupletLoss
from losses.triplet import TripletLoss
from losses.vicreg import VICRegLoss

LOSSES = {
    "tripletloss": TripletLoss,
    "quadrupletloss": QuadrupletLoss,
    "magnetloss": MagNetLoss,
    "vicregloss": VICRegLoss,
}

__all__ = ["LOSSES", "Loss", "MagNetLoss", "QuadrupletLoss", "TripletLoss", "VICRegLoss"]
