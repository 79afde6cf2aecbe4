"""Everything a run shows of itself, behind one object."""

import json
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from config import WITHOUT_EFFECT, Config
from dataProcessors.legends.legend import dominant
from evaluation.scoring import Evaluation, Score
from evaluation.segmentation import Region
from reporting import figures
from reporting.figures.style import label_picture, save
from reporting.figures.thumbnails import thumbnails
from reporting.metrics_csv import MetricsFile
from reporting.segmentation import read_baselines, segmentation_figures, write_baselines, write_segmentation
from reporting.table import score_table
from reporting.tensorboard import Board
from reporting.view import TILE_COLUMNS, MapView, tiles_csv
from storage import write_text


class Scored(NamedTuple):
    """The scored tiles: embeddings (N, D), labels (N,), pictures (N, H, W, 3), and which are shown as queries (q,)."""

    embeddings: np.ndarray
    labels: np.ndarray
    rgb: np.ndarray
    queries: np.ndarray


class Reporter:
    """Puts scores and pictures of a run where they are looked at: console, metrics.csv, TensorBoard, figures/.

    Args:
        folder: of the run; made if it is missing
        view: how its map is shown
        seed: of the UMAP and of the tiles whose neighbours are shown
    """

    def __init__(self, folder: Path, view: MapView, seed: int):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.view, self.seed = folder, view, seed
        self.board = Board(folder / "tensorboard")
        self.metrics = MetricsFile(folder / "metrics.csv")
        self._baselines: list[Score] = []

    def go_on(self, step: int, scored_step: int):
        """Go on after what an earlier process showed, without anything of later steps.

        Args:
            step: the last that is trained, -1 if there is none
            scored_step: the last whose scores are shown, -1 if there is none
        """
        kept = self.metrics.keep_until(scored_step)
        self._baselines = [score for score in kept if score.features != "trained"]
        self.board.keep_until(step, scored_step)
        shutil.rmtree(self.folder / "figures" / "last", ignore_errors=True)  # no longer of the last network

    def begin(self, config: Config):
        """Show the resolved config, and what pages are laid out by; before all else."""
        keys = config.model_dump(exclude=set(WITHOUT_EFFECT))
        self.board.begin(
            f"```json\n{config.to_json()}\n```", {key: _plain(value) for key, value in keys.items()}, config.metrics
        )

    def step(self, step: int, values: dict[str, float]):
        """Numbers of a training step, such as the loss."""
        self.board.scalars(step, "train", values)

    def batch(self, step: int, tiles: np.ndarray, classes: np.ndarray, rows: list[tuple[str, np.ndarray]]):
        """Tiles of a batch.

        Args:
            step: of the training
            tiles: (N, C, H, W)
            classes: (N, H, W) class indices of the same places on the label map
            rows: name of a role and the indices (n,) of its tiles, one row each
        """
        self._tiles(step, "batch/tiles", tiles, classes, rows, ())

    def hardest(
        self, step: int, tiles: np.ndarray, classes: np.ndarray, rows: list[tuple[str, np.ndarray]], losses: list[float]
    ):
        """The tuples of an epoch that were hardest: what confuses the network. losses: of each column."""
        self._tiles(step, "batch/hardest", tiles, classes, rows, tuple(f"{loss:.3g}" for loss in losses))

    def distances(self, step: int, distances: dict[str, np.ndarray]):
        """Squared distances (B,) of the anchors of a batch to their positives and negatives, by name."""
        for name, values in distances.items():
            self.board.histogram(step, f"distances/{name}", values)

    def scores(self, step: int, evaluations: list[Evaluation]):
        """Scores of an evaluation. Those of the baselines come once and stand beside all later ones too."""
        new = [score for evaluation in evaluations for score in evaluation.scores]
        self.metrics.append(step, new)
        write_baselines(self.folder / "figures", evaluations, self.view.legend)
        self._baselines += [score for score in new if score.features != "trained"]
        shown = [score for score in new if score.features == "trained"] + self._baselines
        self.board.scores(step, shown)
        table = f"Scores at step {step:,}{self.view.note}\n\n{score_table(shown)}\n"
        self.board.text("scores", f"```\n{table}```", step)  # with the spreads, which curves cannot show
        self.board.flush()
        tqdm.write(f"\n{table}")  # a bar that is running stays whole

    def figures(
        self,
        step: int,
        which: str,
        evaluation: Evaluation,
        embeddings: np.ndarray,
        proportions: np.ndarray,
        positions: np.ndarray,
        tiles: np.ndarray,
        sampled: dict[str, np.ndarray],
        region: Region | None = None,
    ):
        """Figures and the embedding projector, for a step worth it: UMAP alone takes seconds.

        Args:
            step: of the training
            which: "best" or "last": the folder in figures/
            evaluation: of the trained network
            embeddings: (N, D) of the scored tiles
            proportions: (N, K) of the same tiles
            positions: (N, 2)
            tiles: (N, C, H, W)
            sampled: role -> positions (n, 2) of the tiles trained on so far
            region: of the segmentation; None where it is off
        """
        labels, rgb = dominant(proportions), self.view.display.rgb(tiles)
        scored = Scored(embeddings, labels, rgb, figures.queries(labels, self.seed))
        end, folder = f", step {step:,}{self.view.note}", self.folder / "figures" / which
        made = [self._figures(evaluation, scored, sampled, end)]
        if region is not None:
            baselines = read_baselines(folder.parent, self.view.legend)
            write_segmentation(folder, region, self.view, baselines)
            made.append(segmentation_figures(region, self.view, baselines, end))
        for tag, figure in chain.from_iterable(made):
            path = folder / tag.replace("/", "-")
            save(figure, path)
            self.board.figure(step, f"figures/{tag}", path.with_name(f"{path.name}.png"))
        about = self.view.about_tiles(positions, labels)
        write_text(folder / "tiles.csv", tiles_csv(about, scored.queries))
        pictures = thumbnails(rgb, labels, self.view.legend)
        self.board.projector(step, which, embeddings, pictures, TILE_COLUMNS, about)
        self.board.flush()

    def _figures(
        self, evaluation: Evaluation, scored: Scored, sampled: dict[str, np.ndarray], end: str
    ) -> Iterator[tuple[str, Figure]]:
        """Tag and figure of all there are, one after the other; `end` of their titles."""
        legend, view, count = self.view.legend, self.view, f"{len(scored.labels):,} scored tiles"
        for model, counts in evaluation.confusion.items():
            title = f"Confusion matrix of {model}{end}"
            yield f"confusion_matrix/{model}", figures.confusion_matrix(counts, legend, title)
        for model, predicted in evaluation.predicted.items():
            title = f"Proportions by {model}{end}"
            yield f"proportions/{model}", figures.proportions(predicted, evaluation.truth, legend, title)
        yield "distances", figures.distances(scored.embeddings, scored.labels, f"Distances between embeddings{end}")
        yield "neighbours", figures.neighbours(*scored, legend, f"Nearest tiles by the embeddings{end}")
        title = f"UMAP of {count}{end}"
        places = figures.layout(scored.embeddings, self.seed)
        yield "umap", figures.umap(places, scored.labels, legend, title)
        yield "umap_tiles", figures.umap_tiles(places, scored.rgb, scored.labels, legend, title)
        places = figures.layout(scored.embeddings, self.seed, dimensions=3)
        yield "umap_3d", figures.umap_3d(places, scored.labels, legend, title)
        title = f"A sample of the tiles trained on until now{end}"
        yield "sampled_tiles", figures.sampling_map(view.overview, view.size, sampled, view.reserved, title)

    def flush(self):
        """Have everything that was shown so far on the disk."""
        self.board.flush()

    def close(self):
        """Write what is left and close the files."""
        self.board.close()

    def _tiles(self, step: int, tag: str, tiles: np.ndarray, classes: np.ndarray, rows: list, heads: tuple[str, ...]):
        rgb, label_map = self.view.display.rgb(tiles), label_picture(classes, self.view.legend)
        self.board.image(step, tag, figures.tile_rows(rgb, label_map, rows, heads))


def _plain(value: object) -> float | str | bool:
    """A value of the config as a table of runs takes it."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return ", ".join(each if isinstance(each, str) else json.dumps(each) for each in value)
    return json.dumps(value)
