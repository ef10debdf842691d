"""The optional dependencies of oige-core, and the error for one that is not installed."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Literal

from oige_core.errors import MissingExtraError

__all__ = ["EXTRAS", "Extra", "needs_extra"]

Extra = Literal["mujoco", "usd", "viewer"]

EXTRAS: Mapping[Extra, frozenset[str]] = {
    "mujoco": frozenset({"mujoco", "mujoco_warp", "trimesh", "warp"}),
    "usd": frozenset({"pxr"}),
    "viewer": frozenset({"PIL", "av", "trimesh", "viser", "websockets"}),
}
"""Top-level modules that each extra of ``pyproject.toml`` installs."""


@contextlib.contextmanager
def needs_extra(extra: Extra, purpose: str) -> Iterator[None]:
    """Context in which modules of an extra are imported.

    Args:
        extra: name of the extra, a key of :data:`EXTRAS`.
        purpose: what needs the extra; the message starts with this.

    Raises:
        MissingExtraError: a module of the extra is not installed; the message says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRAS[extra]:
            raise
        raise MissingExtraError(
            f"{purpose} needs the module '{error.name}', which is not installed: pip install 'oige-core[{extra}]'."
        ) from error
