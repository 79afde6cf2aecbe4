"""Checkpoints: which maps a run may go on with."""

from pathlib import Path

import pytest

from config import UserError
from training.runs.compatibility import check_maps


def test_another_part_of_the_same_map_is_refused():
    before = {"path": "image.tif", "content": "its hash", "window": [0, 0, 384, 384]}
    check_maps(Path("results/run"), {"image": dict(before)}, {"maps": {"image": before}})
    with pytest.raises(UserError, match=r"part in use \[0, 0, 384, 192\] instead of \[0, 0, 384, 384\]"):
        check_maps(Path("results/run"), {"image": before | {"window": [0, 0, 384, 192]}}, {"maps": {"image": before}})
