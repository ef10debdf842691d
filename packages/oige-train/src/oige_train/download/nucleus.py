"""Download a file from a Nucleus server, with the client of Isaac Sim."""

import importlib
from typing import Any

from oige_train.download.address import DownloadError, UnreachableError
from oige_train.download.cache import Cache, CachedFile
from oige_train.download.http import LIMITS

__all__ = ["download_from_nucleus"]

PRETRAINED = "checkpoint=pretrained plays the policy that comes with the task, if it has one."


def download_from_nucleus(cache: Cache, latest: CachedFile | None) -> str | None:
    """Download the file to ``cache.part``.

    Args:
        cache: the cache of its address.
        latest: the version that is in the cache, if any.

    Returns:
        What names the version on the server; None if it is ``latest``.

    Raises:
        UnreachableError: the server cannot be reached, with the reason.
        DownloadError: this Python has no client, or there is no such file, or it is too large.
    """
    url, shown = cache.address.url, cache.address.shown
    try:
        client = _client(shown)
    except DownloadError:
        if latest is None:
            raise
        raise UnreachableError("omni.client is not installed") from None
    result, entry = client.stat(url)
    if result == client.Result.ERROR_NOT_FOUND:
        raise DownloadError(f"{shown}: the server has no such file; check the address.")
    if result != client.Result.OK:
        raise UnreachableError(f"Isaac Sim's client reports {result}")
    if entry.size > LIMITS.size:
        raise DownloadError(
            f"{shown}: is larger than {LIMITS.size:,} bytes, the limit; download it yourself and give the file."
        )
    validator = f"{entry.version} {entry.modified_time} {entry.size}"
    if latest is not None and latest.validator == validator:
        return None
    result = client.copy(url, cache.part.as_uri(), client.CopyBehavior.OVERWRITE)
    if result != client.Result.OK:
        raise UnreachableError(f"Isaac Sim's client reports {result}")
    return validator


def _client(shown: str) -> Any:
    """Return the module ``omni.client``.

    Raises:
        DownloadError: this Python has none, or Isaac Sim has not started in this process.
    """
    try:
        return importlib.import_module("omni.client")
    except ImportError as error:
        raise DownloadError(
            f"{shown}: needs omni.client, which Isaac Sim has; install omniverseclient, or give a file that you "
            f"downloaded. {PRETRAINED}"
        ) from error
