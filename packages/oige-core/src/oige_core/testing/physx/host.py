"""The host of the engine that runs real PhysX without Isaac Sim."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from oige_core.capabilities import CAPABILITIES, Capability
from oige_core.engines.isaacsim.usd.worlds import filter_worlds
from oige_core.errors import CapabilityError
from oige_core.testing.physx.runtime import PhysxRuntime
from oige_core.testing.physx.simulation import SimulationView

__all__ = ["OvphysxHost"]


class OvphysxHost:
    """Runs a stage in PhysX on the CPU as Isaac Sim would: see :class:`~oige_core.engines.isaacsim.host.Host`.

    The stage is in memory. Physics reads it when it starts.
    """

    release = "ovphysx"
    exclusive = False
    capabilities: frozenset[Capability] = CAPABILITIES["Isaac Sim"] - {"cameras"}

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self._stage: Usd.Stage | None = None
        self._runtime: PhysxRuntime | None = None
        self._view: SimulationView | None = None

    def new_stage(self) -> Usd.Stage:
        """Return a new, empty stage, z up, in metres and kilograms."""
        self.close()
        self._stage = stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
        return stage

    def clone(self, source_path: str, target_paths: Sequence[str], positions: np.ndarray) -> None:
        """Copy the prim of one world, and place all worlds."""
        stage = self._opened()
        layer = stage.GetRootLayer()
        with Sdf.ChangeBlock():
            for path in target_paths:
                if path != source_path:
                    Sdf.CreatePrimInLayer(layer, path)
                    Sdf.CopySpec(layer, source_path, layer, path)
        for path, position in zip(target_paths, positions.tolist(), strict=True):
            UsdGeom.XformCommonAPI(stage.GetPrimAtPath(path)).SetTranslate(Gf.Vec3d(*position))

    def filter_collisions(
        self, physics_scene: str, collision_root: str, world_paths: Sequence[str], shared_paths: Sequence[str]
    ) -> None:
        """Let each world collide with itself and with shared prims only."""
        filter_worlds(self._opened(), physics_scene, collision_root, world_paths, shared_paths)

    def play(self) -> None:
        """Start physics, which advances two steps of the length that the physics scene states."""
        self._runtime = PhysxRuntime(self._opened())
        self._view = SimulationView(self._runtime)
        for _ in range(2):
            self._runtime.step(1.0 / self._steps_per_second())

    def simulate(self, dt: float, time: float) -> None:
        """Advance physics by ``dt`` seconds, and wait for it."""
        self._running().step(dt)

    def simulation_view(self) -> SimulationView:
        """Return the stand-in of the simulation view."""
        self._running()
        assert self._view is not None
        return self._view

    def update_kinematics(self) -> None:
        """Compute the poses and velocities of links from positions and velocities of joints that were set."""
        self._running().update_kinematics()

    def render(self) -> None:
        """Do nothing: there is no renderer."""

    def errors(self) -> list[str]:
        """Return the errors that PhysX has logged since the last call."""
        return self._running().take_errors()

    def host_view(self, kind: str, path: str) -> Any:
        """Raise CapabilityError: without a release there is no view of it."""
        raise CapabilityError(f"{self.release} has no {kind} view of its own ({path}); Isaac Sim has")

    def close(self) -> None:
        """Stop physics and free the stage."""
        if self._view is not None:
            self._view.invalidate()
        if self._runtime is not None:
            self._runtime.close()
        self._stage = self._runtime = self._view = None

    def _opened(self) -> Usd.Stage:
        if self._stage is None:
            raise RuntimeError("call new_stage first")
        return self._stage

    def _running(self) -> PhysxRuntime:
        if self._runtime is None:
            raise RuntimeError("physics does not run; call play first")
        return self._runtime

    def _steps_per_second(self) -> float:
        for prim in self._opened().Traverse():
            if prim.IsA(UsdPhysics.Scene):
                return float(prim.GetAttribute("physxScene:timeStepsPerSecond").Get() or 60)
        return 60.0
