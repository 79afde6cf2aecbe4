"""Write what a run logs to TensorBoard's event files."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from config import LESS_IS_BETTER
from evaluation.differences import is_score
from evaluation.scores import Score
from reporting.feature_sets import TRAINED, is_yardstick, separate_chance
from reporting.figures.thumbnails import BORDER, SIDE
from reporting.tensorboard.event_files import filter_embeddings, filter_events, read_projector_config
from reporting.tensorboard.hparams import hparams_summaries
from storage import convert_write_errors, sync

FLUSH_SECONDS = 5  # until new values can be seen on an open page
SPRITE_SIDE = 8192  # pixels, the largest texture that TensorBoard's projector takes
SPRITE_BYTES = 20_000_000  # of the thumbnails, uncompressed: the page loads all of them at once
THUMBNAIL_SIDE = SIDE + 2 * BORDER
MAX_POINTS = min((SPRITE_SIDE // THUMBNAIL_SIDE) ** 2, math.isqrt(SPRITE_BYTES // (3 * THUMBNAIL_SIDE**2)) ** 2)
SCORE_GROUPS = "single_class", "multi_class", "retrieval"  # in the order of the charts; other groups follow
TRAINING_GROUPS = (
    "train",
    "distances",
    "batch",
)  # first part of the tags of training steps; the others are of evaluations


class TensorBoardWriter:
    """Writes event files, in a subfolder for each feature set, so that TensorBoard draws their scores on one chart.

    Every chart of a score has the curves of trained, of the yardsticks and, if it is known, of chance. Everything but
    scores of yardsticks and chance is logged with the trained network.

    Args:
        folder: for the event files
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._purge_step: int | None = None

    def drop_after(self, step: int, scored_step: int) -> None:
        """Remove what an earlier process logged of later steps, and what `log_config` logs. Call it before logging.

        Args:
            step: the last trained step
            scored_step: the last step whose scores and figures are kept
        """
        self._purge_step = step + 1  # an open page removes these values too
        limits = dict.fromkeys(TRAINING_GROUPS, step) | {"config": -1, "_hparams_": -1, "custom_scalars__config__": -1}
        for folder in filter(Path.is_dir, self.folder.glob("*")):
            filter_events(folder, lambda event, tag: event.step <= limits.get(tag.partition("/")[0], scored_step))
            filter_embeddings(folder, lambda name, for_step: name == "best" and for_step <= scored_step)

    def log_config(self, config_text: str, keys: dict[str, float | str | bool], metrics: list[str]) -> None:
        """Log the config, the row of the run in the table of runs, and the layout of the charts; before the first step.

        Args:
            config_text: the config in Markdown
            keys: config key -> value, for the table of runs
            metrics: tags of the scores in that table, in the order of the charts
        """
        self.log_text("config", config_text)
        with convert_write_errors(self.folder):
            writer = self._writer(TRAINED)
            writer.add_custom_scalars(chart_layout(metrics))
            for summary in hparams_summaries(keys, metrics):
                writer._get_file_writer().add_summary(summary, 0)

    def log_scalars(self, step: int, group: str, values: dict[str, float]) -> None:
        """Log numbers under the tags group/name."""
        with convert_write_errors(self.folder):
            for name, value in values.items():
                self._writer(TRAINED).add_scalar(f"{group}/{name}", value, step)

    def log_scores(self, step: int, scores: list[Score]) -> None:
        """Log scores of any feature sets under their tags (see `Score.tag`), without NaN.

        Also log mean less and plus standard deviation, and the lead of the trained network (see `leads`).
        """
        known = [score for score in separate_chance(scores) if math.isfinite(score.mean)]
        with convert_write_errors(self.folder):
            for score in known:
                writer = self._writer(score.features)
                writer.add_scalar(score.tag, score.mean, step)
                for tag, value in zip(spread_tags(score.tag), (score.mean - score.std, score.mean + score.std)):
                    writer.add_scalar(tag, value, step)
            for tag, value in leads(known):
                self._writer(TRAINED).add_scalar(f"yardsticks/{tag}", value, step)

    def log_figure(self, step: int, tag: str, path: Path) -> None:
        """Log a figure that was saved as a PNG file, as it is in the file."""
        content = path.read_bytes()
        with Image.open(path) as opened:
            shape = {"width": opened.width, "height": opened.height, "colorspace": len(opened.getbands())}
        value = Summary.Value(tag=tag, image=Summary.Image(encoded_image_string=content, **shape))
        with convert_write_errors(self.folder):
            self._writer(TRAINED)._get_file_writer().add_summary(Summary(value=[value]), step)

    def log_image(self, step: int, tag: str, image: np.ndarray) -> None:
        """Log an image (H, W, 3) uint8."""
        with convert_write_errors(self.folder):
            self._writer(TRAINED).add_image(tag, image, step, dataformats="HWC")

    def log_histogram(self, step: int, tag: str, values: np.ndarray) -> None:
        """Log the distribution of values (n,)."""
        with convert_write_errors(self.folder):
            self._writer(TRAINED).add_histogram(tag, values, step)

    def log_text(self, tag: str, text: str, step: int = 0) -> None:
        """Log a text in Markdown."""
        with convert_write_errors(self.folder):
            self._writer(TRAINED).add_text(tag, text, step)

    def log_embeddings(
        self,
        step: int,
        network: str,
        embeddings: np.ndarray,
        pictures: np.ndarray,
        header: Iterable[str],
        descriptions: list[list[str]],
    ) -> None:
        """Log embeddings for the projector, with thumbnails and texts; they replace earlier ones of this network.

        Only the first MAX_POINTS are shown, because one picture holds all thumbnails and its size is limited.

        Args:
            step: of the training
            network: "best" or "last": the network that computed the embeddings
            embeddings: (N, D)
            pictures: (N, S, S, 3) uint8, the thumbnails
            header: name of each column of the descriptions
            descriptions: a row of texts for each embedding
        """
        shown = torch.from_numpy(pictures[:MAX_POINTS]).permute(0, 3, 1, 2).float() / 255  # (N, 3, S, S)
        with convert_write_errors(self.folder):
            self._writer(TRAINED).add_embedding(
                embeddings[:MAX_POINTS],
                descriptions[:MAX_POINTS],
                shown,
                step,
                tag=network,
                metadata_header=list(header),
            )
        filter_embeddings(self.folder / TRAINED, lambda name, for_step: name != network or for_step == step)
        self._writers[TRAINED]._projector_config = read_projector_config(self.folder / TRAINED)

    def flush(self) -> None:
        """Write everything to the disk, where an open page finds it."""
        with convert_write_errors(self.folder):
            for writer in self._writers.values():
                writer.flush()
            for path in self.folder.glob("*/events.out.tfevents.*"):
                sync(path)

    def close(self) -> None:
        """Write the rest and close the files."""
        with convert_write_errors(self.folder):
            for writer in self._writers.values():
                writer.close()

    def _writer(self, features: str) -> SummaryWriter:
        if features not in self._writers:
            folder = self.folder / features
            self._writers[features] = SummaryWriter(str(folder), purge_step=self._purge_step, flush_secs=FLUSH_SECONDS)
            # the writer rewrites the list of embeddings each time, so it must know the earlier ones
            self._writers[features]._projector_config = read_projector_config(folder)
        return self._writers[features]


