"""Two thousand configs with faults made at random: each is read, or refused in words, never with another error."""

import copy
import json
from pathlib import Path

import json5
import numpy as np
import pytest

import config as configuration
from config import Config, ConfigError, Maps
from config.reading import read_json

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [path.read_text(encoding="utf8") for path in [ROOT / "config.json", *sorted((ROOT / "configs").glob("*.json"))]]
ODD_VALUES = [
    None, True, False, "True", "", " ", "\u0000", "nan", "demo", "auto", 0, -1, 1, 2**31, 10**30, -(10**400), 0.5,
    -0.0, 1e308, -1e-308, float("inf"), float("nan"), [], [[]], [None], ["knn", "knn"], [1, 2, 3, 4], [9e99] * 4,
    {}, {"a": 1},
    {"image": ""}, {"image": "x.tif", "labels": {"": ""}}, {"image": 1, "labels": []}, "x" * 3000, "ä/\\\n", "../..",
]  # fmt: skip
PIECES = [*'{}[],:"', "//", "/*", "\\", "\n", "\t", "'", "\u2028", "\ufeff", "0x", "1e999", "-", "é"]
MUTATIONS = 2000
CONTENTS = {text: read_json(text) for text in TEXTS}


def cut(text: str, rng: np.random.Generator) -> str:
    """The text without a piece of it, or with its end missing."""
    start, stop = sorted(rng.integers(0, len(text) + 1, 2).tolist())
    return text[:start] if rng.random() < 0.3 else text[:start] + text[max(start, stop - 40) : stop] + text[stop:]


def with_piece(text: str, rng: np.random.Generator) -> str:
    """The text with a character more, or another in the place of one."""
    place, piece = int(rng.integers(0, len(text) + 1)), PIECES[rng.integers(len(PIECES))]
    return text[:place] + piece + text[place + int(rng.integers(2)) :]


def with_line_twice(text: str, rng: np.random.Generator) -> str:
    lines = text.splitlines()
    line = lines[rng.integers(len(lines))]
    lines.insert(int(rng.integers(len(lines) + 1)), line)
    return "\n".join(lines)


def with_values(text: str, rng: np.random.Generator) -> str:
    """Keys with odd values, keys that do not exist, keys that are missing."""
    content = copy.deepcopy(CONTENTS[text])
    for _ in range(int(rng.integers(1, 5))):
        within, known = content, list(Config.model_fields)
        if isinstance(content.get("maps"), dict) and rng.random() < 0.3:
            within, known = content["maps"], list(Maps.model_fields)
        key = known[rng.integers(len(known))]
        chance = rng.random()
        if chance < 0.1:
            within.pop(key, None)
        elif chance < 0.2:
            within[key[::-1]] = 1
        else:
            within[key] = copy.deepcopy(ODD_VALUES[rng.integers(len(ODD_VALUES))])  # it may be changed in turn
    return json.dumps(content)


KINDS = (cut, with_piece, with_line_twice, with_values, with_values)


@pytest.mark.parametrize("part", range(10))
def test_mutated_configs_are_read_or_refused_in_words(tmp_path, part):
    rng = np.random.default_rng(part)
    path, refused = tmp_path / "config.json", 0
    for _ in range(MUTATIONS // 10):
        text = KINDS[rng.integers(len(KINDS))](TEXTS[rng.integers(len(TEXTS))], rng)
        path.write_text(text, encoding="utf8")
        try:
            config = configuration.load(path)
        except ConfigError as error:
            refused += 1
            lines = str(error).splitlines()
            assert all(line.startswith(f"{path}: ") for line in lines), (text, lines)
            assert all(20 + len(str(path)) < len(line) < 1500 for line in lines), (text, lines)
        else:
            assert configuration.validate(json.loads(config.to_json())) == config
            config.warnings()
    assert MUTATIONS // 40 < refused < MUTATIONS // 10


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: repr(value)[:20])
def test_plain_json_is_read_as_json5_reads_it(value):
    text = json.dumps({"a": value, "b": [value, {"c": value}]})
    assert repr(read_json(text)) == repr(json5.loads(text, allow_duplicate_keys=False))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "config.json"
    for length in (1, 7, 100, 5000):
        path.write_bytes(b"\xff" + rng.bytes(length))
        with pytest.raises(ConfigError, match=r"config\.json"):
            configuration.load(path)


def test_mutated_overrides_are_read_or_refused_in_words(tmp_path):
    rng, path = np.random.default_rng(1), tmp_path / "config.json"
    path.write_text(TEXTS[0], encoding="utf8")
    outcomes = set()
    for _ in range(300):
        key = "".join(rng.choice(list("abc_.=[]\"' "), rng.integers(0, 8)))
        value = str(ODD_VALUES[rng.integers(len(ODD_VALUES))])
        try:
            configuration.load(path, [f"{key}={value}"])
            outcomes.add("read")
        except ConfigError as error:
            outcomes.add("refused")
            assert 10 < len(str(error).splitlines()[0]) < 1200 and "Traceback" not in str(error)
    assert "refused" in outcomes
