"""The scores of a report, the verdict on them, and which network is the best."""

from reported_runs_for_tests import TRAINED, add_draws, make_run, scores_of, undrawn, write_events
from reports_for_tests import checked

from reporting.metrics_csv import MetricsFile
from reporting.report import write_report
from reporting.report.run import read_run


@undrawn
def test_scores_are_those_of_metrics_csv_and_the_best_of_a_row_is_marked(tmp_path):
    page = checked(write_report(make_run(tmp_path / "run")))
    heads = next(cells for cells in page.cells if cells[0] == "score")
    assert heads[1:] == [
        "trained, step 50 (best)",
        "trained, step 100 (last)",
        "untrained",
        "band statistics",
        "chance",
    ]
    assert page.row("accuracy, knn") == ["*0.800 ±0.011*", "0.700 ±0.011", "0.500 ±0.011", "0.600 ±0.011", "-"]
    assert page.row("MAP@R")[-1] == "0.125 ±0.000"
    assert page.row("silhouette") == ["-"] * 5
    assert page.row("sum_error, knn") == ["0.400 ±0.030", "0.500 ±0.030", "0.900 ±0.030", "*0.300 ±0.030*", "-"]
    assert "sum_error, knn|less is better" in [cells[0] for cells in page.cells]
    assert "multi_class/sum_error/knn: trained, step 50 (best): 0.400 ±0.030 ; trained, step 100 (last)" in page.text


@undrawn
def test_an_untrained_network_that_is_the_best_is_called_so_and_shown_once(tmp_path, monkeypatch):
    monkeypatch.setitem(TRAINED, 0, (0.9, 0.1))
    page = checked(write_report(make_run(tmp_path / "run")))
    heads = next(cells for cells in page.cells if cells[0] == "score")
    assert heads[1:] == ["untrained, step 0 (best)", "trained, step 100 (last)", "band statistics", "chance"]
    assert page.row("accuracy, knn")[:2] == ["*0.900 ±0.011*", "0.700 ±0.011"]
    assert "sum_error/knn: untrained, step 0 (best): 0.100 ±0.030 ; trained, step 100 (last)" in page.text


@undrawn
def test_the_verdict_on_the_best_network_comes_first(tmp_path):
    folder = make_run(tmp_path / "run")
    write_events(folder, {"false_negatives": [0.5, 0.3, float("nan")], "false_positives": [0.1, 0.1, 0.1]})
    for step, (value, _) in TRAINED.items():
        add_draws(folder, step, "trained", value)
    add_draws(folder, 0, "band_statistics", 0.9)
    page = checked(write_report(folder))
    told = (folder / "verdict.txt").read_text(encoding="utf8").strip()
    assert told.startswith("Worse than band statistics in 1 of 1 figures. The trained network (step 50, the best by")
    assert "MAP@R (0.800, band statistics 0.900)" in told
    assert "40% of the pairs used as negatives" in told
    assert told in page.text
    assert page.text.index(told) < page.text.index("Learning curves")
    assert "Near 0 the pairs agree with the label map." in page.text
    assert any(attributes["alt"].startswith("False pairs: ") for attributes in page.all("img"))


@undrawn
def test_the_verdict_on_a_run_that_goes_on(tmp_path):
    folder = make_run(tmp_path / "run", epochs=4)
    add_draws(folder, 50, "trained", 0.8)
    add_draws(folder, 0, "untrained", 0.5)
    assert "So far, at step 100 of 200, the trained network (step 50, the best" in checked(write_report(folder)).text


@undrawn
def test_a_run_of_an_earlier_revision_has_no_values_of_each_draw(tmp_path):
    page = checked(write_report(make_run(tmp_path / "run")))
    assert "Nothing could be compared: no evaluation of the network with values of each draw is there." in page.text


def test_best_step_is_the_one_of_the_best_metric_and_the_first_of_equals(tmp_path):
    run = read_run(make_run(tmp_path / "run", best_metric="multi_class/sum_error/knn"))
    assert (run.best_step, run.last_step) == (50, 100)
    metrics = MetricsFile(tmp_path / "run" / "metrics.csv")
    metrics.append(150, scores_of("trained", 0.1, 0.4))
    assert read_run(tmp_path / "run").best_step == 50
    metrics.append(200, scores_of("trained", 0.1, 0.2))
    assert read_run(tmp_path / "run").best_step == 200
