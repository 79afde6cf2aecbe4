"""No credential of a URL is printed or stored."""

import json
import logging

import pytest

from config import UserError, validate
from config.redaction import RedactingFormatter, redacted, redacted_content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:p%40ss@host/a.tif cannot be read", "https://***@host/a.tif cannot be read"),
        ("'s3://bucket/a.tif?X-Amz-Signature=0ab&X-Amz-Date=2026'",
         "'s3://bucket/a.tif?X-Amz-Signature=***&X-Amz-Date=***'"),
        ("https://x/a.tif?sv=2024&sig=a%2Fb&raw=true.", "https://x/a.tif?sv=2024&sig=***&raw=true."),
        ("https://x/a.tif?token=abc: cannot be read", "https://x/a.tif?token=***: cannot be read"),
        ("https://x/a.tif?id=0123456789abcdef0123456789abcdef", "https://x/a.tif?id=***"),
        ("/vsicurl?token=abc&url=https://u:v@x/a.tif", "/vsicurl?token=***&url=https://***@x/a.tif"),
        ("/vsicurl/https://u:v@x/a.tif and http://y/b@c.tif", "/vsicurl/https://***@x/a.tif and http://y/b@c.tif"),
        ("data/a@b.tif?token=1, me@host", "data/a@b.tif?token=1, me@host"),
    ],
)  # fmt: skip
def test_credentials_of_urls_are_hidden(text, expected):
    assert redacted(text) == expected and redacted(expected) == expected
    assert redacted_content({"a": [text, 1, None], "b": (text,)}) == {"a": [expected, 1, None], "b": (expected,)}


def test_errors_logs_and_stored_configs_show_none():
    url = "https://me:secret@host/a.tif?sig=secret"
    assert "secret" not in str(UserError(f"{url}: no"))
    record = logging.LogRecord("rasterio._err", logging.WARNING, "", 1, "503 - %s", (url,), None)
    assert RedactingFormatter("%(message)s").format(record) == "503 - https://***@host/a.tif?sig=***"
    config = validate({
        "network": "resnext50", "loss": "tripletloss", "validation_map": "a",
        "maps": {"image": url, "labels": {"a": url, "b": {"path": url, "band": 1}}}, "yardsticks": {"y": {"path": url}},
    })  # fmt: skip
    assert config.maps.image == config.maps.labels["a"].path == url
    stored = json.loads(config.to_json())
    assert "secret" not in json.dumps(stored) and stored["maps"]["labels"]["a"] == "https://***@host/a.tif?sig=***"
