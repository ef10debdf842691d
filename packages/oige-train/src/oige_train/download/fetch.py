"""Fetch the file at an address, from the server or from the cache."""

from collections.abc import Callable
from pathlib import Path

from oige_train.console import say, speaks_for_machine
from oige_train.download.address import Address, DownloadError, UnreachableError
from oige_train.download.cache import Cache, CachedFile, content_hash

__all__ = ["fetch"]


def fetch(typed: str, check: Callable[[Path], object]) -> Path:
    """Return the file at an address on this machine, and say where it is.

    Args:
        typed: the address as a user typed it.
        check: raises an error if a downloaded file, whose name differs, is not what is expected; such a file is not
            kept.

    Raises:
        DownloadError: the address is wrong, the file does not exist, is not the published one, or is too large, or
            the server cannot be reached and the file is not in the cache.
    """
    address = Address.of(typed)
    if address.scheme == "hf":
        from oige_train.download.hub import fetch_from_hub

        file, note = fetch_from_hub(address)
        _verify(address, file)
        _say(f"{address.shown}: {note}, {file}")
        return file
    cache = Cache(address)
    with cache.locked():
        latest = cache.latest()
        if latest is not None and address.sha256 is not None:
            _say(f"{address.shown}: downloaded on {latest.date[:10]}, {latest.path}")
            return latest.path
        return _fetch_version(cache, latest, check).path


def _fetch_version(cache: Cache, latest: CachedFile | None, check: Callable[[Path], object]) -> CachedFile:
    address = cache.address
    if address.scheme == "omniverse":
        from oige_train.download.nucleus import download_from_nucleus as download
    else:
        from oige_train.download.http import download_over_http as download
    try:
        validator = download(cache, latest)
    except UnreachableError as error:
        if latest is None:
            raise DownloadError(
                f"{address.shown}: the server cannot be reached ({error}); check the address and the network, or give "
                "a local file."
            ) from error
        _say(
            f"{address.shown}: the server cannot be reached ({error}), so the file of {latest.date[:10]} is used, "
            f"{latest.path}"
        )
        return latest
    if validator is None:
        assert latest is not None
        _say(f"{address.shown}: has not changed since {latest.date[:10]}, {latest.path}")
        return latest
    try:
        _verify(address, cache.part)
        check(cache.part)
    except Exception:
        cache.discard_part()
        raise
    size = cache.part.stat().st_size
    version = cache.keep(cache.part, validator)
    _say(f"{address.shown}: downloaded {size:,} bytes, SHA-256 {version.sha256}, {version.path}")
    return version


def _verify(address: Address, file: Path) -> None:
    """Raise DownloadError unless a file has the SHA-256 that the address has, if it has one."""
    if address.sha256 is not None and (found := content_hash(file)) != address.sha256:
        raise DownloadError(
            f"{address.shown}: the downloaded file has the SHA-256 {found}; it is not the published file and is not "
            "used. Ask its publisher."
        )


def _say(line: str) -> None:
    """Log a line, under torchrun once per machine."""
    if speaks_for_machine():
        say(line)
