"""Stand-ins of the views of rigid bodies and their contacts in ``omni.physics.tensors``."""

from collections.abc import Sequence
from typing import Any

import torch
from pxr import Usd, UsdPhysics

from oige_core.testing.physx.runtime import PhysxRuntime, without_deprecations
from oige_core.testing.physx.tensors import TensorView, find_prims, reads, rotate, writes

__all__ = ["RigidBodyView", "RigidContactView", "add_wrenches"]


class RigidBodyView(TensorView):
    """Rigid bodies and links of articulations, by paths or patterns.

    Poses are x, y, z and the quaternion x, y, z, w ``(count, 7)``; velocities are linear ones of centres of mass, and
    angular ones ``(count, 6)``.
    """

    def __init__(self, runtime: PhysxRuntime, patterns: str | Sequence[str]) -> None:
        super().__init__(runtime, find_prims(runtime.usd_stage, patterns, _is_body), "rigid bodies")

    @property
    def max_shapes(self) -> int:
        """Largest number of collision shapes of a body."""
        return self.backend.shape("RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION")[1]

    get_transforms = reads("RIGID_BODY_POSE")
    set_transforms = writes("RIGID_BODY_POSE")
    get_velocities = reads("RIGID_BODY_VELOCITY")
    set_velocities = writes("RIGID_BODY_VELOCITY")
    get_accelerations = reads("RIGID_BODY_ACCELERATION")
    get_masses = reads("RIGID_BODY_MASS", 1)
    set_masses = writes("RIGID_BODY_MASS")
    get_inv_masses = reads("RIGID_BODY_INV_MASS", 1)
    get_coms = reads("RIGID_BODY_COM_POSE")
    set_coms = writes("RIGID_BODY_COM_POSE")
    get_inertias = reads("RIGID_BODY_INERTIA")
    set_inertias = writes("RIGID_BODY_INERTIA")
    get_inv_inertias = reads("RIGID_BODY_INV_INERTIA")
    get_disable_gravities = reads("RIGID_BODY_DISABLE_GRAVITY", 1)
    set_disable_gravities = writes("RIGID_BODY_DISABLE_GRAVITY")
    get_disable_simulations = reads("RIGID_BODY_DISABLE_SIMULATION", 1)
    set_disable_simulations = writes("RIGID_BODY_DISABLE_SIMULATION")
    get_material_properties = reads("RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION")
    set_material_properties = writes("RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION")
    get_contact_offsets = reads("RIGID_BODY_CONTACT_OFFSET")
    set_contact_offsets = writes("RIGID_BODY_CONTACT_OFFSET")
    get_rest_offsets = reads("RIGID_BODY_REST_OFFSET")
    set_rest_offsets = writes("RIGID_BODY_REST_OFFSET")

    def set_kinematic_targets(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        """Let kinematic bodies move to poses ``(count, 7)`` during the next step."""
        rows = indices.flatten().tolist()
        paths = self.backend.paths
        self.backend.runtime.set_kinematic_targets([paths[row] for row in rows], data.float()[rows])

    def apply_forces_and_torques_at_position(
        self,
        force_data: torch.Tensor | None,
        torque_data: torch.Tensor | None,
        position_data: torch.Tensor | None,
        indices: torch.Tensor,
        is_global: bool,
    ) -> bool:
        """Add forces and torques ``(count, 3)`` to the next step; see :func:`add_wrenches`."""
        pose, com = self.get_transforms(), self.get_coms()
        wrenches = add_wrenches(pose, com, force_data, torque_data, position_data, is_global)
        self.backend.write("RIGID_BODY_WRENCH", wrenches, indices)
        return True

    def apply_forces(self, data: torch.Tensor, indices: torch.Tensor, is_global: bool = True) -> None:
        """Add forces ``(count, 3)`` at centres of mass to the next step."""
        self.apply_forces_and_torques_at_position(data, None, None, indices, is_global)


class RigidContactView:
    """Contact forces on rigid bodies, which must have the API schema ``PhysxContactReportAPI``.

    Args:
        runtime: the running physics.
        patterns: paths or patterns of bodies.
        filters: for one pattern, patterns of the bodies with which contacts are told apart; for a list of patterns, a
            list of these for each.
        max_contacts: how many contacts are kept in detail.
    """

    def __init__(
        self, runtime: PhysxRuntime, patterns: str | Sequence[str], filters: Sequence[Any], max_contacts: int
    ) -> None:
        self._runtime = runtime
        stage = runtime.usd_stage
        sensors: list[str] = []
        filter_paths: list[list[str]] = []
        if isinstance(patterns, str):
            patterns, filters = [patterns], [filters]
        for pattern, filter_patterns in zip(patterns, filters or [[]] * len(patterns), strict=True):
            matched = find_prims(stage, pattern, _reports_contacts)
            columns = []
            for filter_pattern in filter_patterns:
                column = find_prims(stage, filter_pattern, lambda prim: True)
                columns.append(column * len(matched) if len(column) == 1 else column)
            sensors += matched
            filter_paths += [[column[i] for column in columns] for i in range(len(matched))]
        if not sensors:
            runtime.report(f"Pattern '{patterns}' did not match any rigid contact for filters")
            return
        self._binding = runtime.bind_contacts(sensors, filter_paths, max_contacts)
        self.sensor_count: int = self._binding.sensor_count
        self.filter_count: int = self._binding.filter_count
        self.max_contact_data_count: int = self._binding.max_contact_data_count
        self.sensor_paths: list[str] = list(self._binding.sensor_paths)
        self.filter_paths: list[list[str]] = [list(paths) for paths in self._binding.filter_paths]
        self._forces = torch.zeros(self.sensor_count, 3)
        self._matrix = torch.zeros(self.sensor_count, self.filter_count, 3)

    def get_net_contact_forces(self, dt: float) -> torch.Tensor:
        """Return the sums of normal impulses ``(sensor_count, 3)`` of the last step, divided by ``dt``."""
        with without_deprecations():
            self._binding.read_net_normal_forces(self._forces)
        return self._forces.mul_(self._runtime.last_dt / dt)

    def get_contact_force_matrix(self, dt: float) -> torch.Tensor:
        """Return normal impulses ``(sensor_count, filter_count, 3)`` of the last step, divided by ``dt``."""
        if self.filter_count == 0:
            raise RuntimeError("Contact force matrix is not available because no filters were specified")
        with without_deprecations():
            self._binding.read_normal_force_matrix(self._matrix)
        return self._matrix.mul_(self._runtime.last_dt / dt)

    def check(self) -> bool:
        """Return whether all bodies exist."""
        return hasattr(self, "_binding")


def add_wrenches(
    poses: torch.Tensor,
    coms: torch.Tensor,
    forces: torch.Tensor | None,
    torques: torch.Tensor | None,
    positions: torch.Tensor | None,
    is_global: bool,
) -> torch.Tensor:
    """Return forces, torques and points of attack ``(…, 9)`` in the world frame.

    Args:
        poses: ``(…, 7)`` poses of the bodies.
        coms: ``(…, 7)`` poses of their centres of mass in the bodies.
        forces: ``(…, 3)`` in N.
        torques: ``(…, 3)`` in N·m.
        positions: ``(…, 3)`` points at which forces act, by default the centres of mass.
        is_global: whether they are in the world frame, not in that of the bodies.

    Raises:
        RuntimeError: there is neither a force nor a torque, or positions without forces.
    """
    if forces is None and (torques is None or positions is not None):
        raise RuntimeError("Failed to apply forces and torques at pos in backend")
    at, orientations = poses[..., :3], poses[..., 3:]
    zeros = torch.zeros_like(at)
    forces, torques = (zeros if values is None else values.float().reshape(at.shape) for values in (forces, torques))
    points = at + rotate(orientations, coms[..., :3]) if positions is None else positions.float().reshape(at.shape)
    if not is_global:
        forces, torques = rotate(orientations, forces), rotate(orientations, torques)
        if positions is not None:
            points = at + rotate(orientations, points)
    return torch.cat((forces, torques, points), dim=-1)


def _is_body(prim: Usd.Prim) -> bool:
    return prim.HasAPI(UsdPhysics.RigidBodyAPI)


def _reports_contacts(prim: Usd.Prim) -> bool:
    return _is_body(prim) and "PhysxContactReportAPI" in prim.GetPrimTypeInfo().GetAppliedAPISchemas()
