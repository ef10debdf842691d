"""Building a registry, and adding packages to one."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oige_extension.registry.layout import (
    INDEX,
    REGISTRY,
    ROOT,
    SUMMARIES,
    archive_file,
    archive_page,
    content_hash,
    old_archive_file,
    packages_file,
    read_gzip_json,
    read_index,
    read_packages,
    write_gzip_json,
    write_index,
    write_json,
    write_packages,
    zip_folder,
)
from oige_extension.registry.package import (
    Package,
    RegistryError,
    is_older_kit,
    kit_number,
    parse_toml,
    version_key,
)
from oige_extension.replacing import replace_file

__all__ = ["build_registry"]

GENERATED = """\
[package.publish]
kitVersion = "{kit}"

[package.target]
kit = ["{kit}"]
"""


def build_registry(folder: Path, extension: Path, kits: Iterable[str], url: str = "") -> list[Package]:
    """Add an extension to the registry in a folder, one package per release of Kit; earlier packages stay.

    Releases up to 106.0 get the single index, those from 106.0 on the layout 2.0. The files that readers fetch first
    are written last.

    Args:
        folder: the registry; it is created.
        extension: folder of the extension, named as the extension is.
        kits: releases of Kit, such as ``107.3``.
        url: address at which the folder will be served; then archives get addresses of their own.

    Returns:
        The packages, as given and in order.

    Raises:
        RegistryError: the extension is incomplete, a release, the address or the folder is wrong, a package is there
            with other contents, or a file of the registry is damaged.
    """
    if folder.exists() and not folder.is_dir():
        raise RegistryError(f"{folder}: expected a folder, found a file; choose another place.")
    if url and not re.match(r"[a-z]+://.", url):
        raise RegistryError(f"'{url}': expected an address such as https://example.org/exts.")
    extension = extension.resolve()
    description = _description(extension)
    packages = [_package(extension.name, description, kit) for kit in kits]
    if not packages:
        raise RegistryError("no release of Kit: expected at least one, such as --kit 107.3.")
    base = f"{url.rstrip('/')}/" if url else ""
    old = {package: _entry(extension, package, description) for package in packages if is_older_kit(package.kit)}
    new = {
        package: _entry(extension, package, description) for package in packages if kit_number(package.kit) >= (106, 0)
    }
    _add_to_index(folder, old, base)
    _add_to_layout_2(folder, extension.name, new, base)
    return packages


def _description(extension: Path) -> Mapping[str, Any]:
    path = extension / "config" / "extension.toml"
    if not path.is_file():
        raise RegistryError(f"{extension}: expected the folder of a Kit extension, with config/extension.toml.")
    if links := [file for file in extension.rglob("*") if file.is_symlink()]:
        raise RegistryError(f"{links[0]}: is a link; write the extension without --link to publish it.")
    description = parse_toml(path.read_text(encoding="utf-8"), str(path))
    package = description.get("package", {})
    for key in ("version", "title"):
        if not isinstance(package.get(key), str):
            raise RegistryError(f"{path}: expected the text package.{key}.")
    for key in ("readme", "changelog", "icon", "preview_image"):
        name = package.get(key)
        if name is not None and not (extension / name).is_file():
            raise RegistryError(f"{path}: package.{key}: expected the file '{name}', which is not there.")
    return description


def _package(name: str, description: Mapping[str, Any], kit: str) -> Package:
    major, minor = kit_number(kit)
    return Package(name, description["package"]["version"], f"{major}.{minor}")


def _entry(extension: Path, package: Package, description: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return what the registry says about a package, without its archive's path, and the archive."""
    archive = zip_folder(extension, {"config/extension.gen.toml": GENERATED.format(kit=package.kit)})
    data = {
        "dependencies": description.get("dependencies", {}),
        "package": {
            **description["package"],
            "archiveHash": content_hash(archive),
            "archiveSize": len(archive),
            "name": package.name,
            "publish": {"kitVersion": package.kit},
            "target": {"kit": [package.kit]},
        },
    }
    return data, archive


def _add_to_index(folder: Path, entries: Mapping[Package, tuple[dict[str, Any], bytes]], base: str) -> None:
    if not entries:
        return
    path = folder / INDEX
    index = read_index(path.read_bytes(), str(path)) if path.exists() else {}
    for package, (data, archive) in entries.items():
        name = old_archive_file(package)
        _check_same(package, index.get(package.id), data)
        data["package"]["archivePath"] = base + name
        index[package.id] = data
        replace_file(folder / name, archive)
    replace_file(path, write_index(index))


def _add_to_layout_2(
    folder: Path, extension: str, entries: Mapping[Package, tuple[dict[str, Any], bytes]], base: str
) -> None:
    if not entries:
        return
    path = folder / packages_file(extension)
    packages = read_packages(path.read_bytes(), str(path)) if path.exists() else {}
    for package, (data, archive) in entries.items():
        _check_same(package, packages.get(package.short_id), data)
        name = archive_file(package)
        data["package"]["archivePath"] = base + name if base else name.removeprefix(f"{ROOT}/")
        packages[package.short_id] = data
        replace_file(folder / name, archive)
        replace_file(folder / archive_page(package), write_json(data))
    replace_file(path, write_packages(packages))
    _write_summaries(folder, extension, packages)
    files = sorted((folder / ROOT / "packages").glob("*.gz"))
    hashes = {file.relative_to(folder / ROOT).as_posix(): content_hash(file.read_bytes()) for file in files}
    hashes["summaries.gz"] = content_hash((folder / SUMMARIES).read_bytes())
    replace_file(folder / REGISTRY, write_gzip_json({"files": hashes}))


def _write_summaries(folder: Path, extension: str, packages: Mapping[str, Mapping[str, Any]]) -> None:
    path = folder / SUMMARIES
    summaries = read_gzip_json(path.read_bytes(), str(path)) if path.exists() else {}
    latest = max(packages, key=lambda short_id: version_key(Package.parse(f"{extension}-{short_id}").version))
    keys = ("category", "description", "icon", "keywords", "preview_image", "repository", "title", "version")
    package = packages[latest]["package"]
    summaries[extension] = {"package": {key: package[key] for key in keys if key in package}}
    replace_file(path, write_gzip_json(summaries))


def _check_same(package: Package, published: Mapping[str, Any] | None, data: Mapping[str, Any]) -> None:
    if published is None:
        return
    there, here = published["package"]["archiveHash"], data["package"]["archiveHash"]
    if there != here:
        raise RegistryError(
            f"{package.id}: is published with other contents: expected SHA-256 {there}, found {here}; "
            "raise the version, or build into an empty folder."
        )
