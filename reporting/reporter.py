"""The Reporter: one object for everything that a run reports."""

import json
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from config import NO_EFFECT_ON_RESULTS, Config
from dataProcessors.legends.legend import dominant
from evaluation.scores import Evaluation, Score
from reporting import figures
from reporting.console_table import score_table
from reporting.draws_csv import DRAWS_NAME, DrawsFile
from reporting.feature_sets import TRAINED
from reporting.figures.style import label_picture, save_figure
from reporting.figures.thumbnails import thumbnails
from reporting.map_view import TILE_COLUMNS, MapView, tiles_csv
from reporting.metrics_csv import MetricsFile
from reporting.network_figures import ScoredTiles, network_figures
from reporting.segmentation import read_yardstick_iou, segmentation_figures, write_segmentation, write_yardstick_iou
from reporting.tensorboard.writer import TensorBoardWriter
from reporting.verdict_file import VERDICT_NAME
from storage import write_text
from training.scoring.snapshot import ShownNetwork


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

    def log_figures(self, network: str, shown: ShownNetwork) -> None:
        """Write figures, and embeddings for the projector. This is slow: UMAP alone takes seconds.

        Args:
            network: "best" or "last": which network, and the folder in figures/
            shown: the network
        """
        step, embeddings = shown.snapshot.step, shown.snapshot.features.score
        labels, rgb = dominant(shown.proportions), self.view.display.rgb(shown.tiles)
        scored = ScoredTiles(embeddings, labels, rgb, figures.choose_queries(labels, self.seed))
        title_end, folder = f", step {step:,}{self.view.title_suffix}", self.folder / "figures" / network
        figure_groups = [network_figures(shown, scored, self.view, self.seed, title_end)]
        if shown.region is not None:
            yardsticks = read_yardstick_iou(folder.parent, self.view.legend)
            write_segmentation(folder, shown.region, self.view, yardsticks)
            figure_groups.append(segmentation_figures(shown.region, self.view, yardsticks, title_end))
        for tag, figure in chain.from_iterable(figure_groups):
            path = folder / tag.replace("/", "-")
            save_figure(figure, path)
            self.tensorboard.log_figure(step, f"figures/{tag}", path.with_name(f"{path.name}.png"))
        descriptions = self.view.describe_tiles(shown.positions, labels)
        write_text(folder / "tiles.csv", tiles_csv(descriptions, scored.queries))
        pictures = thumbnails(rgb, labels, self.view.legend)
        self.tensorboard.log_embeddings(step, network, embeddings, pictures, TILE_COLUMNS, descriptions)
        self.tensorboard.flush()

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
