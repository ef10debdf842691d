"""Isaac Sim 6: ``isaacsim.core.experimental``, with PhysX or Newton."""

from typing import Any, ClassVar

import torch

from oige_core.engines.isaacsim.host_kit import VIEWER_CAMERA, KitHost, Viewpoint
from oige_core.engines.isaacsim.releases import Release, kit_module

__all__ = ["ExperimentalHost"]


class ExperimentalHost(KitHost):
    """Releases in which the experience file selects the physics engine.

    Attributes:
        physics: ``physx`` or ``newton``.
    """

    cloner_module = "isaacsim.core.cloner"
    view_classes: ClassVar = {
        "articulation": ("isaacsim.core.experimental.prims", "Articulation"),
        "rigid": ("isaacsim.core.experimental.prims", "RigidPrim"),
        "geometry": ("isaacsim.core.experimental.prims", "GeomPrim"),
        "xform": ("isaacsim.core.experimental.prims", "XformPrim"),
    }

    def __init__(self, release: Release, device: torch.device, renders: bool, has_loop: bool = False) -> None:
        """Attach to the application of this process, and ask which physics engine it uses."""
        super().__init__(release, device, renders, has_loop)
        self.physics: str = self._manager().get_active_physics_engine()
        if self.physics != "physx":
            self.release = f"{release} with {self.physics}"
            # Its set_root_transforms of 6.0.1 places a free root at the square of the pose.
            self.capabilities -= {"floating_bases", "jacobians", "joint_forces", "joint_friction_force"}

    def _manager(self) -> Any:
        return kit_module("isaacsim.core.simulation_manager").SimulationManager

    def _replicates(self) -> bool:
        return self.physics == "physx"

    def _filters_by_id_on(self, cloner: Any) -> bool:
        return self.physics == "physx" and super()._filters_by_id_on(cloner)

    def _select_device(self) -> None:
        self._manager().setup_simulation(device=str(self.device))

    def _start_physics(self) -> Any:
        manager = self._manager()
        manager.initialize_physics()
        if manager.get_physics_simulation_view() is None:
            return None
        view = kit_module("omni.physics.tensors").create_simulation_view(
            "torch", stage_id=self._stage_id(), backend=self.physics
        )
        view.set_subspace_roots("/")
        return view

    def _simulation(self) -> Any:
        return kit_module("omni.physics.core").get_physics_simulation_interface()

    def _move_viewer(self, viewpoint: Viewpoint) -> None:
        viewports = kit_module("isaacsim.core.rendering_manager").ViewportManager
        viewports.set_camera_view(VIEWER_CAMERA, eye=list(viewpoint.position), target=list(viewpoint.target))

    def _create_view(self, view_class: Any, path: str) -> Any:
        return view_class(path, reset_xform_op_properties=False)
