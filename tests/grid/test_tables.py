"""The tables and the figure of a grid, from runs that nobody trained."""

import csv
from math import isnan, sqrt
from pathlib import Path

import numpy as np
import pytest
from grid_for_tests import BASE, grid_file, scored
from PIL import Image

import main
from evaluation.scores import Score
from grid.differences import row_difference
from grid.figure import grid_figure
from grid.plan import Plan, read_plan
from grid.results import Row, best_row, read_results, shown_tags
from grid.writing import markdown_text, write_tables

ACCURACY, MAP, ERROR = "single_class/accuracy/knn", "retrieval/MAP@R", "multi_class/sum_error/knn"
LEVELS = {("triplet", 0): 0.6, ("triplet", 1): 0.62, ("magnet", 0): 0.7, ("magnet", 1): 0.73}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch) -> None:
    monkeypatch.setattr("grid.writing.save_figure", lambda figure, path: None)


def made(levels: dict = LEVELS, **keys) -> Plan:
    """A grid whose runs have these levels: (row, seed) -> level."""
    plan = read_plan(grid_file(**keys))
    for cell in plan.cells:
        if (cell.row, cell.seed) in levels:
            scored(cell, levels[cell.row, cell.seed], untrained=0.5 + cell.seed / 100)
    return plan


def rows_of(name: str) -> list[dict]:
    with Path("results/grid", name).open(encoding="utf8") as file:
        return list(csv.DictReader(file))


def cells_of(label: str, section: str) -> list[str]:
    """The cells of a row of summary.md."""
    text = Path("results/grid/summary.md").read_text(encoding="utf8").partition(section)[2]
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
    return line.strip("| ").split(" | ")[1:]


def test_files_of_a_grid(capsys):
    plan = made()
    assert main.main(["grid", "grid.json"]) == 0, "nothing is left to run"
    told = capsys.readouterr().out
    assert "4 of 4 runs are complete" in told and "*0.715 ±0.021" in told
    scores = rows_of("grid.csv")
    assert scores[0] == {
        "config": "triplet", "map": "demo", "seed": "0", "step": "20", "features": "untrained", "score": ACCURACY,
        "mean": "0.5", "std": "0.01",
    }  # fmt: skip
    assert len(scores) == 4 * (3 * 3 + 1)
    summary = {row["config"]: row for row in rows_of("summary.csv")}
    assert list(summary) == ["triplet", "magnet", "untrained", "band statistics", "chance"]
    triplet = summary["triplet"]
    assert (triplet["map"], triplet["features"], triplet["seeds"], triplet["steps"]) == ("demo", "trained", "2", "20")
    assert float(triplet[f"{ACCURACY} mean"]) == pytest.approx(0.61)
    assert float(triplet[f"{ACCURACY} std"]) == pytest.approx(np.std([0.6, 0.62], ddof=1), rel=1e-4)
    assert float(summary["untrained"][f"{ACCURACY} mean"]) == pytest.approx(0.505)
    assert cells_of("magnet", "## Map demo") == ["**0.715** ±0.021", "**0.357** ±0.011", "**0.285** ±0.021", "20", "-"]
    assert cells_of("band statistics", "## Map demo")[0] == "0.400 ±0.000"
    with Image.open("results/grid/figure.png") as image:
        assert min(image.size) > 200
    assert Path("results/grid/figure.svg").exists()
    assert plan.folder == Path("results/grid")


def test_differences_are_paired_by_seed(undrawn):
    write_tables(made())
    found = {(row["config"], row["compared with"], row["score"]): row for row in rows_of("differences.csv")}
    magnet = found["magnet", "triplet", ACCURACY]
    assert float(magnet["mean"]) == pytest.approx(0.105)
    assert float(magnet["standard error"]) == pytest.approx(0.005)
    assert (magnet["pairs"], magnet["verdict"]) == ("2", "better")
    error = found["magnet", "triplet", ERROR]
    assert float(error["mean"]) == pytest.approx(-0.105) and error["verdict"] == "better", "less is better"
    assert ("triplet", "triplet", ACCURACY) not in found
    assert found["triplet", "untrained", ACCURACY]["verdict"] == "better", "the best yardstick"
    assert cells_of("magnet", "difference to triplet")[0] == "**+0.105** ±0.005 better"
    assert "accuracy knn - untrained" in Path("results/grid/summary.md").read_text(encoding="utf8")


def row_of(*values: float, tag: str = ACCURACY) -> Row:
    row = Row("row", "trained")
    task, metric, model = tag.split("/")
    for seed, value in enumerate(values):
        row.add(seed, {tag: Score("trained", task, model, metric, value, 0.0)}, {})
    return row


