"""An HTTP server of files in memory on this machine: it counts what it sends, and misbehaves where a test says so.

It is a process of its own: GDAL asks for some parts of a file while it holds Python's lock, so that no thread beside it
could answer. Tests put files to it, and change and ask about them, by requests to the same URLs.
"""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


@dataclass
class Behaviour:
    """How requests for a file are answered, and what was asked for.

    Attributes:
        etag, modified: what identifies this version; "": not sent
        status: of every answer; 0: the file
        statuses: of the next answers to requests for parts of it
        breaks: so many of the next answers end after `breaks_after` bytes, with the connection
        pause: seconds before each answer
        secret: user:password, or what must be in the query; a request without it is refused. "": there is none
        takes_ranges, takes_head: whether parts of it can be had, and its headers alone
        asked: (start, length) of each part that was sent
        heads: number of requests for its headers alone
    """

    etag: str = '"1"'
    modified: str = "Sat, 03 Oct 2026 10:00:00 GMT"
    status: int = 0
    statuses: list[int] = field(default_factory=list)
    breaks: int = 0
    breaks_after: int = 1000
    pause: float = 0.0
    secret: str = ""
    takes_ranges: bool = True
    takes_head: bool = True
    asked: list[tuple[int, int]] = field(default_factory=list)
    heads: int = 0

    @property
    def sent(self) -> int:
        """Bytes of the file that were sent."""
        return sum(length for _, length in self.asked)


class FarFile:
    """A file of the server, as a test sees it; `url` is its own, since GDAL keeps what it read of a URL."""

    def __init__(self, url: str):
        self.url = url

    def put(self, content: bytes) -> None:
        """Replace its content."""
        _send("PUT", self.url, content)

    def behave(self, **behaviour) -> None:
        """Set attributes of its Behaviour; `asked=[]` counts from here."""
        _send("POST", self.url, json.dumps(behaviour).encode())

    def behaviour(self) -> Behaviour:
        """Return how it behaves, and what was asked for."""
        return Behaviour(**json.loads(_send("POST", self.url, b"{}")))


class Server:
    """A running server: `put` serves a file."""

    def __init__(self, port: int):
        self.port, self.number = port, 0

    def put(self, content: bytes, name: str = "map.tif", **behaviour) -> FarFile:
        """Serve a file under a path of its own."""
        self.number += 1
        file = FarFile(f"http://127.0.0.1:{self.port}/{self.number}/{name}")
        file.put(content)
        file.behave(**behaviour)
        return file


def _send(method: str, url: str, content: bytes) -> bytes:
    request = urllib.request.Request(url, content, {"X-Test": "1"}, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return answer.read()


@contextmanager
def running_server() -> Iterator[Server]:
    """Yield a server in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        yield Server(int(process.stdout.readline()))
        process.stdin.close()  # it ends with its input, also where the tests were killed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    files: ClassVar[dict[str, tuple[bytes, Behaviour]]] = {}
    lock = threading.Lock()

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            self.files[self.path] = content, self.files.get(self.path, (b"", Behaviour()))[1]
        self._answer(200, {}, b"")

    def do_POST(self) -> None:
        changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            behaviour = self.files[self.path][1]
            for name, value in changes.items():
                setattr(behaviour, name, value)
            now = json.dumps(asdict(behaviour)).encode()
        self._answer(200, {}, now)

    def do_HEAD(self) -> None:
        content, behaviour = self._file()
        with self.lock:
            behaviour.heads += 1
            status = behaviour.status or (200 if behaviour.takes_head else 405)
        self._answer(status, _headers(behaviour) | {"Content-Length": str(len(content))}, b"")

    def do_GET(self) -> None:
        content, behaviour = self._file()
        time.sleep(behaviour.pause)
        with self.lock:
            status = behaviour.status or (behaviour.statuses.pop(0) if behaviour.statuses else 0)
            breaks = not status and behaviour.breaks > 0
            behaviour.breaks -= breaks
        if status:
            self._answer(status, {}, b"")
            return
        start, stop, status, headers = 0, len(content), 200, _headers(behaviour)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and behaviour.takes_ranges:
            start, stop, status = int(asked[1]), min(int(asked[2] or len(content)) + 1, len(content)), 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        whole = content[start:stop]
        part = whole[: behaviour.breaks_after] if breaks else whole
        with self.lock:
            behaviour.asked.append((start, len(part)))
        self.close_connection = bool(breaks)
        self._answer(status, headers | {"Content-Length": str(len(whole))}, part)

    def _file(self) -> tuple[bytes, Behaviour]:
        path, _, query = self.path.partition("?")
        given = [query, b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()]
        with self.lock:
            content, behaviour = self.files.get(path, (b"", Behaviour(status=404)))
        is_refused = not any(behaviour.secret in each for each in given)
        return content, Behaviour(status=403) if is_refused else behaviour

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # who asked has gone
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _headers(behaviour: Behaviour) -> dict[str, str]:
    headers = {"ETag": behaviour.etag, "Last-Modified": behaviour.modified}
    return {name: value for name, value in headers.items() if value}


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        server.shutdown()
