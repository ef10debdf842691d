"""Stand-ins of the compiled parts of Isaac Sim's own extensions."""

import re
from collections.abc import Callable
from typing import Any

from pxr import Tf, Usd, UsdPhysics, UsdUtils

from tools.isaacsim_level4.kit import Kit
from tools.isaacsim_level4.physics import Physics
from tools.isaacsim_level4.stand_ins import module

__all__ = ["install_bindings"]


class SimulationManagerInterface:
    """Tells ``SimulationManager`` of physics scenes that appear on the stage and disappear."""

    def __init__(self, kit: Kit, physics: Physics) -> None:
        self._kit, self._physics = kit, physics
        self._added: dict[int, Callable] = {}
        self._deleted: dict[int, Callable] = {}
        self._scenes: set[str] = set()
        self._next = 0
        self._stage: Usd.Stage | None = None
        self._notice: Any = None

    def _watch(self) -> None:
        stage = self._kit.context.get_stage()
        if stage is not None and stage is not self._stage:
            self._stage = stage
            self._scenes.clear()
            self._notice = Tf.Notice.Register(Usd.Notice.ObjectsChanged, self._changed, stage)
        self._scan()

    def _changed(self, notice: Any, stage: Usd.Stage) -> None:
        if notice.GetResyncedPaths():
            self._scan()

    def _scan(self) -> None:
        if self._stage is None:
            return
        found = {str(prim.GetPath()) for prim in self._stage.Traverse() if prim.IsA(UsdPhysics.Scene)}
        for path in found - self._scenes:
            self._scenes.add(path)
            for function in list(self._added.values()):
                function(path)
        for path in self._scenes - found:
            self._scenes.discard(path)
            for function in list(self._deleted.values()):
                function(path)

    def register_physics_scene_addition_callback(self, function: Callable) -> int:
        number = self._add(self._added, function)
        self._watch()
        return number

    def register_deletion_callback(self, function: Callable) -> int:
        return self._add(self._deleted, function)

    def _add(self, functions: dict[int, Callable], function: Callable) -> int:
        number = self._next
        functions[number] = function
        self._next += 1
        return number

    def deregister_callback(self, number: int) -> bool:
        return bool(self._added.pop(number, None) or self._deleted.pop(number, None))

    def reset(self) -> None:
        self._added.clear()
        self._deleted.clear()
        self._scenes.clear()
        self._stage = self._notice = None

    def cleanup_invalid_physics_scenes(self) -> list[str]:
        return []

    def get_callback_iter(self) -> int:
        return self._next

    def set_callback_iter(self, value: int) -> None:
        self._next = value

    def enable_usd_notice_handler(self, enable: bool) -> None:
        if enable:
            self._scan()

    def enable_fabric_usd_notice_handler(self, stage_id: int, enable: bool) -> None:
        pass

    def is_fabric_usd_notice_handler_enabled(self, stage_id: int) -> bool:
        return False

    def get_num_physics_steps(self) -> int:
        return self._physics.steps

    def is_simulating(self) -> bool:
        return self._kit.timeline.is_playing()


class PhysicsScene:
    """A physics scene of the current stage, which is created if there is none at its path."""

    kit: Kit

    def __init__(self, path: str) -> None:
        stage = self.kit.context.get_stage()
        prim = stage.GetPrimAtPath(path) if stage is not None else None
        if not prim:
            prim = UsdPhysics.Scene.Define(stage, path).GetPrim()
        if not prim.IsA(UsdPhysics.Scene):
            raise ValueError(f"{path} is not a physics scene")
        self.path = path


def find_matching_prim_paths(pattern: str, stage_id: int, api: str = "") -> list[str]:
    """Return the paths of prims whose components match regular expressions."""
    stage = UsdUtils.StageCache.Get().Find(Usd.StageCache.Id.FromLongInt(stage_id))
    prims = [stage.GetPseudoRoot()]
    for component in pattern.strip("/").split("/"):
        name = re.compile(component.replace("*", ".*").replace("..*", ".*"))
        prims = [child for prim in prims for child in prim.GetAllChildren() if name.fullmatch(child.GetName())]
    schemas = {"articulation": UsdPhysics.ArticulationRootAPI, "rigid_body": UsdPhysics.RigidBodyAPI}
    return [str(prim.GetPath()) for prim in prims if not api or prim.HasAPI(schemas[api])]


def install_bindings(kit: Kit, physics: Physics) -> None:
    """Register stand-ins of the compiled modules of ``isaacsim.core``.

    Args:
        kit: the application.
        physics: its physics.
    """
    manager = SimulationManagerInterface(kit, physics)
    PhysicsScene.kit = kit
    for prefix in ("", "bindings."):
        module(
            f"isaacsim.core.simulation_manager.{prefix}_simulation_manager",
            acquire_simulation_manager_interface=lambda: manager,
            release_simulation_manager_interface=lambda interface: None,
            PhysicsScene=PhysicsScene,
        )
        module(f"isaacsim.core.utils.{prefix}_isaac_utils", _find_matching_prim_paths=find_matching_prim_paths)
        module(f"isaacsim.core.cloner.{prefix}_isaac_cloner")
    module("isaacsim.core.experimental.prims.bindings._prims_reader")
