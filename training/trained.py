"""The network of a run, to embed tiles with anywhere else."""

from pathlib import Path

from config import validate
from networks import Embedder, Normalise, build
from training.runs.checkpoint import load


def trained_network(path: str | Path) -> Embedder:
    """The network of a checkpoint, on the CPU and in evaluation mode.

    Called with tiles (N, C, S, S) of the kind that it was trained on (the same bands, in the map's own pixel values,
    `image_size` pixels a side), it gives their embeddings (N, D) float32.

    Args:
        path: results/NAME/best.pt or last.pt
    Raises:
        UserError: there is no checkpoint of this program
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
