"""Files of a registry: their names, and their contents as bytes that depend on nothing but what they hold."""

import gzip
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oige_extension.registry.package import Package, RegistryError

__all__ = [
    "INDEX",
    "INDEX_ENTRY",
    "REGISTRY",
    "ROOT",
    "SUMMARIES",
    "archive_file",
    "archive_page",
    "content_hash",
    "old_archive_file",
    "packages_file",
    "read_gzip_json",
    "read_index",
    "read_json",
    "read_packages",
    "write_gzip_json",
    "write_index",
    "write_json",
    "write_packages",
    "zip_folder",
]

ROOT = "v2"
REGISTRY = f"{ROOT}/registry.gz"
SUMMARIES = f"{ROOT}/summaries.gz"
INDEX = "index.zip"
INDEX_ENTRY = "index.json"

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold
FILE_MODE = 0o100644 << 16


def packages_file(extension: str) -> str:
    """Return the file of all packages of an extension."""
    return f"{ROOT}/packages/{extension}.gz"


def archive_page(package: Package) -> str:
    """Return the file that describes an archive."""
    return f"{ROOT}/archives/{package.name}/{package.id}.json"


def archive_file(package: Package) -> str:
    """Return the archive of a package."""
    return f"{ROOT}/archives/{package.name}/{package.id}.zip"


def old_archive_file(package: Package) -> str:
    """Return the archive of a package of the single index."""
    return f"3/archives/{package.id}.zip"


def content_hash(data: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def write_json(value: object) -> bytes:
    """Return a file of JSON."""
    return _json(value).encode()


def read_json(data: bytes, place: str) -> dict[str, Any]:
    """Return the JSON object of a file.

    Args:
        data: the file.
        place: its name in errors.

    Raises:
        RegistryError: it holds no JSON object.
    """
    try:
        return _object(data.decode(), place)
    except UnicodeDecodeError as error:
        raise RegistryError(f"{place}: expected JSON: {error}; build the registry again.") from error


def write_gzip_json(value: object) -> bytes:
    """Return a gzip file of JSON."""
    return gzip.compress(_json(value).encode(), mtime=0)


def read_gzip_json(data: bytes, place: str) -> dict[str, Any]:
    """Return the JSON object of a gzip file.

    Args:
        data: the file.
        place: its name in errors.

    Raises:
        RegistryError: it is no gzip file of a JSON object.
    """
    return _object(_gunzip(data, place), place)


def write_packages(packages: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the file of an extension's packages: on each line the short id, a space and its data as JSON."""
    lines = "".join(f"{short_id} {_json(packages[short_id])}\n" for short_id in sorted(packages))
    return gzip.compress(lines.encode(), mtime=0)


def read_packages(data: bytes, place: str) -> dict[str, dict[str, Any]]:
    """Return the data of an extension's packages by short id.

    Args:
        data: the file.
        place: its name in errors.

    Raises:
        RegistryError: a line is not as :func:`write_packages` writes it.
    """
    packages = {}
    for number, line in enumerate(_gunzip(data, place).splitlines(), start=1):
        short_id, space, value = line.partition(" ")
        if not space:
            raise RegistryError(
                f"{place}: line {number}: expected a package id, a space and JSON, found '{line[:60]}'."
            )
        packages[short_id] = _object(value, f"{place}: line {number}")
    return packages


def write_index(packages: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the single index of older releases: a zip file with the data of all packages by id."""
    return _zip({INDEX_ENTRY: _json(packages).encode()})


def read_index(data: bytes, place: str) -> dict[str, dict[str, Any]]:
    """Return the data of all packages of the single index by id.

    Args:
        data: the file.
        place: its name in errors.

    Raises:
        RegistryError: it is no zip file with one JSON object.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read(INDEX_ENTRY).decode()
    except (zipfile.BadZipFile, zlib.error, KeyError, UnicodeDecodeError) as error:
        raise RegistryError(f"{place}: expected a zip file with {INDEX_ENTRY}: {error}.") from error
    return _object(text, place)


def zip_folder(folder: Path, more: Mapping[str, str]) -> bytes:
    """Return a zip file of a folder, without byte code.

    Args:
        folder: its files lie at the root of the zip file.
        more: texts of further files by name, in place of those of the folder.
    """
    contents = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return _zip(contents | {name: text.encode() for name, text in more.items()})


def _zip(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, also when Windows writes it
            entry.external_attr = FILE_MODE
            archive.writestr(entry, contents[name])
    return buffer.getvalue()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _gunzip(data: bytes, place: str) -> str:
    try:
        return gzip.decompress(data).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RegistryError(
            f"{place}: expected a gzip file of {len(data)} bytes: {error}; build the registry again."
        ) from error


def _object(text: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RegistryError(f"{place}: expected JSON: {error}; build the registry again.") from error
    if not isinstance(value, dict):
        raise RegistryError(f"{place}: expected a JSON object, found {type(value).__name__}; build the registry again.")
    return value
