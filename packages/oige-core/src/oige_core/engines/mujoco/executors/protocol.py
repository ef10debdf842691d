"""The protocol of executors: the C engine on the CPU, and MuJoCo Warp on CUDA.

An executor runs ``num_envs`` worlds of one ``MjModel`` and returns their fields as torch tensors, named and shaped as
in ``MjData`` and ``MjModel`` with the world as first dimension. Views are written once on top of this protocol.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import mujoco
import numpy as np
import torch

from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.problems import ProblemCounts, Recording

if TYPE_CHECKING:
    import warp as wp

    from oige_core.engines.base import GraphRecorder
    from oige_core.engines.mujoco.executors.graphs import Graphs
    from oige_core.engines.mujoco.failures.failure import Failure

__all__ = [
    "FORCE_FIELDS",
    "REFRESHED_FIELDS",
    "STATE_FIELDS",
    "Executor",
    "load_velocity_limits",
    "scalar_joints",
    "state_format",
]

STATE_FIELDS = frozenset(
    {
        "ctrl",
        "eq_active",
        "mocap_pos",
        "mocap_quat",
        "qacc_warmstart",
        "qfrc_applied",
        "qpos",
        "qvel",
        "time",
        "xfrc_applied",
    }
)
"""Live and writable fields: a write changes the state of the world at once."""

REFRESHED_FIELDS = frozenset(
    {
        "cdof",
        "cvel",
        "qfrc_bias",
        "qfrc_gravcomp",
        "qfrc_passive",
        "subtree_com",
        "ten_length",
        "ten_velocity",
        "xanchor",
        "xaxis",
        "xipos",
        "xmat",
        "xpos",
        "xquat",
    }
)
"""Functions of position and velocity, computed by the last ``step(…, refresh=True)`` or ``refresh``."""

FORCE_FIELDS = frozenset({"actuator_force", "qacc", "qfrc_actuator", "qfrc_constraint", "sensordata"})
"""Results of the last substep, zero after a reset. Models have only force, torque and contact sensors."""


class Executor(Protocol):
    """Runs the worlds of one model.

    A world whose state is NaN, beyond MuJoCo's bound of 1e10 (``diverged``) or beyond the bounds of the scene
    (``exploded``) at the end of a step is restored to its initial state. It is counted, as are overflowed buffers.

    Attributes:
        model: the compiled model, shared by all worlds.
        num_envs: number of worlds.
        device: device of every tensor.
        state_format: see :class:`~oige_core.engines.base.Engine`.
        problem_counts: problems by world.
        selects_by_mask: see :class:`~oige_core.engines.base.Engine`.
        step_reads_joint_state: whether :meth:`step` brings the tensors of :meth:`joint_state` up to date.
    """

    model: mujoco.MjModel
    num_envs: int
    device: torch.device
    state_format: str
    problem_counts: ProblemCounts
    selects_by_mask: bool
    step_reads_joint_state: bool

    @property
    def layout_version(self) -> int:
        """See :class:`~oige_core.engines.base.Engine`."""
        ...

    def graph_recorder(self) -> "GraphRecorder | None":
        """See :class:`~oige_core.engines.base.Engine`."""
        ...

    @property
    def graphs(self) -> "Graphs":
        """The captured Warp work."""
        ...

    def field(self, name: str) -> torch.Tensor:
        """Return the live ``(num_envs, …)`` tensor of a field in one of the three sets above.

        The tensor's address does not change. Only state fields may be written. The floating-point type is float64 on
        the CPU and float32 on CUDA; force fields are float32 on both. The executor computes only fields that were
        requested with this method.
        """
        ...

    def joint_state(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``qpos`` ``(num_envs, nq)`` and ``qvel`` ``(num_envs, nv)`` in float32, true at the time of the call.

        The tensors' addresses do not change; each call updates their values. They must not be written.
        """
        ...

    def mass_matrix(self) -> torch.Tensor:
        """Return the dense joint-space inertia ``(num_envs, nv, nv)``, float32, as fresh as the refreshed fields."""
        ...

    def model_field(self, name: str) -> torch.Tensor:
        """Return the live, writable ``(num_envs, …)`` values of a model field (``body_mass``, ``opt.gravity``, …).

        The first call creates a copy for each world. After writing, call :meth:`model_changed`.
        """
        ...

    def model_changed(self, names: Iterable[str], worlds: torch.Tensor | None = None) -> None:
        """Update quantities that depend on written model fields.

        Args:
            names: names of the written fields.
            worlds: indices ``(n,)`` or a mask ``(num_envs,)`` of the written worlds; all if None.
        """
        ...

    @property
    def velocity_limits(self) -> torch.Tensor | None:
        """The tensor of :meth:`limit_velocities`; None before its first call."""
        ...

    def limit_velocities(self) -> torch.Tensor:
        """Return live, writable bounds ``(num_envs, nv)`` of ``qvel``, at first infinite.

        From the first call on, each physics step limits ``qvel`` of hinge and slide joints to them at its end, and
        moves the joints only as far as the limited velocity does.
        """
        ...

    def step(self, n: int, *, refresh: bool) -> None:
        """Advance all worlds by ``n`` physics steps; never waits for the device.

        Args:
            n: number of steps.
            refresh: whether to compute the requested refreshed fields for the new state.
        """
        ...

    def refresh(self, worlds: torch.Tensor | None = None) -> None:
        """Compute the requested refreshed fields for the current state; force fields do not change.

        Args:
            worlds: indices ``(n,)`` or a mask ``(num_envs,)`` of the worlds to refresh, at least; all if None.
        """
        ...

    def deepest_penetration(self, pairs: np.ndarray | None) -> torch.Tensor:
        """Return the depth of the deepest contact of each world in the current state ``(num_envs,)``, in m.

        Args:
            pairs: ``(k, k)`` bool, the pairs of geoms, and soft bodies after them, whose contacts count; None: all.
        """
        ...

    def save_initial_state(self) -> None:
        """Save the current state of every world as the state that :meth:`reset` restores."""
        ...

    def initial_field(self, name: str) -> torch.Tensor:
        """Return the live, writable values of a state field that :meth:`reset` restores."""
        ...

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """Restore the initial state of worlds and zero their force fields. Refreshed fields are not updated.

        Args:
            worlds: int64 indices ``(n,)`` or a mask ``(num_envs,)``; all if None.
        """
        ...

    # For Warp variants of tasks, which launch Warp work before and after physics steps

    def step_between(self, n: int, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Run ``before``, ``n`` physics steps and ``after``; on CUDA, all in one graph.

        Args:
            n: number of steps.
            before: launches Warp work; called when it is captured, not in every step.
            after: the same.
        """
        ...

    def launch_reset(self, mask: "wp.array") -> None:
        """Launch Warp work that resets the worlds of a bool mask ``(num_envs,)``, as :meth:`reset` does."""
        ...

    def set_bounds(self, bounds: StateBounds) -> None:
        """Set the bounds beyond which a world counts as exploded; initially they are those of MuJoCo."""
        ...

    def record_failures(self, recording: Recording) -> None:
        """Keep the last states of each world that diverges or explodes from now on, up to a number of worlds."""
        ...

    def take_failures(self) -> "list[Failure]":
        """Return the failures since the last call; this waits for the device."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the state, the per-world model fields and the force fields."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly."""
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...


def state_format(executor: str, model: mujoco.MjModel) -> str:
    """Return the :attr:`Executor.state_format` of an executor for a model."""
    sizes = {name: getattr(model, name) for name in ("nq", "nv", "nu", "nbody", "ngeom", "nsensordata")}
    return " ".join([executor, *(f"{name}={size}" for name, size in sizes.items())])


def load_velocity_limits(executor: Executor, limits: torch.Tensor | None) -> None:
    """Restore the bounds of velocities; None if the saved executor had none."""
    if limits is not None:
        executor.limit_velocities().copy_(limits)
    elif executor.velocity_limits is not None:
        executor.velocity_limits.fill_(torch.inf)


def scalar_joints(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray]:
    """Return addresses of hinge and slide joints in ``qvel`` and in ``qpos``."""
    scalar = np.isin(model.jnt_type, [int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)])
    return model.jnt_dofadr[scalar], model.jnt_qposadr[scalar]
