"""Packages of a registry: one version of an extension for one release of Kit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oige_core.errors import OigeError

__all__ = [
    "Entry",
    "MissingFileError",
    "Package",
    "RegistryError",
    "is_older_kit",
    "kit_number",
    "parse_toml",
    "supports",
    "version_key",
]


class RegistryError(OigeError):
    """A registry or a package in it is not what it should be."""


class MissingFileError(RegistryError):
    """A registry does not have a file."""


VERSION = r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?"
PACKAGE_ID = re.compile(rf"(?P<name>[A-Za-z]\w*(?:\.\w+)*)-(?P<version>{VERSION})(?:\+(?P<target>[0-9A-Za-z.-]+))?")


@dataclass(frozen=True)
class Package:
    """Name, version and target of a package.

    Attributes:
        name: name of the extension, such as ``oige.extension``.
        version: semantic version.
        target: what the package is for, such as ``107.3``, or ``106.5.lx64.r.cp310``; empty: for everything.
    """

    name: str
    version: str
    target: str = ""

    def __post_init__(self) -> None:
        """Check the parts.

        Raises:
            RegistryError: they make no package id.
        """
        if not PACKAGE_ID.fullmatch(self.id):
            raise RegistryError(
                f"'{self.id}': expected <name>-<major>.<minor>.<patch>+<target>, such as oige.extension-0.1.0+107.3."
            )

    @classmethod
    def parse(cls, text: str) -> "Package":
        """Return the package of an id.

        Raises:
            RegistryError: it is no package id.
        """
        match = PACKAGE_ID.fullmatch(text)
        if match is None:
            raise RegistryError(f"'{text}': expected a package id, such as oige.extension-0.1.0+107.3.")
        return cls(match["name"], match["version"], match["target"] or "")

    @property
    def id(self) -> str:
        """Name, version and target in one, such as ``oige.extension-0.1.0+107.3``."""
        return f"{self.name}-{self.short_id}"

    @property
    def short_id(self) -> str:
        """Version and target, such as ``0.1.0+107.3``: the id inside the extension's own file."""
        return f"{self.version}+{self.target}" if self.target else self.version

    @property
    def kit(self) -> str:
        """The release of Kit that the package is for; empty: any."""
        match = re.match(r"\d+\.\d+", self.target)
        return match[0] if match else ""


@dataclass(frozen=True)
class Entry:
    """What a registry says about a package.

    Attributes:
        package: the package.
        data: its description; ``package.archivePath`` leads to the archive.
        root: folder of the registry from which a relative path starts; empty: the registry's own.
    """

    package: Package
    data: Mapping[str, Any]
    root: str


def kit_number(text: str) -> tuple[int, int]:
    """Return major and minor number of a release of Kit; ``110`` stands for 110.0.

    Raises:
        RegistryError: the text is no release.
    """
    match = re.fullmatch(r"(\d+)(?:\.(\d+)(?:\.\d+)?)?", text)
    if match is None:
        raise RegistryError(f"Kit '{text}': expected a release such as 107.3.")
    return int(match[1]), int(match[2] or 0)


def is_older_kit(kit: str) -> bool:
    """Return whether a release reads the single index: those up to 106.0."""
    return kit_number(kit) <= (106, 0)


def supports(package: Package, kit: str) -> bool:
    """Return whether a package runs on a release: the same major number, and not built for a newer one."""
    if not package.kit:
        return True
    built, running = kit_number(package.kit), kit_number(kit)
    return built[0] == running[0] and built <= running


def version_key(version: str) -> tuple[Any, ...]:
    """Return a key that sorts semantic versions by precedence."""
    release, _, pre = version.partition("-")
    identifiers = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".") if part)
    return (*map(int, release.split(".")), not pre, identifiers)


def parse_toml(text: str, place: str) -> Mapping[str, Any]:
    """Return the tables of a TOML file.

    Args:
        text: the file.
        place: name of the file in errors.

    Raises:
        RegistryError: it is no TOML, or this is Python 3.10.
    """
    try:
        import tomllib
    except ModuleNotFoundError as error:
        raise RegistryError("oige-registry needs Python 3.11 or newer: run it outside Isaac Sim.") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(f"{place}: {error}; correct the file.") from error
