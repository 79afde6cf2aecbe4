"""Losses: embeddings of tuples or clusters -> a scalar. Only tensor operations."""

from losses.base import Loss
from losses.magnet import MagNetLoss
from losses.quadruplet import QuadrupletLoss
from losses.triplet import TripletLoss

LOSSES = {
    "tripletloss": TripletLoss,
    "quadrupletloss": QuadrupletLoss,
    "magnetloss": MagNetLoss,
}

__all__ = ["LOSSES", "Loss", "MagNetLoss", "QuadrupletLoss", "TripletLoss"]
