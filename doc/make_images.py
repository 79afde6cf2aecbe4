"""Makes doc/images/overview.png, the README's first picture, from a finished run on the demo map.

python main.py && python doc/make_images.py results/demo
"""

import sys
from pathlib import Path

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import config as configuration
from dataProcessors.maps import open_maps
from reporting.figures.style import save

CORNER, SIDE = np.array([2300, 3600]), 1700  # pixels of the demo map: a piece with most kinds of land
WIDTH, HEIGHT = 15, 5.2  # inches


def overview(run: Path) -> Figure:
    """The map, the labels it is judged by, and the embeddings of the run, side by side."""
    maps = open_maps(configuration.load(run / "config.json"), threads=2)
    legend = maps.labels.legend
    image = maps.image.read(CORNER[None], SIDE)[0].transpose(1, 2, 0)
    colours = np.full((256, 3), 255, np.uint8)
    colours[: len(legend)] = legend.colors
    labels = colours[maps.labels.read(CORNER[None], SIDE)[0, 0]]
    umap = sorted((run / "figures").glob("umap-*.png"))[-1]
    panels = {
        "the map (synthetic): tiles are sampled from it": image,
        "land cover: used to judge, not to train": labels,
        "embeddings of unseen tiles, coloured by land cover": matplotlib.image.imread(umap),
    }
    figure = Figure((WIDTH, HEIGHT), layout="constrained")
    widths = [1, 1, panels[list(panels)[-1]].shape[1] / panels[list(panels)[-1]].shape[0]]
    for axes, (title, picture) in zip(figure.subplots(1, 3, width_ratios=widths), panels.items()):
        axes.imshow(picture)
        axes.set_title(title, fontsize=13)
        axes.axis("off")
    return figure


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    save(overview(Path(sys.argv[1])), Path(__file__).parent / "images" / "overview.png")
