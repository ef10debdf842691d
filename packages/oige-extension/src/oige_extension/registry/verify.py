"""Checking a registry from a client's side."""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from oige_extension.registry.layout import INDEX, REGISTRY, ROOT, content_hash, read_gzip_json
from oige_extension.registry.package import Entry, RegistryError, parse_toml
from oige_extension.registry.reader import Registry

__all__ = ["verify"]

T = TypeVar("T")

OF_KIT = ("carb.", "isaacsim.", "omni.", "usdrt.")
"""Beginnings of the names of extensions that Kit, Isaac Sim and NVIDIA's registries bring."""


def verify(registry: Registry, kits: tuple[str, ...] = ()) -> list[str]:
    """Return what is wrong with a registry, each with file, what was expected and what was found; empty if nothing is.

    Args:
        registry: what to check.
        kits: releases of Kit, each of which must find a package of every extension.

    Raises:
        RegistryError: the server cannot be reached.
    """
    problems: list[str] = []
    older, newer = registry.has(INDEX), registry.has(REGISTRY)
    if not older and not newer:
        return [f"{registry.location}: expected {REGISTRY} or {INDEX}, found neither."]
    entries = _attempt(problems, registry.old_packages) or []
    if newer:
        entries += _check_layout_2(registry, problems)
    for entry in entries:
        _attempt(problems, _check_archive, registry, entry)
    problems += _missing_dependencies(entries)
    for kit in kits:
        for extension in sorted({entry.package.name for entry in entries}):
            _attempt(problems, registry.resolve, extension, kit)
    return problems


def _attempt(problems: list[str], check: Callable[..., T], *arguments: Any) -> T | None:
    """Return what a check returns; if it raises an error, add that to the problems."""
    try:
        return check(*arguments)
    except RegistryError as error:
        problems.append(str(error))
        return None


def _check_layout_2(registry: Registry, problems: list[str]) -> list[Entry]:
    """Check all files but archives, and return the packages that could be read."""
    entries: list[Entry] = []
    files = _attempt(problems, registry.files)
    if files is None:
        return entries
    for name, expected in files.items():
        _attempt(problems, _check_file, registry, name, expected)
    extensions = registry.extensions()
    for extension in extensions:
        entries += _attempt(problems, registry.packages, extension) or []
    for entry in entries:
        _attempt(problems, _check_page, registry, entry)
    _attempt(problems, _check_summaries, registry, extensions)
    return entries


def _check_file(registry: Registry, name: str, expected: str) -> None:
    found = content_hash(registry.read(f"{ROOT}/{name}"))
    if found != expected:
        raise RegistryError(f"{ROOT}/{name}: expected SHA-256 {expected}, found {found}; build the registry again.")


def _check_page(registry: Registry, entry: Entry) -> None:
    package = entry.package
    if registry.page(package) != entry.data:
        raise RegistryError(
            f"{ROOT}/archives/{package.name}/{package.id}.json: expected what {ROOT}/packages/{package.name}.gz says, "
            "found something else; build the registry again."
        )


def _check_summaries(registry: Registry, extensions: list[str]) -> None:
    name = f"{ROOT}/summaries.gz"
    found = sorted(read_gzip_json(registry.read(name), name))
    if found != extensions:
        raise RegistryError(f"{name}: expected {', '.join(extensions)}, found {', '.join(found)}.")


def _check_archive(registry: Registry, entry: Entry) -> None:
    package = entry.package
    try:
        with zipfile.ZipFile(io.BytesIO(registry.archive(entry))) as archive:
            description = parse_toml(archive.read("config/extension.toml").decode(), f"{package.id}: extension.toml")
            generated = parse_toml(archive.read("config/extension.gen.toml").decode(), f"{package.id}: gen.toml")
    except (zipfile.BadZipFile, zlib.error, KeyError, UnicodeDecodeError) as error:
        raise RegistryError(f"{package.id}: expected a zip file with config/extension.toml, found: {error}.") from error
    version = description.get("package", {}).get("version")
    if version != package.version:
        raise RegistryError(f"{package.id}: expected version {package.version} in its archive, found {version}.")
    kits = generated.get("package", {}).get("target", {}).get("kit")
    if package.kit and kits != [package.kit]:
        raise RegistryError(f"{package.id}: expected the target [{package.kit}] in its archive, found {kits}.")


def _missing_dependencies(entries: list[Entry]) -> Iterator[str]:
    names = {entry.package.name for entry in entries}
    for entry in entries:
        for dependency, options in entry.data.get("dependencies", {}).items():
            if dependency not in names and not dependency.startswith(OF_KIT) and not options.get("optional"):
                yield (
                    f"{entry.package.id}: expected its dependency '{dependency}' in the registry, found "
                    f"{', '.join(sorted(names))}; build the registry with it, or make it optional."
                )
