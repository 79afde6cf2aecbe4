"""Comparison of runs: table, files and figure of hand-made folders."""

import csv
import io
import json
import logging
import shutil
from pathlib import Path

import pytest
from matplotlib.container import ErrorbarContainer
from PIL import Image
from runs_for_tests import main_py, small_config
from scores_for_tests import HEADER, evaluation, metrics

import command_line
import main
from config import NO_EFFECT_ON_RESULTS
from reporting.comparison.figure import comparison_figure
from reporting.comparison.rows import score_tags, table_rows
from reporting.comparison.runs import read_runs
from reporting.figures.style import MAIN_COLOUR
from reporting.tables import shorten

ACCURACY, MAP, ERROR = "single_class/accuracy/knn", "retrieval/MAP@R", "multi_class/sum_error/knn"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder, and a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def undrawn(folder, monkeypatch) -> Path:
    """The same, where the figure is made and not drawn, which takes longer than all else."""
    monkeypatch.setattr("reporting.comparison.writing.save_figure", lambda figure, path: None)
    return folder


def run_folder(name, levels, untrained=0.5, bands=0.4, model="knn", **changes) -> Path:
    """Write results/NAME with a config and an evaluation for each level, ten steps apart."""
    path = Path("results", name)
    path.mkdir(parents=True)
    config = small_config(name=name, maps="demo", validation_map="osm", iterations=10, epochs=2) | changes
    (path / "config.json").write_text(json.dumps(config))
    trained = {10 * number: level for number, level in enumerate(levels)}
    (path / "metrics.csv").write_text(metrics(trained, untrained, bands, model))
    return path


def compared(*arguments) -> list[dict]:
    """Compare through the command line; return the rows of comparison.csv."""
    assert main.main(["compare", *map(str, arguments)]) == 0
    return list(csv.DictReader(io.StringIO(Path("results/comparison.csv").read_text(encoding="utf8"))))


