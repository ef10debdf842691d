"""Opens a stand-in of the application of one release."""

import importlib
import sys
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


def open_session(isaac_sim: Path, physx: Path, *, newton: bool = False) -> Session:
    """Let this process run Isaac Sim's Python; once per process.

    Args:
        isaac_sim: checkout of Isaac Sim.
        physx: checkout of the PhysX repository.
        newton: simulate with Newton, which Isaac Sim 6 has; otherwise with PhysX.

    Raises:
        FileNotFoundError: a folder is not such a checkout.
    """
    checkouts = install_checkouts(isaac_sim, physx)
    install_schemas()
    install_old_warp_names()
    kit = install_kit(checkouts.version)
    physics = install_physics(kit)
    install_physics_core(None if newton else physics)
    install_bindings(kit, physics)
    _install_tensors()
    extension = importlib.import_module("isaacsim.core.simulation_manager.impl.extension")
    extension.Extension().on_startup("isaacsim.core.simulation_manager")
    if newton:
        kit.settings.set("/exts/isaacsim.physics.newton/auto_switch_on_startup", True)
        extension = importlib.import_module("isaacsim.physics.newton.impl.extension")
        extension.NewtonSimExtension().on_startup("isaacsim.physics.newton")
    return Session(checkouts.version, kit, physics)


def _install_tensors() -> None:
    """Load ``omni.physics.tensors``, whose public source lacks the choice of an engine that Kit 110 has."""
    tensors: Any = importlib.import_module("omni.physics.tensors")
    for name in ("frontend_np", "frontend_torch", "frontend_warp"):
        sys.modules[f"omni.physics.tensors.{name}"] = importlib.import_module(f"omni.physics.tensors.impl.{name}")
    create_physx_view = tensors.create_simulation_view

    def create_simulation_view(frontend_name: str, stage_id: int = -1, backend: str = "physx") -> Any:
        if backend == "physx":
            return create_physx_view(frontend_name, stage_id)
        newton = importlib.import_module("isaacsim.physics.newton")
        views = importlib.import_module("isaacsim.physics.newton.impl.tensors")
        return views.create_simulation_view(frontend_name, newton.acquire_stage(), stage_id)

    tensors.create_simulation_view = create_simulation_view
