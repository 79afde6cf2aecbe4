"""Everything a run shows of itself, behind one object."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from dataProcessors.labels import Legend, dominant
from evaluation.scoring import Evaluation, Score
from reporting import figures
from reporting.display import Display
from reporting.figures import Overview
from reporting.figures.style import save
from reporting.metrics_csv import MetricsFile
from reporting.table import score_table
from reporting.tensorboard import Board


class Reporter:
    """Puts scores and pictures of a run where they are looked at: console, metrics.csv, TensorBoard, figures/.

    Args:
        folder: of the run; made if it is missing
        legend: of the label map that the run is evaluated on
        display: how tiles are shown
        overview: a small picture of the map
        size: side of a tile, pixels
        reserved: (M, 2) upper-left pixels of the reserved cells
        seed: of the UMAP
        note: ends every title: what must not be forgotten about the map, such as that it is synthetic
    """

    def __init__(
        self,
        folder: Path,
        legend: Legend,
        display: Display,
        overview: Overview,
        size: int,
        reserved: np.ndarray,
        seed: int,
        note: str = "",
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.legend, self.display = folder, legend, display
        self.overview, self.size, self.reserved, self.seed = overview, size, reserved, seed
        self.note = f" ({note})" if note else ""
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

    def config(self, text: str):
        """Show the resolved config, JSON, as it is."""
        self.board.text("config", f"```json\n{text}\n```")

    def step(self, step: int, values: dict[str, float]):
        """Numbers of a training step, such as the loss."""
        self.board.scalars(step, "train", values)

    def batch(self, step: int, tiles: np.ndarray, rows: list[tuple[str, np.ndarray]]):
        """Tiles (N, C, H, W) of a batch; rows: name of a role and the indices (n,) of its tiles, one row each."""
        self.board.image(step, "batch/tiles", figures.batch_strip(self.display.rgb(tiles), rows))

    def scores(self, step: int, evaluations: list[Evaluation]):
        """Scores of an evaluation. Those of the baselines come once and stand beside all later ones too."""
        new = [score for evaluation in evaluations for score in evaluation.scores]
        self.metrics.append(step, new)
        self._baselines += [score for score in new if score.features != "trained"]
        shown = [score for score in new if score.features == "trained"] + self._baselines
        self.board.scores(step, shown)
        table = f"Scores at step {step:,}{self.note}\n\n{score_table(shown)}\n"
        self.board.text("scores", f"```\n{table}```", step)  # with the spreads, which curves cannot show
        self.board.flush()
        tqdm.write(f"\n{table}")  # a bar that is running stays whole

    def figures(
        self,
        step: int,
        evaluation: Evaluation,
        embeddings: np.ndarray,
        proportions: np.ndarray,
        positions: np.ndarray,
        tiles: np.ndarray,
        sampled: dict[str, np.ndarray],
    ):
        """Figures and the embedding projector, for a step worth it: UMAP alone takes seconds.

        Args:
            step: of the training
            evaluation: of the trained network
            embeddings: (N, D) of the scored tiles
            proportions: (N, K) of the same tiles
            positions: (N, 2)
            tiles: (N, C, H, W)
            sampled: role -> positions (n, 2) of the tiles trained on so far
        """
        labels = dominant(proportions)
        for model, counts in evaluation.confusion.items():
            title = f"Confusion matrix of {model}, step {step:,}{self.note}"
            self._figure(step, f"confusion_matrix/{model}", figures.confusion_matrix(counts, self.legend, title))
        for model, predicted in evaluation.predicted.items():
            title = f"Proportions by {model}, step {step:,}{self.note}"
            self._figure(
                step, f"proportions/{model}", figures.proportions(predicted, evaluation.truth, self.legend, title)
            )
        title = f"UMAP of the embeddings of {len(labels):,} tiles, step {step:,}{self.note}"
        self._figure(step, "umap", figures.umap(embeddings, labels, self.legend, self.seed, title))
        title = f"Tiles sampled until step {step:,}{self.note}"
        self._figure(
            step, "sampled_tiles", figures.sampling_map(self.overview, self.size, sampled, self.reserved, title)
        )
        self.board.projector(step, embeddings, labels, positions, self.display.rgb(tiles), self.legend)
        self.board.flush()

    def flush(self):
        """Have everything that was shown so far on the disk."""
        self.board.flush()

    def close(self):
        """Write what is left and close the files."""
        self.board.close()

    def _figure(self, step: int, tag: str, figure: Figure):
        self.board.figure(step, f"figures/{tag}", figure)
        save(figure, self.folder / "figures" / f"{tag.replace('/', '-')}-{step:06d}.png")
