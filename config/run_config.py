"""The config of a run: its keys, and what follows from their values."""

import json
from typing import Any

from pydantic import SerializationInfo, SerializerFunctionWrapHandler, model_serializer

from config.keys import Keys
from config.library import LIBRARY_LOSSES, LIBRARY_MINERS, OWN_LOSSES, name_and_parameters
from config.redaction import redacted_content
from config.scores import EMBEDDING_METRICS, MODEL_METRICS, SEGMENTATION_METRICS, USED_DIMENSIONS
from config.types import NAMED_DATES, Maps

# keys that say how embeddings are judged by a label map
OF_SCORES = "single_class_classifiers", "multi_class_classifiers", "best_metric", "singleClassTreshold", "yardsticks"
OF_SEGMENTATION = "segmentation_stride", "segmentation_cells", "segmentation_region"
KEEP_CREDENTIALS = object()  # context in which a config becomes plain values as it is


class Config(Keys):
    """The config of one run. Frozen; `config.load` creates it and reports all problems at once."""

    def is_evaluated_after(self, step: int) -> bool:
        """Return whether the network is evaluated after this step, which always holds for the last one."""
        epoch, beyond = divmod(step, self.iterations)
        return not beyond and step > 0 and (epoch % self.evaluate_every == 0 or epoch == self.epochs)

    @property
    def run_name(self) -> str:
        """Name of the run's folder under results/ (a number is appended if that folder exists)."""
        return self.name or f"{self.loss_name}-{self.network}"

    @property
    def loss_name(self) -> str:
        """Name of the loss, without its parameters."""
        return name_and_parameters(self.loss)[0]

    @property
    def library_miners(self) -> list[tuple[str, dict[str, Any]]]:
        """Miners of pytorch-metric-learning with their parameters; more than one is a contradiction."""
        named = [name_and_parameters(each) for each in self.mining]
        return [(name, parameters) for name, parameters in named if name in LIBRARY_MINERS]

    @property
    def metrics(self) -> list[str]:
        """Names of all scores of the network, as TensorBoard shows them; without a label map of what needs none."""
        if self.validation_map is None:
            return [USED_DIMENSIONS]
        models = {"single_class": self.single_class_classifiers, "multi_class": self.multi_class_classifiers}
        of_models = [
            f"{task}/{m}/{model}" for task, names in MODEL_METRICS.items() for m in names for model in models[task]
        ]
        if self.segmentation:
            of_models += [f"segmentation/{m}/{model}" for m in SEGMENTATION_METRICS for model in models["single_class"]]
        return [f"{task}/{metric}" for task, names in EMBEDDING_METRICS.items() for metric in names] + of_models

    @property
    def best_score(self) -> str:
        """Name of the score by which the best network is chosen.

        By default it is one that training without labels can improve: MAP@R asks that all tiles of a class lie
        together, and is often best before the training. Without a label map the run has no such score: the last network
        is kept.
        """
        choices = [
            None if self.validation_map is None else self.best_metric,
            *(f"multi_class/sum_error/{model}" for model in self.multi_class_classifiers),
            *(f"single_class/accuracy/{model}" for model in self.single_class_classifiers),
        ]
        return next((choice for choice in choices if choice is not None), "retrieval/MAP@R")

    @property
    def has_negatives(self) -> bool:
        """Whether tiles are negatives by their distance: not where labels decide, nor with losses that have none."""
        return not (self.supervised or self.loss_name in OWN_LOSSES)

    @property
    def dates(self) -> list[str]:
        """Names of the dates of the image map, in the order of the config; [""]: there is one image without a date."""
        return list(self.maps.images if isinstance(self.maps, Maps) else NAMED_DATES.get(self.maps, ("",)))

    @property
    def legend_hints(self) -> dict[str, str]:
        """Name of a label map -> its legend, for the label maps whose legend the config declares."""
        return dict(self.maps.legends) if isinstance(self.maps, Maps) else {"osm": "osm", "clc": "clc"}

    @model_serializer(mode="wrap")
    def _plain_values(self, to_values: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Return the keys as plain values; without credentials in URLs, unless the context says that they are kept."""
        values = to_values(self)
        return values if info.context is KEEP_CREDENTIALS else redacted_content(values)

    def to_json(self, keep_credentials: bool = False) -> str:
        """Return the config as JSON that `load` can read.

        `validation_nb` is left out unless the user set it: a map that cannot hold so many tiles is an error only then.

        Args:
            keep_credentials: for another process, which must read the same maps; nobody may store or show that
        """
        context = KEEP_CREDENTIALS if keep_credentials else None
        values = self.model_dump(exclude={"validation_nb"} - self.model_fields_set, context=context)
        return json.dumps(values, indent=4) + "\n"

    def with_credentials(self) -> dict[str, Any]:
        """Return the keys of which `to_json` leaves out a part: key -> its whole plain value, as JSON has it."""
        stored, whole = json.loads(self.to_json()), json.loads(self.to_json(keep_credentials=True))
        return {name: value for name, value in whole.items() if value != stored[name]}

    def warnings(self) -> list[str]:
        """Return messages about settings that are valid but probably not intended."""
        messages = [
            f"{', '.join(map(repr, keys))}: no effect {where}; ignored."
            for where, keys in self.without_effect().items()
        ]
        if self.validation_map is None and isinstance(self.maps, Maps) and self.maps.labels:
            messages.append(
                "'maps.labels': not used where 'validation_map' is null; name one of them there to be scored."
            )
        if self.has_negatives and self.max_pos_dist > self.min_neg_dist:
            messages.append("'max_pos_dist' is over 'min_neg_dist': some tiles count as positive and negative at once.")
        return messages

    def without_effect(self) -> dict[str, list[str]]:
        """Return the keys that differ from their default but have no effect: where that is so -> keys."""
        is_magnet, is_library = self.loss_name == "magnetloss", self.loss_name in LIBRARY_LOSSES
        is_pairs = self.loss_name in OWN_LOSSES
        has_parameters = is_library or is_pairs
        distances = ["min_pos_dist", "max_pos_dist", "min_neg_dist", "max_neg_dist"]
        ignored = {
            "with magnetloss": ["alt_loss", "mining"] if is_magnet else [],
            f"in supervised training with {self.loss_name}":
                [*distances, *(["random_reset", "positive_dates"] if is_magnet else [])] if self.supervised else [],
            "where 'maps.image' has a single date": ["positive_dates"] if len(self.dates) < 2 else [],
            f"with {self.loss_name}, which has its own parameters": ["alt_loss", "margin"] if has_parameters else [],
            "with alt_loss, which has no margin":
                ["margin"] if self.alt_loss and not (is_magnet or has_parameters) else [],
            "but with magnetloss": ["magnet_clusters"] if not is_magnet else [],
            "but in supervised training with magnetloss":
                ["magnet_clusters_per_class"] if not (is_magnet and self.supervised) else [],
            "where 'segmentation' is false": list(OF_SEGMENTATION) if not self.segmentation else [],
            f"with {self.loss_name}, which has no negatives":
                ["min_neg_dist", "max_neg_dist"] if not (self.has_negatives or self.supervised) else [],
            "where 'validation_map' is null, because nothing is scored":
                list(OF_SCORES) if self.validation_map is None else [],
        }  # fmt: skip
        changed = {where: [key for key in keys if self.is_changed(key)] for where, keys in ignored.items()}
        return {where: keys for where, keys in changed.items() if keys}

    def is_changed(self, key: str) -> bool:
        """Return whether a key has another value than its default."""
        return getattr(self, key) != type(self).model_fields[key].default
