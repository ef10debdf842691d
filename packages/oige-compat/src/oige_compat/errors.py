"""Errors that say what of Isaac Sim is missing, where it is used, and what it does there."""

import sys
import types
from pathlib import Path

from oige_core.errors import OigeError

__all__ = ["CompatError", "ServedNameError", "caller", "missing"]


class CompatError(OigeError):
    """Code uses something of Isaac Sim that this package does not have."""


class ServedNameError(AttributeError, CompatError):
    """A module of Isaac Sim is served, but not this name of it."""


OWN = str(Path(__file__).parent)


def caller() -> str:
    """Return ``file:line`` of the innermost frame outside this package and the import system."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(("<frozen", OWN)):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return "unknown place"


def missing(name: str) -> str:
    """Return one line about a name of Isaac Sim that is not served."""
    return f"{name} (used in {caller()}): oige-compat does not have it; remove the use, or guard it with try/except."
