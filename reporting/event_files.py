"""What TensorBoard reads of a run that was broken off: its files, without what goes beyond the last checkpoint."""

import shutil
from collections.abc import Callable
from pathlib import Path

from google.protobuf import text_format
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.summary.writer.record_writer import RecordWriter

from storage import atomic_write, write_text

PROJECTIONS = "projector_config.pbtxt"


def filter_events(folder: Path, keep: Callable[[Event, str], bool]) -> None:
    """Rewrite the event files of a folder with only the values that are to be kept, and without an unfinished end.

    Args:
        folder: of one curve
        keep: (event, tag of its value) -> whether it stays; what holds no value always does
    """
    for path in folder.glob("events.out.tfevents.*"):
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            writer = RecordWriter(file)
            for record in RawEventFileLoader(str(path)).Load():
                event = Event.FromString(record)
                if all(keep(event, value.tag) for value in event.summary.value):
                    writer.write(record)


def projections(folder: Path) -> ProjectorConfig:
    """The list of the embeddings in a folder that the projector shows; an empty one if there is none."""
    try:
        return text_format.Parse((folder / PROJECTIONS).read_text(encoding="utf8"), ProjectorConfig())
    except (FileNotFoundError, text_format.ParseError):  # none was written yet, or not to its end
        return ProjectorConfig()


def filter_projections(folder: Path, keep: Callable[[str, int], bool]) -> None:
    """Drop embeddings from the list that the projector shows, and from the disk; the page opens the newest.

    Args:
        folder: of one curve
        keep: (name, step) of an embedding -> whether it stays
    """
    for path in folder.glob("*/*/"):  # torch's writer puts an embedding into a folder of its name in one of its step
        if path.parent.name.isdecimal() and not keep(path.name, int(path.parent.name)):
            shutil.rmtree(path, ignore_errors=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    if (folder / PROJECTIONS).exists():
        found = [(*_name_and_step(each.tensor_path), each) for each in projections(folder).embeddings]
        kept = {(step, name): each for name, step, each in found if keep(name, step)}
        newest = [kept[key] for key in sorted(kept, reverse=True)]
        write_text(folder / PROJECTIONS, text_format.MessageToString(ProjectorConfig(embeddings=newest)))


def _name_and_step(tensor_path: str) -> tuple[str, int]:
    step, name = Path(tensor_path).parts[:2]
    return name, int(step)
