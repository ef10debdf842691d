"""Properties of fixed tendons."""

import torch

from oige_core.engines.checks import fail
from oige_core.engines.mujoco.views.properties import Limits, PropertyView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.selections import read_rows, write_rows
from oige_core.views import Indices

__all__ = ["TendonView"]


class TendonView(PropertyView):
    """The fixed tendons of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the tendons in the built model."""
        super().bind(worlds)
        model, ids, device = worlds.compiled.model, self._layout.tendon_ids, worlds.device
        names = [model.tendon(number).name for number in ids]
        self._tendon_limits = Limits("tendon", "tendon_range", ids, names, model.tendon_limited, device)
        self._tendons = self._tendon_limits.columns.select()
        # MuJoCo has no offsets: they move limits and rest lengths.
        self._tendon_offsets = torch.zeros(worlds.num_envs, len(ids), device=device)
        # Beyond the width over which the impedance grows to dmax, a limit's force is its violation times
        # 1 / ((τ ζ)² (1 − dmax) w), with the time constant τ, the damping ratio ζ and the inverse inertia w.
        impedance = torch.as_tensor(model.tendon_solimp_lim[ids, 1], dtype=torch.float32)
        weight = torch.as_tensor(model.tendon_invweight0[ids], dtype=torch.float32)
        self._limit_weights = (weight * (1.0 - impedance)).to(device)

    def get_fixed_tendon_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("tendon_stiffness", self._tendons, self._index(indices))

    def get_fixed_tendon_dampings(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_model("tendon_damping", self._tendons, self._index(indices))

    def get_fixed_tendon_limits(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        return self._get_limits(self._tendon_limits, worlds) + read_rows(self._tendon_offsets, worlds).unsqueeze(-1)

    def get_fixed_tendon_limit_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        first, second = self._read_model("tendon_solref_lim", self._tendons, self._index(indices)).unbind(-1)
        # Negative numbers are stiffness and damping themselves.
        return torch.where(first > 0.0, 1.0 / (first * second).square(), -first) / self._limit_weights

    def get_fixed_tendon_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return read_rows(self._tendon_offsets, self._index(indices), clone)

    def get_fixed_tendon_rest_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        springs = self._read_model("tendon_lengthspring", self._tendons, worlds)[..., 0]
        return springs + read_rows(self._tendon_offsets, worlds)

    def set_fixed_tendon_properties(
        self,
        stiffnesses: torch.Tensor | None = None,
        dampings: torch.Tensor | None = None,
        limits: torch.Tensor | None = None,
        rest_lengths: torch.Tensor | None = None,
        indices: Indices = None,
        limit_stiffnesses: torch.Tensor | None = None,
        offsets: torch.Tensor | None = None,
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
        if limit_stiffnesses is not None:
            limit_stiffnesses = self._properties(
                "limit_stiffnesses", limit_stiffnesses, worlds, count, check=_check_stiff
            )
        if offsets is not None:
            offsets = self._properties("offsets", offsets, worlds, count)
            limits = self.get_fixed_tendon_limits(worlds) if limits is None else limits
            rest_lengths = self.get_fixed_tendon_rest_lengths(worlds) if rest_lengths is None else rest_lengths
            write_rows(self._tendon_offsets, offsets, worlds)
        offsets = read_rows(self._tendon_offsets, worlds)
        if limits is not None:
            self._write_limits(self._tendon_limits, self._tendons, limits - offsets.unsqueeze(-1), worlds)
        fields = {"tendon_stiffness": stiffnesses, "tendon_damping": dampings}
        if rest_lengths is not None:
            fields["tendon_lengthspring"] = (rest_lengths - offsets).unsqueeze(-1).expand(-1, -1, 2)
        if limit_stiffnesses is not None:
            ratio = self._read_model("tendon_solref_lim", self._tendons, worlds)[..., 1].clamp(min=0.0)
            ratio = torch.where(ratio > 0.0, ratio, 1.0)
            time = (limit_stiffnesses * self._limit_weights).rsqrt() / ratio
            fields["tendon_solref_lim"] = torch.stack((time, ratio), dim=-1)
        given = {name: values for name, values in fields.items() if values is not None}
        self._write_model(given, self._tendons, worlds)

    def get_fixed_tendon_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        return self._tendons.read(self._worlds.fresh("ten_length"), worlds) + read_rows(self._tendon_offsets, worlds)


def _check_stiff(values: torch.Tensor) -> None:
    if not bool((values > 0.0).all()):
        fail("limit_stiffnesses contain 0 or less: expected numbers above 0; infinite limits have no effect.")
