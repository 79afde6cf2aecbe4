"""Scores as a table on the console, and as metrics.csv."""

import csv
import math
import os
import re

import pytest
from reporting_for_tests import NAN, scores_of

from evaluation.scores import Score
from reporting.console_table import score_table
from reporting.feature_sets import separate_chance
from reporting.metrics_csv import MetricsFile, read_scores


def test_chance_becomes_a_feature_set_and_comes_once():
    apart = separate_chance(scores_of("trained", 0.8) + scores_of("untrained", 0.6))
    chance = {score.metric: score.mean for score in apart if score.features == "chance"}
    assert chance == {"MAP@R": 0.125, "MAP@1": 0.2, "MAP@5": 0.2, "MAP@10": 0.2}
    assert sum(score.features == "chance" for score in apart) == 4
    assert not any(score.metric.endswith("_chance") for score in apart)
    assert len(apart) == 2 * 6 + 4


def test_table_has_a_row_for_each_metric_and_a_column_for_each_feature_set():
    levels = {"trained": 0.8, "random_convolutions": 0.75, "mine": 0.3, "untrained": 0.6, "band_statistics": 0.7}
    text = score_table([score for name, level in levels.items() for score in scores_of(name, level)])
    lines = text.splitlines()
    assert max(map(len, lines)) <= 110 + 14
    rows = {line.split()[0]: line for line in lines if re.match(r"  \w", line)}
    assert list(rows) == ["accuracy", "MAP@R", "silhouette", "sum_error", "MAP@1", "MAP@10"]  # MAP@5 was not scored
    assert rows["accuracy"].split()[1:-1:2] == ["knn", "±0.011", "±0.011", "±0.011", "±0.011", "±0.011"]
    assert rows["accuracy"].split()[2::2] == ["0.800", "0.600", "0.700", "0.750", "0.300", "-"]
    assert rows["MAP@R"].split()[1::2] == ["0.600", "0.400", "0.500", "0.550", "0.100", "0.125"]
    assert rows["silhouette"].split()[1:] == ["-"] * 6
    assert rows["sum_error"].split()[4] == "rfc"
    headers = [line for line in lines if "trained" in line]
    assert len(headers) == 2
    words = (" trained", "untrained", "statistics", "convolutions", "mine", "chance")
    assert headers[0].split() == [word.strip() for word in words]
    assert lines[lines.index(headers[0]) - 1].split() == ["band", "random"]
    ends = [headers[0].index(word) + len(word) for word in words]
    for line in rows.values():  # each value stands below the end of its header
        assert all(line[end - 1] != " " and line[end : end + 1] in ("", " ") for end in ends)


def test_table_without_yardsticks():
    line = score_table([Score("trained", "single_class", "knn", "accuracy", 0.5, 0.0)]).splitlines()[-1]
    assert line.split() == ["accuracy", "knn", "0.500", "±0.000"]


def test_metrics_are_appended_and_the_header_comes_once(tmp_path):
    path = tmp_path / "metrics.csv"
    MetricsFile(path).append(0, scores_of("trained", 1 / 3))
    MetricsFile(path).append(250, [Score("trained", "single_class", "-", "silhouette", NAN, NAN)])  # as after a resume
    assert path.read_text(encoding="utf8").startswith("step,features,task,model,metric,mean,std\n")
    with path.open(newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert rows[0] == {
        "step": "0",
        "features": "trained",
        "task": "single_class",
        "model": "knn",
        "metric": "accuracy",
        "mean": "0.333333",
        "std": "0.011",
    }
    assert (rows[-1]["step"], rows[-1]["mean"], rows[-1]["std"]) == ("250", "nan", "nan")
    assert math.isnan(float(rows[-1]["mean"]))


def test_metrics_are_on_the_disk_when_they_are_appended(tmp_path, monkeypatch):
    synced, metrics = [], MetricsFile(tmp_path / "metrics.csv")
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    metrics.append(0, scores_of("trained", 0.5))
    assert synced == [metrics.path.stat().st_size], "all of them, not what was there before"


def test_metrics_file_with_another_header_is_refused_and_kept(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match=r"metrics\.csv starts with 'step,loss' instead of 'step,features"):
        MetricsFile(path)
    assert path.read_text() == "step,loss\n1,2\n"


def test_a_line_that_is_not_whole_is_left_out(tmp_path):
    path = tmp_path / "metrics.csv"
    MetricsFile(path).append(5, scores_of("trained", 0.5)[:2])
    whole = path.read_text()
    last = "10,trained,single_class,knn,accuracy,0.123456,0.0157"
    for length in range(len(last) + 1):
        path.write_text(whole + last[:length])
        assert [len(scores) for scores in read_scores(path).values()] == [2]
