"""Load the trained network of a run, to embed tiles in your own program."""

from pathlib import Path

from config import UserError, validate
from networks import Embedder, HeadInputs, Normalise, PrincipalComponents, build
from networks.normalise import NodataRule
from training.runs.checkpoint import load


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
    return network_of(load(Path(path)), str(path))


def network_of(checkpoint: dict, source: str) -> Embedder:
    """Return the network of a loaded checkpoint as `trained_network` does. source: where it is from, for errors."""
    config, weights = validate(checkpoint["config"], source), checkpoint["network"]
    offset, scale = (weights[f"normalisation.{name}"] for name in ("offset", "scale"))
    normalisation = Normalise(offset, scale, _nodata_rules(checkpoint, len(offset)))
    inputs = HeadInputs(config.head_inputs, offset, scale) if config.head_inputs else None
    components = None
    if inputs is not None and config.principal_components:
        components = PrincipalComponents(inputs.num_features, config.principal_components)
    network = build(
        config.network,
        len(offset),
        config.image_size,
        config.output_size,
        config.norm_output,
        normalisation,
        config.seed,
        head_inputs=inputs,
        hidden=config.head_layers,
        projection=config.projection,
        components=components,
        test_time_augmentation=config.test_time_augmentation,
    )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:  # its message has a line for each tensor
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{source}: its weights do not fit the network that its config describes ({reason} ...). Another revision "
            "of the program wrote it: use that one, or train again."
        ) from None
    return network.eval()


def _nodata_rules(checkpoint: dict, bands: int) -> list[NodataRule]:
    """Return the rules on values; earlier revisions had one value, which all bands must hold, among the weights."""
    fill = checkpoint["network"].pop("normalisation.fill", None)
    if fill is not None:
        return [((float(fill),) * bands, True)]
    rules = checkpoint["maps"]["image"].get("nodata", [])
    return [(rule["values"], rule["in_all_bands"]) for rule in rules]
