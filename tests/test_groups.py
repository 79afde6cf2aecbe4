"""The groups of tests that one worker runs."""

import re

from groups_for_tests import GROUPS, group_of
from runs_for_tests import ROOT


def test_groups_name_tests_that_are_there():
    for key in GROUPS:
        path, _, name = key.partition("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf8"), key


def test_all_that_read_the_complete_run_are_in_one_group():
    readers = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"\ndef (test_\w+)\(.*\bcomplete_run\b.*\):", path.read_text(encoding="utf8")):
            readers[name] = group_of(f"{path.relative_to(ROOT).as_posix()}::{name}")
    assert readers and set(readers.values()) == {"pictures"}


def test_a_test_of_no_group_is_on_its_own():
    assert group_of("tests/losses/test_losses.py::test_x[1]") == "tests/losses/test_losses.py::test_x[1]"
    assert group_of("tests/training/runs/test_kill.py::test_x[1]") == "kill"
