"""Properties of fixed tendons."""

from typing import Any

import torch

from oige_core.engines.checks import fail
from oige_core.engines.isaacsim.tensors import Order, call
from oige_core.engines.isaacsim.usd.description import tendon_mark
from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.drives import NO_LIMIT
from oige_core.engines.isaacsim.views.link_properties import LinkPropertyView
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.errors import CapabilityError, OigeError
from oige_core.selections import read_rows, write_rows
from oige_core.views import Indices

__all__ = ["TendonView"]

_NAMES = ("stiffnesses", "dampings", "limit_stiffnesses", "limits", "rest_lengths", "offsets")
"""Properties in the order of arguments of ``set_fixed_tendon_properties`` of ``omni.physics.tensors``."""


class TendonView(LinkPropertyView):
    """The fixed tendons of an articulation."""

    def bind(self, worlds: IsaacWorlds, state: ArticulationState) -> None:
        """Look up the tendons in physics."""
        super().bind(worlds, state)
        tendons, dofs = state.description.tendons, state.description.dof_names
        device = worlds.device
        self._coefficients = torch.zeros(len(tendons), len(dofs), device=device)
        for number, tendon in enumerate(tendons):
            for joint, coefficient in tendon.joints:
                self._coefficients[number, dofs.index(joint)] = coefficient
        self._infinite_lengths = torch.tensor([-torch.inf, torch.inf], device=device)
        if not tendons:
            empty = torch.zeros(worlds.num_envs, 0, device=device)
            self._tendons = {name: empty.clone() for name in _NAMES}
            self._tendons["limits"] = empty.new_zeros(worlds.num_envs, 0, 2)
            return
        self._tendon_order = Order(self._find_tendons(state), len(tendons), device)
        self._tendons = {
            name: self._tendon_order.pick(state.rows.read(f"get_fixed_tendon_{name}"), dim=1).to(device, copy=True)
            for name in _NAMES
        }
        self._tendons["offsets"].zero_()
        self._send_tendons()

    def _find_tendons(self, state: ArticulationState) -> list[int]:
        """Return the number in physics of each tendon, which has no name there, but the offset that marks it.

        Raises:
            OigeError: PhysX has other tendons.
        """
        offsets = state.rows.read("get_fixed_tendon_offsets")[0].tolist()
        names = [tendon.name for tendon in state.description.tendons]
        numbers = [
            next((i for i, offset in enumerate(offsets) if abs(offset / tendon_mark(number) - 1.0) < 1e-3), -1)
            for number in range(len(names))
        ]
        if sorted(numbers) != list(range(len(offsets))):
            raise OigeError(
                f"articulation '{self.name}': expected the tendons {', '.join(names)}, but PhysX has "
                f"{len(offsets)}, with the offsets {offsets}."
            )
        return numbers

    def get_fixed_tendon_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._tendon("stiffnesses", indices)

    def get_fixed_tendon_dampings(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._tendon("dampings", indices)

    def get_fixed_tendon_limits(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        values = self._tendon("limits", indices)
        return torch.where(values.abs() < 0.5 * NO_LIMIT, values, self._infinite_lengths)

    def get_fixed_tendon_limit_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._tendon("limit_stiffnesses", indices)

    def get_fixed_tendon_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._tendon("offsets", indices)

    def get_fixed_tendon_rest_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._tendon("rest_lengths", indices)

    def _tendon(self, name: str, indices: Indices) -> torch.Tensor:
        return read_rows(self._tendons[name], self._index(indices), clone=True)

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
        given: dict[str, torch.Tensor] = {}
        for name, values, low in (("stiffnesses", stiffnesses, 0.0), ("dampings", dampings, 0.0)):
            if values is not None:
                given[name] = self._properties(name, values, worlds, count, low=low)
        for name, values in (("rest_lengths", rest_lengths), ("offsets", offsets)):
            if values is not None:
                given[name] = self._properties(name, values, worlds, count)
        if limit_stiffnesses is not None:
            given["limit_stiffnesses"] = self._properties(
                "limit_stiffnesses", limit_stiffnesses, worlds, count, check=_check_stiff
            )
        if limits is not None:
            values = self._properties(
                "limits", limits, worlds, count, 2, infinite=True, check=self._check_tendon_limits
            )
            given["limits"] = values.clamp(-NO_LIMIT, NO_LIMIT)
        for name, values in given.items():
            write_rows(self._tendons[name], values, worlds)
        self._send_tendons()

    def _send_tendons(self) -> None:
        if not self.num_fixed_tendons:
            return
        rows, data = self._state.rows, []
        for name in _NAMES:
            columns = torch.empty_like(self._tendons[name])
            self._tendon_order.put(columns, self._tendons[name], dim=1)
            target = columns.new_empty(rows.order.size, *columns.shape[1:])
            rows.order.put(target, columns)
            data.append(target)
        indices = rows.order.numbers(self._worlds.device).to(torch.int32)
        call(rows.view, "set_fixed_tendon_properties", *data, indices)

    def _tendon_state(self) -> dict[str, Any]:
        return {"tendons": {name: values.clone() for name, values in self._tendons.items()}}

    def _load_tendons(self, state: dict[str, torch.Tensor]) -> None:
        if any(not torch.equal(self._tendons[name], values) for name, values in state.items()):
            for name, values in state.items():
                self._tendons[name].copy_(values)
            self._send_tendons()

    def _check_tendon_limits(self, values: torch.Tensor) -> None:
        if bool((values[..., 0] > values[..., 1]).any()):
            fail("limits with a lower one above the upper one: expected [lower, upper].")
        for number, tendon in enumerate(self._description.tendons):
            if tendon.limits is None and bool(values[:, number].isfinite().any()):
                raise CapabilityError(
                    f"tendon '{tendon.name}' of '{self.name}': has no limits to change; add limits to its MJCF."
                )

    def get_fixed_tendon_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        self._state.read_joints()
        lengths = self._state.positions @ self._coefficients.T + self._tendons["offsets"]
        return read_rows(lengths, worlds)


def _check_stiff(values: torch.Tensor) -> None:
    if not bool((values > 0.0).all()):
        fail("limit_stiffnesses contain 0 or less: expected numbers above 0; infinite limits have no effect.")
