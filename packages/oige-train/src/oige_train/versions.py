"""Versions of the packages that affect results."""

import functools
import importlib.metadata
import platform
from collections.abc import Mapping

__all__ = ["installed_versions", "note_on_versions"]

PACKAGES = ("torch", "numpy", "mujoco", "mujoco-warp", "warp-lang", "rl-games", "gymnasium")


@functools.cache
def installed_versions() -> Mapping[str, str]:
    """Return the versions of Python and of the installed packages that affect results, by name."""
    found = {"python": platform.python_version()}
    for distribution in importlib.metadata.distributions():
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name in PACKAGES or name.startswith("oige-"):
            found[name] = distribution.version
    return dict(sorted(found.items()))


def note_on_versions(then: Mapping[str, str]) -> list[str]:
    """Return a note if packages of OIGE or MuJoCo, which decide what a policy experiences, have other versions now.

    Args:
        then: versions with which a checkpoint was written; those of packages that are not installed do not count.
    """
    now = installed_versions()
    changed = [name for name in now if name.startswith(("oige-", "mujoco")) and then.get(name, now[name]) != now[name]]
    if not changed:
        return []
    versions = ", ".join(f"{name} {then[name]} (now {now[name]})" for name in changed)
    return [f"the checkpoint was written with {versions}; results may differ"]
