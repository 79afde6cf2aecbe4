"""Predictions of the simple models for all draws, side by side in processes where that is worth their start.

A piece of work for a process is one model of one draw, in both tasks. There are as many processes as pieces, or as
cores where these are fewer, and the pieces that took longest in the first draw come first. A model that can use several
threads gets as many as there are cores for each draw: the quick models of a draw end long before its forests.

Scores are equal in any number of processes and threads: a draw is computed in the same way everywhere, with one thread
of the linear algebra library, and what the models choose once is chosen before the others start, on the first draw of
several classes.
"""

import os
import time
from itertools import product
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from evaluation.basis import last_basis_remembered
from evaluation.models import fit_predict
from evaluation.process import follow

PROCESSES_FROM = 10.0  # seconds of work that are left after the first draw; processes start in 2 to 5 seconds

Models = dict[str, Pipeline]  # by name
Predicted = dict[str, np.ndarray]  # by model: predictions for the scored tiles, shaped like their truth


class Tiles(NamedTuple):
    """The tiles of one draw: features (f, D) and (s, D), and for both either proportions (., K) or labels (.,)."""

    fit: np.ndarray
    score: np.ndarray
    fit_truth: np.ndarray
    truth: np.ndarray


def predict(models: list[Models], drawn: list[list[Tiles]], jobs: int) -> list[list[Predicted]]:
    """Return, for each draw and task, the predictions of the task's models; {} without tiles to fit on or to score.

    Args:
        models: of each task, not fitted; the draws share what a model chooses once, such as how strongly it is smoothed
        drawn: for each draw the tiles of each task
        jobs: number of CPU cores
    """
    names = list(dict.fromkeys(name for by_name in models for name in by_name))
    first, *others = sorted(range(len(drawn)), key=lambda i: not can_choose(drawn[i]))
    with threadpool_limits(1, "blas"):
        parts, seconds = {}, {}
        for name in names:
            started = time.monotonic()
            parts[first, name] = predict_one(models, drawn[first], name)
            seconds[name] = time.monotonic() - started
        work = list(product(sorted(names, key=lambda name: -seconds[name]), others))
        pieces = [(drawn[i], name) for name, i in work]
        if min(jobs, len(pieces)) > 1 and sum(seconds.values()) * len(others) > PROCESSES_FROM:
            found = in_processes(models, pieces, jobs, jobs // min(jobs, len(others)))
        else:
            found = [predict_one(models, *piece) for piece in pieces]
    parts |= {(i, name): predicted for (name, i), predicted in zip(work, found)}
    return [merge([parts[i, name] for name in names], len(models)) for i in range(len(drawn))]


def can_choose(tasks: list[Tiles]) -> bool:
    """Return whether models choose on this draw: each task has tiles to score, and not of one class alone to fit on."""
    return all(len(tiles.score) > 0 and (tiles.fit_truth != tiles.fit_truth[:1]).any() for tiles in tasks)


def in_processes(
    models: list[Models], pieces: list[tuple[list[Tiles], str]], jobs: int, threads: int
) -> list[list[Predicted]]:
    """Return what `predict_one` returns for each draw and model, computed in processes that stay for the next call.

    Args:
        models: of each task
        pieces: tiles of each task, and the name of the models
        jobs: number of processes at most
        threads: number of threads of a model that can use several
    """
    models = [{name: with_threads(model, threads) for name, model in by_name.items()} for by_name in models]
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        # no size from which arrays go through files, which the processes would unpickle
        return joblib.Parallel(min(jobs, len(pieces)), max_nbytes=None)(
            joblib.delayed(predict_in_worker)(os.getpid(), models, *piece) for piece in pieces
        )


def with_threads(model: Pipeline, threads: int) -> Pipeline:
    """Return an unfitted copy of a model with another number of threads."""
    numbers = [name for name in model.get_params() if name.endswith("n_jobs")]
    return clone(model).set_params(**dict.fromkeys(numbers, threads))


def predict_in_worker(parent: int, models: list[Models], drawn: list[Tiles], name: str) -> list[Predicted]:
    """Return what `predict_one` returns, in a process that leaves Ctrl-C to its parent and does not outlive it.

    parent: number of the process that this one works for; it may be this one, where joblib starts no others
    """
    if os.getpid() != parent:
        follow(parent)
    return predict_one(models, drawn, name)


def predict_one(models: list[Models], drawn: list[Tiles], name: str) -> list[Predicted]:
    """Return the predictions of the models of one name, for each task that has one. drawn: tiles of each task."""
    predicted: list[Predicted] = []
    with last_basis_remembered():
        for by_name, tiles in zip(models, drawn):
            predicted.append({})
            if name in by_name and len(tiles.fit) and len(tiles.score):
                found = fit_predict(clone(by_name[name]), tiles.fit, tiles.fit_truth, tiles.score)
                predicted[-1][name] = found.reshape(tiles.truth.shape)
    return predicted


def merge(parts: list[list[Predicted]], tasks: int) -> list[Predicted]:
    """Return the predictions of all models of each task from those of each model."""
    return [{name: values for part in parts for name, values in part[task].items()} for task in range(tasks)]
