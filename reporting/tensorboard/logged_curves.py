"""Read the curves of a training from TensorBoard's files, also while they are written."""

import os
import struct
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

TAG_PREFIX = "train/"  # of the tags that training steps log
TAG_PREFIX_BYTES = TAG_PREFIX.encode()
MAX_EVENT_BYTES = 4096  # an event of numbers takes under a hundred; larger ones, of pictures, are skipped


class Curve(NamedTuple):
    """A value logged at each step: steps (n,) int64, rising; values (n,); times (n,), seconds since 1970."""

    steps: np.ndarray
    values: np.ndarray
    times: np.ndarray


def read_curves(folder: Path) -> dict[str, Curve]:
    """Read the curves of all numbers that training steps logged: tag without "train/" -> curve.

    TensorBoard's own EventAccumulator takes five times as long, half a minute for 250,000 steps, and keeps an arbitrary
    sample of them. If a resumed run logged a step again, the later value counts.
    """
    logged: dict[str, array] = defaultdict(lambda: array("d"))  # step, value, time, step, value, time, ...
    for path in sorted(folder.glob("events.out.tfevents.*")):
        with suppress(OSError):
            for record in _records(path):
                _collect_values(record, logged)
    return {tag.removeprefix(TAG_PREFIX): _curve(values) for tag, values in logged.items()}


def _collect_values(record: bytes, logged: dict[str, array]) -> None:
    if TAG_PREFIX_BYTES not in record:
        return
    try:
        event = Event.FromString(record)
    except DecodeError:
        return
    for value in event.summary.value:
        tag = value.tag
        if tag.startswith(TAG_PREFIX) and value.HasField("simple_value"):
            logged[tag].extend((event.step, value.simple_value, event.wall_time))


def _records(path: Path) -> Iterator[bytes]:
    """Yield the records of an event file that may hold numbers, up to the first incomplete one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(12)) == 12:  # the length and its checksum
            (length,) = struct.unpack_from("<Q", head)
            if length > size:
                return
            if length > MAX_EVENT_BYTES:
                file.seek(length + 4, os.SEEK_CUR)
                continue
            record = file.read(length + 4)  # with its checksum
            if len(record) < length + 4:
                return
            yield record[:-4]


def _curve(logged: array) -> Curve:
    steps, values, times = np.array(logged).reshape(-1, 3).T
    order = np.argsort(steps, kind="stable")
    last_of_step = np.append(np.diff(steps[order]) > 0, True)
    selected = order[last_of_step]
    return Curve(steps[selected].astype(np.int64), values[selected], times[selected])
