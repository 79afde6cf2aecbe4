"""The TensorBoard page of a run."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from config import LESS_IS_BETTER
from evaluation.scoring import Score
from reporting.columns import chance_apart
from reporting.event_files import keep_events, keep_projections, projections
from reporting.figures.thumbnails import BORDER, SIDE
from reporting.run_table import run_table
from storage import sync, writing

MAIN = "trained"  # what is no score of a baseline stands beside the scores of the trained network
BASELINES = ("untrained", "band_statistics")
FLUSH_SECONDS = 5  # after which a page can show what was written
SPRITE_SIDE = 8192  # pixels, the largest texture that TensorBoard's projector takes
SPRITE_BYTES = 20_000_000  # of the thumbnails, uncompressed: the page loads all of them at once
THUMBNAIL = SIDE + 2 * BORDER
MOST_POINTS = min((SPRITE_SIDE // THUMBNAIL) ** 2, math.isqrt(SPRITE_BYTES // (3 * THUMBNAIL**2)) ** 2)
GROUPS = "single_class", "multi_class", "retrieval"  # of scores, in the order of the charts; others come after these
STEP_TAGS = "train", "distances", "batch"  # first parts of the tags that training writes; others are of evaluations


class Board:
    """Event files in a folder, one subfolder for each feature set, so that TensorBoard draws them on one chart.

    The charts of all scores thus have the curves trained, untrained, band_statistics and, where it is known, chance.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._purge_step: int | None = None

    def keep_until(self, step: int, scored_step: int):
        """Before anything is written: drop what an earlier process showed of later steps, and what `begin` shows.

        Args:
            step: the last that is trained
            scored_step: the last whose scores and figures stay
        """
        self._purge_step = step + 1  # a page that is open forgets too what was dropped
        limits = dict.fromkeys(STEP_TAGS, step) | {"config": -1, "_hparams_": -1, "custom_scalars__config__": -1}
        for folder in filter(Path.is_dir, self.folder.glob("*")):
            keep_events(folder, lambda event, tag: event.step <= limits.get(tag.partition("/")[0], scored_step))
            keep_projections(folder, lambda network, of: network == "best" and of <= scored_step)

    def begin(self, config_text: str, keys: dict[str, float | str | bool], metrics: list[str]):
        """What is known before the first step.

        Args:
            config_text: Markdown
            keys: of the config, for the table in which runs are compared
            metrics: tags of the scores that are compared there, in the order of the charts
        """
        self.text("config", config_text)
        with writing(self.folder):
            writer = self._writer(MAIN)
            writer.add_custom_scalars(layout(metrics))
            for summary in run_table(keys, metrics):
                writer.file_writer.add_summary(summary, 0)

    def scalars(self, step: int, group: str, values: dict[str, float]):
        """Numbers under the tags group/name."""
        with writing(self.folder):
            for name, value in values.items():
                self._writer(MAIN).add_scalar(f"{group}/{name}", value, step)

    def scores(self, step: int, scores: list[Score]):
        """Scores of any feature sets, under the tags task/metric/model; NaN is left out.

        With them their spread, and by how much the trained network is better than the better baseline.
        """
        known = [score for score in chance_apart(scores) if math.isfinite(score.mean)]
        with writing(self.folder):
            for score in known:
                writer = self._writer(score.features)
                writer.add_scalar(score.tag, score.mean, step)
                for tag, value in zip(bounds(score.tag), (score.mean - score.std, score.mean + score.std)):
                    writer.add_scalar(tag, value, step)
            for tag, value in leads(known):
                self._writer(MAIN).add_scalar(f"baselines/{tag}", value, step)

    def figure(self, step: int, tag: str, path: Path):
        """A figure that lies in a PNG file, as it is there."""
        content = path.read_bytes()
        with Image.open(path) as opened:
            shape = {"width": opened.width, "height": opened.height, "colorspace": len(opened.getbands())}
        value = Summary.Value(tag=tag, image=Summary.Image(encoded_image_string=content, **shape))
        with writing(self.folder):
            self._writer(MAIN).file_writer.add_summary(Summary(value=[value]), step)

    def image(self, step: int, tag: str, image: np.ndarray):
        """An image (H, W, 3) uint8."""
        with writing(self.folder):
            self._writer(MAIN).add_image(tag, image, step, dataformats="HWC")

    def histogram(self, step: int, tag: str, values: np.ndarray):
        """A distribution of values (n,)."""
        with writing(self.folder):
            self._writer(MAIN).add_histogram(tag, values, step)

    def text(self, tag: str, text: str, step: int = 0):
        """A text in Markdown."""
        with writing(self.folder):
            self._writer(MAIN).add_text(tag, text, step)

    def projector(
        self,
        step: int,
        which: str,
        embeddings: np.ndarray,
        pictures: np.ndarray,
        header: Iterable[str],
        about: list[list[str]],
    ):
        """Embeddings for the projector, instead of earlier ones of this name, with thumbnails and texts.

        Only the first MOST_POINTS are shown, for the sake of the picture that holds all thumbnails.

        Args:
            step: of the training
            which: "best" or "last": the network that they are of
            embeddings: (N, D)
            pictures: (N, S, S, 3) uint8
            header: of the texts
            about: the texts of each
        """
        shown = torch.from_numpy(pictures[:MOST_POINTS]).permute(0, 3, 1, 2).float() / 255  # (N, 3, S, S)
        with writing(self.folder):
            self._writer(MAIN).add_embedding(
                embeddings[:MOST_POINTS], about[:MOST_POINTS], shown, step, tag=which, metadata_header=list(header)
            )
        keep_projections(self.folder / MAIN, lambda network, of: network != which or of == step)
        self._writers[MAIN]._projector_config = projections(self.folder / MAIN)

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
            self._writers[features] = SummaryWriter(str(folder), purge_step=self._purge_step, flush_secs=FLUSH_SECONDS)
            # where the writer keeps all projections, for the file that lists them is written anew with each
            self._writers[features]._projector_config = projections(folder)
        return self._writers[features]


