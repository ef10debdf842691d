"""MuJoCo Warp: all worlds on one GPU, stepped by replaying CUDA graphs, with torch tensors that alias Warp's arrays.

It also runs on Warp's CPU device with one thread, which tests use on machines without a GPU.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp

# There is no public function for the inertia of tendons.
from mujoco_warp._src.smooth import tendon_armature

from oige_core.engines.mujoco.executors import warp_kernels as kernels
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.executors.graphs import Graphs
from oige_core.engines.mujoco.executors.mass_matrix import MassMatrix
from oige_core.engines.mujoco.executors.ordering import ContactOrder
from oige_core.engines.mujoco.executors.probe import probe_buffers
from oige_core.engines.mujoco.executors.protocol import (
    FORCE_FIELDS,
    REFRESHED_FIELDS,
    STATE_FIELDS,
    load_velocity_limits,
    scalar_joints,
    state_format,
)
from oige_core.engines.mujoco.executors.warp_failures import WarpFailures
from oige_core.engines.mujoco.executors.world_fields import WorldFields, owner_of
from oige_core.engines.mujoco.failures.failure import Failure
from oige_core.errors import CapabilityError, ConfigError
from oige_core.kernel_launch import launch
from oige_core.modes import plain_tensors
from oige_core.problems import ProblemCounts, Recording
from oige_core.selections import is_mask
from oige_core.torch_graphs import TorchGraphs

__all__ = ["ALL_BITS", "WarpExecutor"]

_KINEMATIC_FIELDS = frozenset({"xanchor", "xaxis", "xipos", "xmat", "xpos", "xquat"})
_FORCE_BALANCE_FIELDS = frozenset({"qfrc_bias", "qfrc_gravcomp", "qfrc_passive", "ten_velocity"})
_TENDON_FIELDS = _FORCE_BALANCE_FIELDS | {"M", "ten_length"}  # depend on tendons

# MuJoCo Warp's overflow bits by kind of problem. Its solver-iteration bits are not a problem: the C engine also stops
# at the limit and continues.
_OVERFLOWS: dict[str, mjw.OverflowType] = {
    "contacts_overflow": mjw.OverflowType.BROADPHASE | mjw.OverflowType.NARROWPHASE | mjw.OverflowType.CCD,
    "constraints_overflow": mjw.OverflowType.NEFC | mjw.OverflowType.NJMAX_NNZ,
    "height_field_overflow": mjw.OverflowType.HFIELD,
    "contact_sensor_overflow": mjw.OverflowType.CONTACT_MATCH,
    "convex_collision_overflow": mjw.OverflowType.EPA_HORIZON,
}


# Fields that a reset restores. MuJoCo Warp's activations are not in the protocol, but part of the state.
_STATE = (*sorted(STATE_FIELDS), "act")

ALL_BITS = int(mjw.DeterminismType.ALL)
"""Bits with which no sum of MuJoCo Warp varies."""


class WarpExecutor:
    """Worlds of one model on MuJoCo Warp.

    Every operation on the device is captured once as a CUDA graph and then replayed on torch's current stream, so torch
    operations before and after it are ordered.

    Args:
        model: the compiled model.
        num_envs: number of worlds.
        device: ``cuda:<index>``, or ``cpu`` for Warp's CPU device.
        max_contacts: maximum contacts per world, pooled over all worlds; 0: determined by :func:`probe_buffers`.
        max_constraints: maximum constraint rows per world; 0: determined by :func:`probe_buffers`.
        deterministic: bits of ``mujoco_warp.DeterminismType``.
        ordered: contacts and constraint rows have an order that does not vary. With all bits, runs repeat themselves
            bit by bit, at many times the time of a step (docs/results/gpu_determinism.md).
        other_models: models with other sizes of the same shapes, for :func:`probe_buffers`.

    Raises:
        CapabilityError: MuJoCo Warp does not support something in the model.
        ConfigError: there is no such device.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        device: str | torch.device = "cuda:0",
        *,
        max_contacts: int = 0,
        max_constraints: int = 0,
        deterministic: int = 0,
        ordered: bool = False,
        other_models: Sequence[mujoco.MjModel] = (),
    ) -> None:
        self.model = model
        self.num_envs = num_envs
        self.device = _checked_device(device)
        self.state_format = state_format("mujoco_warp", model)
        self.problem_counts = ProblemCounts(
            [*_OVERFLOWS, "diverged", "exploded"], num_envs, self.device, in_graphs=True
        )
        self.selects_by_mask = True
        self.velocity_limits: torch.Tensor | None = None
        self.step_reads_joint_state = False
        self.graphs = Graphs(self.device, ordered=ordered)
        self._warp_device = self.graphs.warp_device
        self._fields: dict[str, torch.Tensor] = {}
        self._mass_matrix: MassMatrix | None = None
        self._recorded: WarpFailures | None = None
        loop_constraints = [int(mujoco.mjtEq.mjEQ_CONNECT), int(mujoco.mjtEq.mjEQ_WELD)]
        self._closes_loops = bool(np.isin(model.eq_type, loop_constraints).any())

        probed_contacts, probed_constraints = probe_buffers(model, max_contacts, other_models)
        self.max_contacts = max_contacts or probed_contacts
        self.max_constraints = max_constraints or probed_constraints
        source = _with_dense_jacobians(model) if model.nflex or ordered else model
        with wp.ScopedDevice(self._warp_device):
            try:
                self._model = mjw.put_model(source)
                self._data = mjw.make_data(
                    source,
                    nworld=num_envs,
                    nconmax=self.max_contacts,
                    njmax=self.max_constraints,
                    # The default ignores joint friction that is zero now and may become nonzero later.
                    njmax_nnz=self.max_constraints * model.nv,
                )
            except (NotImplementedError, ValueError) as error:
                raise CapabilityError(f"MuJoCo Warp cannot run this model: {error} Use sim_device=cpu.") from error
            if model.nflex:
                # Contacts of soft bodies name geom −1, in Warp the last one, whose body contact sensors would take.
                self._model.geom_bodyid = wp.array([*model.geom_bodyid, 0], dtype=int)
            self._model.opt.warn_overflow = 0
            self._model.opt.deterministic = deterministic
            if ordered:
                self._model.callback.contactfilter = ContactOrder(self._data).sort
            self._live, self._initial = kernels.State(), kernels.State()
            self._forces = kernels.Forces()
            for name in _STATE:
                array = getattr(self._data, name)
                setattr(self._live, name, array)
                setattr(self._initial, name, wp.clone(array))
            for name in FORCE_FIELDS:
                setattr(self._forces, name, getattr(self._data, name))
            self._chosen = wp.zeros(num_envs, dtype=bool)
            self._world_fields = WorldFields(model, self._model, self._data, self.graphs, self.device)
            self._failures = self._make_failures()
            # The arrays were created on Warp's own stream and are used on torch's.
            wp.synchronize_device()

    def _make_failures(self) -> kernels.Failures:
        counts = self.problem_counts
        failures = kernels.Failures()
        failures.overflow = self._data.overflow
        failures.overflow_bits = wp.array([int(bits) for bits in _OVERFLOWS.values()], dtype=int)
        failures.diverged_row = counts.kinds.index("diverged")
        failures.exploded_row = counts.kinds.index("exploded")
        failures.lost = wp.zeros(self.num_envs, dtype=int)
        failures.counts, failures.failed = wp.from_torch(counts.counts), wp.from_torch(counts.failed)
        self._bounds = bounds = StateBounds(self.model)
        failures.qpos_bounds = wp.array(bounds.qpos, dtype=float)
        failures.qvel_bounds = wp.array(bounds.qvel, dtype=float)
        return failures

    def set_bounds(self, bounds: StateBounds) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._bounds = bounds
        wp.to_torch(self._failures.qpos_bounds).copy_(torch.from_numpy(bounds.qpos))
        wp.to_torch(self._failures.qvel_bounds).copy_(torch.from_numpy(bounds.qvel))

    def field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return self._fields[name] if name in self._fields else self._bind(name)

    @plain_tensors
    def _bind(self, name: str) -> torch.Tensor:
        if name not in STATE_FIELDS | REFRESHED_FIELDS | FORCE_FIELDS:
            raise KeyError(name)
        self._fields[name] = self._tensor(getattr(self._data, name), 9 if name == "xmat" else None)
        if name in REFRESHED_FIELDS:
            self.graphs.forget()
        return self._fields[name]

    def joint_state(self) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return self.field("qpos"), self.field("qvel")

    @plain_tensors
    def mass_matrix(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self._mass_matrix is None:
            self._mass_matrix = MassMatrix(self.model, self.num_envs, self.device)
            self._fields["M"] = self._tensor(self._data.M)
            self.graphs.forget()
        return self._mass_matrix.update(self._fields["M"])

    @plain_tensors
    def model_field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`.

        Raises:
            CapabilityError: MuJoCo Warp has one value of this field for all worlds.
        """
        return self._world_fields.tensor(name)

    @property
    def layout_version(self) -> int:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return self.graphs.version

    def graph_recorder(self) -> TorchGraphs | None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`; Warp's CPU device has none."""
        return TorchGraphs(self.device) if self.device.type == "cuda" else None

    def model_changed(self, names: Iterable[str], worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`.

        Raises:
            CapabilityError: a centre of mass was moved, or principal axes were rotated, for a body whose inertia was
                compiled as diagonal.
        """
        self._world_fields.changed(names, worlds)

    def step(self, n: int, *, refresh: bool) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""

        if self.graphs.recording:
            raise RuntimeError("it steps the engine itself")  # MuJoCo Warp's solver needs a Warp graph
        self.graphs.run(("step", n, refresh), lambda: self._launch_step(n, refresh))

    def step_between(self, n: int, before: Callable[[], None], after: Callable[[], None]) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""

        def work() -> None:
            before()
            self._launch_step(n, refresh=False)
            after()

        self.graphs.run(("step between", n, before, after), work)

    def refresh(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`. All worlds are refreshed."""
        self.graphs.run("refresh", self._refresh)

    @plain_tensors
    def limit_velocities(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self.velocity_limits is None:
            self.velocity_limits = torch.full((self.num_envs, self.model.nv), torch.inf, device=self.device)
            with wp.ScopedDevice(self._warp_device):
                self._scalar_joints = [wp.array(each, dtype=int) for each in scalar_joints(self.model)]
                wp.synchronize_device()
            self.graphs.forget()
        return self.velocity_limits

    @plain_tensors
    def deepest_penetration(self, pairs: np.ndarray | None) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self.graphs.run("contacts", self._find_contacts)
        contact = self._data.contact
        distances, geoms = wp.to_torch(contact.dist), wp.to_torch(contact.geom).to(torch.int64)
        counted = torch.arange(len(distances), device=self.device) < wp.to_torch(self._data.nacon)
        if pairs is not None:
            chosen = torch.as_tensor(pairs, device=self.device)
            if self.model.nflex:
                geoms = torch.where(geoms >= 0, geoms, self.model.ngeom + wp.to_torch(contact.flex))
            first, second = geoms.clamp(0, len(chosen) - 1).unbind(dim=1)  # of unused contacts: any
            counted &= chosen[first, second]
        depths = torch.where(counted, -distances, 0.0).clamp(min=0.0)
        worlds = wp.to_torch(contact.worldid).to(torch.int64).clamp(0, self.num_envs - 1)  # of unused contacts: any
        return torch.zeros(self.num_envs, device=self.device).scatter_reduce(0, worlds, depths, "amax")

    def _find_contacts(self) -> None:
        mjw.fwd_kinematics(self._model, self._data)
        mjw.collision(self._model, self._data)

    def save_initial_state(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        for name in _STATE:
            wp.to_torch(getattr(self._initial, name)).copy_(wp.to_torch(getattr(self._live, name)))

    def initial_field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if name not in STATE_FIELDS:
            raise KeyError(name)
        return wp.to_torch(getattr(self._initial, name))

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if is_mask(worlds):
            launch(
                kernels.restore_chosen, (self.num_envs, kernels.LANES), worlds, self._live, self._initial, self._forces
            )
            return
        chosen = wp.to_torch(self._chosen)
        if worlds is None:
            chosen.fill_(True)
        else:
            chosen.zero_().index_fill_(0, worlds, True)
        self.graphs.run("reset", lambda: self.launch_reset(self._chosen))

    def launch_reset(self, mask: wp.array) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        arguments = [mask, self._live, self._initial, self._forces]
        wp.launch(kernels.restore_chosen, (self.num_envs, kernels.LANES), inputs=arguments)

    def record_failures(self, recording: Recording) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        with wp.ScopedDevice(self._warp_device):
            self._recorded = WarpFailures(recording, self._live, self._failures.lost, _STATE)
        self._world_fields.record_in(self._recorded)

    def take_failures(self) -> list[Failure]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self._recorded is None:
            return []
        limits = None if self.velocity_limits is None else self.velocity_limits.cpu().double().numpy()
        return self._recorded.take(self.model, owner_of, self._bounds, limits)

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return {
            "state": {name: wp.to_torch(getattr(self._live, name)).clone() for name in _STATE},
            "initial": {name: wp.to_torch(getattr(self._initial, name)).clone() for name in _STATE},
            "forces": {name: wp.to_torch(getattr(self._data, name)).clone() for name in sorted(FORCE_FIELDS)},
            **self._world_fields.state_dict(),
            "problems": self.problem_counts.state_dict(),
            "velocity_limits": None if self.velocity_limits is None else self.velocity_limits.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        for name in _STATE:
            wp.to_torch(getattr(self._live, name)).copy_(state["state"][name])
            wp.to_torch(getattr(self._initial, name)).copy_(state["initial"][name])
        for name, values in state["forces"].items():
            wp.to_torch(getattr(self._data, name)).copy_(values)
        self._world_fields.load_state_dict(state)
        self.problem_counts.load_state_dict(state["problems"])
        load_velocity_limits(self, state.get("velocity_limits"))

    def close(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self.graphs.close()
        self._fields.clear()
        self._mass_matrix = None

    def _launch_step(self, n: int, refresh: bool) -> None:
        self._world_fields.launch_update()
        if self._recorded is not None:
            self._recorded.launch_before()
        for _ in range(n):
            if self._closes_loops:
                # MuJoCo Warp uses body velocities in these constraints before it computes them for this step.
                mjw.kinematics(self._model, self._data)
                mjw.com_pos(self._model, self._data)
                mjw.com_vel(self._model, self._data)
            mjw.step(self._model, self._data)
            if self.velocity_limits is not None:
                dofs, positions = self._scalar_joints
                arguments = [dofs, positions, float(self.model.opt.timestep), wp.from_torch(self.velocity_limits)]
                state = [self._data.qpos, self._data.qvel]
                wp.launch(kernels.limit_velocities, (self.num_envs, len(dofs)), inputs=[*arguments, *state])
        arguments = [self._live, self._initial, self._forces, self._failures]
        wp.launch(kernels.contain_failures, self.num_envs, inputs=arguments)
        if self._recorded is not None:
            self._recorded.launch_after(n)
        if refresh:
            self._refresh()

    def _refresh(self) -> None:
        """Compute the requested refreshed fields, without changing results of the acceleration stage."""
        wanted = self._fields.keys() & (REFRESHED_FIELDS | {"M"})
        if not wanted:
            return
        mjw.kinematics(self._model, self._data)
        if wanted <= _KINEMATIC_FIELDS:
            return
        mjw.com_pos(self._model, self._data)
        if wanted & _TENDON_FIELDS:
            mjw.tendon(self._model, self._data)
        if "M" in wanted:
            mjw.crb(self._model, self._data)
            tendon_armature(self._model, self._data)
        if wanted & _FORCE_BALANCE_FIELDS:
            mjw.fwd_velocity(self._model, self._data)
        elif "cvel" in wanted:
            mjw.com_vel(self._model, self._data)

    def _tensor(self, array: Any, last: int | None = None) -> torch.Tensor:
        """Alias an array, with matrices flattened as in MuJoCo."""
        tensor = wp.to_torch(array)
        return tensor if last is None else tensor.view(*array.shape, last)


def _with_dense_jacobians(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return a copy.

    In MuJoCo Warp 4.0, sparse Jacobians of contacts lack the columns of bodies that a soft surface follows, and Warp
    cannot order their rows.
    """
    model = copy.copy(model)
    model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    return model


def _checked_device(device: str | torch.device) -> torch.device:
    """Return the device with its index; raise ConfigError if there is none."""
    device = torch.device(device)
    if device.type == "cpu":
        return device
    count = torch.cuda.device_count() if device.type == "cuda" else 0
    index = device.index or 0
    if index >= count:
        raise ConfigError(f"device {device}: this machine has {count} CUDA devices. Use sim_device=cpu.")
    return torch.device("cuda", index)
