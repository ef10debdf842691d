"""A page in browsers, on a server of its own."""

import contextlib
import html
import io
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import viser
import websockets.asyncio.server
from websockets.http11 import Request, Response

from oige_core.errors import ConfigError, reason

__all__ = ["Page", "PageVisitors", "run_script"]

FIRST_PORT, LAST_PORT = 8080, 8179
HERE = Path(__file__).parent


class PageVisitors(Protocol):
    """What is shown on a page, and hears of the browsers that open it. Methods are called by threads of the server."""

    def page_opened(self, client: viser.ClientHandle, query: Mapping[str, str]) -> None:
        """Called when a browser has opened the page, or had it open when this was shown.

        Args:
            client: the browser.
            query: parameters of the address that it has opened; those of a page that was open before are not repeated.
        """

    def page_closed(self) -> None:
        """Called when a browser has closed the page."""

    def camera_moved(self, client: viser.ClientHandle) -> None:
        """Called when the camera of a browser has moved."""


class Page:
    """A page that shows a viewer, or several ones after another, beside controls of the program.

    Args:
        title: title of the browser's tab.
        host: address to listen on; ``127.0.0.1`` is reachable from this machine only, ``0.0.0.0`` from everywhere.
        port: port to listen on; None: the first free one from 8080 on.

    Attributes:
        server: the server of the page, for controls.
        url: address of the page.

    Raises:
        ConfigError: the address is not available.
    """

    def __init__(self, title: str, *, host: str = "127.0.0.1", port: int | None = None) -> None:
        self._query: dict[str, str] = {}  # of the last address that a browser has loaded
        self.server = _serve(host, port, title, self._loaded)
        name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self.server.get_port()}"
        self._visitors: PageVisitors | None = None
        self.server.on_client_connect(self._opened)
        self.server.on_client_disconnect(self._closed)

    def show(self, visitors: PageVisitors | None) -> None:
        """Let what is shown now, if anything, hear of the browsers."""
        self._visitors = visitors
        if visitors is not None:
            for client in self.server.get_clients().values():
                visitors.page_opened(client, {})

    def close(self) -> None:
        """Stop the server."""
        self._visitors = None
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def _loaded(self, address: str) -> None:
        """Keep the query of an address that a browser loads; it connects next."""
        parts = urlsplit(address)
        if parts.path == "/":
            self._query = dict(parse_qsl(parts.query, keep_blank_values=True))

    def _opened(self, client: viser.ClientHandle) -> None:
        client.camera.on_update(lambda _: self._moved(client))
        query, self._query = self._query, {}
        visitors = self._visitors
        if visitors is not None:
            visitors.page_opened(client, query)

    def _closed(self, _: viser.ClientHandle) -> None:
        visitors = self._visitors
        if visitors is not None:
            visitors.page_closed()

    def _moved(self, client: viser.ClientHandle) -> None:
        visitors = self._visitors
        if visitors is not None:
            visitors.camera_moved(client)


def run_script(server: viser.ViserServer, script: str) -> None:
    """Run JavaScript on each page, whenever the panel appears."""
    server.gui.add_html(f'<img src="data:," hidden onerror="{html.escape(script)}">')


def _serve(host: str, port: int | None, title: str, loaded: Callable[[str], None]) -> viser.ViserServer:
    """Start a server that prints nothing; it calls ``loaded`` with each address that browsers load."""
    port = _free_port(host, port)
    with contextlib.redirect_stdout(io.StringIO()), _patched_responses(loaded):
        server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
    # The share button would publish the page through a third-party server.
    server.gui.configure_theme(show_logo=False, show_share_button=False)
    server.gui.main_panel.dock_right()  # beside the view, not over it
    style = (HERE / "page.css").read_text()
    constants = f"const TITLE = {json.dumps(title)}, STYLE = {json.dumps(style)};"
    run_script(server, f"{constants}\n{(HERE / 'page.js').read_text()}")
    return server


@contextlib.contextmanager
def _patched_responses(loaded: Callable[[str], None]) -> Iterator[None]:
    """Make servers that start in this block send ``Cache-Control: no-store`` and call ``loaded``.

    Without the header, pages enter the browser's back/forward cache (seen with Chromium 156). There their connection
    stays open, and the simulation would wait for them. viser has no option for headers and does not tell addresses, so
    this patches websockets, which it uses.
    """
    serve = websockets.asyncio.server.serve

    def process(connection: Any, request: Request, response: Response) -> None:
        if response.status_code == HTTPStatus.OK:  # not of the connections that pages then open
            loaded(request.path)
        response.headers["Cache-Control"] = "no-store"

    def serve_with_header(*args: Any, **kwargs: Any) -> Any:
        return serve(*args, process_response=process, **kwargs)

    websockets.asyncio.server.serve = serve_with_header  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve  # type: ignore[misc]


def _free_port(host: str, port: int | None) -> int:
    """Return ``port``, or the first free one if None; raise ConfigError if it is not available."""
    candidates = range(FIRST_PORT, LAST_PORT + 1) if port is None else (port,)
    failure = ""
    for candidate in candidates:
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, candidate))
        except OSError as error:
            failure = reason(error)
        else:
            return candidate
    ports = f"{FIRST_PORT} to {LAST_PORT}" if port is None else str(port)
    raise ConfigError(f"viewer: cannot listen on {host}, port {ports}: {failure}; choose another one.")
