"""Remove from TensorBoard's files what an interrupted run logged after its last checkpoint."""

import shutil
from collections.abc import Callable
from pathlib import Path

from google.protobuf import text_format
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.summary.writer.record_writer import RecordWriter

from storage import atomic_write, write_text

PROJECTOR_CONFIG = "projector_config.pbtxt"


def filter_events(folder: Path, keep: Callable[[Event, str], bool]) -> None:
    """Rewrite the event files of a folder with the selected events only, and without an incomplete record at the end.

    Args:
        folder: of one feature set
        keep: (event, tag of its value) -> whether to keep the event; events without a value are always kept
    """
    for path in folder.glob("events.out.tfevents.*"):
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            writer = RecordWriter(file)
            for record in RawEventFileLoader(str(path)).Load():
                event = Event.FromString(record)
                if all(keep(event, value.tag) for value in event.summary.value):
                    writer.write(record)


def read_projector_config(folder: Path) -> ProjectorConfig:
    """Read the list of the embeddings that the projector shows; return an empty list if there is none."""
    try:
        return text_format.Parse((folder / PROJECTOR_CONFIG).read_text(encoding="utf8"), ProjectorConfig())
    except (FileNotFoundError, text_format.ParseError):  # not written yet, or not completely
        return ProjectorConfig()


def filter_embeddings(folder: Path, keep: Callable[[str, int], bool]) -> None:
    """Remove embeddings from the projector's list and from the disk; sort the list, newest first, which the page opens.

    Args:
        folder: of one feature set
        keep: (name, step) of an embedding -> whether to keep it
    """
    for path in folder.glob("*/*/"):  # torch writes an embedding into STEP/NAME/
        if path.parent.name.isdecimal() and not keep(path.name, int(path.parent.name)):
            shutil.rmtree(path, ignore_errors=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    if (folder / PROJECTOR_CONFIG).exists():
        embeddings = [(*_name_and_step(each.tensor_path), each) for each in read_projector_config(folder).embeddings]
        selected = {(step, name): embedding for name, step, embedding in embeddings if keep(name, step)}
        newest = [selected[key] for key in sorted(selected, reverse=True)]
        write_text(folder / PROJECTOR_CONFIG, text_format.MessageToString(ProjectorConfig(embeddings=newest)))


def _name_and_step(tensor_path: str) -> tuple[str, int]:
    step, name = Path(tensor_path).parts[:2]
    return name, int(step)
