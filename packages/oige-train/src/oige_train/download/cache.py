"""The user's cache of downloaded files: one folder per address, in it one per version of the file."""

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from oige_core.errors import reason

from oige_train.download.address import Address, DownloadError

__all__ = ["Cache", "CachedFile", "cache_folder", "content_hash"]

SOURCE = "source.json"
LOCK_PATIENCE = 3600.0  # s that another process may take to download the same file


def cache_folder() -> Path:
    """Return the folder of downloaded checkpoints: ``oige/checkpoints`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.

    Raises:
        RuntimeError: it would be in the home folder, and the user has none.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # As the XDG specification demands, relative paths are ignored.
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "oige" / "checkpoints"


def content_hash(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@dataclasses.dataclass(frozen=True)
class CachedFile:
    """A downloaded file.

    Attributes:
        path: where it is.
        validator: ETag or date with which the server names this version of the file; empty: none.
        sha256: its SHA-256 in hexadecimal.
        date: when it was downloaded, as ISO 8601 in UTC.
    """

    path: Path
    validator: str
    sha256: str
    date: str


class Cache:
    """The versions of the file at one address.

    Args:
        address: the address.

    Attributes:
        folder: folder of this address.
        part: the file that a download writes to, and after a break continues.

    Raises:
        DownloadError: the user has no home folder.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        try:
            base = cache_folder()
        except RuntimeError as error:
            raise DownloadError(
                f"{address.shown}: there is no home folder to keep it in; set HOME or XDG_CACHE_HOME."
            ) from error
        self.folder = base / hashlib.sha256(address.url.encode()).hexdigest()[:16]
        self.part = self.folder / "part"
        self._part_validator = self.folder / "part.validator"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and let other processes wait until the block ends.

        A folder with a file that can only be read, as in a cache of several users, is not locked.

        Raises:
            DownloadError: the folder cannot be written, or another process takes too long.
        """
        import filelock

        try:
            lock = filelock.FileLock(self.folder / "lock", timeout=LOCK_PATIENCE)
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            except OSError:
                if self.latest() is None:
                    raise
            try:
                yield
            finally:
                lock.release()
        except filelock.Timeout as error:
            raise DownloadError(
                f"{self.address.shown}: another process has been downloading it for an hour; end it."
            ) from error
        except OSError as error:
            raise DownloadError(
                f"{self.address.shown}: {self.folder} cannot be written ({reason(error)}); free space there, or set "
                "XDG_CACHE_HOME to another folder."
            ) from error

    def latest(self) -> CachedFile | None:
        """Return the version that was downloaded last; damaged ones and those with another SHA-256 do not count."""
        versions = [version for folder in self.folder.glob("*/") if (version := _read(folder)) is not None]
        for version in sorted(versions, key=lambda version: version.date, reverse=True):
            if self.address.sha256 in (None, version.sha256) and content_hash(version.path) == version.sha256:
                return version
        return None

    def part_validator(self) -> str:
        """Return the validator of the version of which ``part`` is the beginning; empty: it cannot be continued."""
        if not self.part.is_file() or not self._part_validator.is_file():
            return ""
        return self._part_validator.read_text("utf-8")

    def start_part(self, validator: str) -> None:
        """Empty ``part``, which gets a version with this validator."""
        self.discard_part()
        self.part.touch()
        self._part_validator.write_text(validator, "utf-8")

    def discard_part(self) -> None:
        """Remove ``part``."""
        self.part.unlink(missing_ok=True)
        self._part_validator.unlink(missing_ok=True)

    def keep(self, file: Path, validator: str) -> CachedFile:
        """Move a whole, verified file into the cache and return it; a version that is there stays.

        Args:
            file: the file, in the folder of this address.
            validator: of the server, or empty.
        """
        sha256 = content_hash(file)
        target = self.folder / hashlib.sha256(f"{validator} {sha256}".encode()).hexdigest()[:16]
        present = _read(target)
        if present is not None and content_hash(present.path) == sha256:
            self.discard_part()
            return present
        version = CachedFile(target / self.address.name, validator, sha256, _now())
        temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=".new-"))
        values = {"address": self.address.text, **dataclasses.asdict(version), "path": version.path.name}
        (temporary / SOURCE).write_text(json.dumps(values, indent=2) + "\n", "utf-8")
        file.replace(temporary / version.path.name)
        shutil.rmtree(target, ignore_errors=True)  # it is damaged, or else it would be `present`
        temporary.chmod(0o755)
        temporary.rename(target)
        self.discard_part()
        return version


def _read(folder: Path) -> CachedFile | None:
    """Return the version in a folder; None if there is none, or its description is damaged."""
    try:
        values = json.loads((folder / SOURCE).read_text("utf-8"))
        version = CachedFile(**{field.name: str(values[field.name]) for field in dataclasses.fields(CachedFile)})  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    path = folder / Path(version.path).name
    return dataclasses.replace(version, path=path) if path.is_file() else None


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
