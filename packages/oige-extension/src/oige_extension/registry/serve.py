"""Serving a registry to this machine."""

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from oige_core.errors import reason

from oige_extension.registry.layout import INDEX, REGISTRY
from oige_extension.registry.package import RegistryError

__all__ = ["make_server", "settings"]


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing for each request."""


def make_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of the folder's files for this machine only; the caller starts and closes it.

    Args:
        folder: a registry.
        port: 0: a free one.

    Raises:
        RegistryError: the folder holds no registry, or the port cannot be used.
    """
    if not any((folder / name).is_file() for name in (REGISTRY, INDEX)):
        raise RegistryError(f"{folder}: expected {REGISTRY} or {INDEX}, found neither; run oige-registry build.")
    if not 0 <= port < 2**16:
        raise RegistryError(f"port {port}: expected a number from 0 to 65535; 0 is a free one.")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise RegistryError(f"port {port}: expected a free one, found: {reason(error)}; choose another.") from error


def settings(url: str) -> str:
    """Return the lines of a ``.kit`` file that add a registry and keep NVIDIA's."""
    return (
        '[settings.exts."omni.kit.registry.nucleus".registries]\n'
        f'\'++\' = [{{ name = "oige", url = "{url}", optional = true }}]'
    )
