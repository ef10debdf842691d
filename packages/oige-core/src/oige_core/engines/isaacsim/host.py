"""What the engine asks of a release of Isaac Sim, or of a stand-in for one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch

from oige_core.capabilities import Capability

if TYPE_CHECKING:
    from pxr import Usd

__all__ = ["Host", "ViewKind"]

ViewKind = Literal["articulation", "rigid", "geometry", "xform"]
"""Kinds of a release's own views."""


class Host(Protocol):
    """Runs one USD stage with physics.

    An engine calls the methods in this order: :meth:`new_stage`, then writes one world to the stage, :meth:`clone`,
    :meth:`filter_collisions`, :meth:`play`, then :meth:`simulation_view` and all others, and :meth:`close`.

    Attributes:
        release: the release in messages, such as ``Isaac Sim 5.1.0``.
        device: device of the tensors of states: ``cpu`` or ``cuda:N``.
        capabilities: what this release supports, a subset of those of the engine.
        exclusive: whether a process can have only one.
    """

    release: str
    device: torch.device
    capabilities: frozenset[Capability]
    exclusive: bool

    def new_stage(self) -> "Usd.Stage":
        """Return a new, empty stage, z up, in metres and kilograms. Physics does not run."""
        ...

    def clone(self, source_path: str, target_paths: Sequence[str], positions: np.ndarray) -> None:
        """Copy the prim of one world, and place all worlds.

        Args:
            source_path: the written world, ``/World/envs/env_0``.
            target_paths: the paths of all worlds, the first one the source itself.
            positions: ``(num_envs, 3)`` translations of the worlds' prims in metres.
        """
        ...

    def filter_collisions(
        self, physics_scene: str, collision_root: str, world_paths: Sequence[str], shared_paths: Sequence[str]
    ) -> None:
        """Let each world collide with itself and with shared prims only.

        Args:
            physics_scene: path of the physics scene.
            collision_root: path below which collision groups may be created.
            world_paths: paths of all worlds.
            shared_paths: paths of prims that collide with every world, such as the ground.
        """
        ...

    def play(self) -> None:
        """Start physics on the stage. The release may advance some physics steps."""
        ...

    def simulate(self, dt: float, time: float) -> None:
        """Advance physics by one step and wait for it.

        Args:
            dt: time of the step in seconds, exactly.
            time: simulated time at its start in seconds.
        """
        ...

    def simulation_view(self) -> Any:
        """Return the ``SimulationView`` of ``omni.physics.tensors`` of the stage, with the front end ``torch``.

        The same object in every call. Physics must run.
        """
        ...

    def update_kinematics(self) -> None:
        """Compute the poses and velocities of links from positions and velocities of joints that were set."""
        ...

    def render(self) -> None:
        """Draw the windows and sensors of the release once, without a physics step; nothing without a renderer."""
        ...

    def errors(self) -> list[str]:
        """Return the errors that the release has reported since the last call, one line each."""
        ...

    def host_view(self, kind: ViewKind, path: str) -> Any:
        """Return the release's own view of prims, such as ``Articulation`` of ``isaacsim.core.prims``.

        Args:
            kind: which view.
            path: path expression of the prims.

        Raises:
            CapabilityError: the host has no such view.
        """
        ...

    def close(self) -> None:
        """Stop physics and free the stage. The program that started the application closes it, not the host."""
        ...
