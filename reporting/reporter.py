"""The Reporter: one object for everything that a run reports."""

import json
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from config import NO_EFFECT_ON_RESULTS, Config
from dataProcessors.legends.legend import dominant
from evaluation.scores import Evaluation, Score
from evaluation.segmentation import Region
from reporting import figures
from reporting.console_table import score_table
from reporting.draws_csv import DRAWS_NAME, DrawsFile
from reporting.feature_sets import TRAINED
from reporting.figures.style import label_picture, save_figure
from reporting.figures.thumbnails import thumbnails
from reporting.map_view import TILE_COLUMNS, MapView, tiles_csv
from reporting.metrics_csv import MetricsFile
from reporting.segmentation import read_yardstick_iou, segmentation_figures, write_segmentation, write_yardstick_iou
from reporting.tensorboard.writer import TensorBoardWriter
from reporting.verdict_file import VERDICT_NAME
from storage import write_text


class ScoredTiles(NamedTuple):
    """The scored tiles.

    Attributes:
        embeddings: (N, D)
        labels: (N,) class indices, -1 if a tile has no label
        rgb: (N, H, W, 3) uint8
        queries: (q,) indices of the tiles whose nearest neighbours are shown
    """

    embeddings: np.ndarray
    labels: np.ndarray
    rgb: np.ndarray
    queries: np.ndarray


