"""Comparison of runs: table, files and what is told of hand-made folders."""

import shutil
from pathlib import Path

import pytest
from comparisons_for_tests import ACCURACY, ERROR, MAP, compared, run_folder
from PIL import Image
from runs_for_tests import main_py
from scores_for_tests import evaluation

from config import NO_EFFECT_ON_RESULTS
from reporting.tables import shorten


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


def test_yardsticks_come_as_seldom_as_they_differ(undrawn):
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


def test_many_yardsticks_share_a_row_which_may_win(undrawn):
    for seed in range(5):
        run_folder(f"run-{seed}", [0.6], untrained=0.5 + seed / 10, seed=seed)
    rows = compared()
    assert sum(row["features"] == "untrained" for row in rows) == 5, "programs get all of them"
    assert markdown_cells("untrained (5 different)")[0] == "**0.500 to 0.900**"
    assert markdown_cells("run-0")[0] == "0.600 ±0.010", "a run that a yardstick surpasses is not the best"


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


def test_short_names_still_differ():
    assert shorten(["abcdefghij", "abc"], 6) == ["abc…ij", "abc"]
    assert shorten(["abcdefghij", "abcdXfghij"], 5) == ["abcdefghij", "abcdXfghij"]
    assert shorten(["abXdefghijklm", "abYdefghijklm"] * 2, 5) == ["abXd…jklm", "abYd…jklm"] * 2
    assert shorten([], 5) == []


def test_names_that_differ_far_inside_are_not_shortened_in_many_calls():
    """As the lists of the files of two maps, of which one has a file more."""
    files = [f"data/tiles/{number:04}.tif" for number in range(800)]
    names = [", ".join(files), ", ".join(files[:400] + files[401:])]
    short = shorten(names, 32)
    assert short[0] != short[1] and max(map(len, short)) < max(map(len, names))


def test_compare_as_a_user_calls_it(folder):
    run_folder("first", [0.3, 0.6])
    done = main_py(folder, "compare", "results/first")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.600 ±0.010" in done.stdout
    assert "Written: results/comparison.csv, .md, .png and .svg" in done.stdout
