"""The typed config of a run: what its keys are (`keys`, `types`, `library`), and how one is read (`reading`)."""

from config.errors import ConfigError, UserError
from config.keys import CHANGEABLE, LESS_IS_BETTER, RETRIEVAL_METRICS, WITHOUT_EFFECT, Config
from config.reading import describe, load, validate
from config.types import Maps

__all__ = [
    "CHANGEABLE", "LESS_IS_BETTER", "RETRIEVAL_METRICS", "WITHOUT_EFFECT", "Config", "ConfigError", "Maps", "UserError",
    "describe", "load", "validate",
]  # fmt: skip
