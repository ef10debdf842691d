"""Writing the folder of the Kit extension."""

import importlib.metadata
import shutil
from importlib.resources import files
from pathlib import Path

from oige_core.errors import OigeError

from oige_extension.kit.bundle import bundled_distributions, distribution_files, editable_package
from oige_extension.replacing import replaced_folder

__all__ = ["EXTENSION_NAME", "write_extension"]

EXTENSION_NAME = "oige.extension"
"""Name of the extension and of its folder."""

PREBUNDLE = "pip_prebundle"

TEXTS = {
    "config/extension.toml": "extension.toml",
    "docs/README.md": "docs/README.md",
    "docs/CHANGELOG.md": "docs/CHANGELOG.md",
}
"""Files of the extension by name, and where they lie beside this module; ``{version}`` stands for the version."""

IMAGES = ("data/icon.png", "data/preview_image.png")


def write_extension(folder: Path, link: bool = False) -> Path:
    """Write the extension into ``folder/oige.extension``; an older one there is replaced once the new one is complete.

    Args:
        folder: what Isaac Sim gets as ``--ext-folder``; it is created.
        link: link to the sources of packages that are installed from a checkout, so that edits need no new build.

    Returns:
        The folder of the extension.

    Raises:
        OigeError: a distribution is missing or cannot go into Isaac Sim, or something else is in the extension's place.
    """
    target = folder / EXTENSION_NAME
    if target.exists() and not (target / "config" / "extension.toml").is_file():
        raise OigeError(f"{target}: exists and is no Kit extension; choose another folder, or remove it.")
    names = bundled_distributions()
    with replaced_folder(target) as new:
        _write_descriptions(new)
        for name in names:
            _write_distribution(new / PREBUNDLE, name, link)
    return target


def _write_descriptions(root: Path) -> None:
    version = importlib.metadata.version("oige-extension")
    sources = files("oige_extension.kit")
    contents = {
        name: sources.joinpath(source).read_text(encoding="utf-8").replace("{version}", version).encode()
        for name, source in TEXTS.items()
    }
    contents |= {name: sources.joinpath(name).read_bytes() for name in IMAGES}
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _write_distribution(prebundle: Path, name: str, link: bool) -> None:
    package = editable_package(importlib.metadata.distribution(name)) if link else None
    for path, source in distribution_files(name):
        if package is not None and path.parts[0] == package.name:
            continue
        destination = prebundle / path
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
    if package is not None:
        (prebundle / package.name).symlink_to(package, target_is_directory=True)
