"""Which release of Isaac Sim runs, and what loads its modules."""

import importlib
import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oige_core.errors import OigeError

__all__ = ["NEWEST", "OLDEST", "Installation", "Release", "find_installation", "has_module", "kit_module"]

NOT_INSTALLED = (
    "physics_engine=isaacsim: Isaac Sim was not found by this Python ({python}). Start the program with the "
    "python.sh of Isaac Sim (python.bat on Windows), or with a Python environment into which Isaac Sim was installed "
    "by pip. Without Isaac Sim, use physics_engine=mujoco. See docs/isaac_sim.md."
)


@dataclass(frozen=True)
class Release:
    """A release of Isaac Sim.

    Attributes:
        major, minor, patch: numbers of the version. Releases up to 2023.1.1 are numbered by year, and older than 4.0.
    """

    major: int
    minor: int
    patch: int = 0

    @staticmethod
    def parse(text: str) -> "Release":
        """Return the release of the first line of a VERSION file, such as ``5.1.0-rc.19+release.26219.9c81211b.gl``.

        Raises:
            OigeError: the text does not start with a version.
        """
        match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
        if not match:
            raise OigeError(f"Isaac Sim's VERSION file begins with {text.strip()!r}: expected a version such as 5.1.0.")
        return Release(*(int(number or 0) for number in match.groups()))

    @property
    def age(self) -> tuple[int, ...]:
        """A key that sorts releases from the oldest to the newest."""
        return (self.major - 2100 if self.major > 2000 else self.major, self.minor, self.patch)

    def is_at_least(self, major: int, minor: int = 0) -> bool:
        """Return whether this release is the given one or a newer one."""
        return self.age >= Release(major, minor).age

    def __str__(self) -> str:
        return f"Isaac Sim {self.major}.{self.minor}.{self.patch}"


OLDEST = Release(2023, 1)
"""The oldest supported release."""
NEWEST = Release(6, 2)
"""The newest release that the hosts were written for; newer ones are tried with a warning."""


@dataclass(frozen=True)
class Installation:
    """Isaac Sim on this machine, before its application starts.

    Attributes:
        release: its release.
        folder: the folder with its VERSION file.
        experiences: the folder with its experience files.
        application_class: its ``SimulationApp``.
    """

    release: Release
    folder: Path
    experiences: Path
    application_class: Any


def find_installation() -> Installation:
    """Return the Isaac Sim that this Python belongs to; imports nothing that needs the running application.

    Raises:
        OigeError: there is none, or it is older than :data:`OLDEST`.
    """
    application_class = _application_class()
    folder = Path(os.environ.get("ISAAC_PATH", ""))
    version = folder / "VERSION"
    if application_class is None or not os.environ.get("ISAAC_PATH"):
        raise OigeError(NOT_INSTALLED.format(python=sys.executable))
    if not version.is_file():
        raise OigeError(f"ISAAC_PATH={folder}: expected the folder of Isaac Sim, with its file VERSION.")
    release = Release.parse(version.read_text(encoding="utf-8"))
    if release.age < OLDEST.age:
        raise OigeError(f"{release}: expected {OLDEST} or newer; install a newer release of Isaac Sim.")
    experiences = Path(os.environ.get("EXP_PATH", folder / "apps"))
    return Installation(release, folder, experiences, application_class)


def _application_class() -> Any:
    """Return ``SimulationApp`` of the installed release; None without Isaac Sim.

    Importing ``isaacsim`` sets the environment variables of an installation by pip.
    """
    for name in ("isaacsim", "isaacsim.simulation_app", "omni.isaac.kit"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if (found := getattr(module, "SimulationApp", None)) is not None:
            return found
    return None


def kit_module(name: str) -> Any:
    """Import a module that exists only inside the running application of Isaac Sim.

    Args:
        name: its dotted name.

    Raises:
        OigeError: the application does not have the module.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise OigeError(
            f"Isaac Sim has no module {name}, which its other releases have: either the application does not run, "
            "or an extension is disabled in its experience file, or the release is not supported."
        ) from error


def has_module(name: str) -> bool:
    """Return whether a module can be imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
