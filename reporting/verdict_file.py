"""verdict.txt: the verdict on a run as the end of the run, or its report, left it in its folder."""

from pathlib import Path

from storage import write_text

VERDICT_NAME = "verdict.txt"


def write_verdict(folder: Path, text: str) -> None:
    """Write the verdict on a run, one line, to its folder; "": there is none yet."""
    if text:
        write_text(folder / VERDICT_NAME, f"{text}\n")


def read_verdict(folder: Path) -> str:
    """Return the verdict on a run from its folder; "" if there is none."""
    try:
        return (folder / VERDICT_NAME).read_text(encoding="utf8").strip()
    except (OSError, ValueError):
        return ""