def bounds(tag: str) -> tuple[str, str]:
    """Tags of a score's mean less and plus its standard deviation."""
    return f"spread/{tag}/low", f"spread/{tag}/high"


def leads(scores: list[Score]) -> list[tuple[str, float]]:
    """Tag and by how much the trained network is better there than the better one of the baselines."""
    means = {(score.features, score.tag): score.mean for score in scores}
    found = []
    for score in scores:
        others = [means[name, score.tag] for name in BASELINES if (name, score.tag) in means]
        if score.features == MAIN and others:
            less = score.metric in LESS_IS_BETTER
            found.append((score.tag, min(others) - score.mean if less else score.mean - max(others)))
    return found


def layout(metrics: list[str]) -> dict[str, dict[str, list]]:
    """Charts of the custom-scalars page, in the order of the questions: does it learn, and how good is it?"""
    train = {
        "loss": ["Multiline", [r"^train/loss$"]],
        "distance of positives and negatives": ["Multiline", [r"^train/(positive|negative)_distance$"]],
        "share of active tuples": ["Multiline", [r"^train/active_share$"]],
        "spread of the embeddings": ["Multiline", [r"^train/embedding_spread$"]],
        "learning rate": ["Multiline", [r"^train/learning_rate$"]],
        "tiles per second": ["Multiline", [r"^train/tiles_per_second$"]],
        "share of time waiting for data": ["Multiline", [r"^train/wait_share$"]],
    }
    groups = dict.fromkeys([*GROUPS, *(tag.partition("/")[0] for tag in metrics)])
    charts = {"training": train, **{group: {} for group in groups}}
    for tag in reversed(metrics):  # TensorBoard shows charts of this kind from the last to the first
        group, _, name = tag.partition("/")
        charts[group][name] = ["Margin", [tag, *bounds(tag)]]
    return charts | {"lead over the better baseline": {"all scores": ["Multiline", [r"^baselines/"]]}}
