"""Which tests one worker runs, because they share what takes seconds to make.

pytest-xdist 3.8 has a mark for it, xdist_group, which does nothing under pytest 9.2.
"""

from xdist.scheduler import LoadScopeScheduling

# file or test -> group; groups are begun before all other tests, so a long test is in one too
GROUPS = {
    "tests/apply/test_bad_input.py": "apply",
    "tests/apply/test_classify_and_search.py": "apply",
    "tests/apply/test_embed.py": "apply",
    "tests/apply/test_killed.py": "kill",
    "tests/dataProcessors/demo/test_demo_files.py": "demo",
    "tests/dataProcessors/demo/test_demo_labels.py": "demo",
    "tests/evaluation/test_segmentation.py": "pictures",
    "tests/grid/test_grid_runs.py": "kill",
    "tests/inference/files/test_cog.py::test_what_a_killed_process_left_is_removed_by_the_next": "kill",
    "tests/inference/embedding/test_shared_strips.py": "shared strips",
    "tests/reporting/test_browser.py": "pictures",
    "tests/reporting/test_umap_figures.py::test_umap_keeps_groups_apart_and_repeats_itself": "pictures",
    "tests/test_main.py::test_command_line_as_a_user_calls_it": "pictures",
    "tests/test_main.py::test_results_hold_what_is_promised": "pictures",
    "tests/training/execution/test_equal_runs.py": "pictures",
    "tests/training/runs/test_kill.py": "kill",
    "tests/training/runs/test_like_gpus.py": "kill",
    "tests/training/runs/test_resuming.py": "resuming",
    "tests/training/runs/test_resuming_elsewhere.py": "resuming",
    "tests/training/runs/test_resuming_evaluations.py": "resuming",
    "tests/training/runs/test_resuming_refused.py": "resuming",
    "tests/training/runs/test_torchrun.py": "kill",
    "tests/training/test_processes.py": "kill",
    "tests/training/test_waiting.py": "kill",
}
# each of these is a group of its own: all of its tests read what a fixture of the file makes
WHOLE_FILES = (
    "tests/dataProcessors/demo/test_demo_scene.py",
    "tests/inference/land_cover/test_classifying.py",
    "tests/inference/similar_places/test_search_index.py",
    "tests/inference/similar_places/test_searching.py",
    "tests/reporting/test_class_map.py",
    "tests/reporting/test_reporter.py",
    "tests/test_credentials.py",
    "tests/test_full_disk.py",
    "tests/test_unlabelled.py",
    "tests/training/runs/test_memory.py",
)
GROUPS |= {file: file for file in WHOLE_FILES}


def group_of(nodeid: str) -> str:
    """The group of a test, or the test itself where it is in none."""
    return GROUPS.get(nodeid) or GROUPS.get(nodeid.partition("::")[0]) or nodeid


class GroupScheduling(LoadScopeScheduling):
    """Tests of a group go to one worker, all others one by one to whichever worker is free."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
