"""Checks of an installation of Isaac Sim that need the packages of OIGE; ``isaacsim_check`` runs them."""

from oige_extension.checks.host import host_checks
from oige_extension.checks.session import Check, Session
from oige_extension.checks.tasks import task_checks

__all__ = ["Check", "Session", "all_checks"]


def all_checks() -> dict[str, Check]:
    """Return the checks by name, in the order in which they run."""
    return host_checks() | task_checks()