class Reporter:
    """Writes the scores and figures of a run: to the console, metrics.csv, TensorBoard and figures/.

    Args:
        folder: of the run; created if it is missing
        view: the map of the run
        seed: of the UMAP and of the choice of the tiles whose neighbours are shown
    """

    def __init__(self, folder: Path, view: MapView, seed: int):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.view, self.seed = folder, view, seed
        self.tensorboard = TensorBoardWriter(folder / "tensorboard")
        self.metrics = MetricsFile(folder / "metrics.csv")
        self.draws = DrawsFile(folder / DRAWS_NAME)
        self._yardsticks: list[Score] = []

    def resume(self, step: int, scored_step: int) -> None:
        """Continue the reports of an earlier process; what it reported of later steps is removed.

        Args:
            step: the last trained step, -1 if there is none
            scored_step: the last step whose scores are kept, -1 if there is none
        """
        kept_scores = self.metrics.drop_after(scored_step)
        self.draws.keep_until(scored_step)
        (self.folder / VERDICT_NAME).unlink(missing_ok=True)  # there will be another one
        self._yardsticks = [score for score in kept_scores if score.features != TRAINED]
        self.tensorboard.drop_after(step, scored_step)
        shutil.rmtree(self.folder / "figures" / "last", ignore_errors=True)  # the last network will be another one

    def log_config(self, config: Config) -> None:
        """Report the resolved config, and the layout of TensorBoard's charts; before everything else."""
        keys = config.model_dump(exclude=set(NO_EFFECT_ON_RESULTS))
        self.tensorboard.log_config(
            f"```json\n{config.to_json()}\n```",
            {key: _table_value(value) for key, value in keys.items()},
            config.metrics,
        )

    def log_step(self, step: int, values: dict[str, float]) -> None:
        """Log numbers of a training step, such as the loss."""
        self.tensorboard.log_scalars(step, "train", values)

    def log_batch(self, step: int, tiles: np.ndarray, classes: np.ndarray, rows: list[tuple[str, np.ndarray]]) -> None:
        """Log tiles of a batch as an image.

        Args:
            step: of the training
            tiles: (N, C, H, W)
            classes: (N, H, W) class indices of the same pixels on the label map
            rows: one for each role: its name, and the indices (n,) of its tiles
        """
        self._log_tile_rows(step, "batch/tiles", tiles, classes, rows, ())

    def log_hardest(
        self, step: int, tiles: np.ndarray, classes: np.ndarray, rows: list[tuple[str, np.ndarray]], losses: list[float]
    ) -> None:
        """Log the tuples of an epoch with the largest losses, as `log_batch` does; losses: one for each column."""
        self._log_tile_rows(step, "batch/hardest", tiles, classes, rows, tuple(f"{loss:.3g}" for loss in losses))

    def log_distances(self, step: int, distances: dict[str, np.ndarray]) -> None:
        """Log squared distances (B,) of the anchors of a batch; distances: "positive", "negative", ... -> distances."""
        for name, values in distances.items():
            self.tensorboard.log_histogram(step, f"distances/{name}", values)

    def log_scores(self, step: int, evaluations: list[Evaluation]) -> None:
        """Report the scores of an evaluation. Those of the yardsticks come once, and are shown with all later ones."""
        new = [score for evaluation in evaluations for score in evaluation.scores]
        self.draws.append(step, evaluations)
        self.metrics.append(step, new)
        write_yardstick_iou(self.folder / "figures", evaluations, self.view.legend)
        self._yardsticks += [score for score in new if score.features != TRAINED]
        shown = [score for score in new if score.features == TRAINED] + self._yardsticks
        self.tensorboard.log_scores(step, shown)
        table = f"Scores at step {step:,}{self.view.title_suffix}\n\n{score_table(shown)}\n"
        self.tensorboard.log_text("scores", f"```\n{table}```", step)  # curves do not show standard deviations
        self.tensorboard.flush()
        tqdm.write(f"\n{table}")  # keeps a running progress bar intact

    def log_figures(
        self,
        step: int,
        network: str,
        evaluation: Evaluation,
        embeddings: np.ndarray,
        proportions: np.ndarray,
        positions: np.ndarray,
        tiles: np.ndarray,
        sampled: dict[str, np.ndarray],
        region: Region | None = None,
    ) -> None:
        """Write figures, and embeddings for the projector. This is slow: UMAP alone takes seconds.

        Args:
            step: of the training
            network: "best" or "last": which network, and the folder in figures/
            evaluation: of the trained network
            embeddings: (N, D) of the scored tiles
            proportions: (N, K) of the same tiles
            positions: (N, 2) of the same tiles
            tiles: (N, C, H, W), their pixels
            sampled: role -> positions (n, 2) of tiles trained on so far
            region: the segmented region; None if segmentation is off
        """
        labels, rgb = dominant(proportions), self.view.display.rgb(tiles)
        scored = ScoredTiles(embeddings, labels, rgb, figures.choose_queries(labels, self.seed))
        title_end, folder = f", step {step:,}{self.view.title_suffix}", self.folder / "figures" / network
        figure_groups = [self._figures(evaluation, scored, sampled, title_end)]
        if region is not None:
            yardsticks = read_yardstick_iou(folder.parent, self.view.legend)
            write_segmentation(folder, region, self.view, yardsticks)
            figure_groups.append(segmentation_figures(region, self.view, yardsticks, title_end))
        for tag, figure in chain.from_iterable(figure_groups):
            path = folder / tag.replace("/", "-")
            save_figure(figure, path)
            self.tensorboard.log_figure(step, f"figures/{tag}", path.with_name(f"{path.name}.png"))
        descriptions = self.view.describe_tiles(positions, labels)
        write_text(folder / "tiles.csv", tiles_csv(descriptions, scored.queries))
        pictures = thumbnails(rgb, labels, self.view.legend)
        self.tensorboard.log_embeddings(step, network, embeddings, pictures, TILE_COLUMNS, descriptions)
        self.tensorboard.flush()

    def _figures(
        self, evaluation: Evaluation, scored: ScoredTiles, sampled: dict[str, np.ndarray], title_end: str
    ) -> Iterator[tuple[str, Figure]]:
        """Yield tag and figure, one after the other; title_end: last part of the titles."""
        legend, view = self.view.legend, self.view
        for model, counts in evaluation.confusion.items():
            title = f"Confusion matrix of {model}{title_end}"
            yield f"confusion_matrix/{model}", figures.confusion_matrix(counts, legend, title)
        for model, predicted in evaluation.predicted.items():
            title = f"Proportions predicted by {model}{title_end}"
            yield f"proportions/{model}", figures.proportions(predicted, evaluation.truth, legend, title)
        yield (
            "distances",
            figures.distances(scored.embeddings, scored.labels, f"Distances between embeddings{title_end}"),
        )
        yield "neighbours", figures.neighbours(*scored, legend, f"Tiles with the nearest embeddings{title_end}")
        title = f"UMAP of {len(scored.labels):,} tiles of reserved cells{title_end}"
        points = figures.umap_layout(scored.embeddings, self.seed)
        yield "umap", figures.umap(points, scored.labels, legend, title)
        yield "umap_tiles", figures.umap_tiles(points, scored.rgb, scored.labels, legend, title)
        points = figures.umap_layout(scored.embeddings, self.seed, dimensions=3)
        yield "umap_3d", figures.umap_3d(points, scored.labels, legend, title)
        title = f"A sample of the tiles trained on so far{title_end}"
        yield "sampled_tiles", figures.sampling_map(view.overview, view.size, sampled, view.reserved, title)

    def log_verdict(self, step: int, text: str) -> None:
        """Report the verdict on the run, after its last step."""
        self.tensorboard.log_text("verdict", text, step)
        tqdm.write(f"\n{text}")

    def flush(self) -> None:
        """Write everything that was logged so far to the disk."""
        self.tensorboard.flush()

    def close(self) -> None:
        """Write the rest and close the files."""
        self.tensorboard.close()

    def _log_tile_rows(
        self, step: int, tag: str, tiles: np.ndarray, classes: np.ndarray, rows: list, column_titles: tuple[str, ...]
    ) -> None:
        pictures = {"image": self.view.display.rgb(tiles)}
        if len(self.view.legend):
            pictures["label map"] = label_picture(classes, self.view.legend)
        self.tensorboard.log_image(step, tag, figures.tile_rows(pictures, rows, column_titles))


def _table_value(value: object) -> float | str | bool:
    """Return a config value as TensorBoard's table of runs can hold it."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return ", ".join(each if isinstance(each, str) else json.dumps(each) for each in value)
    return json.dumps(value)
