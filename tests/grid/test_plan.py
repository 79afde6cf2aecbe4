"""Which runs a grid has."""

import json
from pathlib import Path

import pytest
from grid_for_tests import BASE, grid_file, scored
from runs_for_tests import ROOT

from config import ConfigError, UserError
from grid.making import make_grid
from grid.plan import read_plan
from grid.processes import processes_at_a_time, with_threads
from grid.state import State, states
from training.runs.interruption import Interruption


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(**keys) -> list[str]:
    """What is wrong with a grid, one line each."""
    with pytest.raises(ConfigError) as caught:
        read_plan(grid_file(**keys))
    lines = str(caught.value).splitlines()
    assert all(line.startswith("grid.json") for line in lines)
    return lines


def test_cells_are_configs_x_maps_x_seeds():
    maps = {"demo": {"maps": "demo"}, "small tiles": {"maps": "demo", "image_size": 32}}
    plan = read_plan(grid_file(maps=maps, configs={"a": {"margin": 1}, "b, c": {"maps": "germany"}}))
    assert plan.name == "grid" and plan.reference == "a" and plan.rows == ["a", "b, c"]
    assert [(cell.row, cell.map_name, cell.seed) for cell in plan.cells] == [
        (row, name, seed) for name in maps for row in ("a", "b, c") for seed in (0, 1)
    ]
    last = plan.cells[-1]
    assert (last.config.image_size, last.config.seed, last.config.batch_size) == (32, 1, BASE["batch_size"])
    assert last.config.maps == "germany", "a row has the last word"
    assert plan.cells[0].config.margin == 1 != last.config.margin
    assert last.folder == Path("results/grid/b-c-small-tiles-1")
    assert (last.log.name, last.config_file.name) == ("b-c-small-tiles-1.log", "b-c-small-tiles-1.json")


def test_bases_are_files_or_objects_and_keys_within_keys_have_dots(folder):
    Path("sub").mkdir()
    maps = {"image": "image.tif", "labels": {"osm": "labels.tif"}}
    Path("sub/one.json").write_text(json.dumps(BASE | {"margin": 2, "seed": 7, "name": "x"}))
    Path("sub/two.json").write_text(json.dumps(BASE | {"margin": 3}))
    configs = {"own": {"maps.bands": [1]}, "other": "two.json", "third": {"base": "two.json", "batch_size": 5}}
    path = grid_file("sub/g", base="one.json", configs=configs, maps={"m": {"maps": maps}}, seeds=[4], name="given")
    own, other, third = read_plan(path).cells
    assert (own.config.margin, other.config.margin, third.config.margin) == (2, 3, 3)
    assert own.config.maps.bands == (1,) and other.config.maps.bands is None, "changes stay in their row"
    assert third.config.batch_size == 5
    assert (own.config.seed, own.config.run_name) == (4, "given/own-m-4")


def test_axes_give_all_combinations_but_those_that_contradict_or_repeat_others():
    axes = {
        "loss": {
            "triplet": {"loss": "tripletloss"},
            "magnet": {"loss": "magnetloss"},
            "ntxent": {"loss": "ntxentloss"},
        },
        "mining": {"none": {"mining": []}, "hard": {"mining": ["HARD_NEGATIVE"]}},
        "labels": {"no": {}, "yes": {"supervised": True}},
    }
    plan = read_plan(grid_file(configs=None, axes=axes, seeds=[0]))
    rows = [f"{loss}, none, {labels}" for loss in axes["loss"] for labels in axes["labels"]]
    assert set(plan.rows) == {*rows, "triplet, hard, no", "triplet, hard, yes"}
    reasons = {row: reason for row, _, reason in plan.left_out}
    assert reasons["magnet, hard, no"] == "'mining': no effect with magnetloss."
    assert reasons["ntxent, hard, yes"].startswith("'mining' has HARD_NEGATIVE, which choose one tile")
    assert len(reasons) == len(plan.left_out) == 4


