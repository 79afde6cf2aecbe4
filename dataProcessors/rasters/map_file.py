"""A file of a map, here or far away: what identifies it, and reading that notices a change and is tried again."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import TypeVar
from urllib.parse import urlsplit

import rasterio

from config.redaction import redacted
from dataProcessors.rasters.file_identity import PIECES, file_identity
from dataProcessors.rasters.gdal_files import GdalFileError, first_bytes, forget, headers
from dataProcessors.rasters.opening import GDAL_ERRORS, MapError, UnreadableError, error_text
from dataProcessors.rasters.refusals import NO_RANGES, is_final, refusal
from dataProcessors.rasters.remote_options import gdal_name, is_remote, open_options, set_options

log = logging.getLogger(__name__)
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before a failed read is tried again
START = 16_384  # bytes: a break within them could lose the CRS or the nodata value of a file without an error
NO_RASTER = "not recognized as being in a supported file format"
Result = TypeVar("Result")


class ConnectionLostError(MapError):
    """A remote file could be read before, and cannot be now: what was fetched of it is worth keeping."""


class ChangedError(MapError):
    """A remote file is another one than when it was opened."""


class _ShortError(Exception):
    """Less came than was asked for."""


READ_ERRORS = (*GDAL_ERRORS, UnreadableError, _ShortError)


@dataclass(frozen=True)
class Version:
    """What a server says of a file; equal for as long as the file stays the same. "" is what it does not say.

    Attributes:
        size: bytes
        etag, modified: the headers ETag and Last-Modified
    """

    size: str = ""
    etag: str = ""
    modified: str = ""

    @classmethod
    def of(cls, found: dict[str, str]) -> "Version":
        """Return that of a server's headers; in the answer to a request for a part the size of the whole counts."""
        size = found.get("content-range", "").rpartition("/")[2] or found.get("content-length", "")
        return cls(size, found.get("etag", "").removeprefix("W/"), found.get("last-modified", ""))


class MapFile:
    """A file on this machine."""

    def __init__(self, path: str):
        self.path = path

    @property
    def name(self) -> str:
        """The file's name, without its folder or server, and without credentials."""
        return PurePath(redacted(self.path)).name

    def identity(self, pieces: int = PIECES) -> dict[str, object]:
        """Return what identifies the file's content, wherever it lies. pieces: of the sample of its bytes."""
        return file_identity(self.path, pieces)

    def read(self, action: Callable[[], Result]) -> Result:
        """Return what an action that reads the file returns."""
        return action()

    def check_unchanged(self) -> None:
        """Do nothing: a file of this machine is known by its size, time and samples when a run begins."""


class RemoteFile(MapFile):
    """A file that GDAL reads over a network, as it is when this object is made.

    Raises:
        MapError: the server cannot be reached, or refuses the file
    """

    def __init__(self, path: str):
        super().__init__(path)
        set_options(path)
        self._name = gdal_name(path)
        self.version = Version()
        self._counting = threading.Lock()
        self._reads = self._checked = 0  # reads so far; how many of them were before the server was asked last
        forget(self._name)  # GDAL would show what it read of an earlier version
        self.version = self.read(self._first_contact)
        if not (self.version.etag or self.version.modified):
            log.warning(
                "%s: the server sends neither ETag nor Last-Modified: a change of the file is noticed only by its size",
                path,
            )

    @property
    def name(self) -> str:
        """The last part of the URL, without the query, which may hold credentials."""
        return PurePath(urlsplit(self.path).path).name

    def identity(self, pieces: int = PIECES) -> dict[str, object]:
        """Return name and version: not the server, so that a file that is moved with its ETag stays the same."""
        return {"name": self.name, **asdict(self.version)}

    def read(self, action: Callable[[], Result]) -> Result:
        """Return what an action that reads the file returns; where it fails it is tried again, after growing pauses.

        Raises:
            MapError: it still fails; the file has changed, or the server refuses it by now
        """
        for pause in PAUSES:
            try:
                return self._once(action)
            except READ_ERRORS as error:
                reason = error_text(error)
                if NO_RASTER in reason:  # its beginning is there as a whole
                    raise
            self._raise_if_final(reason)
            log.warning("%s: a part of it did not come (%s). Trying again in %g s", self.path, reason, pause)
            time.sleep(pause)
            forget(self._name)  # GDAL keeps what came before a connection broke, and would take it for the whole
        try:
            return self._once(action)
        except READ_ERRORS as error:
            raise ConnectionLostError(
                f"{self.path}: cannot be read: {error_text(error)} (tried {len(PAUSES) + 1} times). Run the same "
                "command again when the connection works; if that does not help, the file is damaged."
            ) from None

    def _once(self, action: Callable[[], Result]) -> Result:
        with rasterio.Env(**open_options()):
            result = action()
        with self._counting:
            self._reads += 1
        return result

    def check_unchanged(self) -> None:
        """Ask the server whether the file is still the same, if it was read since it was asked last.

        Where the server does not answer, reads will tell.

        Raises:
            ChangedError: it is another one
        """
        reads = self._reads
        if reads > self._checked:
            self._ask()
            self._checked = reads

    def _ask(self) -> None:
        found = headers(self._name)
        before, now = asdict(self.version), asdict(Version.of(found))
        if found and before != now:
            changed = ", ".join(f"{name} {before[name]} is {now[name]}" for name in now if before[name] != now[name])
            raise ChangedError(
                f"{self.path}: has changed on the server since it was opened ({changed}). Run the same command again: "
                "it reads the new file from its beginning."
            )

    def _raise_if_final(self, reason: str) -> None:
        """Raise a MapError if it is no use to try again: no ranges, another file by now, or none for us."""
        if NO_RANGES in reason:
            raise refusal(self.path, reason)
        if self.version == Version():  # it is opened first
            return
        self._ask()
        forget(self._name)  # else it answers from memory
        try:
            first_bytes(self._name, 1)
        except GdalFileError as error:
            if is_final(self.path, str(error)):
                raise refusal(self.path, str(error)) from None

    def _first_contact(self) -> Version:
        """Return the version, and see to it that GDAL has the whole beginning of the file."""
        try:
            number = first_bytes(self._name, START)
        except GdalFileError as error:
            raise refusal(self.path, str(error)) from None
        version = Version.of(headers(self._name))
        if number < min(START, int(version.size or 0)):
            raise _ShortError(f"its first {START} bytes ended after {number}")
        return version


class MapFiles:
    """The files of one map."""

    def __init__(self, files: Sequence[MapFile]):
        self.files = list(files)

    @property
    def name(self) -> str:
        """The name of the first one."""
        return self.files[0].name

    def identity(self) -> dict[str, object] | list[dict[str, object]]:
        """Return what identifies the files: that of the only one, or a list."""
        pieces = max(PIECES // len(self.files), 2)  # the sample of a thousand files is not a thousand times that of one
        identities = [file.identity(pieces) for file in self.files]
        return identities if len(identities) > 1 else identities[0]

    def check_unchanged(self) -> None:
        """Ask the servers of remote files that were read whether they are still the same.

        Raises:
            ChangedError: one is not
        """
        for file in self.files:
            file.check_unchanged()


def map_file(path: str) -> MapFile:
    """Return the file of a path or URL.

    Raises:
        MapError: it is remote, and the server cannot be reached or refuses it
    """
    return RemoteFile(path) if is_remote(path) else MapFile(path)
