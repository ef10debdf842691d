"""Limits, friction and inertia of joints."""

from functools import partial

import torch

from oige_core.engines.checks import fail
from oige_core.engines.columns import Columns
from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.drive_view import DriveView
from oige_core.engines.isaacsim.views.drives import NO_LIMIT
from oige_core.engines.isaacsim.views.properties import Property
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.errors import CapabilityError
from oige_core.views import Indices

__all__ = ["JointPropertyView"]


class JointPropertyView(DriveView):
    """Properties of the joints of an articulation."""

    def bind(self, worlds: IsaacWorlds, state: ArticulationState) -> None:
        """Write the properties of joints to physics."""
        super().bind(worlds, state)
        joints, device = state.description.moving_joints, worlds.device
        self._infinite = torch.tensor([-torch.inf, torch.inf], device=device)
        limits = [joint.limits or (-NO_LIMIT, NO_LIMIT) for joint in joints]
        self._limited = [joint.limits is not None for joint in joints]
        self._joint_limits = state.joint_property("limit", "get_dof_limits", "set_dof_limits")
        self._armatures = state.joint_property("armature", "get_dof_armatures", "set_dof_armatures")
        self._max_velocities = state.joint_property("max. velocity", "get_dof_max_velocities", "set_dof_max_velocities")
        self._joint_properties = [self._joint_limits, self._armatures, self._max_velocities]
        for one, start in (
            (self._joint_limits, limits),
            (self._armatures, [joint.armature for joint in joints]),
            (self._max_velocities, [NO_LIMIT for _ in joints]),
        ):
            one.values[:] = torch.tensor(start, dtype=torch.float32, device=device).view(one.values.shape[1:])
            if not torch.equal(one.values.cpu(), one.read()):
                one.send()
        self._friction = self._drives.friction
        if self._friction is not None:
            self._joint_properties.append(self._friction)
        elif any(joint.friction for joint in joints):
            self._need_friction()

    def get_dof_limits(self, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        values = self._joint_limits.values
        return torch.where(values.abs() < 0.5 * NO_LIMIT, values, self._infinite)

    def set_dof_limits(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        check = partial(self._check_limits, joints)
        values = self._properties("values", values, worlds, joints.count, 2, infinite=True, check=check)
        joints.write(self._joint_limits.values, values.clamp(-NO_LIMIT, NO_LIMIT), worlds)
        self._joint_limits.send(worlds)

    def _check_limits(self, joints: Columns, values: torch.Tensor) -> None:
        if bool((values[..., 0] > values[..., 1]).any()):
            fail("limits with a lower one above the upper one: expected [lower, upper].")
        for column, joint in enumerate(joints.joints or ()):
            if not self._limited[joint] and bool(values[:, column].isfinite().any()):
                name = self.dof_names[joint]
                raise CapabilityError(
                    f"joint '{name}' of '{self.name}': has no limits to change; add limits to its MJCF."
                )

    def get_joint_max_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = joints.read(self._max_velocities.values, worlds, clone)
        return torch.where(values < 0.5 * NO_LIMIT, values, torch.inf)

    def set_max_joint_velocities(
        self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_joint_property(self._max_velocities, values, indices, joint_indices, infinite=True)

    def get_friction_coefficients(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        friction = self._need_friction() if self._friction is None else self._friction
        return joints.read(friction.values, worlds, clone)[..., 1]

    def set_friction_coefficients(
        self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        friction = self._need_friction() if self._friction is None else self._friction
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, column=True)
        for part in range(2):  # static and dynamic
            joints.write(friction.values[..., part], values, worlds)
        friction.send(worlds)

    def _need_friction(self) -> Property:
        raise CapabilityError(
            f"'{self.name}': this release of Isaac Sim has no dry friction of joints as a force, only a coefficient of "
            "their load; use Isaac Sim 5.0 or later, or an asset without frictionloss."
        )

    def get_armatures(self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._joints.select(joint_indices).read(self._armatures.values, self._index(indices), clone)

    def set_armatures(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_joint_property(self._armatures, values, indices, joint_indices)

    def _set_joint_property(
        self,
        one: Property,
        values: torch.Tensor,
        indices: Indices,
        joint_indices: Indices,
        *,
        infinite: bool = False,
    ) -> None:
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, infinite=infinite, column=True)
        joints.write(one.values, values.clamp(max=NO_LIMIT), worlds)
        one.send(worlds)
