"""Load the trained network of a run, to embed tiles in your own program."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from config import UserError, validate
from networks import Architecture, Embedder, HeadInputs, Normalise, build
from networks.normalise import NodataRule
from training.runs.checkpoint import load

FILL = "normalisation.fill"  # among the weights of earlier revisions: the value that meant "no data" in all bands


def trained_network(path: str | Path) -> Embedder:
    """Return the network of a checkpoint, on the CPU and in evaluation mode.

    Call it with tiles (N, C, S, S) like those it was trained on: the same bands, the map's raw pixel values,
    `image_size` pixels a side. It returns their embeddings (N, D) float32. An optional second argument (N, S, S) is not
    0 where a pixel holds data; without it, the nodata values that the run's map declared or its config named decide
    (which cannot know of a mask or an alpha band), and pixels that are not finite are without data in any case.

    Args:
        path: results/NAME/best.pt or last.pt
    Raises:
        UserError: the file is missing, damaged, or not a checkpoint of this program
    """
    checkpoint = load(Path(path))
    return network_of(checkpoint, str(path), _nodata_rules(checkpoint))


def network_of(checkpoint: dict, source: str, nodata: Sequence[NodataRule] = ()) -> Embedder:
    """Return the network of a loaded checkpoint, on the CPU and in evaluation mode.

    Args:
        checkpoint: its content
        source: where it is from, for errors
        nodata: rules for tiles without validity. In training there are none, and none belong to tiles of a map's
            reader: such tiles have a validity, unless the map says that all of its pixels hold data
    """
    config = validate(checkpoint["config"], source)
    weights = {name: value for name, value in checkpoint["network"].items() if name != FILL}
    offset, scale = (weights[f"normalisation.{name}"] for name in ("offset", "scale"))
    normalisation = Normalise(offset, scale, nodata)
    inputs = None
    if config.head_inputs:
        inputs = HeadInputs(config.head_inputs, offset, scale, config.minimum_noise_fraction)
    architecture = replace(Architecture.of(config, len(offset)), freeze=False)
    network = build(architecture, normalisation, config.seed, head_inputs=inputs)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:  # its message has a line for each tensor
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{source}: its weights do not fit the network that its config describes ({reason} ...). Another revision "
            "of the program wrote it: use that one, or train again."
        ) from None
    return network.eval()


def _nodata_rules(checkpoint: dict) -> list[NodataRule]:
    """Return the rules on values of the run's map; earlier revisions had one value, which all bands must hold."""
    weights = checkpoint["network"]
    if FILL in weights:
        return [((float(weights[FILL]),) * len(weights["normalisation.offset"]), True)]
    rules = checkpoint["maps"]["image"].get("nodata", [])
    return [(rule["values"], rule["in_all_bands"]) for rule in rules]
