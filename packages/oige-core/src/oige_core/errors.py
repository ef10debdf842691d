"""Errors that a user can act on: each message names the value, what was expected and what to do."""

import difflib
from collections.abc import Iterable

__all__ = [
    "CapabilityError",
    "ConfigError",
    "MissingExtraError",
    "OigeError",
    "TaskError",
    "did_you_mean",
    "dtype_name",
    "nearest",
    "one_line",
    "reason",
]


class OigeError(Exception):
    """Base of all errors raised on purpose; command-line programs print it as one line and exit with code 2."""


class ConfigError(OigeError, ValueError):
    """A configuration value is unknown, of the wrong type or out of range."""


class CapabilityError(OigeError, NotImplementedError):
    """A task needs something that its engine does not support."""


class MissingExtraError(OigeError, ImportError):
    """An optional dependency is not installed."""


class TaskError(OigeError):
    """A method of a task has the wrong arguments, or returned a tensor of the wrong shape, type or device, or a NaN."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return a sentence that suggests the closest candidates, or lists all if none is close.

    Args:
        name: what the user wrote.
        candidates: the valid names.
    """
    candidates = sorted(candidates)
    all_of_them = f"Available: {', '.join(candidates)}." if candidates else "None is available."
    return did_you_mean(name, candidates) or all_of_them


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return a question that suggests the closest candidates, or an empty string if none is close."""
    folded: dict[str, str] = {}
    for candidate in sorted(candidates):
        folded.setdefault(candidate.lower(), candidate)
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
    return f"Did you mean {' or '.join(close)}?" if close else ""


def dtype_name(dtype: object) -> str:
    """Return the name of a torch type in messages, such as ``float32``."""
    return str(dtype).removeprefix("torch.")


def one_line(error: Exception) -> str:
    """Return the message of another library's error on one line, or the error's type if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def reason(error: Exception) -> str:
    """Return the reason of an error, without the number and the file name of system errors."""
    return (error.strerror if isinstance(error, OSError) else None) or one_line(error)
