"""The typed config of a run: its keys (`keys`, `types`, `library`), and how a config file is read (`reading`)."""

from config.commands import command, main_command
from config.errors import ConfigError, ContradictionError, UserError
from config.keys import (
    CHANGEABLE_ON_RESUME,
    LESS_IS_BETTER,
    NO_EFFECT_ON_RESULTS,
    RETRIEVAL_METRICS,
    USED_DIMENSIONS,
    Config,
)
from config.reading import describe, load, validate
from config.types import ImageFiles, LabelFile, Maps

__all__ = [
    "CHANGEABLE_ON_RESUME", "LESS_IS_BETTER", "NO_EFFECT_ON_RESULTS", "RETRIEVAL_METRICS", "USED_DIMENSIONS", "Config",
    "ConfigError", "ContradictionError", "ImageFiles", "LabelFile", "Maps", "UserError", "command", "describe", "load",
    "main_command", "validate",
]  # fmt: skip
