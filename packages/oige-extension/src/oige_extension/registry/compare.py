"""Comparing the structure of two registries: what Kit published into an empty folder, and ours."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oige_extension.registry.layout import INDEX, REGISTRY, ROOT, read_gzip_json, read_index, read_json, read_packages
from oige_extension.registry.package import RegistryError

__all__ = ["compare", "structure"]


def compare(published: Path, ours: Path) -> list[str]:
    """Return the differences in structure between two registries; values such as titles and hashes do not count.

    Args:
        published: the folder into which Kit published an extension.
        ours: the folder that :func:`~oige_extension.registry.build_registry` wrote.

    Raises:
        RegistryError: a folder holds no registry, or a file in it cannot be read.
    """
    theirs, own = structure(published), structure(ours)
    differences = []
    for aspect in sorted(theirs.keys() | own.keys()):
        there, here = theirs.get(aspect, set()), own.get(aspect, set())
        differences += [f"{aspect}: only in {published}: {fact}" for fact in sorted(there - here)]
        differences += [f"{aspect}: only in {ours}: {fact}" for fact in sorted(here - there)]
    return differences


def structure(folder: Path) -> dict[str, set[str]]:
    """Return facts about the form of a registry by aspect: names of files, keys and types of JSON, form of ids.

    Raises:
        RegistryError: the folder holds no registry, or a file in it cannot be read.
    """
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if REGISTRY not in files and INDEX not in files:
        raise RegistryError(f"{folder}: expected {REGISTRY} or {INDEX}, found neither.")
    facts: dict[str, set[str]] = {"files": {_file_form(name) for name in files}}
    for name in files:
        data = (folder / name).read_bytes()
        if name == REGISTRY:
            table = read_gzip_json(data, name)
            facts["registry.gz"] = set(_keys(table))
            facts["registry.gz files"] = {_file_form(path) for path in table.get("files", {})}
        elif name == f"{ROOT}/summaries.gz":
            facts["summaries.gz"] = set(_keys(read_gzip_json(data, name)))
        elif re.fullmatch(rf"{ROOT}/packages/.*\.gz", name):
            _add_packages(facts, data, name)
        elif name == INDEX:
            _add_index(facts, data, name)
        elif name.endswith(".json"):
            facts.setdefault("archive page", set()).update(_keys(read_json(data, name)))
        elif name.endswith(".zip"):
            facts.setdefault("archive", set()).update(_archive_facts(data))
    return facts


def _add_packages(facts: dict[str, set[str]], data: bytes, name: str) -> None:
    for short_id, value in read_packages(data, name).items():
        facts.setdefault("package line, id", set()).add(_id_form(short_id))
        facts.setdefault("package line, data", set()).update(_keys(value))


def _add_index(facts: dict[str, set[str]], data: bytes, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        facts["index.zip, names"] = set(archive.namelist())
    for package, value in read_index(data, name).items():
        facts.setdefault("index.zip, id", set()).add(_id_form(package))
        facts.setdefault("index.zip, data", set()).update(_keys(value))


def _archive_facts(data: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if re.search(r"(^|/)config/[^/]+$", name):
                yield _file_form(name)


def _id_form(text: str) -> str:
    """Return the parts of an id: ``<name>-<version>+<kit>`` for ``oige.extension-0.1.0+107.3``."""
    text = re.sub(r"^[A-Za-z][\w.]*-(?=\d)", "<name>-", text)
    text = re.sub(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(?=\+|$|\.json$|\.zip$)", "<version>", text, count=1)
    return re.sub(r"\+\d+(\.\d+)*", lambda match: "+" + ".".join(["<kit>"] * len(match[0].split("."))), text)


def _file_form(name: str) -> str:
    *folders, last = name.split("/")
    stem, dot, suffix = last.rpartition(".")
    folders = [_id_form(folder) if re.search(r"-\d+\.\d+\.\d+", folder) else folder for folder in folders]
    if folders[-2:-1] == ["archives"]:
        folders[-1] = "<extension>"
    if folders[-1:] == ["packages"]:
        last = f"<extension>{dot}{suffix}"
    elif re.search(r"-\d+\.\d+\.\d+", stem):
        last = f"{_id_form(stem)}{dot}{suffix}"
    return "/".join([*folders, last])


def _keys(value: object, path: str = "") -> Iterator[str]:
    """Yield the path and type of each value; keys that are names of extensions or files become ``*``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _keys(inner, f"{path}.{'*' if re.search(r'[./]', key) else key}".lstrip("."))
    elif isinstance(value, list):
        yield from {f"{path}[]: {_value_form(inner)}" for inner in value} or {f"{path}: list"}
    else:
        yield f"{path}: {_value_form(value)}"


def _value_form(value: Any) -> str:
    if not isinstance(value, str):
        return type(value).__name__
    if re.fullmatch(r"[0-9a-f]{8,}", value):
        return f"{len(value)} hexadecimal digits"
    if "://" in value:
        return "address"
    if re.search(r"/.*\.(zip|7z|gz)$", value):
        return "relative path of an archive" if not value.startswith(("/", "\\")) else "absolute path of an archive"
    return "text"
