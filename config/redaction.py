"""Takes credentials out of URLs before they are printed or stored."""

import logging
import re
from typing import Any

HIDDEN = "***"
LONG_VALUE = 24  # characters of a query's value that is taken for a key or a signature, whatever its name
SECRET_NAME = re.compile(r"sig|token|key|secret|pass|pw|auth|cred|user|session|policy|x-amz|x-goog", re.IGNORECASE)
_URL = re.compile(r"(?:[\w+.-]+://|/vsi\w+[/?])[^\s\"'<>]*[^\s\"'<>:,.;)]")  # up to the sentence around it
_USER = re.compile(r"(?<=://)[^/?#]*@")
_QUERY_ITEM = re.compile(r"(?<=[?&])([^=&#]+)=([^&#]*)")


def redacted(text: str) -> str:
    """Return a text whose URLs show no user, password, or value of their query that may be a key or a signature."""
    return _URL.sub(lambda url: _QUERY_ITEM.sub(_hide, _USER.sub(f"{HIDDEN}@", url[0])), text)


def _hide(item: re.Match[str]) -> str:
    name, value = item.groups()
    if "://" in value:  # a URL in a query, as in /vsicurl?url=...
        return item[0]
    return f"{name}={HIDDEN}" if SECRET_NAME.search(name) or len(value) >= LONG_VALUE else item[0]


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
