"""Schedules: the learning rate of each step. It depends on the step alone, so a resumed run goes on exactly."""

import math
from collections.abc import Callable

import torch

from config import Config

WARM_UP = 0.05  # share of the steps in which the rate rises


def constant(progress: float) -> float:
    """Return 1, whatever the progress, in [0, 1]."""
    return 1.0


def cosine(progress: float) -> float:
    """Return a factor that rises to 1 in the first twentieth of the run, then falls to 0 along half a cosine.

    Loshchilov & Hutter 2016, arXiv:1608.03983, without restarts; the rise as in Goyal et al. 2017, arXiv:1706.02677.

    Args:
        progress: share of the run's steps that are done, in [0, 1]
    """
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine}  # name -> factor of progress


def learning_rate(config: Config, step: int) -> float:
    """Return the learning rate of a step, counted from 1."""
    middle = (step - 0.5) / (config.epochs * config.iterations)  # neither the first nor the last rate is 0
    return config.learning_rate * SCHEDULES[config.schedule](middle)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate
