"""Takes credentials out of URLs before they are printed or stored."""

import logging
import re
from typing import Any

HIDDEN = "***"
LONG_VALUE = 24  # characters of a query's value that is taken for a key or a signature, whatever its name
SECRET_NAME = re.compile(
    r"sig|token|key|secret|pass|pw|auth|cred|user|session|policy|cookie|header\.|x-amz|x-goog", re.IGNORECASE
)
# of a URL; a Path drops the second slash. Words are matched from their beginning, else long ones would take long
_SCHEME = r"(?:(?<![\w+.-])[\w+.-]+:/|\b(?:https?|ftp|s3|gs|az|oss):)/"
_START = re.compile(rf"{_SCHEME}|/vsi\w+[/?]", re.IGNORECASE)  # of a URL, or of GDAL's name of a file in another place
_USER = re.compile(rf"({_SCHEME})[^/?#\n]*@", re.IGNORECASE)
_ITEM = re.compile(r"(?<=[?&])([^=&#?]+)=([^&#]*)")  # of the query of a URL that is the whole text
_END = r"\s\"'<>"  # no URL in a text goes beyond these, and the sentence around it may go on with others
_ITEM_IN_TEXT = re.compile(rf"(?<=[?&])([^=&#?{_END}]+)=([^&#{_END}]*[^&#:,.;){_END}])")


def redacted(text: str) -> str:
    """Return a text whose URLs show no user, password, or value of their query that may be a key or a signature.

    A text must be redacted before it is shortened: the rest of a URL is not known as one.
    """
    if not _START.search(text):
        return text
    is_url = _START.match(text) and not re.search(r"\s", text)
    return (_ITEM if is_url else _ITEM_IN_TEXT).sub(_hide, _USER.sub(rf"\1{HIDDEN}@", text))


def _hide(item: re.Match[str]) -> str:
    name, value = item.groups()
    if SECRET_NAME.search(name):
        return f"{name}={HIDDEN}"
    if "://" in value:  # a URL in a query, as in /vsicurl?url=...
        return f"{name}={redacted(value)}"
    return f"{name}={HIDDEN}" if len(value) >= LONG_VALUE else item[0]


def redacted_content(content: Any) -> Any:
    """Return plain values, nested in lists and dicts, with the texts among them redacted."""
    if isinstance(content, str):
        return redacted(content)
    if isinstance(content, dict):
        return {name: redacted_content(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(redacted_content(each) for each in content)
    return content


class RedactingFormatter(logging.Formatter):
    """Formats records of any logger, those of GDAL among them, without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return redacted(super().format(record))
