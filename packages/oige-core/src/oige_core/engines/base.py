"""What every engine offers to tasks and environments."""

from typing import Any, Protocol

import torch

from oige_core.scene.scene import Scene, ViewFactory
from oige_core.views import Indices

__all__ = ["Engine"]


class Engine(ViewFactory, Protocol):
    """Simulates ``num_envs`` worlds of one scene.

    Use: give it to a :class:`~oige_core.scene.Scene`, fill the scene, :meth:`build`, then :meth:`step` and read views.

    Attributes:
        name: the engine's name in messages.
        num_envs: number of worlds.
        device: device of every tensor that views take and return.
        physics_dt: time of one physics step, in seconds.
        capabilities: what it can do beyond rigid bodies: ``"height_field"``, ``"joint_forces"``, …
    """

    name: str
    num_envs: int
    device: torch.device
    physics_dt: float
    capabilities: frozenset[str]

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

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Put worlds back to their initial state: poses, joints, velocities, targets, efforts, wrenches, forces.

        Args:
            env_ids: ``(n,)`` int64 indices; all worlds if None.
        """
        ...

    def get_gravity(self) -> torch.Tensor:
        """Return gravity ``(num_envs, 3)`` in m/s²."""
        ...

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set gravity ``(n, 3)`` in m/s²."""
        ...

    def problems(self) -> dict[str, int]:
        """Return the counts, above zero, of what went wrong so far: overflowed buffers, diverged worlds."""
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
