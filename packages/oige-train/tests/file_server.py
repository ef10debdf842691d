"""A server of one file on this machine, whose next answers a test can choose, and what programs get from it."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from oige_core.errors import OigeError
from oige_train import checkpoint

__all__ = ["Answer", "FileServer", "Request", "again", "error_of", "use_own_cache"]

Answer = Callable[["Request"], None]


class FileServer:
    """Serves ``content`` at every path, with ranges and ETags.

    Attributes:
        content: the file.
        etag: its ETag; empty: none.
        extra: further headers of all answers.
        answers: what the next requests get instead, in order.
        paths: paths of the requests so far.
        headers: headers of the requests so far.
        released: set when hanging answers end.
    """

    def __init__(self, content: bytes = b"") -> None:
        self.content, self.etag = content, '"1"'
        self.extra: dict[str, str] = {}
        self.answers: list[Answer] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        owner = self

        class Handler(Request):
            server_of_file = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Stop serving; hanging answers end."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Request(BaseHTTPRequestHandler):
    """A request to a :class:`FileServer`."""

    server_of_file: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer as the test has chosen, or with the file."""
        owner = self.server_of_file
        owner.paths.append(self.path)
        owner.headers.append(dict(self.headers))
        self.close_connection = True
        answer = owner.answers.pop(0) if owner.answers else Request.send_file
        answer(self)

    do_HEAD = do_GET

    def send_file(self) -> None:
        """Send the file, or the range of it that is asked for."""
        owner = self.server_of_file
        if owner.etag and self.headers.get("If-None-Match") == owner.etag:
            self.send_head(304, {})
            return
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == owner.etag:
            self.send_part(int(wanted.removeprefix("bytes=").rstrip("-")))
        else:
            self.send_head(200, {"Content-Length": str(len(owner.content))})
            if self.command == "GET":
                self.wfile.write(owner.content)

    def send_part(self, start: int) -> None:
        """Send the file from byte ``start`` on."""
        content = self.server_of_file.content
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send_head(206, {"Content-Length": str(len(content) - start), "Content-Range": span})
        self.wfile.write(content[start:])

    def send_head(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and headers, with the ETag."""
        self.send_response(status)
        etag = self.server_of_file.etag
        for name, value in {**({"ETag": etag} if etag else {}), **self.server_of_file.extra, **headers}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def use_own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep downloads of a test in ``folder``, and ask servers on this machine without a proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    checkpoint._downloaded.cache_clear()


def again(address: str) -> Path:
    """Return the path of a checkpoint as a new process would."""
    checkpoint._downloaded.cache_clear()
    return checkpoint.checkpoint_path(address)


def error_of(address: str) -> str:
    """Return the message with which a checkpoint is refused."""
    with pytest.raises(OigeError) as raised:
        again(address)
    return str(raised.value)
