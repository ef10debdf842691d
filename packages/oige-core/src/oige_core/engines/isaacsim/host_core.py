"""Isaac Sim 4.5 to 5.1, and 6.x without its experimental packages: ``isaacsim.core``."""

from typing import Any, ClassVar

from oige_core.engines.isaacsim.host_kit import VIEWER_CAMERA, KitHost, Viewpoint
from oige_core.engines.isaacsim.releases import kit_module

__all__ = ["CoreHost"]


class CoreHost(KitHost):
    """Releases whose ``SimulationManager`` owns physics."""

    cloner_module = "isaacsim.core.cloner"
    view_classes: ClassVar = {
        "articulation": ("isaacsim.core.prims", "Articulation"),
        "rigid": ("isaacsim.core.prims", "RigidPrim"),
        "geometry": ("isaacsim.core.prims", "GeometryPrim"),
        "xform": ("isaacsim.core.prims", "XFormPrim"),
    }

    def _manager(self) -> Any:
        return kit_module("isaacsim.core.simulation_manager").SimulationManager

    def _select_device(self) -> None:
        self._manager().set_backend("torch")
        self._manager().set_physics_sim_device(str(self.device))

    def _start_physics(self) -> Any:
        manager = self._manager()
        if manager.get_physics_sim_view() is None:
            manager.initialize_physics()
        return manager.get_physics_sim_view()

    def _move_viewer(self, viewpoint: Viewpoint) -> None:
        viewports = kit_module("isaacsim.core.utils.viewports")
        viewports.set_camera_view(viewpoint.position, viewpoint.target, VIEWER_CAMERA)
