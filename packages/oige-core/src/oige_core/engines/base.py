"""What every engine offers to tasks and environments."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from oige_core.problems import ProblemCounts
from oige_core.render import Camera, OffscreenRenderer, SceneGeometry
from oige_core.scene.scene import Scene, ViewFactory
from oige_core.views import ArticulationView, Indices

if TYPE_CHECKING:
    import warp as wp

    from oige_core.warp_arrays import ArticulationArrays

__all__ = ["Engine", "GraphRecorder", "WarpWorlds"]


class Engine(ViewFactory, Protocol):
    """Simulates ``num_envs`` worlds of one scene.

    Use: give it to a :class:`~oige_core.scene.Scene`, fill the scene, :meth:`build`, then :meth:`step` and read views.

    Attributes:
        name: the engine's name in messages.
        num_envs: number of worlds.
        device: device of every tensor that views take and return.
        physics_dt: time of one physics step, in seconds.
        capabilities: what it can do beyond bodies, joints and drives; a scene that asks for more is an error.
    """

    num_envs: int
    device: torch.device
    physics_dt: float

    def build(self, scene: Scene) -> None:
        """Make the worlds and connect the views that the scene has handed out.

        Raises:
            CapabilityError: the scene holds something that this engine lacks; the message names what has it.
            OigeError: an asset is invalid.
        """
        ...

    def step(self, n_substeps: int = 1) -> None:
        """Advance all worlds by ``n_substeps`` physics steps."""
        ...

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """Put worlds back to their initial state: poses, joints, velocities, targets, efforts, wrenches, forces.

        Args:
            worlds: ``(n,)`` int64 indices, or a mask ``(num_envs,)`` of bool; all worlds if None.
        """
        ...

    @property
    def selects_by_mask(self) -> bool:
        """Whether tasks select worlds by a bool mask ``(num_envs,)``, since counting them would wait for a GPU.

        Views take masks and indices on every engine.
        """
        ...

    @property
    def layout_version(self) -> int:
        """A number that grows when tensors that views hand out may have moved in memory."""
        ...

    @property
    def reads(self) -> Any:
        """What was read of the current state and is still true of it; opaque.

        Work that was captured in a graph changes the state without the engine noticing. Whoever replays it puts back
        what this was when the work was captured.
        """
        ...

    @reads.setter
    def reads(self, noted: Any) -> None: ...

    def forget_reads(self) -> None:
        """Read everything afresh from now on, even what is still true of the current state."""
        ...

    def graph_recorder(self) -> "GraphRecorder | None":
        """Return what captures work on views in graphs; None where there are no graphs."""
        ...

    def to_warp(self) -> "WarpWorlds":
        """Return the worlds as Warp variants of tasks use them; the engine must be built."""
        ...

    def create_geometry(self) -> SceneGeometry:
        """Return the visible geometry of the worlds and the poses of their bodies; the engine must be built."""
        ...

    def create_grid_renderer(self, camera: Camera, offsets: np.ndarray) -> OffscreenRenderer:
        """Return a renderer of one image that shows worlds side by side; the engine must be built.

        Args:
            camera: the camera of the image.
            offsets: ``(n, 3)`` positions in the image of the first n worlds, in metres; the others are left out.
        """
        ...

    def create_world_renderer(self, camera: Camera) -> OffscreenRenderer:
        """Return a renderer of one image for each world; the engine must be built.

        Args:
            camera: the camera of each world; its position is relative to the world's own origin.
        """
        ...

    def get_gravity(self) -> torch.Tensor:
        """Return gravity ``(num_envs, 3)`` in m/s²."""
        ...

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set gravity ``(n, 3)`` in m/s²."""
        ...

    @property
    def problem_counts(self) -> ProblemCounts:
        """What went wrong in the physics of each world; ``failed`` accumulates until a task clears it."""
        ...

    def problems(self) -> dict[str, int]:
        """Return how often each kind of problem happened so far; this waits for the device."""
        ...

    @property
    def state_format(self) -> str:
        """What :meth:`state_dict` holds; engines that agree in it can load each other's states."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state of the simulation as tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly, on an engine built from the same scene."""
        ...

    def close(self) -> None:
        """Free threads and memory. Views are of no use afterwards."""
        ...


class GraphRecorder(Protocol):
    """Captures work of torch and of an engine's views in graphs."""

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """Return a function that does ``work`` on the same memory, without running its Python code.

        Args:
            work: it is called now, to be captured; the first call of what is returned does it for the first time.
            generators: random generators that it draws from.

        Raises:
            RuntimeError: it cannot be captured, for it waits for the device.
        """
        ...

    def watch_waits(self) -> contextlib.AbstractContextManager[list[str]]:
        """Return a context that yields a list, which names what waits for the device in it, and where."""
        ...


class WarpWorlds(Protocol):
    """The worlds of an engine on Warp arrays.

    What a control step does before and after physics is handed over once, as functions that launch Warp kernels and
    copies. They are called when the work is captured, not in every step: they allocate nothing, ask the device for
    nothing and decide nothing. On CUDA a whole control step is then one graph. ``launch_…`` belong into such functions.
    """

    def articulation(self, view: ArticulationView) -> "ArticulationArrays":
        """Return the arrays of an articulation; to be called before anything is captured.

        Raises:
            CapabilityError: something that the scene asks for is not to be had on Warp arrays.
        """
        ...

    def capture_step(
        self, n_substeps: int, before: Callable[[], None], after: Callable[[], None]
    ) -> Callable[[], None]:
        """Return a function that does ``before``, so many physics steps and ``after``, waiting for nothing."""
        ...

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return a function that does ``work``."""
        ...

    def launch_read(self) -> None:
        """Read all articulations into their arrays; a step does so before ``after``."""
        ...

    def launch_reset(self, mask: "wp.array") -> None:
        """Put worlds of a mask ``(num_envs,)`` of bool back to their initial state, and read all articulations.

        Gains and other properties stay as they are, and so does a fixed root that was moved.
        """
        ...

    def launch_write(self, mask: "wp.array") -> None:
        """Make positions and velocities in the arrays the state of the worlds of a mask."""
        ...
