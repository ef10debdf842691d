"""Properties of joints, links and fixed tendons."""

from functools import partial
from typing import Any

import numpy as np
import torch

from oige_core.engines.mujoco.checks import fail
from oige_core.engines.mujoco.layout import NO_LIMIT, prefixed
from oige_core.engines.mujoco.views.columns import Columns, ColumnSet
from oige_core.engines.mujoco.views.joints import JointView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError
from oige_core.views import Indices

__all__ = ["PropertyView"]


class _Limits:
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
    """Properties of the joints, links and fixed tendons of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the tendons in the built model."""
        super().bind(worlds)
        model, layout, device = worlds.compiled.model, self._layout, worlds.device
        names = [model.joint(number).name for number in layout.joint_ids]
        self._joint_limits = _Limits("joint", "jnt_range", layout.joint_ids, names, model.jnt_limited, device)
        names = [model.tendon(number).name for number in layout.tendon_ids]
        self._tendon_limits = _Limits("tendon", "tendon_range", layout.tendon_ids, names, model.tendon_limited, device)
        self._tendons = self._tendon_limits.columns.select()

    # Joints

    def get_dof_limits(self, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._get_limits(self._joint_limits, None)

    def set_dof_limits(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joint_limits.columns.select(joint_indices)
        values = self._limit_values("values", values, worlds, self._joint_limits, joints)
        self._write_limits(self._joint_limits, joints, values, worlds)

    def _get_limits(self, limits: "_Limits", worlds: torch.Tensor | None) -> torch.Tensor:
        values = self._read_model(limits.field, limits.columns.select(), worlds)
        return torch.where(limits.limited[:, None] & (values.abs() < 0.5 * NO_LIMIT), values, limits.infinite)

    def _limit_values(
        self, what: str, values: Any, worlds: torch.Tensor | None, limits: "_Limits", columns: Columns
    ) -> torch.Tensor:
        check = partial(self._check_limits, limits, columns)
        return self._properties(what, values, worlds, columns.count, 2, infinite=True, check=check)

    def _check_limits(self, limits: "_Limits", columns: Columns, values: torch.Tensor) -> None:
        if bool((values[..., 0] > values[..., 1]).any()):
            fail("limits with a lower one above the upper one: expected [lower, upper].")
        for column, part in enumerate(columns.joints or ()):
            if not limits.has_limits[part] and bool(values[:, column].isfinite().any()):
                name = limits.names[part].removeprefix(prefixed(self.name, ""))
                raise CapabilityError(
                    f"{limits.kind} '{name}' of '{self.name}': has no limits to change; add limits to its MJCF."
                )

    def _write_limits(
        self, limits: "_Limits", columns: Columns, values: torch.Tensor, worlds: torch.Tensor | None
    ) -> None:
        self._write_model({limits.field: values.clamp(-NO_LIMIT, NO_LIMIT)}, columns, worlds)

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
        values = self._properties("values", values, worlds, links.count, 9)
        self._set_body_inertias(values, links, worlds)

    def get_body_coms(self, indices: Indices = None, body_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("body_ipos", self._bodies.select(body_indices), self._index(indices))

    def set_body_coms(self, positions: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        positions = self._properties("positions", positions, worlds, links.count, 3)
        self._write_model({"body_ipos": positions}, links, worlds)

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

    # Fixed tendons

    def get_fixed_tendon_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("tendon_stiffness", self._tendons, self._index(indices))

    def get_fixed_tendon_dampings(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("tendon_damping", self._tendons, self._index(indices))

    def get_fixed_tendon_limits(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._get_limits(self._tendon_limits, self._index(indices))

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
            limits = self._limit_values("limits", limits, worlds, self._tendon_limits, self._tendons)
            self._write_limits(self._tendon_limits, self._tendons, limits, worlds)
        springs = None if rest_lengths is None else torch.stack((rest_lengths, rest_lengths), dim=-1)
        fields = {"tendon_stiffness": stiffnesses, "tendon_damping": dampings, "tendon_lengthspring": springs}
        given = {name: values for name, values in fields.items() if values is not None}
        self._write_model(given, self._tendons, worlds)

    def get_fixed_tendon_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._tendons.read(self._worlds.fresh("ten_length"), self._index(indices), clone)
