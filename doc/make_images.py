"""Make the pictures in doc/images from runs on the demo map: python doc/make_images.py

The runs lie in results/images-NAME; missing ones are trained first, which takes some ten minutes on two cores. If
Chromium and its driver are installed (Debian: chromium and chromium-driver), screenshots are made too.
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
from reporting.figures.style import label_picture, save_figure
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
OVERVIEW_CORNER, OVERVIEW_SIDE = np.array([2300, 3600]), 1700  # pixels of the demo map: a region with most classes
SAMPLING_SIDE, STEP = 3600, 3  # pixels of the map: of the region of the sampled tiles; of one pixel of its picture
WIDTH, HEIGHT = 15, 5.2  # inches, of the overview
STRIDE, PLACE = "24", ("9.05", "53.72")  # of the embedded map; longitude and latitude of the place that is searched for
COLOURS = 256  # of a picture; the file is a third as large as without this limit


def run_folder(name: str) -> Path:
    """Return the folder of a run; train the run first if it is missing."""
    folder = ROOT / "results" / f"images-{name}"
    if not (folder / "report.html").exists():
        command = [sys.executable, "main.py", f"name=images-{name}", *RUNS[name]]
        subprocess.run(command, cwd=ROOT, check=True)
    return folder


def open_run_maps(folder: Path) -> OpenMaps:
    """Open the maps of a run."""
    return open_maps(configuration.load(folder / "config.json"), threads=2)


def overview_figure(folder: Path) -> Figure:
    """Draw the map, the labels for the evaluation, and the embeddings of the run side by side."""
    maps = open_run_maps(folder)
    panels = {
        "the map (synthetic): tiles are sampled from it": maps.image.read(OVERVIEW_CORNER[None], OVERVIEW_SIDE)[
            0
        ].transpose(1, 2, 0),
        "land cover: used for evaluation, not for training": label_picture(
            maps.labels.read(OVERVIEW_CORNER[None], OVERVIEW_SIDE)[0, 0], maps.labels.legend
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


def sampling_figure(folder: Path, title: str) -> Figure:
    """Draw the sampled tiles of a run on the region of the map with most of its anchors."""
    maps, sampled = open_run_maps(folder), SampledPositions()
    sampled.load_state_dict(torch.load(folder / "last.pt", weights_only=True)["progress"]["sampled"])
    window = np.array(maps.image.window)
    middle = np.median(sampled.by_role()["anchor"], axis=0).astype(int)
    corner = np.clip(middle - SAMPLING_SIDE // 2, window[:2], window[:2] + window[2:] - SAMPLING_SIDE)
    pixels = maps.image.read(corner[None], SAMPLING_SIDE)[0].transpose(1, 2, 0)[::STEP, ::STEP]

    def inside(positions: np.ndarray) -> np.ndarray:
        return positions[((positions >= corner) & (positions < corner + SAMPLING_SIDE - 2 * maps.area.size)).all(1)]

    roles = {role: inside(positions) for role, positions in sampled.by_role().items()}
    region = Overview(pixels, STEP, tuple(corner.tolist()))
    return sampling_map(region, maps.area.size, roles, inside(maps.area.reserved_cells()), title)


def take_whole_map_pictures(folder: Path) -> None:
    """Embed the map of a run, and make the pictures of its land cover and of a search."""
    verbs = {"embed": [], "classify": ["--with", "linear"], "search": ["--at", *PLACE, "-k", "10"]}
    for verb, options in verbs.items():
        command = [sys.executable, "main.py", verb, str(folder.relative_to(ROOT)), "--stride", STRIDE, *options]
        subprocess.run(command, cwd=ROOT, check=True)
    (land_cover,) = folder.glob(f"embedded/*-{STRIDE}px-*/land-cover-linear.png")
    (search,) = folder.glob(f"searches/{PLACE[0]}*/search.png")
    save_reduced(land_cover, "land_cover")
    save_reduced(search, "search")


def main() -> None:
    """Make all pictures."""
    folders = {name: run_folder(name) for name in RUNS}
    folder = folders["unsupervised"]
    save_figure(overview_figure(folder), IMAGES / "overview", ("png",))
    titles = {
        "random_sampling": "Random sampling: anchors anywhere on the map (random_reset 1.0), synthetic map",
        "cluster_sampling": "Cluster sampling: each anchor near the last one (random_reset 0.0), synthetic map",
    }
    for name, title in titles.items():
        save_figure(sampling_figure(folders[name], title), IMAGES / name, ("png",))
        save_reduced(IMAGES / f"{name}.png", name)
    for name in ("unsupervised", "supervised"):
        save_reduced(folders[name] / "figures/best/umap_3d.png", f"umap_{name}")
    for name in ("umap_tiles", "neighbours"):
        save_reduced(folder / f"figures/best/{name}.png", name)
    take_whole_map_pictures(folder)
    if shutil.which("chromium") and shutil.which("chromedriver"):
        take_screenshots(folder)


def take_screenshots(folder: Path) -> None:
    """Take screenshots of TensorBoard's pages and of the report of a run."""
    with TemporaryDirectory() as screenshots:
        subprocess.run(
            [sys.executable, "doc/screenshots.py", folder.relative_to(ROOT), screenshots], cwd=ROOT, check=True
        )
        for tab, name in {"custom_scalars": "scalars", "images": "images", "projector": "projector"}.items():
            save_reduced(Path(screenshots) / f"{tab}.png", f"tensorboard_{name}")
        save_reduced(Path(screenshots) / "report_1280.png", "report", height=1500)


def save_reduced(path: Path, name: str, height: int | None = None) -> None:
    """Save a picture with fewer colours; only the upper `height` pixels, if given."""
    picture = Image.open(path).convert("RGB")
    upper = picture.crop((0, 0, picture.width, height or picture.height))
    upper.quantize(COLOURS).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
