"""Load the trained network of a run, to embed tiles in your own program."""

from pathlib import Path

from config import validate
from networks import Embedder, Normalise, build
from training.runs.checkpoint import load


def trained_network(path: str | Path) -> Embedder:
    """Return the network of a checkpoint, on the CPU and in evaluation mode.

    Call it with tiles (N, C, S, S) like those it was trained on: the same bands, the map's raw pixel values,
    `image_size` pixels a side. It returns their embeddings (N, D) float32.

    Args:
        path: results/NAME/best.pt or last.pt
    Raises:
        UserError: the file is missing, damaged, or not a checkpoint of this program
    """
    checkpoint = load(Path(path))
    config, weights = validate(checkpoint["config"], str(path)), checkpoint["network"]
    offset, scale, fill = (weights.get(f"normalisation.{name}") for name in ("offset", "scale", "fill"))
    normalisation = Normalise(offset, scale, fill)
    network = build(
        config.network,
        len(offset),
        config.image_size,
        config.output_size,
        config.norm_output,
        normalisation,
        config.seed,
    )
    network.load_state_dict(weights)
    return network.eval()
