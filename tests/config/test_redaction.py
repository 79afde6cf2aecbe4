"""No credential of a URL is printed or stored."""

import json
import logging

import pytest

from config import ConfigError, UserError, validate
from config.messages import one_line
from config.redaction import RedactingFormatter, redacted, redacted_content

URL = "https://me:secret@host/a.tif?sig=secret"


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
        ("('https://me:it's \"mine\"@host/a.tif', 1)", "('https://***@host/a.tif', 1)"),
        ("https://x/a.tif?sig=it's", "https://x/a.tif?sig=***"),
        ("at 'https://x/a b.tif?sig=abc'", "at 'https://x/a b.tif?sig=***'"),
        ("https:/me:abc@x/a.json?token=abc: no such file", "https:/***@x/a.json?token=***: no such file"),  # of a Path
        ("/vsicurl?url=https://x/a.tif?sig=abc&list_dir=no", "/vsicurl?url=https://x/a.tif?sig=***&list_dir=no"),
        ("/vsicurl?header.Cookie=abc&url=https://x/a.tif", "/vsicurl?header.Cookie=***&url=https://x/a.tif"),
        ("https://x/a.tif?sig=abc,https://y/b.tif?raw=1", "https://x/a.tif?sig=***"),
        ("C:/me@home/a.tif", "C:/me@home/a.tif"),
    ],
)  # fmt: skip
def test_credentials_of_urls_are_hidden(text, expected):
    assert redacted(text) == expected and redacted(expected) == expected
    assert redacted_content({"a": [text, 1, None], "b": (text,)}) == {"a": [expected, 1, None], "b": (expected,)}


def test_errors_logs_and_stored_configs_show_none():
    assert "secret" not in str(UserError(f"{URL}: no"))
    record = logging.LogRecord("rasterio._err", logging.WARNING, "", 1, "503 - %s", (URL,), None)
    assert RedactingFormatter("%(message)s").format(record) == "503 - https://***@host/a.tif?sig=***"
    config = validate({
        "network": "resnext50", "loss": "tripletloss", "validation_map": "a",
        "maps": {"image": URL, "labels": {"a": URL, "b": {"path": URL, "band": 1}}}, "yardsticks": {"y": {"path": URL}},
    })  # fmt: skip
    assert config.maps.image == config.maps.labels["a"].path == URL
    stored = json.loads(config.to_json())
    assert "secret" not in json.dumps(stored) and stored["maps"]["labels"]["a"] == "https://***@host/a.tif?sig=***"
    assert "secret" not in str(config.model_dump())


def test_another_process_gets_the_config_with_its_credentials():
    keys = {"network": "resnext50", "loss": "tripletloss", "validation_map": "a"}
    maps = {"image": {"2019": [URL, "b.tif"], "2022": URL}, "labels": {"a": {"path": URL, "band": 1}}}
    config = validate(keys | {"maps": maps, "yardsticks": {"y": {"path": URL}}})
    assert validate(json.loads(config.to_json(keep_credentials=True))) == config
    whole = config.with_credentials()
    assert set(whole) == {"maps", "yardsticks"} and validate(json.loads(config.to_json()) | whole) == config
    assert validate(keys | {"maps": {"image": "a@b.tif", "labels": {"a": "a.tif"}}}).with_credentials() == {}


def test_no_message_is_shortened_to_a_part_of_a_url_that_nobody_would_know_as_one():
    long = f"https://me:{'secret' * 200}@host/a.tif"
    with pytest.raises(ConfigError, match=r"'maps\.image' must be .*\*\*\*@host") as told:
        validate({"network": "resnext50", "loss": "tripletloss", "validation_map": None, "maps": {"image": [long, 5]}})
    for text in (str(told.value), one_line(f"{long}?sig={'secret' * 200}")):
        assert "***" in text and "secret" not in text
