"""Hand-made runs, compared through the command line."""

import csv
import io
import json
from pathlib import Path

from runs_for_tests import small_config
from scores_for_tests import metrics

import main

ACCURACY, MAP, ERROR = "single_class/accuracy/knn", "retrieval/MAP@R", "multi_class/sum_error/knn"


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