def spread_tags(tag: str) -> tuple[str, str]:
    """Return the tags for the mean of a score less and plus its standard deviation."""
    return f"spread/{tag}/low", f"spread/{tag}/high"


def leads(scores: list[Score]) -> list[tuple[str, float]]:
    """Return (tag, lead): how much better the trained network is than the best yardstick; may be negative."""
    means: dict[str, list[float]] = {}  # tag -> of the yardsticks
    for score in scores:
        if is_yardstick(score.features):
            means.setdefault(score.tag, []).append(score.mean)
    differences = []
    for score in scores:
        others = means.get(score.tag, [])
        if score.features == TRAINED and others and is_score(score.tag):
            less = score.metric in LESS_IS_BETTER
            differences.append((score.tag, min(others) - score.mean if less else score.mean - max(others)))
    return differences


def chart_layout(metrics: list[str]) -> dict[str, dict[str, list]]:
    """Return the charts of the custom-scalars page: first the training, then the scores, each with its spread."""
    train = {
        "loss": ["Multiline", [r"^train/loss$"]],
        "distance of positives and negatives": ["Multiline", [r"^train/(positive|negative)_distance$"]],
        "share of active tuples": ["Multiline", [r"^train/active_share$"]],
        "spread of the embeddings": ["Multiline", [r"^train/embedding_spread$"]],
        "share of false negatives and positives": ["Multiline", [r"^train/false_(negatives|positives)$"]],
        "learning rate": ["Multiline", [r"^train/learning_rate$"]],
        "tiles per second": ["Multiline", [r"^train/tiles_per_second$"]],
        "share of time waiting for data": ["Multiline", [r"^train/wait_share$"]],
    }
    found = dict.fromkeys(tag.partition("/")[0] for tag in metrics)
    groups = dict.fromkeys([*filter(found.__contains__, SCORE_GROUPS), *found])
    charts = {"training": train, **{group: {} for group in groups}}
    for tag in reversed(metrics):  # TensorBoard shows charts of this kind in reverse order
        group, _, name = tag.partition("/")
        charts[group][name] = ["Margin", [tag, *spread_tags(tag)]]
    return charts | {"lead over the best yardstick": {"all scores": ["Multiline", [r"^yardsticks/"]]}}
