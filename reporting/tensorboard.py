"""The TensorBoard page of a run."""

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from dataProcessors.labels import Legend
from evaluation.scoring import Score
from reporting.columns import chance_apart
from reporting.event_files import keep_events, keep_projections, projections
from reporting.figures.style import NO_LABEL, image_of
from reporting.thumbnails import BORDER, SIDE, thumbnails
from storage import sync, writing

MAIN = "trained"  # what is no score of a baseline stands beside the scores of the trained network
SPRITE_SIDE = 8192  # pixels, the largest texture that TensorBoard's projector takes
SPRITE_BYTES = 20_000_000  # of the thumbnails, uncompressed: the page loads all of them at once
THUMBNAIL = SIDE + 2 * BORDER
MOST_POINTS = min((SPRITE_SIDE // THUMBNAIL) ** 2, math.isqrt(SPRITE_BYTES // (3 * THUMBNAIL**2)) ** 2)


class Board:
    """Event files in a folder, one subfolder for each feature set, so that TensorBoard draws them on one chart.

    The charts of all scores thus have the curves trained, untrained, band_statistics and, where it is known, chance.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._purge_step: int | None = None

    def keep_until(self, step: int, scored_step: int):
        """Before anything is written: drop what an earlier process showed of later steps.

        Args:
            step: the last that is trained
            scored_step: the last whose scores and figures stay
        """
        self._purge_step = step + 1  # a page that is open forgets too what was dropped
        limits = {"train": step, "config": step}
        for folder in filter(Path.is_dir, self.folder.glob("*")):
            keep_events(folder, lambda event, tag: event.step <= limits.get(tag.partition("/")[0], scored_step))
            keep_projections(folder, scored_step)

    def scalars(self, step: int, group: str, values: dict[str, float]):
        """Numbers under the tags group/name."""
        with writing(self.folder):
            for name, value in values.items():
                self._writer(MAIN).add_scalar(f"{group}/{name}", value, step)

    def scores(self, step: int, scores: list[Score]):
        """Means of the scores of any feature sets, under the tags task/metric/model; NaN is left out."""
        with writing(self.folder):
            for score in chance_apart(scores):
                if math.isfinite(score.mean):
                    self._writer(score.features).add_scalar(score.tag, score.mean, step)

    def figure(self, step: int, tag: str, figure: Figure):
        """A figure, as an image."""
        self.image(step, tag, image_of(figure))

    def image(self, step: int, tag: str, image: np.ndarray):
        """An image (H, W, 3) uint8."""
        with writing(self.folder):
            self._writer(MAIN).add_image(tag, image, step, dataformats="HWC")

    def text(self, tag: str, text: str, step: int = 0):
        """A text in Markdown."""
        with writing(self.folder):
            self._writer(MAIN).add_text(tag, text, step)

    def projector(
        self,
        step: int,
        embeddings: np.ndarray,
        labels: np.ndarray,
        positions: np.ndarray,
        rgb: np.ndarray,
        legend: Legend,
    ):
        """Embeddings (N, D) for the projector, with class name, position and a framed thumbnail for each.

        labels: (N,), -1 where there is none. positions: (N, 2). rgb: (N, H, W, 3) uint8. Only the first MOST_POINTS are
        shown, for the sake of the picture that holds all thumbnails.
        """
        labels = labels[:MOST_POINTS]
        pictures = torch.from_numpy(thumbnails(rgb[:MOST_POINTS], labels, legend)).permute(0, 3, 1, 2)  # (N, 3, S, S)
        names = [" ".join(name.split()) for name in (*legend.names, NO_LABEL)]  # no tab may be in a column
        with writing(self.folder):
            self._writer(MAIN).add_embedding(
                embeddings[:MOST_POINTS],
                [[names[label], x, y] for label, (x, y) in zip(labels, positions[:MOST_POINTS].tolist())],
                pictures.float() / 255,
                step,
                tag="tiles",
                metadata_header=["class", "x", "y"],
            )

    def flush(self):
        """Bring everything to the disk, where a page that is open finds it."""
        with writing(self.folder):
            for writer in self._writers.values():
                writer.flush()
            for path in self.folder.glob("*/events.out.tfevents.*"):
                sync(path)

    def close(self):
        """Write what is left and close the files."""
        with writing(self.folder):
            for writer in self._writers.values():
                writer.close()

    def _writer(self, features: str) -> SummaryWriter:
        if features not in self._writers:
            folder = self.folder / features
            self._writers[features] = SummaryWriter(str(folder), purge_step=self._purge_step)
            # where the writer keeps all projections, for the file that lists them is written anew with each
            self._writers[features]._projector_config = projections(folder)
        return self._writers[features]
