"""Opens a stand-in of the application of one release."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.isaacsim_level4.bindings import install_bindings
from tools.isaacsim_level4.checkout import install_checkouts
from tools.isaacsim_level4.kit import Kit, install_kit, install_old_warp_names
from tools.isaacsim_level4.physics import Physics, install_physics, install_schemas
from tools.isaacsim_level4.physics_core import install_physics_core

__all__ = ["Session", "open_session"]


@dataclass(frozen=True)
class Session:
    """A stand-in of a running application.

    Attributes:
        version: version of Isaac Sim, from its checkout.
        kit: the application.
        physics: its physics.
    """

    version: str
    kit: Kit
    physics: Physics


def open_session(isaac_sim: Path, physx: Path) -> Session:
    """Let this process run Isaac Sim's Python; once per process.

    Args:
        isaac_sim: checkout of Isaac Sim.
        physx: checkout of the PhysX repository.

    Raises:
        FileNotFoundError: a folder is not such a checkout.
    """
    checkouts = install_checkouts(isaac_sim, physx)
    install_schemas()
    install_old_warp_names()
    kit = install_kit(checkouts.version)
    physics = install_physics(kit)
    install_physics_core(physics)
    install_bindings(kit, physics)
    _install_tensors()
    extension = importlib.import_module("isaacsim.core.simulation_manager.impl.extension")
    extension.Extension().on_startup("isaacsim.core.simulation_manager")
    return Session(checkouts.version, kit, physics)


def _install_tensors() -> None:
    """Load ``omni.physics.tensors``, whose public source lacks the choice of an engine that Kit 110 has."""
    tensors: Any = importlib.import_module("omni.physics.tensors")
    create_physx_view = tensors.create_simulation_view

    def create_simulation_view(frontend_name: str, stage_id: int = -1, backend: str = "physx") -> Any:
        if backend == "physx":
            return create_physx_view(frontend_name, stage_id)
        newton = importlib.import_module("isaacsim.physics.newton")
        views = importlib.import_module("isaacsim.physics.newton.impl.tensors")
        return views.create_simulation_view(frontend_name, newton.acquire_stage(), stage_id)

    tensors.create_simulation_view = create_simulation_view