def refused(capsys, *arguments) -> str:
    """Return the one line that tells the user what is wrong."""
    capsys.readouterr()
    assert main.main(["compare", *map(str, arguments)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def markdown_cells(row: str) -> list[str]:
    """Return the cells of the rows with this label in comparison.md, without the table of settings."""
    lines = Path("results/comparison.md").read_text(encoding="utf8").split("## ", 2)[2].splitlines()
    return [cell for line in lines if line.startswith(f"| {row} |") for cell in line.strip("| ").split(" | ")[1:]]


def test_files_and_table_of_two_runs(folder, capsys):
    run_folder("first", [0.3, 0.6, 0.81], supervised=False, threads=1)
    run_folder("second", [0.3, 0.7], supervised=True, threads=2, precision="bf16")
    rows = compared()
    told = capsys.readouterr().out
    assert [(row["run"], row["features"], row["step"]) for row in rows] == [
        ("first", "trained", "20"),
        ("second", "trained", "10"),
        ("first, second", "untrained", "0"),
        ("first, second", "band_statistics", "0"),
        ("first, second", "chance", "0"),
    ]
    first = rows[0]
    assert (first[f"{ACCURACY} mean"], first[f"{ACCURACY} std"]) == ("0.81", "0.01")
    assert (first[f"{MAP} mean"], first[f"{ERROR} mean"]) == ("0.405", "0.19")
    assert rows[4][f"{MAP} mean"] == "0.05"
    assert [row["supervised"] for row in rows] == ["false", "true", "", "", ""]
    assert not set(first) & {*NO_EFFECT_ON_RESULTS, "network"}, "what does not differ or has no effect is left out"
    assert markdown_cells("first") == ["**0.810** ±0.010", "**0.405** ±0.020", "**0.190** ±0.030"]
    assert markdown_cells("second") == ["0.700 ±0.010", "0.350 ±0.020", "0.300 ±0.030"]
    assert markdown_cells("untrained") == ["0.500 ±0.010", "0.250 ±0.020", "0.500 ±0.030"]
    assert markdown_cells("chance") == ["0.050 ±0.000"]
    assert "| second | 10 of 20 | true |" in Path("results/comparison.md").read_text(encoding="utf8")
    assert "*0.810 ±0.010" in told
    assert "10 of 20" in told
    assert "same tiles" not in told
    assert "Verdicts" not in Path("results/comparison.md").read_text(encoding="utf8")
    with Image.open("results/comparison.png") as image:
        assert min(image.size) > 200
    assert Path("results/comparison.svg").read_text(encoding="utf8").rstrip().endswith("</svg>")
    assert not list(folder.rglob(".part-*"))


def test_verdicts_on_the_runs_come_with_them(folder, capsys):
    (run_folder("first", [0.3]) / "verdict.txt").write_text("Worse than all | others.\n", encoding="utf8")
    run_folder("second", [0.7])
    compared()
    assert "first: Worse than all | others." in capsys.readouterr().out
    markdown = Path("results/comparison.md").read_text(encoding="utf8")
    assert markdown.endswith("## Verdicts\n\n- first: Worse than all \\| others.\n")


def test_csv_is_read_by_pandas_with_numbers_in_all_columns_of_scores(folder):
    pandas = pytest.importorskip("pandas")
    run_folder("first", [0.3], learning_rate=0.001)
    run_folder("second", [0.7], learning_rate=0.01, single_class_classifiers=["rfc"], model="rfc")
    compared()
    table = pandas.read_csv("results/comparison.csv").set_index(["run", "features"])
    scores = table.loc[:, [name for name in table if name.endswith((" mean", " std"))]]
    assert {str(kind) for kind in scores.dtypes} == {"float64"}
    assert table.loc[("second", "trained"), "learning_rate"] == 0.01
    assert table.loc[("second", "trained"), "single_class/accuracy/rfc mean"] == 0.7
    assert pandas.isna(table.loc[("first", "trained"), "single_class/accuracy/rfc mean"])


def test_baselines_come_as_seldom_as_they_differ(undrawn):
    paths = [
        run_folder("fp32", [0.6], untrained=0.5),
        run_folder("bf16", [0.6], untrained=0.501),  # a tenth of the standard deviation
        run_folder("other", [0.6], untrained=0.55),
        run_folder("seed", [0.6], untrained=0.5, seed=1),
    ]
    rows = compared(*paths)
    assert [row["run"] for row in rows if row["features"] == "untrained"] == ["fp32, bf16", "other", "seed"]
    assert [row["run"] for row in rows if row["features"] == "band_statistics"] == ["fp32, bf16, other", "seed"]
    assert markdown_cells("untrained (fp32, bf16)")[0] == "0.500 ±0.010"
    assert markdown_cells("band statistics (fp32 and 2 more)")[0] == "0.400 ±0.010"


def test_many_baselines_share_a_row_which_may_win(undrawn):
    for seed in range(5):
        run_folder(f"run-{seed}", [0.6], untrained=0.5 + seed / 10, seed=seed)
    rows = compared()
    assert sum(row["features"] == "untrained" for row in rows) == 5, "programs get all of them"
    assert markdown_cells("untrained (5 different)")[0] == "**0.500 to 0.900**"
    assert markdown_cells("run-0")[0] == "0.600 ±0.010", "a run that a baseline surpasses is not the best"


def test_coarse_labels_are_never_the_best(undrawn, capsys):
    for name in ("one", "two"):
        path = run_folder(name, [0.5])
        with (path / "metrics.csv").open("a") as file:
            file.write("0,trained,segmentation,knn,mean_IoU,0.6,0.01\n")
            file.write("0,coarsened_labels,segmentation,knn,mean_IoU,0.9,0.01\n")
    compared()
    text = Path("results/comparison.md").read_text(encoding="utf8")
    assert "**0.600**" in text
    assert "coarse labels | 0.900" in text and "**0.900**" not in text


def test_runs_with_different_metrics_and_maps(undrawn, capsys):
    own = {"image": "land|sea.tif", "labels": {"osm": "labels.tif"}, "bands": [1, 3]}
    run_folder("demo", [0.6], untrained=0.1)
    run_folder("own", [0.7], model="rfc", maps=own)
    run_folder("own-2", [0.8], model="rfc", maps=own | {"bands": [2]})
    with open("results/demo/metrics.csv", "a") as file:
        file.write("10,trained,multi_class,-,gSil,nan,nan\n" + evaluation(10, 0.6))
    rows = compared()
    assert [row["maps"] for row in rows[:3]] == ["demo", "land|sea.tif", "land|sea.tif"]
    assert [row["maps.bands"] for row in rows[:3]] == ["", "1, 3", "2"]
    assert "maps.labels" not in rows[0]
    assert rows[0]["single_class/accuracy/rfc mean"] == rows[0]["multi_class/gSil mean"] == ""
    assert markdown_cells("own")[:2] == ["-", "0.700 ±0.010"]
    assert "land\\|sea.tif" in Path("results/comparison.md").read_text(encoding="utf8")
    assert "differ in maps" in capsys.readouterr().out


def test_console_keeps_within_the_terminal(undrawn, monkeypatch, capsys):
    for number in range(3):
        run_folder(f"a-very-long-name-of-a-run-that-goes-on-and-on-number-{number}", [0.6], seed=number)
    for width in (70, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        compared()
        table, _, _ = capsys.readouterr().out.partition("mean ±standard")
        assert max(map(len, table.splitlines())) <= width
        assert table.count("0.600 ±0.010") == 3


def test_a_run_that_is_still_going_is_shown_as_far_as_it_is(undrawn):
    path = run_folder("going", [0.3, 0.6])
    with (path / "metrics.csv").open("a") as file:
        file.write(evaluation(20, 0.9)[:-30])
    assert compared(path)[0]["step"] == "10", "an evaluation that is being written does not count yet"
    assert compared(path)[0][f"{ACCURACY} mean"] == "0.6"


def test_order_and_names(undrawn):
    for name in ("run-10", "run-2"):
        run_folder(name, [0.5])
    shutil.copytree("results/run-2", "older/run-2")
    assert [row["run"] for row in compared()][:2] == ["run-2", "run-10"]
    named = ["results/run-10", "older/run-2", "results/run-2/", "results/run-10"]
    assert [row["run"] for row in compared(*named)][:3] == ["run-10", "older/run-2", "results/run-2"]
    everything = sorted(Path("results").iterdir())
    assert Path("results/comparison.csv") in everything, "as results/* names it"
    assert [row["features"] for row in compared(*everything)].count("trained") == 2


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


def points(axes) -> dict[float, list]:
    """Row -> (x, half length of the bar, colour of the face) of each point."""
    found: dict[float, list] = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        marker, _, (bar,) = container
        (x,), (y,) = marker.get_data()
        (left, _), (right, _) = bar.get_segments()[0]
        found.setdefault(y, []).append((x, pytest.approx((right - left) / 2), marker.get_markerfacecolor()))
    return found


def test_figure_has_a_panel_for_each_score_and_a_row_for_each_run(folder):
    run_folder("first", [0.3, 0.6])
    run_folder("second", [0.7], model="rfc")
    runs = read_runs([])
    figure = comparison_figure(table_rows(runs), score_tags(runs))
    figure.draw_without_rendering()
    panels = {(axes.get_title(loc="left"), axes.texts[0].get_text()): axes for axes in figure.axes}
    assert list(panels) == [
        ("accuracy", "single class, knn"),
        ("accuracy", "single class, rfc"),
        ("MAP@R", "retrieval"),
        ("sum_error", "multi class, knn, less is better"),
        ("sum_error", "multi class, rfc, less is better"),
    ]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["first", "second", "untrained", "band statistics"]
    knn = points(panels["accuracy", "single class, knn"])
    assert knn == {0: [(0.6, 0.01, MAIN_COLOUR)], 2: [(0.5, 0.01, "white")], 3: [(0.4, 0.01, "white")]}
    retrieval = points(panels["MAP@R", "retrieval"])
    assert {row: values[0][0] for row, values in retrieval.items()} == {0: 0.3, 1: 0.35, 2: 0.25, 3: 0.2}
    assert retrieval[0][0][2] == MAIN_COLOUR != retrieval[1][0][2], "the best stands out"


@pytest.mark.parametrize("count", [1, 40])
def test_figure_of_one_run_and_of_forty(folder, count):
    names = [f"magnet-resnext50-learning-rate-{number / 100:.2f}-of-the-unsupervised-ones" for number in range(count)]
    for number, name in enumerate(names):
        run_folder(name, [0.6], untrained=number / 100, seed=number)
    compared()
    with Image.open("results/comparison.png") as image:
        assert max(image.size) < 4000
    runs = read_runs([])
    lines = table_rows(runs)
    assert len(lines) == count + 3
    assert sum(map(len, points(comparison_figure(lines, score_tags(runs)).axes[0]).values())) == 3 * count


def test_figure_without_any_value(folder):
    path = run_folder("none", [])
    (path / "metrics.csv").write_text(HEADER + "0,trained,single_class,-,silhouette,nan,nan\n")
    assert compared(path)[0]["single_class/silhouette mean"] == ""


def test_short_names_still_differ():
    assert shorten(["abcdefghij", "abc"], 6) == ["abc…ij", "abc"]
    assert shorten(["abcdefghij", "abcdXfghij"], 5) == ["abcde…ghij", "abcdX…ghij"][:0] or [
        "abcdefghij",
        "abcdXfghij",
    ]


def test_compare_as_a_user_calls_it(folder):
    run_folder("first", [0.3, 0.6])
    done = main_py(folder, "compare", "results/first")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.600 ±0.010" in done.stdout
    assert "Written: results/comparison.csv, .md, .png and .svg" in done.stdout


def test_verbs_say_how_many_targets_they_take(capsys):
    assert command_line.parse(["compare"], main.VERBS).targets == []
    assert command_line.parse(["compare", "a", "b"], main.VERBS).targets == [Path("a"), Path("b")]
    assert command_line.parse([], main.VERBS).targets == [Path("config.json")]
    assert command_line.parse(["resume", "results/a", "epochs=3"], main.VERBS).overrides == ["epochs=3"]
    wrong = {
        ("compare", "a", "seed=1"): "compare takes no key=value. Got seed=1.",
        ("report", "a", "seed=1"): "report takes no key=value",
        ("report",): "report takes one results/NAME. Got nothing.",
        ("report", "a", "b"): "report takes one results/NAME. Got a b.",
        ("resume",): "resume takes one results/NAME. Got nothing.",
    }
    for arguments, told in wrong.items():
        with pytest.raises(SystemExit) as ended:
            command_line.parse(list(arguments), main.VERBS)
        assert ended.value.code == 2
        assert told in capsys.readouterr().err
