"""The typed config of a run: keys (`keys`), what follows from them (`run_config`), and reading a file (`reading`)."""

from config.commands import command, main_command
from config.errors import ConfigError, ContradictionError, UserError, check_together
from config.keys import CHANGEABLE_ON_RESUME, NO_EFFECT_ON_RESULTS
from config.reading import describe, load, validate
from config.run_config import Config
from config.scores import LESS_IS_BETTER, RETRIEVAL_METRICS, USED_DIMENSIONS
from config.types import ImageFiles, LabelFile, Maps

__all__ = [
    "CHANGEABLE_ON_RESUME", "LESS_IS_BETTER", "NO_EFFECT_ON_RESULTS", "RETRIEVAL_METRICS", "USED_DIMENSIONS", "Config",
    "ConfigError", "ContradictionError", "ImageFiles", "LabelFile", "Maps", "UserError", "check_together", "command",
    "describe", "load", "main_command", "validate",
]  # fmt: skip
