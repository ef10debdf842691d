"""Properties of links, joints and tendons of articulations: what does not change from step to step."""

import math
from typing import Any

import torch

from oige_compat.errors import CompatError, caller
from oige_compat.session import session
from oige_compat.views import MovingView
from oige_compat.warp_arrays import serves_warp

__all__ = ["ArticulationProperties"]


@serves_warp
class ArticulationProperties(MovingView):
    """Getters and setters of ``ArticulationView``; ``n`` worlds, ``b`` links, ``d`` joints, ``t`` tendons.

    Attributes:
        keeps_tendons: whether the robot is one of OIGE, whose tendons keep the stiffnesses of their limits.
    """

    keeps_tendons = False

    @staticmethod
    def _joints(joint_indices: Any) -> Any:
        """Return joints or links as the engine looks them up once: an unchanged tensor of int64, or a list.

        The engine refuses what is no whole number, also masks, as Isaac Sim does.
        """
        is_whole = isinstance(joint_indices, torch.Tensor) and joint_indices.dtype in (torch.int32, torch.int16)
        return joint_indices.long() if is_whole else joint_indices

    def _get(self, name: str, indices: Any, joint_indices: Any) -> torch.Tensor:
        return getattr(self._bound(), name)(self._select(indices), self._joints(joint_indices))

    def _set(self, name: str, values: Any, indices: Any, joint_indices: Any) -> None:
        if values is not None:
            setter = getattr(self._bound(), name)
            setter(self._rows(values), self._select(indices), self._joints(joint_indices))

    def get_friction_coefficients(
        self, indices: Any = None, joint_indices: Any = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the dry friction ``(n, d)`` of the joints in N·m or N; in PhysX it is a coefficient without unit."""
        return self._get("get_friction_coefficients", indices, joint_indices)

    def set_friction_coefficients(self, values: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set the dry friction ``(n, d)`` of the joints in N·m or N."""
        session().note(
            f"set_friction_coefficients of '{self.name}': PhysX multiplies the values by the load of a joint; here "
            "they are its dry friction in N·m or N."
        )
        self._set("set_friction_coefficients", values, indices, joint_indices)

    def get_joint_max_velocities(
        self, indices: Any = None, joint_indices: Any = None, clone: bool = True
    ) -> torch.Tensor:
        """Return maximum velocities ``(n, d)`` in rad/s or m/s."""
        return self._get("get_joint_max_velocities", indices, joint_indices)

    def get_body_masses(self, indices: Any = None, body_indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return masses ``(n, b)`` of the links in kg."""
        return self._get("get_body_masses", indices, body_indices)

    def set_body_masses(self, values: Any, indices: Any = None, body_indices: Any = None) -> None:
        """Set masses ``(n, b)`` of the links in kg."""
        self._set("set_body_masses", values, indices, body_indices)

    def get_body_inertias(self, indices: Any = None, body_indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return inertia matrices ``(n, b, 9)`` of the links in kg·m², in their frames."""
        return self._get("get_body_inertias", indices, body_indices)

    def set_body_inertias(self, values: Any, indices: Any = None, body_indices: Any = None) -> None:
        """Set inertia matrices ``(n, b, 9)`` of the links in kg·m²."""
        self._set("set_body_inertias", values, indices, body_indices)

    def get_body_coms(
        self, indices: Any = None, body_indices: Any = None, clone: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return centres of mass ``(n, b, 3)`` in the frames of the links, in m, and orientations, which are 0."""
        positions = self._get("get_body_coms", indices, body_indices)
        orientations = torch.zeros(*positions.shape[:-1], 4, device=positions.device)
        orientations[..., 0] = 1.0
        return positions, orientations

    def set_body_coms(
        self, positions: Any = None, orientations: Any = None, indices: Any = None, body_indices: Any = None
    ) -> None:
        """Set centres of mass ``(n, b, 3)`` in m.

        Raises:
            CompatError: orientations are given.
        """
        if orientations is not None:
            raise CompatError(f"set_body_coms(orientations=…) (used in {caller()}): set inertias instead.")
        self._set("set_body_coms", positions, indices, body_indices)

    def get_fixed_tendon_stiffnesses(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return stiffnesses ``(n, t)`` of the tendons in N/m."""
        return self._bound().get_fixed_tendon_stiffnesses(self._select(indices))

    def get_fixed_tendon_dampings(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return dampings ``(n, t)`` of the tendons in N·s/m."""
        return self._bound().get_fixed_tendon_dampings(self._select(indices))

    def get_fixed_tendon_limit_stiffnesses(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return stiffnesses ``(n, t)`` of the limits of tendons in N/m."""
        return self._bound().get_fixed_tendon_limit_stiffnesses(self._select(indices))

    def get_fixed_tendon_limits(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return limits ``(n, t, 2)`` of the lengths of tendons in m."""
        return self._bound().get_fixed_tendon_limits(self._select(indices))

    def get_fixed_tendon_rest_lengths(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return lengths ``(n, t)`` in m at which the springs of tendons are at rest."""
        return self._bound().get_fixed_tendon_rest_lengths(self._select(indices))

    def get_fixed_tendon_offsets(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return offsets ``(n, t)`` in m that add to the lengths of tendons."""
        return self._bound().get_fixed_tendon_offsets(self._select(indices))

    def set_fixed_tendon_properties(
        self,
        stiffnesses: Any = None,
        dampings: Any = None,
        limit_stiffnesses: Any = None,
        limits: Any = None,
        rest_lengths: Any = None,
        offsets: Any = None,
        indices: Any = None,
    ) -> None:
        """Set properties of the tendons: ``(n, t)``, or ``(t,)`` for all worlds.

        In a robot of OIGE a limit of a tendon makes one joint follow another, and its stiffness is part of the model.
        """
        if self.keeps_tendons and limit_stiffnesses is not None:
            own = float(self._bound().get_fixed_tendon_limit_stiffnesses().max())
            asked = float(self._rows(limit_stiffnesses).max())
            if not math.isclose(own, asked, rel_tol=1e-3):
                session().note(
                    f"set_fixed_tendon_properties(limit_stiffnesses={asked:g}) of '{self.name}': the tendons of OIGE's "
                    f"robot keep {own:g} N/m, with which joints follow each other."
                )
            limit_stiffnesses = None
        given = {
            "stiffnesses": stiffnesses,
            "dampings": dampings,
            "limit_stiffnesses": limit_stiffnesses,
            "limits": limits,
            "rest_lengths": rest_lengths,
            "offsets": offsets,
        }
        selected = self._select(indices)
        worlds = self._num_worlds if selected is None else len(selected)
        values = {}
        for name, value in given.items():
            if value is not None:
                rows = self._rows(value)
                values[name] = rows.expand(worlds, *rows.shape) if rows.ndim == 1 + (name == "limits") else rows
        self._bound().set_fixed_tendon_properties(**values, indices=selected)
