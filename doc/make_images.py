"""Makes the pictures in doc/images from real runs of this program on the demo map: python doc/make_images.py

The runs are made first, in results/images-NAME, unless they are there: some ten minutes on two cores. With Chromium and
its driver at hand (Debian's chromium and chromium-driver) the pages are photographed too.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.image
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import config as configuration
from dataProcessors.maps import OpenMaps, open_maps
from reporting.figures import Overview, sampling_map
from reporting.figures.style import label_picture, save
from training.steps.history import SampledPositions

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "doc" / "images"
SAMPLING = ["loss=tripletloss", "image_size=64", "epochs=1", "iterations=12", "validation_nb=200", "valIteration=1"]
RUNS = {
    "unsupervised": [],
    "supervised": ["supervised=true"],
    "random_sampling": [*SAMPLING, "random_reset=1.0"],
    "cluster_sampling": [*SAMPLING, "random_reset=0.0"],
}
CORNER, SIDE = np.array([2300, 3600]), 1700  # pixels of the demo map: a piece with most kinds of land
PIECE, STEP = 3600, 3  # pixels of the piece that tiles are shown on, and pixels of the map for one of the picture
WIDTH, HEIGHT = 15, 5.2  # inches
COLOURS = 256  # of a picture, which is a third as large so


def run(name: str) -> Path:
    """The folder of a run, which is made unless it is there."""
    folder = ROOT / "results" / f"images-{name}"
    if not (folder / "report.html").exists():
        command = [sys.executable, "main.py", f"name=images-{name}", *RUNS[name]]
        subprocess.run(command, cwd=ROOT, check=True)
    return folder


def maps_of(folder: Path) -> OpenMaps:
    """The maps of a run."""
    return open_maps(configuration.load(folder / "config.json"), threads=2)


def overview(folder: Path) -> Figure:
    """The map, the labels it is judged by, and the embeddings of the run, side by side."""
    maps = maps_of(folder)
    panels = {
        "the map (synthetic): tiles are sampled from it": maps.image.read(CORNER[None], SIDE)[0].transpose(1, 2, 0),
        "land cover: used to judge, not to train": label_picture(
            maps.labels.read(CORNER[None], SIDE)[0, 0], maps.labels.legend
        ),
        "embeddings of unseen tiles, coloured by land cover": matplotlib.image.imread(folder / "figures/best/umap.png"),
    }
    figure = Figure((WIDTH, HEIGHT), layout="constrained")
    last = list(panels.values())[-1]
    widths = [1, 1, last.shape[1] / last.shape[0]]
    for axes, (title, picture) in zip(figure.subplots(1, 3, width_ratios=widths), panels.items()):
        axes.imshow(picture)
        axes.set_title(title, fontsize=13)
        axes.axis("off")
    return figure


def sampling(folder: Path, title: str) -> Figure:
    """The tiles of a run's steps on the piece of the map that holds most of the anchors."""
    maps, sampled = maps_of(folder), SampledPositions()
    sampled.load_state_dict(torch.load(folder / "last.pt", weights_only=True)["progress"]["sampled"])
    window = np.array(maps.image.window)
    middle = np.median(sampled.copy()["anchor"], axis=0).astype(int)
    corner = np.clip(middle - PIECE // 2, window[:2], window[:2] + window[2:] - PIECE)
    pixels = maps.image.read(corner[None], PIECE)[0].transpose(1, 2, 0)[::STEP, ::STEP]

    def inside(positions: np.ndarray) -> np.ndarray:
        return positions[((positions >= corner) & (positions < corner + PIECE - 2 * maps.area.size)).all(1)]

    roles = {role: inside(positions) for role, positions in sampled.copy().items()}
    piece = Overview(pixels, STEP, tuple(corner.tolist()))
    return sampling_map(piece, maps.area.size, roles, inside(maps.area.reserved_cells()), title)


def main() -> None:
    """All pictures."""
    folders = {name: run(name) for name in RUNS}
    own = folders["unsupervised"]
    save(overview(own), IMAGES / "overview", ("png",))
    titles = {
        "random_sampling": "Random sampling: every anchor anywhere (random_reset 1.0), synthetic map",
        "cluster_sampling": "Cluster sampling: every anchor near the last (random_reset 0.0), synthetic map",
    }
    for name, title in titles.items():
        save(sampling(folders[name], title), IMAGES / name, ("png",))
        copy(IMAGES / f"{name}.png", name)
    for name in ("unsupervised", "supervised"):
        copy(folders[name] / "figures/best/umap_3d.png", f"umap_{name}")
    for name in ("umap_tiles", "neighbours"):
        copy(own / f"figures/best/{name}.png", name)
    if shutil.which("chromium") and shutil.which("chromedriver"):
        photograph(own)


def photograph(folder: Path) -> None:
    """TensorBoard's pages and the report of a run."""
    with TemporaryDirectory() as shots:
        subprocess.run([sys.executable, "doc/screenshots.py", folder.relative_to(ROOT), shots], cwd=ROOT, check=True)
        for tab, name in {"custom_scalars": "scalars", "images": "images", "projector": "projector"}.items():
            copy(Path(shots) / f"{tab}.png", f"tensorboard_{name}")
        copy(Path(shots) / "report_1280.png", "report", height=1500)


def copy(path: Path, name: str, height: int | None = None) -> None:
    """A picture, or its upper part, with fewer colours."""
    picture = Image.open(path).convert("RGB")
    upper = picture.crop((0, 0, picture.width, height or picture.height))
    upper.quantize(COLOURS).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