def test_a_difference_within_two_standard_errors_is_called_neither_better_nor_worse():
    rng = np.random.default_rng(0)
    for _ in range(50):
        ours, theirs = rng.normal(0.02, 0.05, 4), rng.normal(0, 0.05, 4)
        found = row_difference(row_of(*ours), row_of(*theirs), ACCURACY)
        mean, error = (ours - theirs).mean(), (ours - theirs).std(ddof=1) / sqrt(4)
        assert found[:3] == (pytest.approx(mean), pytest.approx(error), 4)
        assert found.verdict == ("" if abs(mean) <= 2 * error else "better" if mean > 0 else "worse")
        opposite = {"better": "worse", "worse": "better", "": ""}[found.verdict]
        turned = row_difference(row_of(*ours, tag=ERROR), row_of(*theirs, tag=ERROR), ERROR)
        assert turned.verdict == opposite


def drawn(by_seed: list[list[float]]) -> Row:
    row = Row("row", "trained")
    for seed, values in enumerate(by_seed):
        score = Score("trained", "single_class", "knn", "accuracy", float(np.nanmean(values)), 0.0)
        row.add(seed, {ACCURACY: score}, {ACCURACY: values})
    return row


def test_differences_are_paired_by_draw_where_draws_are_kept():
    rng = np.random.default_rng(0)
    tiles = rng.normal(0, 1, (3, 5))  # what is common to both: some draws are easier
    for spread_of_seeds in (0.0, 1.0):
        gains = rng.normal(0.1, 0.1, (3, 5)) + spread_of_seeds * np.array([[0.0], [0.3], [-0.2]])
        found = row_difference(drawn((tiles + gains).tolist()), drawn(tiles.tolist()), ACCURACY)
        errors = gains.std(ddof=1) / sqrt(15), gains.mean(1).std(ddof=1) / sqrt(3)
        assert found[:3] == (pytest.approx(gains.mean()), pytest.approx(max(errors)), 15)


def test_undefined_draws_and_runs_without_draws():
    nan = float("nan")
    found = row_difference(drawn([[0.5, nan, 0.7]]), drawn([[0.4, 0.1, 0.4]]), ACCURACY)
    assert found[:3] == (pytest.approx(0.2), pytest.approx(0.1 * 3**0.5), 2), "two draws of half a pool"
    found = row_difference(drawn([[0.5, 0.7], [0.6, 0.8]]), row_of(0.4, 0.4), ACCURACY)
    assert found[:3] == (pytest.approx(0.25), pytest.approx(0.05), 2), "one pair for each seed"


def test_draws_of_runs_are_read_at_their_last_step(undrawn):
    plan = made()
    for cell, gain in zip(plan.cells, (0.0, 0.0, 0.1, 0.2)):
        (cell.folder / "draws.csv").write_text(
            f"step,features,score,values\n10,trained,{ACCURACY},0.9 0.1\n20,trained,{ACCURACY},{0.3 + gain} 0.4\n"
        )
    (result,) = read_results(plan)
    found = row_difference(result.row("magnet"), result.row("triplet"), ACCURACY)
    assert found[:3] == (pytest.approx(0.075), pytest.approx(np.std([0.1, 0, 0.2, 0], ddof=1) / 2), 4)


def test_differences_of_too_few_runs():
    single = row_difference(row_of(0.9), row_of(0.1, 0.2), ACCURACY)
    assert single.mean == pytest.approx(0.8) and isnan(single.error) and (single.pairs, single.verdict) == (1, "")
    nothing = row_difference(row_of(float("nan"), 0.5), row_of(0.1), ACCURACY)
    assert isnan(nothing.mean) and nothing.pairs == 0
    assert isnan(row_of(0.5).spread(ACCURACY)) and isnan(row_of().mean(ACCURACY))
    assert best_row([row_of(), row_of(0.5)], ACCURACY).mean(ACCURACY) == 0.5 and best_row([], ACCURACY) is None


def test_only_complete_runs_count(undrawn):
    plan = made({("triplet", 0): 0.6, ("magnet", 0): 0.7})
    scored(next(cell for cell in plan.cells if cell.row == "magnet" and cell.seed == 1), 0.9, step=10)
    told = write_tables(plan)
    assert "2 of 4 runs are complete" in told
    fewer = "Map demo: Not all means are over 2 seeds: triplet has 1, magnet has 1."
    assert fewer in told and fewer in Path("results/grid/summary.md").read_text(encoding="utf8")
    assert cells_of("magnet", "## Map demo")[0] == "**0.700**", "no spread of one seed"
    assert {row["seed"] for row in rows_of("grid.csv")} == {"0"}


def test_no_run_at_all():
    assert "no run is complete yet" in write_tables(read_plan(grid_file()))
    assert not Path("results").exists()


