"""Whether torchrun has started this process; imports nothing heavy."""

import os
from collections.abc import Mapping

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # of the environment, set by torchrun


def number_of_processes(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of processes that train together with this one, itself included."""
    return int(environment["WORLD_SIZE"]) if all(name in environment for name in VARIABLES) else 1
