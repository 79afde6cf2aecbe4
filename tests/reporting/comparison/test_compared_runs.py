"""Which runs are compared: those that go on as far as they are, none that is damaged or has no scores."""

import logging
from pathlib import Path

import pytest
from comparisons_for_tests import ACCURACY, compared, refused, run_folder
from scores_for_tests import HEADER, evaluation


def test_a_run_that_is_still_going_is_shown_as_far_as_it_is(undrawn):
    path = run_folder("going", [0.3, 0.6])
    with (path / "metrics.csv").open("a") as file:
        file.write(evaluation(20, 0.9)[:-30])
    assert compared(path)[0]["step"] == "10", "an evaluation that is being written does not count yet"
    assert compared(path)[0][f"{ACCURACY} mean"] == "0.6"


def test_what_is_no_run_is_told_in_one_line(folder, capsys):
    assert "no run with scores here yet" in refused(capsys)
    run_folder("good", [0.5])
    Path("results/empty").mkdir()
    assert "results/missing: there is no such folder" in refused(capsys, "results/good", "results/missing")
    message = refused(capsys, "results/good", "results/empty")
    assert "results/empty: there is no run here" in message
    assert "results/good" in message
    assert "no folder of a run" in refused(capsys, "results/good/config.json")
    assert not Path("results/comparison.csv").exists()


def test_a_run_without_scores_is_left_out_with_a_warning(undrawn, capsys, caplog):
    run_folder("good", [0.5])
    for name, text in {"new": "", "header": HEADER, "begun": HEADER[:20], "line": HEADER + "0,trained,sin"}.items():
        path = run_folder(name, [])
        (path / "metrics.csv").write_text(text)
        assert f"{path}: the run has no scores yet" in refused(capsys, path)
        caplog.clear()
        assert [row["run"] for row in compared("results/good", path)] == ["good"] * 4
        assert [f"{path}: the run has no scores yet" in record.getMessage() for record in caplog.records] == [True]
    (path / "metrics.csv").unlink()
    caplog.clear()
    assert [row["run"] for row in compared()] == ["good"] * 4
    assert not caplog.records, "nobody asked for those"


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("config.json", b"{", "config.json"),
        ("config.json", b'{"network": "alexnet", "loss": "none"}', "more problems"),
        ("metrics.csv", b"step,loss\n1,2\n", "it starts with 'step,loss'"),
        ("metrics.csv", HEADER.encode() + b"0,trained,single_class,knn,accuracy,zero,0.1\n", "'zero'"),
        ("metrics.csv", b"\x80\x03}q\x00.", "cannot be read as scores"),
    ],
)
def test_a_damaged_file_is_named(undrawn, capsys, caplog, file, content, told):
    run_folder("good", [0.5])
    path = run_folder("bad", [0.5])
    (path / file).write_bytes(content)
    message = refused(capsys, "results/good", path)
    assert str(path / file) in message
    assert told in message
    assert "leave the run out" in message
    with caplog.at_level(logging.WARNING):
        assert [row["run"] for row in compared()] == ["good"] * 4, "where it was not asked for, the others are shown"
    assert str(path / file) in caplog.text
