"""Download a file over HTTP: with progress, retries, and continuation after a break.

Variables for proxies and certificates (``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``, …) and ``~/.netrc`` are
those of requests.
"""

import re
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests

from oige_train.console import ProgressLine, say, speaks_for_machine
from oige_train.download.address import Address, DownloadError, UnreachableError
from oige_train.download.cache import Cache, CachedFile

__all__ = ["LIMITS", "Limits", "download_over_http"]

CHUNK = 2**13  # bytes, of which a break loses the last incomplete ones
REDIRECTS = 10


@dataclass(frozen=True)
class Limits:
    """Limits of a download.

    Attributes:
        timeout: longest time without a byte, in seconds.
        attempts: number of attempts at most.
        pause: time before the second attempt, in seconds; it doubles for each further one.
        size: size of the file at most, in bytes.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0
    size: int = 2 * 2**30


LIMITS = Limits()


class _BrokenError(Exception):
    """An attempt has failed in the middle of the file; another one may continue it."""


def download_over_http(cache: Cache, latest: CachedFile | None) -> str | None:
    """Download the file to ``cache.part``.

    Args:
        cache: the cache of its address.
        latest: the version that is in the cache, if any.

    Returns:
        The validator of the version; empty if the server has none; None if it is ``latest``.

    Raises:
        UnreachableError: the server cannot be reached, with the reason.
        DownloadError: the server has no such file, or sends something else or too much of it.
    """
    limits = LIMITS
    with requests.Session() as session:
        for attempt in range(1, limits.attempts + 1):
            try:
                return _attempt(session, cache, latest, limits)
            except UnreachableError as error:
                # With a cached file, waiting is not worthwhile.
                if latest is not None or attempt == limits.attempts:
                    raise
                if attempt == 1 and speaks_for_machine():
                    say(f"{cache.address.shown}: the server cannot be reached ({error}); trying again")
            except _BrokenError as error:
                if attempt == limits.attempts:
                    raise DownloadError(
                        f"{cache.address.shown}: {error}, in each of {attempt} attempts; start the program again to "
                        "try it again."
                    ) from error
            time.sleep(limits.pause * 2 ** (attempt - 1))
    raise AssertionError("the last attempt returns or raises")


def _attempt(session: requests.Session, cache: Cache, latest: CachedFile | None, limits: Limits) -> str | None:
    headers = {"Accept-Encoding": "identity"}
    part = cache.part_validator()
    # Weak ETags do not promise that bytes are equal.
    start = cache.part.stat().st_size if part and not part.startswith("W/") else 0
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": part}
    elif latest is not None and latest.validator:
        is_etag = latest.validator.startswith(('"', "W/"))
        headers["If-None-Match" if is_etag else "If-Modified-Since"] = latest.validator
    with _open(session, cache.address, headers, limits) as response:
        code = response.status_code
        if code == requests.codes.not_modified and latest is not None:
            return None
        if code in (408, 429) or code >= 500:
            raise UnreachableError(_status(response))
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        if code == 206 and start:
            found = re.match(rf"bytes {start}-\d+/(\d+)\Z", response.headers.get("Content-Range", ""))
            if found is None or validator != part:
                cache.discard_part()
                raise _BrokenError("the file on the server changes while it is downloaded")
            total = int(found[1])
        elif code == 200:
            start = 0
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
        elif code == 416 and start:
            cache.discard_part()
            raise _BrokenError("the file on the server changes while it is downloaded")
        else:
            raise DownloadError(
                f"{cache.address.shown}: the server answers {_status(response)}; check the address."
                + ("" if latest is None else f" An earlier version is in {latest.path}.")
            )
        if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
            raise DownloadError(
                f"{cache.address.shown}: the server sends a web page, not a file; give the address behind the page's "
                "link for downloads."
            )
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadError(f"{cache.address.shown}: the server sends it compressed; download it yourself.")
        if not start:
            cache.start_part(validator)
        _receive(response, cache, start, total, limits)
    return validator


def _open(session: requests.Session, address: Address, headers: dict[str, str], limits: Limits) -> requests.Response:
    """Return the response after redirects, whose body has not been read."""
    url = address.url
    for _ in range(REDIRECTS):
        try:
            response = session.get(url, headers=headers, stream=True, timeout=limits.timeout, allow_redirects=False)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise UnreachableError(_cause(error, url, limits)) from error
        except (requests.RequestException, ValueError) as error:
            raise DownloadError(f"{address.shown}: cannot be requested ({_cause(error, url, limits)}).") from error
        target = session.get_redirect_target(response)
        if target is None:
            return response
        response.close()
        target = urljoin(url, target)
        old, new = urlsplit(url).scheme, urlsplit(target).scheme
        if new != old and (old, new) != ("http", "https"):
            raise DownloadError(
                f"{address.shown}: the server redirects to {target}; expected the same scheme, or https after http."
            )
        url = target
    raise DownloadError(f"{address.shown}: the server redirects more than {REDIRECTS} times.")


def _receive(response: requests.Response, cache: Cache, start: int, total: int | None, limits: Limits) -> None:
    """Append the body of a response to ``cache.part``."""
    shown, too_large = cache.address.shown, f"is larger than {limits.size:,} bytes, the limit"
    if total is not None and total > limits.size:
        cache.discard_part()
        raise DownloadError(f"{shown}: {too_large}; download it yourself and give the file.")
    size, began, progress = start, time.monotonic(), ProgressLine()

    def show(*, last: bool = False) -> None:
        if speaks_for_machine():
            speed = (size - start) / max(time.monotonic() - began, 1e-3)
            text = f"downloading {cache.address.name}: {_amount(size, total)}, {speed / 1e6:.1f} MB/s"
            progress.show(text, force=last)

    try:
        with cache.part.open("ab") as stream:
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                size += len(chunk)
                if size > limits.size:
                    cache.discard_part()
                    raise DownloadError(f"{shown}: {too_large}; download it yourself and give the file.")
                show()
        show(last=True)
    except requests.RequestException as error:
        why = f"nothing arrived for {limits.timeout:g} s" if _is_timeout(error) else "the connection broke off"
        raise _BrokenError(f"{why} after {_bytes(size, total)}") from error
    finally:
        progress.close()
    if total is not None and size != total:
        if size > total:
            cache.discard_part()
        raise _BrokenError(f"the server ended the transfer after {_bytes(size, total)}")


def _amount(size: int, total: int | None) -> str:
    if not total:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e6:.1f} of {total / 1e6:.1f} MB, {min(100 * size // total, 100)} %"


def _bytes(size: int, total: int | None) -> str:
    return f"{size:,} bytes" if total is None else f"{size:,} of {total:,} bytes"


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, requests.Timeout) or "timed out" in str(error)


def _cause(error: Exception, url: str, limits: Limits) -> str:
    """Return the reason for which there was no response, without the layers of libraries around it."""
    if _is_timeout(error):
        return f"{urlsplit(url).netloc} did not answer within {limits.timeout:g} s"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached or refuses"
    inner: BaseException = error
    while (below := inner.__cause__ or inner.__context__) is not None:
        inner = below
    text = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return " ".join(text.splitlines()) or type(inner).__name__


def _status(response: requests.Response) -> str:
    return f"{response.status_code} {response.reason}".strip()
