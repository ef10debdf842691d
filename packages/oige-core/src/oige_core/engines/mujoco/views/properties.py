"""Properties of joints and links."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from oige_core.engines.checks import fail
from oige_core.engines.columns import Columns, ColumnSet
from oige_core.engines.mujoco.layout import NO_LIMIT, prefixed
from oige_core.engines.mujoco.views.joints import JointView
from oige_core.engines.mujoco.views.shapes import Shapes, as_materials, check_materials
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError
from oige_core.views import Indices

__all__ = ["Limits", "PropertyView"]


class Limits:
    """Limits of joints or tendons.

    Args:
        kind: joint or tendon, for messages.
        field: the model field with the limits.
        ids: ids of the joints or tendons in the model.
        names: their names in the model.
        limited: whether each joint or tendon of the model has limits.
        device: device of the tensors.
    """

    def __init__(
        self, kind: str, field: str, ids: list[int], names: list[str], limited: np.ndarray, device: torch.device
    ) -> None:
        self.kind = kind
        self.field = field
        self.names = names
        self.columns = ColumnSet([[number] for number in ids], device)
        self.has_limits: list[bool] = (limited[ids] > 0).tolist()
        self.limited = torch.tensor(self.has_limits, dtype=torch.bool, device=device)
        self.infinite = torch.tensor([-torch.inf, torch.inf], device=device)


class PropertyView(JointView):
    """Properties of the joints and links of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the limits and shapes in the built model."""
        super().bind(worlds)
        model, layout, device = worlds.compiled.model, self._layout, worlds.device
        names = [model.joint(number).name for number in layout.joint_ids]
        self._joint_limits = Limits("joint", "jnt_range", layout.joint_ids, names, model.jnt_limited, device)
        self._shapes = Shapes(worlds, layout.body_ids)

    # Joints

    def get_dof_limits(self, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._get_limits(self._joint_limits, None)

    def set_dof_limits(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joint_limits.columns.select(joint_indices)
        values = self._limit_values("values", values, worlds, self._joint_limits, joints)
        self._write_limits(self._joint_limits, joints, values, worlds)

    def _get_limits(self, limits: Limits, worlds: torch.Tensor | None) -> torch.Tensor:
        values = self._read_model(limits.field, limits.columns.select(), worlds)
        return torch.where(limits.limited[:, None] & (values.abs() < 0.5 * NO_LIMIT), values, limits.infinite)

    def _limit_values(
        self, what: str, values: Any, worlds: torch.Tensor | None, limits: Limits, columns: Columns
    ) -> torch.Tensor:
        check = partial(self._check_limits, limits, columns)
        return self._properties(what, values, worlds, columns.count, 2, infinite=True, check=check)

    def _check_limits(self, limits: Limits, columns: Columns, values: torch.Tensor) -> None:
        if bool((values[..., 0] > values[..., 1]).any()):
            fail("limits with a lower one above the upper one: expected [lower, upper].")
        for column, part in enumerate(columns.joints or ()):
            if not limits.has_limits[part] and bool(values[:, column].isfinite().any()):
                name = limits.names[part].removeprefix(prefixed(self.name, ""))
                raise CapabilityError(
                    f"{limits.kind} '{name}' of '{self.name}': has no limits to change; add limits to its MJCF."
                )

    def _write_limits(
        self, limits: Limits, columns: Columns, values: torch.Tensor, worlds: torch.Tensor | None
    ) -> None:
        self._write_model({limits.field: values.clamp(-NO_LIMIT, NO_LIMIT)}, columns, worlds)

    def get_joint_max_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._dof_columns.select(joint_indices)
        limits = self._worlds.executor.velocity_limits
        if limits is None:
            infinite = torch.full((), torch.inf, device=self._worlds.device)
            limits = infinite.expand(self.count, self._worlds.compiled.model.nv)
        return joints.read(limits, worlds, clone=True)

    def set_max_joint_velocities(
        self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._dof_columns.select(joint_indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, infinite=True, column=True)
        joints.write(self._worlds.executor.limit_velocities(), values, worlds)

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
        return self._read_model(name, self._dof_columns.select(joint_indices), self._index(indices))

    def _set_dof_property(self, name: str, values: torch.Tensor, indices: Indices, joint_indices: Indices) -> None:
        worlds, joints = self._index(indices), self._dof_columns.select(joint_indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, column=True)
        self._write_model({name: values}, joints, worlds)

    # Links

    def get_body_masses(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("body_mass", self._bodies.select(body_indices), self._index(indices))

    def set_body_masses(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        values = self._properties("values", values, worlds, links.count, low=0.0, column=True)
        self._write_model({"body_mass": values}, links, worlds)

    def get_body_inertias(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._body_inertias(self._bodies.select(body_indices), self._index(indices))

    def set_body_inertias(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        values = self._properties("values", values, worlds, links.count, 9, check=self._check_inertias)
        self._set_body_inertias(values, links, worlds)

    def get_body_coms(self, indices: Indices = None, body_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("body_ipos", self._bodies.select(body_indices), self._index(indices))

    def set_body_coms(self, positions: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        positions = self._properties("positions", positions, worlds, links.count, 3)
        self._write_model({"body_ipos": positions}, links, worlds)

    def get_material_properties(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        links = self._bodies.select(body_indices)
        return as_materials(
            self._shapes.read("geom_friction", self._index(indices), self._numbers(links, body_indices))
        )

    def set_material_properties(
        self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        check = partial(check_materials, self.name, self._worlds.engine)
        values = self._properties("values", values, worlds, links.count, 3, low=0.0, check=check)
        self._shapes.set_friction(values[..., 1], worlds, self._numbers(links, body_indices))

    @staticmethod
    def _numbers(links: Columns, body_indices: Indices) -> Sequence[int] | None:
        """Return the indices of selected links as numbers; those in a tensor on a GPU are read, which waits."""
        if body_indices is None or links.joints is not None:
            return None if body_indices is None else links.joints
        assert isinstance(body_indices, torch.Tensor)
        return body_indices.tolist()

    def get_body_disable_gravity(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._gravity_disabled(self._bodies.select(body_indices), self._index(indices))

    def set_body_disable_gravity(
        self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        self._set_gravity_disabled(self._values("values", values, worlds, links.count, column=True), links, worlds)
