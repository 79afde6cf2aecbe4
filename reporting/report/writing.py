"""report.html: a run on one page that needs nothing else, made from what lies in the run's folder."""

import time
from pathlib import Path

from reporting.columns import spread
from reporting.report.curves import curves_section
from reporting.report.facts import config_section, synthetic_maps, timing_section
from reporting.report.figures import figure_sections
from reporting.report.page import Html, document, element, joined, paragraph, text
from reporting.report.run import Run, read_run
from reporting.report.scores import columns_of, scores_section
from storage import write_text

NAME = "report.html"
PICTURE_BYTES = 9_300_000  # of the page; so that with everything else it stays below ten million


def write_report(folder: Path) -> Path:
    """Make the page of a run, or make it anew, also while the run goes on. Gives its path.

    It needs neither the maps nor the checkpoints.

    Args:
        folder: of the run, results/NAME
    Raises:
        UserError: the folder does not exist or holds no run, or nothing can be written there
    """
    run = read_run(folder)
    write_text(folder / NAME, page(run))
    return folder / NAME


def page(run: Run) -> str:
    """The page of a run as HTML."""
    curves, timing = curves_section(run), timing_section(run)
    left = PICTURE_BYTES - len(curves.content) - len(timing.content)
    figures, missing = figure_sections(run, left)
    sections = [scores_section(run), curves, *figures, timing, config_section(run)]
    return document(f"{run.name}: report", _head(run, missing), sections)


def _head(run: Run, missing: list[str]) -> Html:
    parts = [element("h1", text(run.name)), paragraph(text(_state(run)), "state")]
    parts.append(paragraph(text(_what(run))))
    if maps := synthetic_maps(run):
        told = f"Synthetic map ({', '.join(maps)}): no place on Earth looks like it, and no score holds for one."
        parts.append(paragraph(element("strong", text(told)), "note"))
    if key := _key_score(run):
        parts.append(paragraph(key))
    if missing:
        parts.append(paragraph(text(f"No pictures (yet): {', '.join(missing)}."), "quiet"))
    return joined(parts)


def _state(run: Run) -> str:
    """How far the run is, in one sentence."""
    written = f"Written {time.strftime('%Y-%m-%d %H:%M:%S %z')}."
    if run.last_step is not None and run.last_step >= run.all_steps:
        return f"Complete: all {run.all_steps:,} steps. {written}"
    if run.step >= run.all_steps:
        return f"All {run.all_steps:,} steps are trained; the last evaluation is not there yet. {written}"
    return f"Step {run.step:,} of {run.all_steps:,} so far ({run.step / run.all_steps:.0%}). {written}"


def _what(run: Run) -> str:
    config = run.config
    how = "supervised" if config.supervised else "without labels"
    return f"{config.network}, {config.loss_name}, {how}; evaluated on the label map {config.validation_map}."


def _key_score(run: Run) -> Html | None:
    """The score that the best network is chosen by, of this network and of the baselines."""
    tag = run.config.best_metric
    told = []
    for column in columns_of(run):
        score = next((score for score in column.scores.values() if score.tag == tag), None)
        if score is not None:
            told.append((column.title, spread(score)))
    if not told:
        return None
    (title, value), *others = told
    beside = "".join(f"; {title}: {value}" for title, value in others)
    return Html(f"{text(tag)}: {text(title)}: {element('strong', text(value))}{text(beside)}.")
