"""The host of oige-isaacsim-check: ``--host tools.isaacsim_level4.hosts:create``."""

import functools
import os
from pathlib import Path

from oige_core.engines.isaacsim.application import Application, create_host
from oige_core.engines.isaacsim.host import Host
from oige_core.engines.isaacsim.releases import Release

from tools.isaacsim_level4.session import open_session

__all__ = ["VARIABLES", "create"]

VARIABLES = ("OIGE_ISAACSIM_SOURCE", "OIGE_PHYSX_SOURCE")
"""Environment variables with the checkouts of Isaac Sim and of the PhysX repository."""


def create() -> Host:
    """Return a new host of the release in the checkouts."""
    return create_host(_application(), "cpu")


@functools.cache
def _application() -> Application:
    isaac_sim, physx = (Path(os.environ[variable]).resolve() for variable in VARIABLES)
    return Application(Release.parse(open_session(isaac_sim, physx).version), None, renders=False)
