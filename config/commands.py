"""Commands in messages, written so that they can be copied into a shell."""

import os
import shlex
import subprocess
from collections.abc import Callable

_join: Callable[[list[str]], str] = subprocess.list2cmdline if os.name == "nt" else shlex.join


def command(*words: object) -> str:
    """Return a command in which every word that a shell would split or change, such as a path with blanks, is quoted.

    Args:
        words: the program and its arguments, each as the program is to get it
    """
    return _join([str(word) for word in words])


def main_command(*words: object) -> str:
    """Return a command of this program; words: what follows `python main.py`."""
    return command("python", "main.py", *words)
