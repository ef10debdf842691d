"""Download a file from a repository on the Hugging Face Hub, with huggingface_hub.

Its cache, tokens and variables (``HF_HOME``, ``HF_TOKEN``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``) are those of that
library.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

from oige_core.errors import MissingExtraError, one_line

from oige_train.download.address import Address, DownloadError
from oige_train.download.cache import content_hash
from oige_train.download.http import LIMITS

__all__ = ["fetch_from_hub"]

NOTATION = "hf://<owner>/<repository>/<path of the file>@<revision>, of which @<revision> may be left out"


def fetch_from_hub(address: Address) -> tuple[Path, str]:
    """Return the file in the cache of huggingface_hub, and what was done, in words.

    Args:
        address: ``hf://<owner>/<repository>/<file>[@<revision>]`` or ``hf://<owner>/<repository>[@<revision>]/<file>``.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        DownloadError: there is no such file, it is damaged, or the Hub cannot be reached and it is not in the cache.
    """
    repository, name, revision = _parts(address)
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
    except ImportError as error:
        raise MissingExtraError(
            f"{address.shown}: huggingface_hub is not installed; install oige-train[hub]."
        ) from error
    try:
        url = hub.hf_hub_url(repository, name, revision=revision)
        metadata = hub.get_hf_file_metadata(url, timeout=LIMITS.timeout)
    except errors.HFValidationError as error:
        raise DownloadError(f"{address.shown}: {one_line(error)} Expected {NOTATION}.") from error
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{address.shown}: {repository} is open only to users who have accepted its terms; accept them on the Hub "
            "and set HF_TOKEN."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DownloadError(
            f"{address.shown}: the Hub has no model repository {repository}, or it is private; check the address, or "
            "set HF_TOKEN."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DownloadError(f"{address.shown}: {repository} has no revision {revision}; check the address.") from error
    except errors.EntryNotFoundError as error:
        at = "" if revision is None else f" at {revision}"
        raise DownloadError(f"{address.shown}: {repository} has no file {name}{at}; check the address.") from error
    except Exception as error:  # connection errors of requests or httpx, depending on the version
        return _cached(hub, address, repository, name, revision, error)
    if (metadata.size or 0) > LIMITS.size:
        raise DownloadError(
            f"{address.shown}: is larger than {LIMITS.size:,} bytes, the limit; download it yourself and give the file."
        )
    known = hub.try_to_load_from_cache(repository, name, revision=metadata.commit_hash)
    try:
        # By revision and not by commit, so that the cache knows the commit of the revision when the Hub is away.
        file = Path(hub.hf_hub_download(repository, name, revision=revision, etag_timeout=LIMITS.timeout))
    except Exception as error:  # of requests, httpx or the transfer library, depending on version and file
        raise DownloadError(f"{address.shown}: the download failed ({one_line(error)}); start it again.") from error
    _verify(address, file, metadata.etag or "")
    done = "is in the cache" if isinstance(known, str) else f"downloaded {file.stat().st_size:,} bytes"
    return file, f"{done}, commit {metadata.commit_hash}, verified"


def _parts(address: Address) -> tuple[str, str, str | None]:
    """Return repository, path of the file and revision of an address."""
    rest = address.url.partition("://")[2]
    found = re.fullmatch(r"([^/@]+/[^/@]+)(?:@([^/]+))?/([^@]+)(?:@(.+))?", rest)
    if found is None or (found[2] and found[4]) or not {"", ".", ".."}.isdisjoint(found[3].split("/")):
        raise DownloadError(f"{address.shown}: expected {NOTATION}.")
    if rest.startswith(("datasets/", "spaces/")):
        raise DownloadError(f"{address.shown}: expected a model repository, {NOTATION}.")
    revision = found[2] or found[4]
    return found[1], found[3], revision.replace("%2F", "/") if revision else None


def _cached(
    hub: Any, address: Address, repository: str, name: str, revision: str | None, error: Exception
) -> tuple[Path, str]:
    """Return the file in the cache of huggingface_hub when the Hub cannot be reached because of ``error``."""
    known = hub.try_to_load_from_cache(repository, name, revision=revision)
    if not isinstance(known, str):
        raise DownloadError(
            f"{address.shown}: the Hub cannot be reached ({one_line(error)}), and the file is not in the cache; check "
            "the network, or give a local file."
        ) from error
    return Path(known), f"the Hub cannot be reached ({one_line(error)}), so the file in the cache is used"


def _verify(address: Address, file: Path, etag: str) -> None:
    """Raise DownloadError unless a file has the hash that is its ETag: SHA-256 of large files, git's hash of others."""
    if len(etag) == 64:
        found = content_hash(file)
    else:
        content = file.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if found != etag:
        raise DownloadError(
            f"{address.shown}: {file} has the hash {found}, but the Hub has {etag}; delete the file and start again."
        )
