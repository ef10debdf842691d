"""Views on the embedded engine, in torch, on top of either executor."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import mujoco
import numpy as np
import torch

from oige_core.capabilities import require
from oige_core.engines.mujoco.checks import check_numbers, fail, part_numbers, values_of_shape
from oige_core.engines.mujoco.layout import NO_LIMIT, ArticulationLayout, prefixed
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError, OigeError, nearest
from oige_core.math import quat_apply, quat_apply_inverse, quat_to_matrix
from oige_core.math.rotations import rotate_inverse
from oige_core.views import Indices

__all__ = ["MujocoArticulationView", "MujocoRigidView"]

Columns = slice | torch.Tensor

_ROUNDING = 1e-6  # by which the length of a quaternion in single precision may differ from 1


def _columns(addresses: list[int], device: torch.device) -> Columns:
    """Return a slice where addresses are consecutive (an alias, and much faster), else an index tensor."""
    if addresses and addresses == list(range(addresses[0], addresses[0] + len(addresses))):
        return slice(addresses[0], addresses[0] + len(addresses))
    return torch.tensor(addresses, dtype=torch.int64, device=device)


def _float(values: torch.Tensor, clone: bool) -> torch.Tensor:
    """Return values in float32; a copy where that is asked for."""
    if values.dtype == torch.float32 and not clone:
        return values  # asking torch costs as much as an operation
    return values.to(torch.float32, copy=clone)


FEW_RUNS = range(2, 5)  # of neighbouring columns; so many are read sooner run by run than all between them


class _Part:
    """Some columns of a live tensor ``(num_envs, k)``, whose address is fixed.

    Columns that fill a range in any order are read and written as this range, which on the CPU is much faster than to
    write them one by one; a few runs of neighbours with others between them are read as slices.

    Args:
        values: the tensor.
        columns: the columns; a tensor ``(m,)`` of them is not looked into.
    """

    def __init__(self, values: torch.Tensor, columns: list[int] | torch.Tensor) -> None:
        self._values = values
        self._columns: torch.Tensor | None = None  # None: all, in order
        self._inverse: torch.Tensor | None = None
        self._runs: list[torch.Tensor] = []
        if isinstance(columns, torch.Tensor):
            self._columns = columns
            return
        starts = [i for i, column in enumerate(columns) if i == 0 or column != columns[i - 1] + 1]
        if len(starts) in FEW_RUNS:
            ends = [*starts[1:], len(columns)]
            runs = [(columns[start], end - start) for start, end in zip(starts, ends, strict=True)]
            self._runs = [values[:, first : first + length] for first, length in runs]
        first, count = min(columns, default=0), len(columns)
        self._values = values[:, first : max(columns, default=-1) + 1]
        offsets = torch.tensor(columns, dtype=torch.int64) - first
        if not torch.equal(offsets, torch.arange(count)):
            self._columns = offsets.to(values.device)
            if torch.equal(offsets.sort().values, torch.arange(count)):
                self._inverse = offsets.argsort().to(values.device)

    def read(self, worlds: torch.Tensor | None, clone: bool) -> torch.Tensor:
        """Return the columns of these worlds, float32."""
        if self._runs and worlds is None:
            return _float(torch.cat(self._runs, dim=1), clone=False)
        values = self._values if worlds is None else self._values.index_select(0, worlds)
        if self._columns is None:
            return _float(values, clone and worlds is None)
        return _float(values, clone=False).index_select(1, self._columns)  # gathering float64 is slow

    def write(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set the columns of these worlds."""
        target = self._values
        values = torch.as_tensor(values, device=target.device)
        if self._columns is not None:
            if self._inverse is None:
                rows = slice(None) if worlds is None else worlds[:, None]
                target[rows, self._columns] = values.to(target.dtype)
                return
            if values.ndim and values.shape[-1] > 1:
                values = values.index_select(-1, self._inverse)
        if worlds is None:
            target.copy_(values)
        else:
            shape = (worlds.shape[0], *target.shape[1:])
            if values.shape != shape:
                values = values.expand(shape)
            target.index_copy_(0, worlds, values.to(target.dtype))


class _Joints:
    """A live tensor ``(num_envs, k)`` in which the joints, or links, of an articulation have columns.

    Args:
        values: the tensor; its address is fixed.
        columns: those of each joint, as many for one as for another; none for joints that have no columns.
    """

    def __init__(self, values: torch.Tensor, columns: list[list[int]]) -> None:
        self._values = values
        self._columns = columns
        self._complete = all(columns)
        self._everything = _Part(values, [column for own in columns for column in own])
        self._parts: dict[tuple[int, ...], _Part] = {}

    def of(self, joint_indices: Indices) -> _Part:
        """Return the columns of these joints; of all if None.

        Raises:
            KeyError: a joint has none; its number.
            OigeError: there is no such joint.
        """
        if joint_indices is None:
            if self._complete:
                return self._everything
            joint_indices = range(len(self._columns))
        if isinstance(joint_indices, torch.Tensor):
            if joint_indices.device.type == "cuda" and self._complete:  # not to be waited for
                columns = torch.tensor(self._columns, device=self._values.device)
                return _Part(self._values, columns[joint_indices].flatten())
            joint_indices = joint_indices.tolist()
        try:
            return self._parts[tuple(joint_indices)]
        except (KeyError, TypeError):
            joints = part_numbers(joint_indices, len(self._columns), "joint_indices")
        for joint in joints:
            if not self._columns[joint]:
                raise KeyError(joint)
        columns = [column for joint in joints for column in self._columns[joint]]
        self._parts[joints] = _Part(self._values, columns)
        return self._parts[joints]


