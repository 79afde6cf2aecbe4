"""The part of the report about the classes of the label map: why it is read so, and how much each class covers."""

from collections.abc import Iterator

from reporting.report.facts import run_maps
from reporting.report.html_elements import Html, table, text
from reporting.report.run import RunFiles


def class_tables(run: RunFiles) -> list[Html]:
    """Return a table of the classes of each label map in run.json; an edited entry is left out."""
    tables = []
    for name, info in run_maps(run).items():
        legend = info.get("legend")
        if isinstance(legend, dict) and (rows := list(_rows(legend.get("classes")))):
            tables.append(table(_caption(name, legend), ["class", "code", "share"], rows, "facts"))
    return tables


def _caption(name: str, legend: dict) -> str:
    enlarged = bool(legend.get("enlarged_points"))
    estimated = ", estimated; a point counts as 16 x 16 pixels" if enlarged else ", estimated"
    shares = "Shares of the labelled pixels" + ("" if legend.get("exact") else estimated)
    labelled, most = legend.get("labelled"), "at most " if enlarged else ""
    covered = f"; {most}{labelled:.1%} of the part in use is labelled" if isinstance(labelled, float | int) else ""
    note = f" ({legend['note']})" if legend.get("note") else ""
    return f"Classes of {name}: {legend.get('reason')}{note}. Read as {legend.get('read_as')}. {shares}{covered}"


def _rows(classes: object) -> Iterator[list[Html]]:
    for entry in classes if isinstance(classes, list) else []:
        share = entry.get("share") if isinstance(entry, dict) else None
        if isinstance(share, float | int):
            code = entry.get("code")
            yield [text(entry.get("name")), text("-" if code is None else code), text(f"{share:.2%}" if share else "-")]