def test_yardsticks_that_differ_between_configs_have_rows_of_their_own(undrawn):
    plan = read_plan(grid_file(configs={"a": {}, "b": {"batch_size": 5}, "c": {"network": "resnet10t"}}))
    for cell in plan.cells:
        scored(cell, 0.6, untrained=0.3 if cell.row == "c" else 0.5, bands=0.4 + cell.seed / 10)
    write_tables(plan)
    assert [row["config"] for row in rows_of("summary.csv")] == [
        "a", "b", "c", "untrained (a, b)", "untrained (c)", "band statistics", "chance",
    ]  # fmt: skip
    assert cells_of("untrained (c)", "## Map demo")[0] == "0.300 ±0.000"
    assert float(rows_of("summary.csv")[5][f"{ACCURACY} mean"]) == pytest.approx(0.45)


def test_yardsticks_that_are_equal_in_one_seed_alone_have_rows_of_their_own(undrawn):
    plan = read_plan(grid_file(configs={"a": {}, "b": {}, "c": {}}))
    for cell in plan.cells:
        scored(cell, 0.6, untrained=0.3 if (cell.row, cell.seed) == ("b", 0) else 0.5)
    write_tables(plan)
    rows = {row["config"]: row for row in rows_of("summary.csv") if row["features"] == "untrained"}
    assert {name: float(row[f"{ACCURACY} mean"]) for name, row in rows.items()} == {
        "untrained (a, c)": 0.5, "untrained (b)": 0.4,
    }  # fmt: skip
    assert {row["seeds"] for row in rows.values()} == {"2"}


def test_yardsticks_of_configs_without_a_common_seed_have_rows_of_their_own(undrawn):
    write_tables(made({("triplet", 0): 0.6, ("magnet", 1): 0.7}))
    assert {row["config"] for row in rows_of("summary.csv") if row["features"] == "band_statistics"} == {
        "band statistics (triplet)", "band statistics (magnet)",
    }  # fmt: skip


def test_configs_that_are_scored_on_different_tiles_are_pointed_out(undrawn):
    plan = read_plan(grid_file(configs={"a": {}, "b": {"image_size": 32}}))
    for cell in plan.cells:
        scored(cell, 0.6)
    warning = "Map demo: Not all runs are scored on the same tiles and labels: they differ in image_size."
    assert warning in write_tables(plan)
    assert warning in Path("results/grid/summary.md").read_text(encoding="utf8")


def test_figures_are_chosen_and_reference_too(undrawn):
    plan = made(figures=[ERROR], reference="magnet")
    assert shown_tags(plan, read_results(plan)[0].tags) == [ERROR]
    text = markdown_text(plan, read_results(plan))
    assert "| config | sum_error knn (less is better) | steps | minutes |" in text
    assert "### Map demo: difference to magnet" in text and "difference to triplet" not in text


def test_the_figure_has_a_row_of_panels_for_each_map():
    plan = read_plan(grid_file(maps={"a": {}, "b": {"image_size": 32}}, base=BASE))
    for cell in plan.cells:
        scored(cell, LEVELS[cell.row, cell.seed])
    figure = grid_figure(read_results(plan), lambda result: [ACCURACY, ERROR])
    figure.draw_without_rendering()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["accuracy", "sum_error"] * 2
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "", "b", ""]
    seeds, mean, *_ = figure.axes[0].get_lines()
    assert list(seeds.get_xdata()) == [0.6, 0.62] and list(mean.get_xdata()) == [pytest.approx(0.61)]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["triplet", "magnet"]
    lines = [line.get_xdata()[0] for line in figure.axes[0].get_lines()[-2:]]
    assert lines == [pytest.approx(0.5), pytest.approx(0.4)]
    assert grid_figure([], lambda result: []).axes[0].texts[0].get_text() == "no score has a value"


def test_dry_run_says_what_would_be_done(capsys, undrawn):
    plan = made({("triplet", 0): 0.6})
    scored(plan.cells[1], 0.6, step=10)
    assert main.main(["grid", "grid.json", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "triplet x demo, seed 0: complete (results/grid/triplet-demo-0)",
        "triplet x demo, seed 1: interrupted: will be resumed (results/grid/triplet-demo-1)",
        "magnet x demo, seed 0: missing: will be run (results/grid/magnet-demo-0)",
        "magnet x demo, seed 1: missing: will be run (results/grid/magnet-demo-1)",
    ]
    assert not Path("results/grid/grid.csv").exists()


def test_compare_works_on_the_runs_of_a_grid(undrawn, monkeypatch):
    monkeypatch.setattr("reporting.comparison.writing.save_figure", lambda figure, path: None)
    write_tables(made())
    assert main.main(["compare", *map(str, Path("results/grid").iterdir())]) == 0
    with Path("results/comparison.csv").open() as file:
        assert {"triplet-demo-0", "magnet-demo-1"} <= {row["run"] for row in csv.DictReader(file)}