class _FreeJoint:
    """Pose and velocity of a body with a free joint, straight from the state.

    MuJoCo keeps the linear velocity in the world frame and the angular velocity in the body frame.
    """

    def __init__(self, worlds: Worlds, qpos: int, dof: int) -> None:
        self._worlds = worlds
        self._qpos = worlds.executor.field("qpos")[:, qpos : qpos + 7]
        self._qvel = worlds.executor.field("qvel")[:, dof : dof + 6]
        positions, velocities = worlds.executor.joint_state()
        self._position, self._orientation = positions[:, qpos : qpos + 3], positions[:, qpos + 3 : qpos + 7]
        self._real, self._axis = positions[:, qpos + 3 : qpos + 4], positions[:, qpos + 4 : qpos + 7]
        self._linear, self._angular = velocities[:, dof : dof + 3], velocities[:, dof + 3 : dof + 6]

    def _read(self, values: torch.Tensor, worlds: torch.Tensor | None, clone: bool) -> torch.Tensor:
        self._worlds.update_joint_state()
        if worlds is not None:
            return values.index_select(0, worlds)
        return values.clone() if clone else values

    def poses(self, worlds: torch.Tensor | None, clone: bool) -> tuple[torch.Tensor, torch.Tensor]:
        return self._read(self._position, worlds, clone), self._read(self._orientation, worlds, clone)

    def set_poses(
        self, positions: torch.Tensor | None, orientations: torch.Tensor | None, worlds: torch.Tensor | None
    ) -> None:
        rows = slice(None) if worlds is None else worlds
        if orientations is not None:
            # The world angular velocity stays when the body is turned.
            angular = self.angular_velocities(worlds)
            self._qpos[rows, 3:] = orientations.to(self._qpos.dtype)
            self._qvel[rows, 3:] = quat_apply_inverse(orientations.to(angular), angular).to(self._qvel.dtype)
        if positions is not None:
            self._qpos[rows, :3] = positions.to(self._qpos.dtype)

    def velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        return torch.cat((self.linear_velocities(worlds, clone=False), self.angular_velocities(worlds)), dim=-1)

    def linear_velocities(self, worlds: torch.Tensor | None, clone: bool) -> torch.Tensor:
        return self._read(self._linear, worlds, clone)

    def angular_velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        orientation = self._read(self._orientation, worlds, clone=False)
        return quat_apply(orientation, self._read(self._angular, worlds, clone=False))

    def body_frame_velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        self._worlds.update_joint_state()
        parts = (self._real, self._axis, self._linear, self._angular)
        if worlds is not None:
            parts = tuple(part.index_select(0, worlds) for part in parts)
        real, axis, linear, angular = parts
        return torch.cat((rotate_inverse(real, axis, linear), angular), dim=-1)

    def set_linear_velocities(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        self._qvel[slice(None) if worlds is None else worlds, :3] = values.to(self._qvel.dtype)

    def set_angular_velocities(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        rows = slice(None) if worlds is None else worlds
        orientations = self._qpos[rows, 3:]
        self._qvel[rows, 3:] = quat_apply_inverse(orientations, values.to(orientations.dtype))


class _View:
    """What both kinds of view share: indexing, bodies and their model fields, and the frame of a body.

    The frame is that of the rigid body, or of each link viewed, or of an articulation's root.
    """

    def __init__(self, name: str, num_envs: int) -> None:
        self.name = name
        self.count = num_envs

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") and "_worlds" not in self.__dict__:
                raise OigeError(f"'{self.name}': views can be used after set_up_scene, not in it.")
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")

    def _bind(self, worlds: Worlds, body_ids: list[int], frames: list[int]) -> None:
        """Remember the bodies, and those whose frames the view gives."""
        model, device = worlds.compiled.model, worlds.device
        self._worlds = worlds
        self._body_ids = body_ids
        self._bodies = _columns(body_ids, device)
        self._frames = _columns(frames, device)
        self._single = len(frames) == 1
        self._tree = int(model.body_rootid[body_ids[0]])
        joint = int(model.body_jntadr[frames[0]])
        self._free: _FreeJoint | None = None
        if self._single and joint >= 0 and model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            self._free = _FreeJoint(worlds, int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint]))

    def _index(self, indices: Indices) -> torch.Tensor | None:
        return self._worlds.world_indices(indices)

    def _values(
        self, what: str, values: Any, worlds: torch.Tensor | None, *shape: int, column: bool = False
    ) -> torch.Tensor:
        """Return values of worlds as a tensor ``(n, *shape)``; ``column``: a world's one stands for its joints."""
        n = self.count if worlds is None else worlds.shape[0]
        return values_of_shape(what, values, (n, *shape), self._worlds.device, column=column)

    def _orientations(self, values: Any, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return quaternions ``(n, 4)`` of length 1, as velocities are turned by them; those of length 0 become NaN."""
        values = self._values("orientations", values, worlds, 4)
        values = values if values.is_floating_point() else values.to(torch.float32)
        lengths = torch.linalg.vector_norm(values, dim=-1, keepdim=True)
        if values.device.type == "cpu" and bool((lengths == 0.0).any()):
            fail("orientations hold a quaternion of zeros: expected w, x, y, z of length 1.")
        return torch.where((lengths - 1.0).abs() < _ROUNDING, values, values / lengths)

    def _properties(
        self,
        what: str,
        values: Any,
        worlds: torch.Tensor | None,
        *shape: int,
        low: float = -math.inf,
        infinite: bool = False,
        column: bool = False,
    ) -> torch.Tensor:
        """Return values that last as a tensor ``(n, *shape)``; on the CPU their range is checked, too."""
        values = self._values(what, values, worlds, *shape, column=column)
        check_numbers(what, values, low=low, infinite=infinite)
        return values

    def _squeeze(self, values: torch.Tensor) -> torch.Tensor:
        return values.squeeze(1) if self._single else values

    def _read(
        self, values: torch.Tensor, columns: Columns, worlds: torch.Tensor | None, clone: bool = True
    ) -> torch.Tensor:
        """Return ``values[worlds][:, columns]`` in float32."""
        if worlds is not None:
            values = values.index_select(0, worlds)
        if isinstance(columns, slice):
            return _float(values[:, columns], clone and worlds is None)
        # Several times faster on the CPU than gathering float64.
        return _float(values, clone=False).index_select(1, columns)

    def _write(self, target: torch.Tensor, columns: Columns, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set ``target[worlds][:, columns]``."""
        if worlds is None and isinstance(columns, slice):
            target[:, columns] = values
            return
        values = torch.as_tensor(values, device=target.device).to(target.dtype)
        if worlds is None:
            target[:, columns] = values
        elif isinstance(columns, slice):
            part = target[:, columns]
            part.index_copy_(0, worlds, values.expand(len(worlds), *part.shape[1:]))
        else:
            target[worlds[:, None], columns] = values

    def _read_model(self, name: str, columns: Columns, worlds: torch.Tensor | None) -> torch.Tensor:
        return self._read(self._worlds.model_values(name), columns, worlds)

    def _write_model(self, names: dict[str, torch.Tensor], columns: Columns, worlds: torch.Tensor | None) -> None:
        """Write model fields and what follows from them."""
        for name, values in names.items():
            self._write(self._worlds.own_model_field(name), columns, values, worlds)
        self._worlds.model_changed(names, worlds)

    # Bodies; ``columns`` picks body ids

    def _body_inertias(self, columns: Columns, worlds: torch.Tensor | None) -> torch.Tensor:
        moments = self._read_model("body_inertia", columns, worlds)
        axes = quat_to_matrix(self._read_model("body_iquat", columns, worlds))
        return (axes * moments.unsqueeze(-2) @ axes.transpose(-1, -2)).flatten(-2)

    def _set_body_inertias(self, values: torch.Tensor, columns: Columns, worlds: torch.Tensor | None) -> None:
        matrices = values.reshape(*values.shape[:-1], 3, 3).double()
        if not torch.allclose(matrices, matrices.transpose(-1, -2), rtol=1e-4, atol=1e-9):
            raise OigeError(f"inertias of '{self.name}': expected symmetric matrices.")
        moments, axes = torch.linalg.eigh(matrices)
        if not bool((moments > 0).all()):
            raise OigeError(f"inertias of '{self.name}': expected positive definite matrices.")
        axes = axes * torch.linalg.det(axes).sign()[..., None, None]  # a rotation, not a reflection
        self._write_model({"body_inertia": moments, "body_iquat": _matrix_to_quat(axes)}, columns, worlds)

    def _gravity_disabled(self, columns: Columns, worlds: torch.Tensor | None) -> torch.Tensor:
        return self._read_model("body_gravcomp", columns, worlds) > 0.5

    def _set_gravity_disabled(self, values: torch.Tensor, columns: Columns, worlds: torch.Tensor | None) -> None:
        if not all(self._worlds.compiled.model.body_gravcomp[body] > 0 for body in self._body_ids):
            raise CapabilityError(
                f"'{self.name}': gravity cannot be switched; add it to the scene with disable_gravity=False (or True)."
            )
        self._write_model({"body_gravcomp": values.to(torch.float32)}, columns, worlds)

    # Frames

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :mod:`oige_core.views`."""
        worlds = self._index(indices)
        if self._free is not None:
            return self._free.poses(worlds, clone)
        return (
            self._squeeze(self._read(self._worlds.fresh("xpos"), self._frames, worlds, clone)),
            self._squeeze(self._read(self._worlds.fresh("xquat"), self._frames, worlds, clone)),
        )

    def get_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        worlds = self._index(indices)
        if self._free is not None:
            return self._free.velocities(worlds)
        # MuJoCo gives velocities about the centre of mass of the whole tree.
        velocity = self._read(self._worlds.fresh("cvel"), self._frames, worlds, clone=False)
        arm = self._read(self._worlds.fresh("xpos"), self._frames, worlds, clone=False) - self._tree_centre(worlds)
        angular, linear = velocity[..., :3], velocity[..., 3:]
        return self._squeeze(torch.cat((linear + torch.linalg.cross(angular, arm), angular), dim=-1))

    def get_linear_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        if self._free is not None:
            return self._free.linear_velocities(self._index(indices), clone)
        return self.get_velocities(indices)[..., :3]

    def get_angular_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        if self._free is not None:
            return self._free.angular_velocities(self._index(indices))
        return self.get_velocities(indices)[..., 3:]

    def get_body_frame_velocities(self, indices: Indices = None) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        if self._free is not None:
            return self._free.body_frame_velocities(self._index(indices))
        orientations = self.get_world_poses(indices, clone=False)[1].unsqueeze(-2)
        velocities = self.get_velocities(indices, clone=False).unflatten(-1, (2, 3))
        return quat_apply_inverse(orientations, velocities).flatten(-2)

    def set_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        worlds, free = self._index(indices), self._moving()
        velocities = self._values("velocities", velocities, worlds, 6)
        free.set_linear_velocities(velocities[:, :3], worlds)
        free.set_angular_velocities(velocities[:, 3:], worlds)
        self._worlds.mark_stale(worlds)

    def set_linear_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        worlds, free = self._index(indices), self._moving()
        free.set_linear_velocities(self._values("velocities", velocities, worlds, 3), worlds)
        self._worlds.mark_stale(worlds)

    def set_angular_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        worlds, free = self._index(indices), self._moving()
        free.set_angular_velocities(self._values("velocities", velocities, worlds, 3), worlds)
        self._worlds.mark_stale(worlds)

    def _moving(self) -> _FreeJoint:
        if self._free is None:
            raise CapabilityError(f"'{self.name}': only free bodies and floating roots have a velocity to set.")
        return self._free

    def _tree_centre(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Centres of mass ``(n, 1, 3)`` of the tree to which the bodies belong."""
        column = slice(self._tree, self._tree + 1)
        return self._read(self._worlds.fresh("subtree_com"), column, worlds, clone=False)


class MujocoRigidView(_View):
    """Rigid bodies, or links of an articulation; see :class:`~oige_core.views.RigidPrimView`."""

    def bind(self, worlds: Worlds) -> None:
        """Find the bodies in the built model."""
        compiled, model = worlds.compiled, worlds.compiled.model
        bodies = compiled.bodies[self.name]
        self._bind(worlds, bodies, bodies)
        self._mocap = int(model.body_mocapid[bodies[0]])
        sensors = compiled.contact_sensors
        self._contacts: _Part | None = None
        if all(body in sensors for body in bodies):
            addresses = [sensors[body] + axis for body in bodies for axis in range(3)]
            self._contacts = _Part(worlds.force("sensordata"), addresses)
        # The geoms of all bodies, and for each the index of its body.
        owners = [(geom, i) for i, body in enumerate(bodies) for geom in np.flatnonzero(model.geom_bodyid == body)]
        self._geoms = torch.tensor([geom for geom, _ in owners], dtype=torch.int64, device=worlds.device)
        self._geom_bodies = torch.tensor([i for _, i in owners], dtype=torch.int64, device=worlds.device)

    def reset(self, env_ids: torch.Tensor | None) -> None:
        """The executor has restored everything."""

    def state_dict(self) -> dict[str, Any]:
        """Rigid bodies keep nothing beside the executor."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rigid bodies keep nothing beside the executor."""

    def _of_bodies(self, what: str, values: Any, worlds: torch.Tensor | None, *shape: int) -> torch.Tensor:
        """Return values ``(n, *shape)``, of several links ``(n, b, *shape)``, as ``(n, b, *shape)`` in float32."""
        if self._single:
            return self._values(what, values, worlds, *shape).to(torch.float32).unsqueeze(1)
        return self._values(what, values, worlds, len(self._body_ids), *shape).to(torch.float32)

    def _properties_of_bodies(
        self, what: str, values: Any, worlds: torch.Tensor | None, *shape: int, low: float = -math.inf
    ) -> torch.Tensor:
        values = self._of_bodies(what, values, worlds, *shape)
        check_numbers(what, values, low=low)
        return values

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.RigidPrimView`."""
        if self._mocap < 0:
            return super().get_world_poses(indices, clone)
        executor, worlds, column = self._worlds.executor, self._index(indices), slice(self._mocap, self._mocap + 1)
        return (
            self._read(executor.field("mocap_pos"), column, worlds, clone).squeeze(1),
            self._read(executor.field("mocap_quat"), column, worlds, clone).squeeze(1),
        )

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        if self._free is None and self._mocap < 0:
            raise CapabilityError(f"'{self.name}': links are moved by their joints; set joint positions instead.")
        if positions is not None:
            positions = self._values("positions", positions, worlds, 3)
        if orientations is not None:
            orientations = self._orientations(orientations, worlds)
        if self._free is not None:
            self._free.set_poses(positions, orientations, worlds)
        else:
            executor, column = self._worlds.executor, slice(self._mocap, self._mocap + 1)
            for name, values in (("mocap_pos", positions), ("mocap_quat", orientations)):
                if values is not None:
                    check_numbers("poses", values)  # which would be no error of physics
                    self._write(executor.field(name), column, values.unsqueeze(-2), worlds)
        self._worlds.mark_stale(worlds)

    def apply_forces(self, forces: torch.Tensor, indices: Indices = None, is_global: bool = True) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self.apply_forces_and_torques_at_pos(forces=forces, indices=indices, is_global=is_global)

    def apply_forces_and_torques_at_pos(
        self,
        forces: torch.Tensor | None = None,
        torques: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        indices: Indices = None,
        is_global: bool = True,
    ) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        force = None if forces is None else self._of_bodies("forces", forces, worlds, 3)
        torque = None if torques is None else self._of_bodies("torques", torques, worlds, 3)
        point = None if positions is None else self._of_bodies("positions", positions, worlds, 3)
        if not is_global:
            orientation = self._read(self._worlds.fresh("xquat"), self._bodies, worlds, clone=False)
            force = None if force is None else quat_apply(orientation, force)
            torque = None if torque is None else quat_apply(orientation, torque)
            if point is not None:
                point = quat_apply(orientation, point) + self._read(
                    self._worlds.fresh("xpos"), self._bodies, worlds, clone=False
                )
        if force is not None and point is not None:
            centre = self._read(self._worlds.fresh("xipos"), self._bodies, worlds, clone=False)
            moment = torch.linalg.cross(point - centre, force)
            torque = moment if torque is None else torque + moment
        applied = self._worlds.executor.field("xfrc_applied")
        for columns, values in ((slice(0, 3), force), (slice(3, 6), torque)):
            if values is not None:
                part = applied[:, :, columns]
                total = self._read(part, self._bodies, worlds, clone=False) + values
                self._write(part, self._bodies, total, worlds)
        self._worlds.mark_wrenches()

    def get_net_contact_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        if self._contacts is None:
            raise CapabilityError(
                f"'{self.name}': contact forces are not measured; add it to the scene with track_contact_forces=True."
            )
        # The sensor has the force that the body exerts.
        values = self._contacts.read(self._index(indices), clone=False)
        return self._squeeze(-values.view(values.shape[0], -1, 3))

    def get_masses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._read_model("body_mass", self._bodies, self._index(indices)))

    def set_masses(self, masses: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        masses = self._properties_of_bodies("masses", masses, worlds, low=0.0)
        self._write_model({"body_mass": masses}, self._bodies, worlds)

    def get_inertias(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._body_inertias(self._bodies, self._index(indices)))

    def set_inertias(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        self._set_body_inertias(self._properties_of_bodies("values", values, worlds, 9), self._bodies, worlds)

    def get_coms(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._read_model("body_ipos", self._bodies, self._index(indices)))

    def set_coms(self, positions: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        positions = self._properties_of_bodies("positions", positions, worlds, 3)
        self._write_model({"body_ipos": positions}, self._bodies, worlds)

    def get_material_properties(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        first = torch.searchsorted(self._geom_bodies, torch.arange(len(self._body_ids), device=self._worlds.device))
        friction = self._squeeze(self._read_model("geom_friction", self._geoms[first], self._index(indices))[..., 0])
        return torch.stack((friction, friction, torch.zeros_like(friction)), dim=-1)

    def set_material_properties(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`. MuJoCo has one coefficient of friction, and no restitution."""
        worlds = self._index(indices)
        values = self._properties_of_bodies("values", values, worlds, 3, low=0.0)
        if bool((values[..., 2] != 0).any()):
            require(self._worlds.engine, "restitution", f"'{self.name}'", "Set it to 0.")
        if bool((values[..., 0] != values[..., 1]).any()):
            require(self._worlds.engine, "static_friction", f"'{self.name}'", "Set both to one value.")
        friction = self._read_model("geom_friction", self._geoms, worlds)
        friction[..., 0] = values[..., 1][:, self._geom_bodies]
        self._write_model({"geom_friction": friction}, self._geoms, worlds)

    def enable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._set_gravity_disabled(torch.tensor(0.0, device=self._worlds.device), self._bodies, self._index(indices))

    def disable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._set_gravity_disabled(torch.tensor(1.0, device=self._worlds.device), self._bodies, self._index(indices))


class MujocoArticulationView(_View):
    """An articulation; see :class:`~oige_core.views.ArticulationView`."""

    def bind(self, worlds: Worlds) -> None:
        """Find the joints and links in the built model."""
        self._layout: ArticulationLayout = worlds.compiled.articulations[self.name]
        layout, executor, device = self._layout, worlds.executor, worlds.device
        self._bind(worlds, layout.body_ids, layout.body_ids[:1])
        positions, velocities = executor.joint_state()
        qpos, dofs, actuators = ([[i] for i in ids] for ids in (layout.qpos, layout.dofs, layout.actuators))
        self._positions, self._velocities = _Joints(positions, qpos), _Joints(velocities, dofs)
        self._qpos, self._qvel = _Joints(executor.field("qpos"), qpos), _Joints(executor.field("qvel"), dofs)
        self._ctrl = _Joints(executor.field("ctrl"), actuators)
        self._q = _columns(layout.qpos, device)
        self._d = _columns(layout.dofs, device)
        self._u = _columns(layout.actuators, device)
        motion = [layout.root_dof + axis for axis in range(6)] if layout.floating else []
        self._motion = torch.tensor([*motion, *layout.dofs], dtype=torch.int64, device=device)
        # Whether a motion moves a link.
        moves = torch.from_numpy(layout.subtrees[layout.joint_links].T).to(device)
        self._moves = torch.cat((moves.new_ones(self.num_bodies, len(motion)), moves), dim=1)
        self._root_moved = False
        self._effort_bounds: tuple[torch.Tensor, torch.Tensor] | None = None  # of all joints, once asked for
        self._tendons = torch.tensor(layout.tendon_ids, dtype=torch.int64, device=device)
        self._wrenches: _Joints | None = None
        if layout.force_sensors:
            sensors = [layout.force_sensors.get(link, ()) for link in range(self.num_bodies)]
            columns = [[address + axis for address in pair for axis in range(3)] for pair in sensors]
            self._wrenches = _Joints(worlds.force("sensordata"), columns)
        self._default_gains = torch.tensor(
            [[drive.stiffness for drive in layout.drives], [drive.damping for drive in layout.drives]], device=device
        )
        shape = (worlds.num_envs, self.num_dof)
        self._gains = [row.expand(shape).clone() for row in self._default_gains]
        # Without gains ``ctrl`` is the effort, and nothing else need be kept.
        self._driven = bool((self._default_gains != 0).any())
        self._targets = torch.zeros(3, *shape, device=device)  # position, velocity, effort
        self._targets[0] = self._qpos.of(None).read(None, clone=False)
        self._initial_targets = self._targets.clone()
        self._target_joints = [_Joints(targets, [[i] for i in range(self.num_dof)]) for targets in self._targets]
        if self._driven:
            self._update_ctrl()

    # Names

    @property
    def num_dof(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._layout.dof_names)

    @property
    def num_bodies(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._layout.body_names)

    @property
    def num_fixed_tendons(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._layout.tendon_ids)

    @property
    def dof_names(self) -> list[str]:
        """See :class:`~oige_core.views.ArticulationView`."""
        return list(self._layout.dof_names)

    @property
    def body_names(self) -> list[str]:
        """See :class:`~oige_core.views.ArticulationView`."""
        return list(self._layout.body_names)

    def get_dof_index(self, dof_name: str) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._named(dof_name, self._layout.dof_names, "joint")

    def get_link_index(self, link_name: str) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._named(link_name, self._layout.body_names, "link")

    def _named(self, name: str, names: list[str], kind: str) -> int:
        if name not in names:
            raise OigeError(f"{kind} '{name}' of '{self.name}': unknown. {nearest(name, names)}")
        return names.index(name)

    # Joint state

    def _joint_columns(
        self, addresses: list[int], everything: Columns, joint_indices: Indices, what: str = "joint_indices"
    ) -> Columns:
        if joint_indices is None:
            return everything
        if isinstance(joint_indices, torch.Tensor) and joint_indices.device.type == "cuda":  # not to be waited for
            return torch.tensor(addresses, device=self._worlds.device)[joint_indices]
        joints = part_numbers(joint_indices, len(addresses), what)
        return _columns([addresses[joint] for joint in joints], self._worlds.device)

    def _joint_count(self, joint_indices: Indices) -> int:
        return self.num_dof if joint_indices is None else len(joint_indices)

    def get_joint_positions(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints = self._positions.of(joint_indices)
        self._worlds.update_joint_state()
        return joints.read(self._index(indices), clone)

    def set_joint_positions(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._qpos.of(joint_indices)
        joints.write(
            self._values("positions", positions, worlds, self._joint_count(joint_indices), column=True), worlds
        )
        self._worlds.mark_stale(worlds)

    def get_joint_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints = self._velocities.of(joint_indices)
        self._worlds.update_joint_state()
        return joints.read(self._index(indices), clone)

    def set_joint_velocities(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._qvel.of(joint_indices)
        joints.write(
            self._values("velocities", velocities, worlds, self._joint_count(joint_indices), column=True), worlds
        )
        self._worlds.mark_stale(worlds)

    def set_joints_default_state(
        self, positions: torch.Tensor | None = None, velocities: torch.Tensor | None = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if positions is not None:
            positions = self._properties("positions", positions, None, self.num_dof)
        if velocities is not None:
            velocities = self._properties("velocities", velocities, None, self.num_dof)
        self._worlds.set_initial_joint_state(self._q, self._d, positions, velocities)
        if positions is not None:
            self._initial_targets[0] = positions
            self._update_initial_ctrl()

    # Drives

    def set_joint_position_targets(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_target(0, positions, indices, joint_indices)

    def set_joint_velocity_targets(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_target(1, velocities, indices, joint_indices)

    def set_joint_efforts(self, efforts: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_target(2, efforts, indices, joint_indices)

    def get_applied_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        efforts = self._target_joints[2] if self._driven else self._ctrl
        return efforts.of(joint_indices).read(self._index(indices), clone)

    def get_measured_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        effort = self.get_applied_joint_efforts(clone=False)
        if self._driven:
            position, velocity = self.get_joint_positions(clone=False), self.get_joint_velocities(clone=False)
            effort = torch.addcmul(effort, self._gains[0], self._targets[0] - position)
            effort = torch.addcmul(effort, self._gains[1], self._targets[1] - velocity)
        if self._effort_bounds is None:
            bounds = self.get_max_efforts()
            self._effort_bounds = (-bounds, bounds)
        effort = torch.clamp(effort, *self._effort_bounds)
        return self._read(effort, self._own_columns(joint_indices), self._index(indices), clone)

    def get_gains(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.ArticulationView`."""
        columns, worlds = self._own_columns(joint_indices), self._index(indices)
        return self._read(self._gains[0], columns, worlds, clone), self._read(self._gains[1], columns, worlds, clone)

    def set_gains(
        self,
        kps: torch.Tensor | None = None,
        kds: torch.Tensor | None = None,
        indices: Indices = None,
        joint_indices: Indices = None,
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        columns, worlds = self._own_columns(joint_indices), self._index(indices)
        given: list[torch.Tensor | None] = []
        for what, values in (("kps", kps), ("kds", kds)):
            if values is not None:
                values = self._properties(what, values, worlds, self._joint_count(joint_indices), low=0.0, column=True)
            given.append(values)
        for gains, values in zip(self._gains, given, strict=True):
            if values is not None:
                self._write(gains, columns, values, worlds)
        self._keep_targets()
        bias = self._worlds.own_model_field("actuator_biasprm")
        for column, gains in enumerate(self._gains, start=1):
            bias[:, self._u, column] = -gains.to(bias.dtype)
        self._worlds.model_changed(["actuator_biasprm"], worlds)
        self._update_ctrl()
        self._update_initial_ctrl()

    def switch_control_mode(
        self, mode: Literal["position", "velocity", "effort"], joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if mode not in ("position", "velocity", "effort"):
            raise OigeError(f"control mode '{mode}': expected position, velocity or effort.")
        columns = self._own_columns(joint_indices)
        stiffness, damping = (row[columns].expand(self.count, -1) for row in self._default_gains)
        zero = torch.zeros_like(stiffness)
        self.set_gains(
            stiffness if mode == "position" else zero,
            zero if mode == "effort" else damping,
            joint_indices=joint_indices,
        )

    def get_max_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        columns = self._joint_columns(self._layout.actuators, self._u, joint_indices)
        bounds = self._read_model("actuator_forcerange", columns, self._index(indices))[..., 1]
        return torch.where(bounds >= 0.5 * NO_LIMIT, torch.inf, bounds)

    def set_max_efforts(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        columns = self._joint_columns(self._layout.actuators, self._u, joint_indices)
        worlds = self._index(indices)
        values = self._properties(
            "values", values, worlds, self._joint_count(joint_indices), low=0.0, infinite=True, column=True
        )
        bounds = values.clamp(0.0, NO_LIMIT)
        self._effort_bounds = None
        self._write_model({"actuator_forcerange": torch.stack((-bounds, bounds), -1)}, columns, worlds)

    def reset(self, env_ids: torch.Tensor | None) -> None:
        """Restore the initial targets, and the pose of a fixed root; the executor has restored the rest."""
        if self._driven:
            if env_ids is None:
                self._targets.copy_(self._initial_targets)
            else:
                self._targets.index_copy_(1, env_ids, self._initial_targets.index_select(1, env_ids))
        if self._root_moved:
            model, root = self._worlds.compiled.model, self._body_ids[0]
            initial = {name: torch.as_tensor(getattr(model, name)[root]) for name in ("body_pos", "body_quat")}
            self._write_model(initial, slice(root, root + 1), env_ids)

    def _own_columns(self, joint_indices: Indices, count: int | None = None) -> Columns:
        """Columns of tensors that hold exactly this articulation's joints, or ``count`` links."""
        if joint_indices is None:
            return slice(None)
        if isinstance(joint_indices, torch.Tensor) and joint_indices.device.type == "cuda":
            return joint_indices.to(torch.int64)
        joints = part_numbers(joint_indices, count or self.num_dof, "joint_indices")
        return torch.tensor(joints, dtype=torch.int64, device=self._worlds.device)

    def _set_target(self, kind: int, values: torch.Tensor, indices: Indices, joint_indices: Indices) -> None:
        worlds, what = self._index(indices), ("positions", "velocities", "efforts")[kind]
        if not self._driven:
            if kind == 2:
                joints = self._ctrl.of(joint_indices)
                joints.write(self._values(what, values, worlds, self._joint_count(joint_indices), column=True), worlds)
                return
            raise OigeError(f"'{self.name}': its drives have no gains, so targets have no effect; set_gains first.")
        joints = self._target_joints[kind].of(joint_indices)
        joints.write(self._values(what, values, worlds, self._joint_count(joint_indices), column=True), worlds)
        self._update_ctrl(worlds)

    def _keep_targets(self) -> None:
        """Let ``_targets`` decide ``ctrl``, which without gains is the effort itself."""
        if not self._driven:
            self._driven = True
            self._targets[2] = self._ctrl.of(None).read(None, clone=False)

    def _update_ctrl(self, worlds: torch.Tensor | None = None) -> None:
        """Write ``effort + stiffness · position target + damping · velocity target``; the model has the other terms."""
        targets = self._targets if worlds is None else self._targets.index_select(1, worlds)
        position, velocity, effort = targets.unbind()
        stiffness, damping = self._gains if worlds is None else (gains.index_select(0, worlds) for gains in self._gains)
        pushed = torch.addcmul(effort, stiffness, position)
        self._ctrl.of(None).write(torch.addcmul(pushed, damping, velocity), worlds)

    def _update_initial_ctrl(self) -> None:
        """Let a reset restore the ``ctrl`` of the initial targets under the present gains."""
        position, velocity, effort = self._initial_targets.unbind()
        values = effort + self._gains[0] * position + self._gains[1] * velocity
        self._write(self._worlds.executor.initial_field("ctrl"), self._u, values, None)

    # Joint properties

    def get_dof_limits(self, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._get_limits("jnt", self._layout.joint_ids, None)

    def set_dof_limits(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints, worlds = self._layout.joint_ids, self._index(indices)
        if joint_indices is not None:
            joints = [joints[index] for index in part_numbers(joint_indices, self.num_dof, "joint_indices")]
        self._set_limits(
            "jnt", joints, self._properties("values", values, worlds, len(joints), 2, infinite=True), worlds
        )

    def _get_limits(self, kind: Literal["jnt", "tendon"], ids: list[int], worlds: torch.Tensor | None) -> torch.Tensor:
        limits = self._read_model(f"{kind}_range", _columns(ids, self._worlds.device), worlds)
        limited = torch.from_numpy(getattr(self._worlds.compiled.model, f"{kind}_limited")[ids] > 0)
        unlimited = torch.tensor([-torch.inf, torch.inf], device=self._worlds.device)
        return torch.where(
            limited.to(self._worlds.device)[:, None] & (limits.abs() < 0.5 * NO_LIMIT), limits, unlimited
        )

    def _set_limits(
        self, kind: Literal["jnt", "tendon"], ids: list[int], values: torch.Tensor, worlds: torch.Tensor | None
    ) -> None:
        model = self._worlds.compiled.model
        if values.device.type == "cpu" and bool((values[..., 0] > values[..., 1]).any()):
            fail("limits with a lower one above the upper one: expected [lower, upper].")
        for column, number in enumerate(ids):
            if not getattr(model, f"{kind}_limited")[number] and bool(values[..., column, :].isfinite().any()):
                what, names = ("joint", model.joint) if kind == "jnt" else ("tendon", model.tendon)
                name = names(number).name.removeprefix(prefixed(self.name, ""))
                raise CapabilityError(
                    f"{what} '{name}' of '{self.name}': has no limits to change; give it some in its MJCF."
                )
        bounds = values.clamp(-NO_LIMIT, NO_LIMIT)
        self._write_model({f"{kind}_range": bounds}, _columns(ids, self._worlds.device), worlds)

    def get_friction_coefficients(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._get_dof_property("dof_frictionloss", indices, joint_indices)

    def set_friction_coefficients(
        self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_dof_property("dof_frictionloss", values, indices, joint_indices)

    def get_armatures(self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._get_dof_property("dof_armature", indices, joint_indices)

    def set_armatures(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_dof_property("dof_armature", values, indices, joint_indices)

    def _get_dof_property(self, name: str, indices: Indices, joint_indices: Indices) -> torch.Tensor:
        columns = self._joint_columns(self._layout.dofs, self._d, joint_indices)
        return self._read_model(name, columns, self._index(indices))

    def _set_dof_property(self, name: str, values: torch.Tensor, indices: Indices, joint_indices: Indices) -> None:
        columns, worlds = self._joint_columns(self._layout.dofs, self._d, joint_indices), self._index(indices)
        values = self._properties("values", values, worlds, self._joint_count(joint_indices), low=0.0, column=True)
        self._write_model({name: values}, columns, worlds)

    # Root

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        if positions is not None:
            positions = self._values("positions", positions, worlds, 3)
        if orientations is not None:
            orientations = self._orientations(orientations, worlds)
        if self._free is not None:
            self._free.set_poses(positions, orientations, worlds)
            self._worlds.mark_stale(worlds)
            return
        root = self._body_ids[0]
        fields = {"body_pos": positions, "body_quat": orientations}
        given = {name: values.unsqueeze(-2) for name, values in fields.items() if values is not None}
        for values in given.values():
            check_numbers("poses", values)
        self._write_model(given, slice(root, root + 1), worlds)
        self._root_moved = True

    # Dynamics

    def get_measured_joint_forces(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        if self._wrenches is None:
            raise CapabilityError(
                f"'{self.name}': joint forces are not measured; add it to the scene with track_joint_forces=True."
            )
        worlds = self._index(indices)
        try:
            wrenches = self._wrenches.of(joint_indices)
        except KeyError as error:
            missing, names = self.body_names[error.args[0]], self.body_names
            measured = ", ".join(names[link] for link in self._layout.force_sensors)
            raise CapabilityError(
                f"'{self.name}': joint forces of link '{missing}' are not measured, only those of {measured}; add it "
                "to track_joint_forces."
            ) from None
        values = wrenches.read(worlds, clone)
        values = values.view(values.shape[0], -1, 6)
        if self._worlds.compiled.model.ngravcomp:
            columns = self._own_columns(joint_indices, self.num_bodies)
            values = values - self._read(self._joint_forces_of_compensated_weight(), columns, worlds, clone=False)
        return values

    def _joint_forces_of_compensated_weight(self) -> torch.Tensor:
        """What MuJoCo's force sensors measure too much ``(num_envs, b, 6)`` where gravity does not act on links."""
        force = -self._worlds.get_gravity().unsqueeze(1) * self._compensated_masses(None).unsqueeze(-1)
        moment = torch.linalg.cross(
            self._read(self._worlds.fresh("xipos"), self._bodies, None), force
        )  # about the origin
        subtrees = torch.from_numpy(self._layout.subtrees).to(force)
        force, moment = subtrees @ force, subtrees @ moment
        model = self._worlds.compiled.model
        anchors = [model.jnt_pos[model.body_jntadr[b]] if model.body_jntnum[b] else np.zeros(3) for b in self._body_ids]
        orientation = self._read(self._worlds.fresh("xquat"), self._bodies, None)
        anchor = quat_apply(orientation, torch.as_tensor(np.stack(anchors)).to(force).expand_as(force))
        anchor = anchor + self._read(self._worlds.fresh("xpos"), self._bodies, None)
        moment = moment - torch.linalg.cross(anchor, force)
        return torch.cat((quat_apply_inverse(orientation, force), quat_apply_inverse(orientation, moment)), dim=-1)

    def _compensated_masses(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Masses ``(n, b)`` on which gravity does not act."""
        share = self._read_model("body_gravcomp", self._bodies, worlds)
        return share * self._read_model("body_mass", self._bodies, worlds)

    def get_jacobians(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._jacobians_at("xpos", self._index(indices))

    def _jacobians_at(self, points: str, worlds: torch.Tensor | None) -> torch.Tensor:
        """Jacobians of the links at their origins (``xpos``) or centres of mass (``xipos``)."""
        motion = self._read(self._worlds.fresh("cdof"), self._motion, worlds, clone=False)
        arm = self._read(self._worlds.fresh(points), self._bodies, worlds, clone=False) - self._tree_centre(worlds)
        angular = motion[:, None, :, :3].expand(-1, self.num_bodies, -1, -1)
        linear = motion[:, None, :, 3:] + torch.linalg.cross(angular, arm[:, :, None].expand_as(angular))
        jacobian = torch.cat((linear, angular), dim=-1).transpose(-1, -2)
        return self._in_world_frame(jacobian * self._moves[:, None, :], worlds)

    def _in_world_frame(self, values: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        """Turn the last dimension's entries 3 to 5 from the root's frame, MuJoCo's, to the world frame."""
        if self._free is None:
            return values
        rotation = quat_to_matrix(self._free.poses(worlds, clone=False)[1])
        rotation = rotation.reshape(-1, *[1] * (values.ndim - 2), 3, 3)
        turned = (rotation @ values[..., 3:6].unsqueeze(-1)).squeeze(-1)
        return torch.cat((values[..., :3], turned, values[..., 6:]), dim=-1)

    def get_mass_matrices(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        matrix = self._worlds.fresh_mass_matrix()[:, self._motion][:, :, self._motion]
        matrix = matrix if worlds is None else matrix[worlds]
        half_turned = self._in_world_frame(matrix, worlds)
        return self._in_world_frame(half_turned.transpose(-1, -2), worlds).transpose(-1, -2)

    def get_generalized_gravity_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        return self._gravity_forces(self.get_body_masses(worlds) - self._compensated_masses(worlds), worlds)

    def _gravity_forces(self, masses: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        """Generalised forces that hold masses ``(n, b)`` at the links' centres against gravity."""
        gravity = self._worlds.get_gravity()
        weight = masses.unsqueeze(-1) * (gravity if worlds is None else gravity[worlds]).unsqueeze(1)
        return -(self._jacobians_at("xipos", worlds)[:, :, :3] * weight.unsqueeze(-1)).sum(dim=(1, 2))

    def get_coriolis_and_centrifugal_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        bias = self._read(self._worlds.fresh("qfrc_bias"), self._motion, worlds, clone=False)
        return self._in_world_frame(bias, worlds) - self._gravity_forces(self.get_body_masses(worlds), worlds)

    # Links

    def _link_columns(self, body_indices: Indices) -> Columns:
        return self._joint_columns(self._body_ids, self._bodies, body_indices, "body_indices")

    def _link_count(self, body_indices: Indices) -> int:
        return self.num_bodies if body_indices is None else len(body_indices)

    def get_body_masses(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("body_mass", self._link_columns(body_indices), self._index(indices))

    def set_body_masses(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, columns = self._index(indices), self._link_columns(body_indices)
        values = self._properties("values", values, worlds, self._link_count(body_indices), low=0.0, column=True)
        self._write_model({"body_mass": values}, columns, worlds)

    def get_body_inertias(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._body_inertias(self._link_columns(body_indices), self._index(indices))

    def set_body_inertias(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, columns = self._index(indices), self._link_columns(body_indices)
        values = self._properties("values", values, worlds, self._link_count(body_indices), 9)
        self._set_body_inertias(values, columns, worlds)

    def get_body_coms(self, indices: Indices = None, body_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("body_ipos", self._link_columns(body_indices), self._index(indices))

    def set_body_coms(self, positions: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, columns = self._index(indices), self._link_columns(body_indices)
        positions = self._properties("positions", positions, worlds, self._link_count(body_indices), 3)
        self._write_model({"body_ipos": positions}, columns, worlds)

    def get_body_disable_gravity(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._gravity_disabled(self._link_columns(body_indices), self._index(indices))

    def set_body_disable_gravity(
        self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, columns = self._index(indices), self._link_columns(body_indices)
        self._set_gravity_disabled(
            self._values("values", values, worlds, self._link_count(body_indices), column=True), columns, worlds
        )

    # Fixed tendons

    def get_fixed_tendon_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("tendon_stiffness", self._tendons, self._index(indices))

    def get_fixed_tendon_dampings(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("tendon_damping", self._tendons, self._index(indices))

    def get_fixed_tendon_limits(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._get_limits("tendon", self._layout.tendon_ids, self._index(indices))

    def get_fixed_tendon_rest_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("tendon_lengthspring", self._tendons, self._index(indices))[..., 0]

    def set_fixed_tendon_properties(
        self,
        stiffnesses: torch.Tensor | None = None,
        dampings: torch.Tensor | None = None,
        limits: torch.Tensor | None = None,
        rest_lengths: torch.Tensor | None = None,
        indices: Indices = None,
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, count = self._index(indices), self.num_fixed_tendons
        if stiffnesses is not None:
            stiffnesses = self._properties("stiffnesses", stiffnesses, worlds, count, low=0.0)
        if dampings is not None:
            dampings = self._properties("dampings", dampings, worlds, count, low=0.0)
        if rest_lengths is not None:
            rest_lengths = self._properties("rest_lengths", rest_lengths, worlds, count)
        if limits is not None:
            limits = self._properties("limits", limits, worlds, count, 2, infinite=True)
            self._set_limits("tendon", self._layout.tendon_ids, limits, worlds)
        springs = None if rest_lengths is None else torch.stack((rest_lengths, rest_lengths), dim=-1)
        fields = {"tendon_stiffness": stiffnesses, "tendon_damping": dampings, "tendon_lengthspring": springs}
        given = {name: values for name, values in fields.items() if values is not None}
        self._write_model(given, self._tendons, worlds)

    def get_fixed_tendon_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read(self._worlds.fresh("ten_length"), self._tendons, self._index(indices), clone)

    # State beside the executor's

    def drives(self) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return, live: targets ``(3, N, d)``, those of a reset, and gains, two of ``(N, d)``.

        Targets are of position, velocity and effort; gains are stiffness and damping. From now on the targets decide,
        even where there are no gains.
        """
        self._keep_targets()
        return self._targets, self._initial_targets, self._gains

    def state_dict(self) -> dict[str, Any]:
        """Return targets and gains."""
        return {
            "driven": self._driven,
            "targets": self._targets.clone(),
            "initial_targets": self._initial_targets.clone(),
            "gains": [gains.clone() for gains in self._gains],
            "root_moved": self._root_moved,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore targets and gains; the executor restores the model's side of them."""
        self._driven = state["driven"]
        self._effort_bounds = None
        self._root_moved = state["root_moved"]
        self._targets.copy_(state["targets"])
        self._initial_targets.copy_(state["initial_targets"])
        for gains, values in zip(self._gains, state["gains"], strict=True):
            gains.copy_(values)


def _matrix_to_quat(matrices: torch.Tensor) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotation matrices ``(…, 3, 3)``.

    The quaternion is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack, 2000), which has no
    singular cases.
    """
    m = matrices
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    rows: Iterable[tuple[torch.Tensor, ...]] = (
        (xx + yy + zz, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]),
        (m[..., 2, 1] - m[..., 1, 2], xx - yy - zz, m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0]),
        (m[..., 0, 2] - m[..., 2, 0], m[..., 0, 1] + m[..., 1, 0], yy - xx - zz, m[..., 1, 2] + m[..., 2, 1]),
        (m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1], zz - xx - yy),
    )
    symmetric = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    return torch.linalg.eigh(symmetric)[1][..., :, -1]
