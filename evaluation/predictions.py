"""Predictions of the simple models for all draws, side by side in processes where that is worth their start.

Scores are equal in any number of processes and threads: a draw is computed in the same way everywhere, with one thread
of the linear algebra library, and what the models choose once is chosen on the first draw, before the others start.
"""

import signal
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
    with threadpool_limits(1, "blas"):
        started = time.monotonic()
        parts = [predict_one(models, drawn[0], name) for name in names]
        work = product(drawn[1:], names)
        if jobs > 1 and (time.monotonic() - started) * (len(drawn) - 1) > PROCESSES_FROM:
            parts += in_processes(models, list(work), jobs)
        else:
            parts += [predict_one(models, tiles, name) for tiles, name in work]
    return [merge(parts[i * len(names) : (i + 1) * len(names)], len(models)) for i in range(len(drawn))]


def in_processes(models: list[Models], work: list[tuple[list[Tiles], str]], jobs: int) -> list[list[Predicted]]:
    """Return what `predict_one` returns for each draw and model, computed in processes that stay for the next call.

    There are as many as draws, each with its share of the cores as threads; models of one draw may be in several.
    """
    processes = min(jobs, len(work) // len(set().union(*models)))
    models = [{name: with_threads(model, jobs // processes) for name, model in by_name.items()} for by_name in models]
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        # no size from which arrays go through files, which the processes would unpickle
        return joblib.Parallel(processes, max_nbytes=None)(
            joblib.delayed(predict_in_worker)(models, *part) for part in work
        )


def with_threads(model: Pipeline, threads: int) -> Pipeline:
    """Return an unfitted copy of a model with another number of threads."""
    numbers = [name for name in model.get_params() if name.endswith("n_jobs")]
    return clone(model).set_params(**dict.fromkeys(numbers, threads))


def predict_in_worker(models: list[Models], drawn: list[Tiles], name: str) -> list[Predicted]:
    """Return what `predict_one` returns, in a process that leaves Ctrl-C to the one that it works for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
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
