"""Which tests one worker runs, because they share what takes seconds to make.

pytest-xdist 3.8 has a mark for it, xdist_group, which does nothing under pytest 9.2.
"""

from xdist.scheduler import LoadScopeScheduling

# file or test -> group
GROUPS = {
    "tests/evaluation/test_segmentation.py": "pictures",
    "tests/grid/test_grid_runs.py": "kill",
    "tests/inference/embedding/test_shared_strips.py": "shared strips",
    "tests/reporting/test_browser.py": "pictures",
    "tests/reporting/test_figures.py::test_umap_keeps_groups_apart_and_repeats_itself": "pictures",
    "tests/test_apply_killed.py": "kill",
    "tests/test_main.py::test_results_hold_what_is_promised": "pictures",
    "tests/training/runs/test_kill.py": "kill",
}


def group_of(nodeid: str) -> str:
    """The group of a test, or the test itself where it is in none."""
    return GROUPS.get(nodeid) or GROUPS.get(nodeid.partition("::")[0]) or nodeid


class GroupScheduling(LoadScopeScheduling):
    """Tests of a group go to one worker, all others one by one to whichever worker is free."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
