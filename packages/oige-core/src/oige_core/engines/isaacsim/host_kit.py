"""What the hosts of all releases share: Kit's stage, timeline and log, and the cloner of Isaac Sim."""

import inspect
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from oige_core.capabilities import CAPABILITIES, Capability
from oige_core.engines.isaacsim.host import ViewKind
from oige_core.engines.isaacsim.releases import Release, kit_module
from oige_core.errors import CapabilityError, OigeError

if TYPE_CHECKING:
    from pxr import Usd

__all__ = ["VIEWER_CAMERA", "ErrorLog", "KitHost", "Viewpoint", "accepts"]

PLAY_SIMULATIONS = "/app/player/playSimulations"
"""Kit's setting: whether an update of the application steps physics."""


VIEWER_CAMERA = "/OmniverseKit_Persp"
"""Kit's prim of the camera of the viewport."""


@dataclass(frozen=True)
class Viewpoint:
    """Where a camera is, and what it looks at.

    Attributes:
        position: x, y, z in m.
        target: x, y, z in m.
    """

    position: tuple[float, ...]
    target: tuple[float, ...]


class KitHost(ABC):
    """A running application of Isaac Sim; subclasses know the names of a family of releases.

    Attributes:
        release: the release in messages.
        device: device of the tensors of states.
        capabilities: what this release supports.
        renders: whether :meth:`render` draws something.
        viewpoint: where :meth:`play` moves the camera of the viewport; None: it stays, or there is no viewport.
    """

    viewpoint: Viewpoint | None = None
    cloner_module: str
    view_classes: ClassVar[Mapping[ViewKind, tuple[str, str]]]
    """Module and class of the release's own views."""
    exclusive = True

    def __init__(self, release: Release, device: torch.device, renders: bool, has_loop: bool = False) -> None:
        """Attach to the application of this process.

        Args:
            release: the release that runs.
            device: where physics runs.
            renders: whether somebody looks at windows or reads cameras.
            has_loop: whether a loop of Kit's own updates the application and calls this code, as in an extension. The
                host then never updates it, because an update would run within another one, and switches off the
                physics steps of that loop.
        """
        self.release = str(release)
        self.device = device
        self.renders = renders
        self._has_loop = has_loop
        self.capabilities: frozenset[Capability] = CAPABILITIES["Isaac Sim"]
        if not release.is_at_least(5):
            self.capabilities -= {"joint_friction_force"}
        self._numbers = release
        self._view: Any = None
        self._clock = (1 / 60, 0.0)
        self._filters_by_id = False
        self._application = kit_module("omni.kit.app").get_app()
        self._context = kit_module("omni.usd").get_context()
        self._timeline = kit_module("omni.timeline").get_timeline_interface()
        self._settings = kit_module("carb.settings").get_settings()
        self._log = ErrorLog()

    def new_stage(self) -> "Usd.Stage":
        """Return a new, empty stage, z up, in metres and kilograms."""
        from pxr import UsdGeom, UsdPhysics

        self._timeline.stop()
        self._context.new_stage()
        if not self._has_loop:
            self._application.update()
        stage = self._context.get_stage()
        if stage is None:
            raise OigeError(
                f"{self.release} did not open a new stage: {'; '.join(self.errors()) or 'no error was logged'}."
            )
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
        return stage

    def clone(self, source_path: str, target_paths: Sequence[str], positions: np.ndarray) -> None:
        """Copy the prim of one world with the release's cloner, which also replicates its physics."""
        cloner = kit_module(self.cloner_module).Cloner()
        parent, _, name = source_path.rpartition("/")
        arguments: dict[str, Any] = {
            "source_prim_path": source_path,
            "prim_paths": list(target_paths),
            "positions": np.asarray(positions, dtype=np.float32),
            "replicate_physics": self._replicates(),
            "base_env_path": parent,
            "root_path": f"{parent}/{name.rpartition('_')[0]}_",
        }
        if self._filters_by_id_on(cloner):
            arguments["enable_env_ids"] = self._filters_by_id = True
        cloner.clone(**arguments)

    def _replicates(self) -> bool:
        """Return whether the physics of the first world is copied, instead of parsed for each world."""
        return True

    def _filters_by_id_on(self, cloner: Any) -> bool:
        """Return whether PhysX itself keeps worlds apart: from 5.0 on, on GPUs only."""
        return self.device.type == "cuda" and accepts(cloner.clone, "enable_env_ids")

    def filter_collisions(
        self, physics_scene: str, collision_root: str, world_paths: Sequence[str], shared_paths: Sequence[str]
    ) -> None:
        """Let each world collide with itself and with shared prims only."""
        if not self._filters_by_id:
            cloner = kit_module(self.cloner_module).Cloner()
            cloner.filter_collisions(physics_scene, collision_root, list(world_paths), list(shared_paths))

    def play(self) -> None:
        """Start physics on the stage."""
        self._select_device()
        if self._has_loop:
            self._settings.set(PLAY_SIMULATIONS, False)
        self._timeline.play()
        self._timeline.commit()
        self._update_application()
        self._view = self._start_physics()
        if self._view is None:
            raise OigeError(f"{self.release} did not start physics: {self._logged()}.")
        if self.viewpoint is not None:
            self._move_viewer(self.viewpoint)

    @abstractmethod
    def _select_device(self) -> None:
        """Select the device of physics, after the stage has its physics scene."""

    @abstractmethod
    def _start_physics(self) -> Any:
        """Start physics, and return the simulation view with the front end ``torch``; None if that failed."""

    @abstractmethod
    def _move_viewer(self, viewpoint: Viewpoint) -> None:
        """Move the camera of the viewport."""

    def simulate(self, dt: float, time: float) -> None:
        """Advance physics by exactly ``dt``, and wait for it."""
        simulation = self._simulation()
        simulation.simulate(dt, time)
        simulation.fetch_results()
        self._clock = (dt, time + dt)

    def _simulation(self) -> Any:
        return kit_module("omni.physx").get_physx_simulation_interface()

    def simulation_view(self) -> Any:
        """Return the ``SimulationView`` of ``omni.physics.tensors`` with the front end ``torch``."""
        if self._view is None:
            raise OigeError("Physics does not run: call play() first.")
        return self._view

    def update_kinematics(self) -> None:
        """Compute the poses and velocities of links from positions and velocities of joints that were set."""
        self.simulation_view().update_articulations_kinematic()

    def render(self) -> None:
        """Draw windows and cameras once, without a physics step; nothing if nobody looks."""
        if not self.renders:
            return
        if self._view is not None:
            self.update_kinematics()
            self._update_fabric()
        self._update_application()

    def _update_fabric(self) -> None:
        """Send poses to Fabric, from which the renderer reads them, even if no step followed a reset."""
        if not self._application.get_extension_manager().is_extension_enabled("omni.physx.fabric"):
            return
        fabric = kit_module("omni.physxfabric").get_physx_fabric_interface()
        dt, time = self._clock
        fabric.force_update(time, dt)

    def _update_application(self) -> None:
        """Update the application without a physics step, unless its own loop does."""
        if self._has_loop:
            return
        self._settings.set(PLAY_SIMULATIONS, False)
        try:
            self._application.update()
        finally:
            self._settings.set(PLAY_SIMULATIONS, True)

    def errors(self) -> list[str]:
        """Return the errors that the application has logged since the last call."""
        return self._log.take()

    def _logged(self) -> str:
        return "; ".join(self.errors()) or "its log has no error"

    def host_view(self, kind: ViewKind, path: str) -> Any:
        """Return the release's own view of prims, initialised if physics runs.

        Paths of the tensors have ``*`` for any text, those of views are regular expressions.
        """
        if kind not in self.view_classes:
            raise CapabilityError(f"host_view({kind!r}): expected one of {', '.join(sorted(self.view_classes))}.")
        module, name = self.view_classes[kind]
        expression = path.replace("*", ".*")
        return self._create_view(getattr(kit_module(module), name), expression)

    def _create_view(self, view_class: Any, path: str) -> Any:
        """Return an object of one of the release's own view classes.

        Args:
            view_class: the class.
            path: regular expression of the paths of prims.
        """
        view = view_class(prim_paths_expr=path, reset_xform_properties=False)
        if self._view is not None:
            view.initialize(self._view)
        return view

    def close(self) -> None:
        """Stop physics, and leave the application with an empty stage."""
        if self._view is not None:
            self._view.invalidate()
            self._view = None
        self._timeline.stop()
        self._context.new_stage()
        self._settings.set(PLAY_SIMULATIONS, True)
        self._log.close()

    def _stage_id(self) -> int:
        return self._context.get_stage_id()


class ErrorLog:
    """Collects the errors of Kit's log."""

    def __init__(self, most: int = 1000) -> None:
        """Listen to the log.

        Args:
            most: number of errors that are kept until they are read.
        """
        logging = kit_module("carb.logging")
        self._level = logging.LEVEL_ERROR
        self._lines: deque[str] = deque(maxlen=most)
        self._logging = logging.acquire_logging()
        self._handle = self._logging.add_logger(self._listen)

    def _listen(self, source: str, level: int, file: str, line: int, message: str) -> None:
        if level >= self._level:
            self._lines.append(f"[{source}] {' '.join(message.split())}")

    def take(self) -> list[str]:
        """Return the errors since the last call, one line each."""
        taken = []
        while self._lines:
            taken.append(self._lines.popleft())
        return taken

    def close(self) -> None:
        """Stop listening."""
        if self._handle is not None:
            self._logging.remove_logger(self._handle)
            self._handle = None


def accepts(function: Callable[..., Any], argument: str) -> bool:
    """Return whether a function of a release has an argument."""
    return argument in inspect.signature(function).parameters
