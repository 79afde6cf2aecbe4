"""Write report.html from the files in a run's folder."""

import time
from pathlib import Path

from reporting.feature_sets import format_score
from reporting.report.conclusion import run_verdict
from reporting.report.curves import curves_section
from reporting.report.facts import config_section, synthetic_maps, timing_section
from reporting.report.figures import figure_sections
from reporting.report.html_elements import Html, document, element, join, paragraph, text
from reporting.report.run import RunFiles, read_run
from reporting.report.scores import score_columns, scores_section
from reporting.report.whole_map import whole_map_sections
from reporting.verdict_file import write_verdict
from storage import write_text

REPORT_NAME = "report.html"
MAX_PICTURE_BYTES = 9_300_000  # of all pictures, so that the whole page stays below ten million


def write_report(folder: Path) -> Path:
    """Write the report of a run and the verdict on it, and return the report's path; earlier ones are replaced.

    The run may still be going on. Neither its maps nor its checkpoints are needed.

    Args:
        folder: of the run, results/NAME
    Raises:
        UserError: the folder does not exist or holds no run, or nothing can be written to it
    """
    run = read_run(folder)
    write_verdict(folder, run_verdict(run))
    write_text(folder / REPORT_NAME, render_page(run))
    return folder / REPORT_NAME


def write_missing_report(folder: Path) -> Path | None:
    """Write the report of a complete run whose process ended before it could; return its path, None: it is there."""
    return None if (folder / REPORT_NAME).exists() else write_report(folder)


def render_page(run: RunFiles) -> str:
    """Return the report of a run as HTML."""
    curves, timing = curves_section(run), timing_section(run)
    bytes_left = MAX_PICTURE_BYTES - len(curves.content) - len(timing.content)
    whole_map = whole_map_sections(run, bytes_left // 4)
    figures, missing = figure_sections(run, bytes_left - sum(len(section.content) for section in whole_map))
    sections = [scores_section(run), curves, *whole_map, *figures, timing, config_section(run)]
    return document(f"{run.name}: report", _header(run, missing), sections)


def _header(run: RunFiles, missing: list[str]) -> Html:
    parts = [element("h1", text(run.name)), paragraph(text(_progress_text(run)), "state")]
    parts.append(paragraph(text(_setup_text(run))))
    if conclusion := run_verdict(run):
        parts.append(paragraph(text(conclusion), "verdict"))
    if maps := synthetic_maps(run):
        values = f"Synthetic map ({', '.join(maps)}): it shows no place on Earth, and its scores hold for no real map."
        parts.append(paragraph(element("strong", text(values)), "note"))
    if best_metric_text := _best_metric_text(run):
        parts.append(paragraph(best_metric_text))
    if missing:
        parts.append(paragraph(text(f"No pictures yet: {', '.join(missing)}."), "quiet"))
    return join(parts)


def _progress_text(run: RunFiles) -> str:
    """Return one sentence about the progress of the run."""
    written = f"Written {time.strftime('%Y-%m-%d %H:%M:%S %z')}."
    if run.last_step is not None and run.last_step >= run.total_steps:
        return f"Complete: all {run.total_steps:,} steps. {written}"
    if run.step >= run.total_steps:
        return f"All {run.total_steps:,} steps are trained; the last evaluation has not finished yet. {written}"
    return f"Step {run.step:,} of {run.total_steps:,} so far ({run.step / run.total_steps:.0%}). {written}"


def _setup_text(run: RunFiles) -> str:
    config = run.config
    how = "supervised" if config.supervised else "without labels"
    evaluated = f"; evaluated on the label map {config.validation_map}" if config.validation_map else ""
    return f"{config.network}, {config.loss_name}, {how}{evaluated}."


def _best_metric_text(run: RunFiles) -> Html | None:
    """Return the score that chooses the best network, for this network and for the yardsticks; None without scores."""
    tag = run.config.best_score
    values = []
    for column in score_columns(run):
        score = next((score for score in column.scores.values() if score.tag == tag), None)
        if score is not None:
            values.append((column.title, format_score(score)))
    if not values:
        return None
    (title, value), *others = values
    beside = "".join(f"; {title}: {value}" for title, value in others)
    return Html(f"{text(tag)}: {text(title)}: {element('strong', text(value))}{text(beside)}.")
