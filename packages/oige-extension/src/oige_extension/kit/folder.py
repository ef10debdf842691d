"""Writing the folder of the Kit extension."""

import importlib.metadata
import shutil
from importlib.resources import files
from pathlib import Path

from oige_core.errors import OigeError

from oige_extension.kit.bundle import bundled_distributions, distribution_files, editable_package
from oige_extension.replacing import replaced_folder

__all__ = ["EXTENSION_NAME", "extension_toml", "write_extension"]

EXTENSION_NAME = "oige.extension"
"""Name of the extension and of its folder."""

PREBUNDLE = "pip_prebundle"

REQUIRED = ("omni.kit.uiapp", "omni.timeline", "omni.usd")
"""Extensions of Kit that every release of Isaac Sim has and that the panel needs."""

OPTIONAL = (
    "isaacsim.core.api",
    "isaacsim.core.cloner",
    "isaacsim.core.experimental.prims",
    "isaacsim.core.experimental.utils",
    "isaacsim.core.prims",
    "isaacsim.core.simulation_manager",
    "isaacsim.core.utils",
    "isaacsim.storage.native",
    "omni.isaac.cloner",
    "omni.isaac.core",
    "omni.isaac.core_archive",
    "omni.isaac.ml_archive",
    "omni.kit.menu.utils",
    "omni.physics.tensors",
    "omni.pip.compute",
)
"""Extensions that only some releases have; where one is enabled, it loads before ours."""

TOML = """\
[package]
version = "{version}"
title = "OIGE: Reinforcement Learning Examples"
description = "Train and play the tasks of OmniIsaacGymEnvs from a panel."
category = "Simulation"
keywords = ["isaac", "reinforcement learning", "robotics"]
authors = ["The OIGE developers"]
repository = "{repository}"
readme = "docs/README.md"
changelog = "docs/CHANGELOG.md"
icon = "data/icon.png"
preview_image = "data/preview_image.png"
writeTarget.kit = true

[core]
reloadable = true

[dependencies]
{dependencies}

# Our packages and the libraries that Isaac Sim lacks, all pure Python. Nothing is installed when the extension starts.
[[python.module]]
path = "{prebundle}"

[[python.module]]
name = "oige_extension.extension"
"""

README = """\
# OIGE: reinforcement learning examples

Trains and plays the tasks of OmniIsaacGymEnvs in a running Isaac Sim. The menu entry **Isaac Examples > RL Examples**
opens the panel.

Documentation: {documentation}
"""

CHANGELOG = """\
# Changelog

## [{version}]

What changed in this and earlier versions: {changelog}
"""


def extension_toml() -> str:
    """Return ``config/extension.toml`` of the installed version."""
    urls = _urls()
    dependencies = [f'"{name}" = {{}}' for name in REQUIRED]
    dependencies += [f'"{name}" = {{ optional = true }}' for name in OPTIONAL]
    return TOML.format(
        version=importlib.metadata.version("oige-extension"),
        repository=urls["Homepage"],
        dependencies="\n".join(dependencies),
        prebundle=PREBUNDLE,
    )


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
    urls = _urls()
    texts = {
        "config/extension.toml": extension_toml(),
        "docs/README.md": README.format(documentation=urls["Documentation"]),
        "docs/CHANGELOG.md": CHANGELOG.format(
            version=importlib.metadata.version("oige-extension"), changelog=urls["Changelog"]
        ),
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    data = root / "data"
    data.mkdir()
    for name in ("icon.png", "preview_image.png"):
        (data / name).write_bytes(files("oige_extension.kit").joinpath("data", name).read_bytes())


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


def _urls() -> dict[str, str]:
    """Return the project's addresses by label."""
    entries = importlib.metadata.metadata("oige-extension").get_all("Project-URL") or []
    return dict(entry.split(", ", 1) for entry in entries)
