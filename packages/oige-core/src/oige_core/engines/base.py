"""The protocol that every engine implements for tasks and environments."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from oige_core.problems import ProblemCounts, Recording
from oige_core.render import Camera, OffscreenRenderer, SceneGeometry
from oige_core.scene.scene import Scene, ViewFactory
from oige_core.views import ArticulationView, Indices

if TYPE_CHECKING:
    import warp as wp

    from oige_core.engines.mujoco.failures.failure import Failure
    from oige_core.warp_arrays import ArticulationArrays

__all__ = ["Engine", "GraphRecorder", "WarpWorlds"]


class Engine(ViewFactory, Protocol):
    """Simulates ``num_envs`` worlds of one scene.

    Pass it to a :class:`~oige_core.scene.Scene`, fill the scene, call :meth:`build`, then call :meth:`step` and read
    views.

    Attributes:
        name: the engine's name in messages.
        num_envs: number of worlds.
        device: device of every tensor that views take and return.
        physics_dt: time of one physics step, in seconds.
        capabilities: supported features beyond bodies, joints and drives. A scene that needs others raises an error.
    """

    num_envs: int
    device: torch.device
    physics_dt: float

    def build(self, scene: Scene) -> None:
        """Build the worlds and connect the views that the scene has returned.

        Raises:
            CapabilityError: the scene contains something that this engine does not support; the message names engines
                that do.
            OigeError: an asset is invalid.
        """
        ...

    def step(self, n_substeps: int = 1) -> None:
        """Advance all worlds by ``n_substeps`` physics steps."""
        ...

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """Restore the initial state of worlds: poses, joints, velocities, targets, efforts, wrenches, forces.

        Args:
            worlds: ``(n,)`` int64 indices, or a mask ``(num_envs,)`` of bool; all worlds if None.
        """
        ...

    @property
    def selects_by_mask(self) -> bool:
        """Whether tasks select worlds by a bool mask ``(num_envs,)``, because counting them would wait for a GPU.

        Views accept masks and indices on every engine.
        """
        ...

    def selection(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the worlds of a bool mask ``(num_envs,)`` as tasks select them: itself, or int64 indices ``(n,)``."""
        ...

    @property
    def layout_version(self) -> int:
        """A number that increases when tensors that views return may have moved in memory."""
        ...

    @property
    def reads(self) -> Any:
        """An opaque record of the quantities that are up to date with the current state.

        A replayed graph changes the state, but does not update this record. Code that replays a graph sets the record
        to its value after the capture.
        """
        ...

    @reads.setter
    def reads(self, record: Any) -> None: ...

    def forget_reads(self) -> None:
        """Recompute all quantities on the next read, even if they are up to date with the current state."""
        ...

    def graph_recorder(self) -> "GraphRecorder | None":
        """Return an object that captures work on views in graphs; None if the engine does not support graphs."""
        ...

    def to_warp(self) -> "WarpWorlds":
        """Return the worlds as Warp arrays, for Warp variants of tasks; the engine must be built."""
        ...

    def create_geometry(self) -> SceneGeometry:
        """Return the visible geometry of the worlds and the poses of their bodies; the engine must be built."""
        ...

    def create_grid_renderer(self, camera: Camera, offsets: np.ndarray) -> OffscreenRenderer:
        """Return a renderer of one image that shows worlds side by side; the engine must be built.

        Args:
            camera: the camera of the image.
            offsets: ``(n, 3)`` positions in the image of the first n worlds, in metres; other worlds are omitted.
        """
        ...

    def create_world_renderer(self, camera: Camera) -> OffscreenRenderer:
        """Return a renderer of one image for each world; the engine must be built.

        Args:
            camera: the camera of each world; its position is relative to the origin of the world.
        """
        ...

    def get_gravity(self) -> torch.Tensor:
        """Return gravity ``(num_envs, 3)`` in m/s²."""
        ...

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set gravity ``(n, 3)`` in m/s²."""
        ...

    def get_light_directions(self) -> torch.Tensor:
        """Return the directions in which sunlight travels, ``(num_envs, 3)``, of length 1.

        Raises:
            CapabilityError: the scene has no camera, or no sunlight.
        """
        ...

    def set_light_directions(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set the directions in which sunlight travels in images of cameras, ``(n, 3)`` of any length.

        Raises:
            CapabilityError: the scene has no camera, or no sunlight.
        """
        ...

    def get_light_intensities(self) -> torch.Tensor:
        """Return the intensities of sunlight ``(num_envs,)``, relative to the initial one.

        Raises:
            CapabilityError: the scene has no camera, or no sunlight.
        """
        ...

    def set_light_intensities(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set the intensities of sunlight in images of cameras, ``(n,)``, relative to the initial one.

        The light from the camera, and that from everywhere, do not change.

        Raises:
            CapabilityError: the scene has no camera, or no sunlight.
        """
        ...

    def deepest_penetration(self, first: str | None = None, second: str | None = None) -> torch.Tensor:
        """Return how deep shapes are inside each other now, at the deepest contact of each world ``(num_envs,)``, in m.

        Without contacts it is 0. On the CPU this goes through the worlds one by one; tasks do not call it in steps.

        Args:
            first: name of an element or a view of links; only its contacts count.
            second: the same; only contacts between both count.

        Raises:
            OigeError: the scene has no such name.
            CapabilityError: the engine does not list contacts.
        """
        ...

    @property
    def problem_counts(self) -> ProblemCounts:
        """Physics problems of each world; ``failed`` accumulates until a task clears it."""
        ...

    def problems(self) -> dict[str, int]:
        """Return the number of problems of each kind so far; this waits for the device."""
        ...

    def record_failures(self, recording: Recording) -> None:
        """Keep the last states of each world that diverges or explodes from now on, up to a number of worlds.

        Only the embedded engine does; others keep nothing.

        Args:
            recording: its ``solver_steps`` are physics steps of a control step here.
        """
        ...

    def take_failures(self) -> "list[Failure]":
        """Return the recorded failures since the last call; this waits for the device."""
        ...

    @property
    def state_format(self) -> str:
        """Format of :meth:`state_dict`; engines with the same format can load each other's states."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state of the simulation as tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly, on an engine built from the same scene."""
        ...

    def close(self) -> None:
        """Free threads and memory. Views cannot be used afterwards."""
        ...


class GraphRecorder(Protocol):
    """Captures work of torch and of an engine's views in graphs."""

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """Return a function that repeats ``work`` on the same memory without running its Python code.

        Args:
            work: called now, to be captured. The first call of the returned function executes it for the first time.
            generators: random generators from which ``work`` draws.

        Raises:
            RuntimeError: the work cannot be captured, because it waits for the device.
        """
        ...

    def watch_waits(self) -> contextlib.AbstractContextManager[list[str]]:
        """Return a context that yields a list of the operations that wait for the device, with their location."""
        ...


class WarpWorlds(Protocol):
    """The worlds of an engine on Warp arrays.

    A task passes the work before and after physics once, as functions that launch Warp kernels and copies. They are
    called twice when the work is captured and not in every step, so they must not allocate memory, read from the
    device or branch on values. On CUDA a whole control step is then one graph. Call the ``launch_…`` methods in such
    functions.
    """

    def articulation(self, view: ArticulationView) -> "ArticulationArrays":
        """Return the arrays of an articulation; call this before anything is captured.

        Raises:
            CapabilityError: Warp arrays do not support something that the scene needs.
        """
        ...

    def capture_step(
        self, n_substeps: int, before: Callable[[], None], after: Callable[[], None]
    ) -> Callable[[], None]:
        """Return a function that runs ``before``, the physics steps and ``after``, without host synchronisation."""
        ...

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return a function that runs ``work``."""
        ...

    def launch_read(self) -> None:
        """Read all articulations into their arrays; a step does this before ``after``."""
        ...

    def launch_reset(self, mask: "wp.array") -> None:
        """Restore the initial state of the worlds of a bool mask ``(num_envs,)``, and read all articulations.

        Gains, other properties and the poses of moved fixed roots do not change.
        """
        ...

    def launch_write(self, mask: "wp.array") -> None:
        """Write positions and velocities of the arrays into the state of the worlds of a mask."""
        ...