def test_what_is_left_out_on_several_maps_is_told_once(capsys):
    axes = {
        "loss": {"triplet": {"loss": "tripletloss"}, "magnet": {"loss": "magnetloss"}},
        "mining": {"none": {}, "hard": {"mining": ["HARD_NEGATIVE"]}},
    }
    maps = {"small": {"image_size": 32}, "large": {"image_size": 64}}
    make_grid(grid_file(configs=None, axes=axes, maps=maps), Interruption(), dry_run=True)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Left out")]
    assert told == ["Left out: magnet, hard x small, large: 'mining': no effect with magnetloss."]


def test_all_problems_of_all_cells_are_told_at_once():
    lines = problems(configs={"a": {"margin": -1}, "b": {"los": "x"}, "c": {}}, maps={"x": {"image_size": 4}, "y": {}})
    assert lines[0] == "grid.json, a x x: 'image_size' must be a whole number of at least 8 and at most 4096. Got 4."
    told = [line.split(": ")[0] for line in lines]
    assert told == [
        "grid.json, a x x", "grid.json, a x x", "grid.json, b x x", "grid.json, b x x", "grid.json, c x x",
        "grid.json, a x y", "grid.json, b x y",
    ]  # fmt: skip
    assert "Did you mean 'loss'?" in "".join(lines)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"seed": [1]}, "'seed' is not a key of a grid. Did you mean 'seeds'?"),
        ({"maps": None}, "'maps' is missing: name of a map"),
        ({"configs": {"a": 5}}, "'configs.a' cannot be 5. It is: name of a row"),
        ({"base": [f"https://me:{'secret' * 20}@host/a.json"]}, "'base' cannot be ['https://***@host/a.json']"),
        ({"seeds": [-1]}, "'seeds' cannot be [-1]"),
        ({"seeds": [1, 1]}, "'seeds' has a seed twice"),
        ({"processes": 0}, "'processes' cannot be 0. It is: runs at a time"),
        ({"name": "a/b"}, "'name' cannot be 'a/b'"),
        ({"configs": None}, "give either 'configs' or 'axes'"),
        ({"axes": {"a": {"x": {}}}}, "give either 'configs' or 'axes'"),
        ({"configs": None, "axes": {"a": {}, "b": {"x": {}}}}, "'axes.a' has no values"),
        ({"maps": {"m": {"base": "x.json"}}}, "'maps.m' must not set 'base'"),
        ({"configs": {"a": {"seed": 3}}}, "'configs.a' must not set 'seed'"),
        ({"configs": {"a": {"base": None}}}, "'configs.a.base' must be a path, from this file's folder, or an object"),
        ({"configs": None, "axes": {"a": {"x": {"base": ["y"]}}}}, "'axes.a.x.base' must be a path"),
        (
            {"configs": None, "axes": {"a": {"x": {"margin": 1}}, "b": {"y": {}}, "c": {"z": {"margin": 2}}}},
            "'margin' is changed by several axes: a, c. Only the last one would count.",
        ),
        ({"base": "missing.json"}, "missing.json: there is no such config file"),
        ({"configs": {"a b": {}, "a-B": {}}}, "would share a folder: a b x demo, seed 0; a b x demo, seed 1; a-B x"),
        ({"reference": "none"}, "'reference' must be one of the rows: triplet; magnet. Got 'none'"),
        ({"figures": ["retrieval/MAP@2"]}, "'figures' has retrieval/MAP@2, which no run has. Scores: retrieval/MAP@R,"),
        ({"maps": {"m": {"validation_map": "x"}}}, "'validation_map' must be one of the label maps"),
    ],
)
def test_what_is_wrong_with_a_grid(keys, told):
    with pytest.raises(ConfigError) as caught:
        read_plan(grid_file(**keys))
    assert told in str(caught.value)


def test_a_file_whose_name_no_folder_can_have_needs_a_name_for_the_grid():
    with pytest.raises(ConfigError) as caught:
        read_plan(grid_file("my grid"))
    assert str(caught.value).startswith("my grid.json: 'name' cannot be 'my grid'. It is: folder of the grid")
    assert "\n" not in str(caught.value)
    assert read_plan(grid_file("my grid", name="own")).name == "own"


@pytest.mark.parametrize("name", ["10 m²", "½", "日本 ①", "-.+", "e\u0301", "৴", "a\nb/c"])
def test_rows_and_maps_may_have_any_name(name):
    plan = read_plan(grid_file(configs={name: {}}, maps={name: {}}, seeds=[3]))
    assert plan.cells[0].folder.parent == Path("results/grid") and plan.rows == [name]


