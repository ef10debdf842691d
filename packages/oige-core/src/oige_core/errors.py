"""Errors that a user can act on: each message names the value, what was expected and what to do."""

import difflib
from collections.abc import Iterable

__all__ = ["CapabilityError", "ConfigError", "OigeError", "nearest"]


class OigeError(Exception):
    """Base of all errors raised on purpose; command-line programs print it as one line and exit with code 2."""


class ConfigError(OigeError, ValueError):
    """A configuration value is unknown, of the wrong type or out of range."""


class CapabilityError(OigeError, NotImplementedError):
    """A task asks its engine for something that this engine does not have."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return a sentence that offers the closest candidates, or lists them all when none is close.

    Args:
        name: what the user wrote.
        candidates: what could have been meant.
    """
    candidates = sorted(candidates)
    folded: dict[str, str] = {}
    for candidate in candidates:
        folded.setdefault(candidate.lower(), candidate)
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Available: {', '.join(candidates)}." if candidates else "None is available."
