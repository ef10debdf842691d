"""How checks end that do not pass."""

from typing import ClassVar

__all__ = ["CheckFailedError", "CheckSkippedError"]


class CheckFailedError(Exception):
    """The check found something else than expected; the message says what."""

    status: ClassVar = "FAIL"


class CheckSkippedError(Exception):
    """The check cannot run, or does not apply here; the message says why."""

    status: ClassVar = "SKIP"