def test_what_only_describes_an_embedding_is_no_score_of_a_grid():
    unlabelled = BASE | {"validation_map": None, "single_class_classifiers": [], "multi_class_classifiers": []}
    (line,) = problems(base=unlabelled, figures=["embedding/used_dimensions"])
    assert line.endswith("'figures' has embedding/used_dimensions, which no run has. Nothing is scored: remove them.")


def test_a_grid_file_that_is_not_there_leads_to_the_help_of_grids(tmp_path):
    with pytest.raises(ConfigError, match=r"no such grid file\. `python main\.py grid --help` lists the keys"):
        read_plan(tmp_path / "missing.json")


def test_a_map_without_any_run_is_an_error():
    axes = {"labels": {"no": {}, "yes": {"supervised": True}}}
    lines = problems(configs=None, axes=axes, maps={"a": {}, "b": {"validation_map": "none"}})
    assert [line.partition(": ")[0] for line in lines] == ["grid.json"] * 2
    assert "no x b: 'validation_map' must be" in lines[0]


def test_states_of_runs():
    plan = read_plan(grid_file())
    complete, begun, unread, _ = plan.cells
    scored(complete, 0.5)
    scored(begun, 0.5, step=10)
    scored(unread, 0.5)
    (unread.folder / "report.html").unlink()
    assert list(states(plan).values()) == [State.COMPLETE, State.INTERRUPTED, State.INTERRUPTED, State.MISSING]


def test_a_run_with_another_config_is_never_taken_for_the_one_that_is_asked_for():
    plan = read_plan(grid_file())
    for cell in plan.cells:
        scored(cell, 0.5)
    changed = read_plan(grid_file(configs={"triplet": {"margin": 1}, "magnet": {"loss": "magnetloss", "threads": 2}}))
    with pytest.raises(UserError) as caught:
        states(changed)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2, "only the two of triplet: threads have no effect on results"
    assert (
        "results/grid/triplet-demo-0: triplet x demo, seed 0 was made with another config: 'margin' is 1.0 and"
        in lines[0]
    )
    assert "Move the folder away" in lines[0]


def test_the_folder_of_a_run_is_no_place_for_a_grid():
    Path("results/grid").mkdir(parents=True)
    Path("results/grid/config.json").touch()
    with pytest.raises(UserError, match="is the folder of a run"):
        states(read_plan(grid_file()))


@pytest.mark.parametrize(
    ("keys", "uses_gpu", "processes", "threads"),
    [
        ({}, False, 4, 2),
        ({"seeds": list(range(10))}, False, 8, 1),
        ({"seeds": list(range(10)), "base": BASE | {"threads": 4}}, False, 2, 4),
        ({}, True, 1, 8),
        ({"processes": 3}, True, 3, 2),
        ({"processes": 20}, False, 20, 1),
    ],
)
def test_runs_at_a_time_and_their_cores(keys, uses_gpu, processes, threads):
    plan = read_plan(grid_file(**keys))
    assert processes_at_a_time(plan, 8, 1e12, uses_gpu) == processes
    assert {cell.config.threads for cell in with_threads(plan.cells, processes, 8)} == {threads}


def test_runs_at_a_time_fit_the_memory():
    plan = read_plan(grid_file(seeds=list(range(10))))
    assert processes_at_a_time(plan, 64, 9e9, False) == 4
    assert processes_at_a_time(plan, 64, 1e8, False) == 1
    assert processes_at_a_time(plan, 64, float("inf"), False) == 20


@pytest.mark.parametrize("name, cells", [("losses", 18), ("recipes", 72), ("three_maps", 108)])
def test_the_grids_that_come_with_the_program(monkeypatch, name, cells):
    monkeypatch.chdir(ROOT)
    plan = read_plan(Path(f"configs/grids/{name}.json"))
    assert plan.name == name and len(plan.cells) == cells and not plan.left_out
    warnings = {warning for cell in plan.cells for warning in cell.config.warnings()}
    of_the_base = ("supervised", "which has no negatives")  # keys of the base that a row has no use for
    assert not [warning for warning in warnings if not any(reason in warning for reason in of_the_base)]
