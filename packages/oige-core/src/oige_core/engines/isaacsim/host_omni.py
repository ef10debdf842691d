"""Isaac Sim 2023.1 to 4.2: ``omni.isaac.core``."""

from typing import Any, ClassVar

import torch

from oige_core.engines.isaacsim.host_kit import VIEWER_CAMERA, KitHost, Viewpoint
from oige_core.engines.isaacsim.releases import Release, kit_module
from oige_core.errors import OigeError

__all__ = ["OmniHost"]


class OmniHost(KitHost):
    """Releases whose ``SimulationContext`` owns physics."""

    cloner_module = "omni.isaac.cloner"
    view_classes: ClassVar = {
        "articulation": ("omni.isaac.core.articulations", "ArticulationView"),
        "rigid": ("omni.isaac.core.prims", "RigidPrimView"),
        "geometry": ("omni.isaac.core.prims", "GeometryPrimView"),
        "xform": ("omni.isaac.core.prims", "XFormPrimView"),
    }

    _simulation_context: Any = None

    def __init__(self, release: Release, device: torch.device, renders: bool, has_loop: bool = False) -> None:
        """Attach to the application of this process."""
        super().__init__(release, device, renders, has_loop)
        self.capabilities -= {"cameras"}

    def _context_class(self) -> Any:
        return kit_module("omni.isaac.core").SimulationContext

    def _select_device(self) -> None:
        on_gpu = self.device.type == "cuda"
        self._context_class().clear_instance()
        self._simulation_context = self._context_class()(
            physics_prim_path=self._physics_scene(),
            set_defaults=False,
            backend="torch",
            device=str(self.device),
            sim_params={"use_gpu_pipeline": on_gpu, "use_gpu": on_gpu},
        )

    def _physics_scene(self) -> str:
        """Return the path of the physics scene of the stage."""
        for prim in self._context.get_stage().Traverse():
            if prim.GetTypeName() == "PhysicsScene":
                return str(prim.GetPath())
        raise OigeError("The stage has no physics scene: write a scene to it before play().")

    def _start_physics(self) -> Any:
        self._simulation_context.initialize_physics()
        return self._simulation_context.physics_sim_view

    def _move_viewer(self, viewpoint: Viewpoint) -> None:
        viewports = kit_module("omni.isaac.core.utils.viewports")
        viewports.set_camera_view(viewpoint.position, viewpoint.target, VIEWER_CAMERA)

    def close(self) -> None:
        """Stop physics, forget the simulation context, and leave the application with an empty stage."""
        super().close()
        self._context_class().clear_instance()
        self._simulation_context = None
