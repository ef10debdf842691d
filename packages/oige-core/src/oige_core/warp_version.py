"""Tells whether our Warp kernels can run in this process, without importing Warp."""

import functools
import importlib.metadata
import sys

__all__ = ["OLDEST_WARP", "has_warp"]

OLDEST_WARP = (1, 19)
"""The oldest release of Warp that compiles our kernels, as the extra ``mujoco`` requires it."""


@functools.cache
def has_warp() -> bool:
    """Return whether the process has Warp, and one that our kernels work with.

    Isaac Sim brings an older Warp, and a second one in its process breaks it. There torch computes what kernels
    compute elsewhere.
    """
    return _version() >= OLDEST_WARP


def _version() -> tuple[int, ...]:
    """Return major and minor number of the imported Warp, otherwise of the installed one; empty if there is none."""
    imported = sys.modules.get("warp")
    try:
        version = importlib.metadata.version("warp-lang") if imported is None else imported.config.version
    except importlib.metadata.PackageNotFoundError:
        return ()
    return tuple(map(int, version.split(".")[:2]))
