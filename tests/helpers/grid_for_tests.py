"""Grids for tests, and runs of them that nobody trained."""

import json
from pathlib import Path

from runs_for_tests import small_config
from scores_for_tests import metrics

from grid.plan import Cell

BASE = small_config(maps="demo", validation_map="osm", iterations=10, epochs=2, threads="auto")


def grid_file(stem: str = "grid", /, **keys) -> Path:
    """Write STEM.json: two configs, one map and two seeds, unless the keys say otherwise."""
    content = {
        "base": BASE,
        "configs": {"triplet": {}, "magnet": {"loss": "magnetloss"}},
        "maps": {"demo": {"maps": "demo"}},
        "seeds": [0, 1],
    } | keys  # fmt: skip
    path = Path(f"{stem}.json")
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return path


def scored(cell: Cell, level: float, untrained: float = 0.5, bands: float = 0.4, step: int | None = None) -> None:
    """Write a run of this cell, as far as this step; None: complete."""
    cell.folder.mkdir(parents=True)
    (cell.folder / "config.json").write_text(cell.config.to_json())
    last = cell.config.epochs * cell.config.iterations
    (cell.folder / "metrics.csv").write_text(metrics({last if step is None else step: level}, untrained, bands))
    if step is None:
        (cell.folder / "report.html").touch()
