"""The pages of the documentation name tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_test_that_is_named_exists():
    text = (ROOT / "doc/reliability.md").read_text(encoding="utf8")
    named = re.findall(r"`(?:(test_\w+\.py))?(?:::(test_\w+))?`", text)
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    file, checked = None, 0
    for path, test in named:
        file = path or file
        if path:
            assert path in files, path
        if test:
            assert f"def {test}(" in files[file].read_text(encoding="utf8"), f"{file}::{test}"
            checked += 1
    assert checked > 40
