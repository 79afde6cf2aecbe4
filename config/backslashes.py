r"""Backslashes of Windows paths, which JSON takes for the beginning of an escape: \t is a tab, and \d a mere d."""

import re
from collections.abc import Iterator
from typing import Any

PATH_KEYS = ("maps", "pretrained")  # keys of a config whose texts are paths, or are used beside paths
STRING_OR_COMMENT = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPES_OF_JSON = "\"'\\/bfnrt\n\r"  # the last two: a string that goes on in the next line
AS_TYPED = str.maketrans({"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
ADVICE = "Double the backslashes of a path, or write slashes"


class BackslashError(ValueError):
    """A string in JSON holds a backslash that the parser would drop."""


def check_backslashes(text: str) -> None:
    """Raise a BackslashError, with line and string, if a string of the JSON text has an escape that JSON does not."""
    for token in STRING_OR_COMMENT.finditer(text):
        if token[0].startswith("/"):
            continue
        for escape in ESCAPE.finditer(token[0]):
            if len(escape[1]) == 1 and escape[1] not in ESCAPES_OF_JSON:
                line = text.count("\n", 0, token.start()) + 1
                raise BackslashError(
                    f"line {line}: {token[0]}: the backslash before '{escape[1]}' would be lost. "
                    f"{ADVICE}: {token[0].replace(chr(92), '/')}"
                )


def lost_backslashes(content: dict) -> list[str]:
    """Return a message for each path of a config that holds a control character, as "C:\\temp" does."""
    return [
        f"'{key}' has a control character where a backslash was probably meant: {path.translate(AS_TYPED)}. "
        f'{ADVICE}: "{path.translate(AS_TYPED).replace(chr(92), "/")}"'
        for name in PATH_KEYS
        for key, path in _texts(name, content.get(name))
        if re.search(r"[\x00-\x1f]", path)
    ]


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield all texts within a value, each with its key, the inner keys after dots."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(f"{key}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(key, inner)
