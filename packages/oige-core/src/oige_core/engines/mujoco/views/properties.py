"""Properties of joints, links and fixed tendons."""

from typing import Literal

import torch

from oige_core.engines.mujoco.checks import fail, part_numbers
from oige_core.engines.mujoco.layout import NO_LIMIT, prefixed
from oige_core.engines.mujoco.views.columns import Columns, as_columns
from oige_core.engines.mujoco.views.joints import JointView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError
from oige_core.views import Indices

__all__ = ["PropertyView"]


class PropertyView(JointView):
    """Properties of the joints, links and fixed tendons of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Find the tendons in the built model."""
        super().bind(worlds)
        self._tendons = torch.tensor(self._layout.tendon_ids, dtype=torch.int64, device=worlds.device)

    # Joints

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
        limits = self._read_model(f"{kind}_range", as_columns(ids, self._worlds.device), worlds)
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
        self._write_model({f"{kind}_range": bounds}, as_columns(ids, self._worlds.device), worlds)

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
