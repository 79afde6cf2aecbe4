"""The section of the report of a run with what its network says of whole maps: land cover, and searches."""

from pathlib import Path

from reporting.report.html_elements import Html, Section, gallery, join, paragraph, picture, text
from reporting.report.pictures import open_picture
from reporting.report.run import RunFiles

PICTURES = {  # pattern of files in the folder of a run -> caption; {} stands for the part after the "land-cover-"
    "embedded/*/land-cover-*.png": "Land cover by {}",
    "searches/*/search.png": "Search",
}
MAX_PICTURES = 12
DESCRIPTION = (
    "What classify and search have made of the best network. The land cover is an illustration where tiles were "
    "trained on; scores are those of reserved cells."
)


def whole_map_sections(run: RunFiles, max_characters: int) -> list[Section]:
    """Return a list of one section with the pictures of `classify` and `search`; an empty one if there are none.

    Args:
        run: whose pictures are shown
        max_characters: of all of them together on the page
    """
    files = [(path, name) for pattern, name in PICTURES.items() for path in sorted(run.folder.glob(pattern))]
    if not files:
        return []
    shown = files[:MAX_PICTURES]
    max_bytes = max_characters * 3 // 4 // len(shown)  # base64 writes three bytes as four characters
    parts = [paragraph(text(DESCRIPTION), "quiet")]
    parts.append(gallery([_figure(run.folder, path, name, max_bytes) for path, name in shown]))
    if len(files) > MAX_PICTURES:
        parts.append(paragraph(text(f"And {len(files) - MAX_PICTURES} more in the folder of the run."), "quiet"))
    return [Section("whole_map", "On the whole map", join(parts))]


def _figure(folder: Path, path: Path, name: str, max_bytes: int) -> Html:
    where = path.relative_to(folder).as_posix()
    caption = name.format(path.stem.removeprefix("land-cover-"))
    shown = open_picture(path, max_bytes)
    if shown is None:
        return paragraph(text(f"{where} cannot be read. The file may be damaged."), "quiet")
    return picture(shown, caption, f"{caption} ({where})")
