"""The results as a Markdown table, of one revision or of two side by side, and in what two differ."""

from pathlib import Path

from fault import Fault
from records import Results, Verdict

HEAD = "Deliberate faults, and the first test that fails with each"
ABOUT = (
    "Made by `tests/faults/run.py`; see README.md there. The tests of a fault's module run first, up to the first "
    "failure, and where none fails those of whole runs (`test_main.py`). Seconds are of the clock: they depend on what "
    "else the machine has to do."
)


def write_table(path: Path, faults: tuple[Fault, ...], revisions: dict[str, Results]) -> None:
    """Write the table. revisions: name -> results."""
    tallies = [f"- {name}: {found.tally(fault.name for fault in faults)}" for name, found in revisions.items()]
    head = ["fault", "part", "function", "what is changed", "kind"]
    head += [column for name in revisions for column in (f"caught by ({name})", f"seconds ({name})")]
    rows = [_row(fault, [found.verdict(fault.name) for found in revisions.values()]) for fault in faults]
    lines = [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
    text = "\n".join([f"# {HEAD}", "", ABOUT, "", *tallies, "", *lines])
    path.write_text(f"{text}\n", encoding="utf8")


def _row(fault: Fault, verdicts: list[Verdict]) -> list[str]:
    of_change = next((verdict.change for verdict in verdicts if verdict.change), "")
    changed = f"{fault.effect} {_as_code(of_change.partition(': ')[2])}"
    row = [fault.name, fault.part, f"`{fault.functions[0]}`", changed.strip(), fault.kind]
    for verdict in verdicts:
        row += [_caught_by(verdict), "" if verdict.seconds is None else f"{verdict.seconds:.1f}"]
    return row


def _caught_by(verdict: Verdict) -> str:
    return _as_code(verdict.found_by) if verdict.caught and "::" in verdict.found_by else f"**{verdict.found_by}**"


def _as_code(text: str) -> str:
    if not text:
        return ""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def differences(faults: tuple[Fault, ...], revisions: dict[str, Results]) -> list[str]:
    """A line for each fault that one of two revisions catches and the other does not, as far as that is known."""
    (one, of_one), (other, of_other) = revisions.items()
    found = []
    for fault in faults:
        first, second = of_one.verdict(fault.name), of_other.verdict(fault.name)
        if bool(first.caught) != bool(second.caught):
            found.append(f"{fault.name}: {one}: {first.found_by}; {other}: {second.found_by}")
    return found
