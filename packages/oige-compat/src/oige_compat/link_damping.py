"""Damping and speed limits of links, which PhysX has and the engine has not: efforts of the joints stand for them."""

from dataclasses import dataclass
from typing import Any

import torch

from oige_compat.session import session

__all__ = ["DampedArticulation", "LinkDamping"]

LONGEST = 4
"""Physics steps for which efforts that damp stay at most."""


@dataclass(frozen=True)
class LinkDamping:
    """What a script sets on the links of an articulation.

    Attributes:
        loss: fraction of momentum that a link loses per second, in 1/s; the larger of the linear and the angular one.
        max_speed: speed limit of links, in m/s.
        max_angular_speed: in rad/s.
    """

    loss: float
    max_speed: float
    max_angular_speed: float

    def efforts(
        self, mass_matrix: torch.Tensor, joint_velocities: torch.Tensor, link_velocities: torch.Tensor, dt: float
    ) -> torch.Tensor:
        """Return the efforts ``(N, d)`` −c M q̇ that slow the joints down.

        The loss c is that of the links, and, above a speed limit v, (1 − v / speed) / dt more, which brings the links
        back to it within ``dt``.

        Args:
            mass_matrix: ``(N, d, d)`` M, in kg·m².
            joint_velocities: ``(N, d)`` q̇, in rad/s.
            link_velocities: ``(N, b, 6)``, linear in m/s and angular in rad/s.
            dt: in s.
        """
        linear, angular = (torch.linalg.vector_norm(part, dim=-1) for part in link_velocities.split(3, dim=-1))
        excess = torch.maximum(linear / self.max_speed, angular / self.max_angular_speed).amax(dim=-1)
        losses = self.loss + (1.0 - 1.0 / excess.clamp_min(1.0)) / dt
        return -losses.unsqueeze(-1) * (mass_matrix * joint_velocities.unsqueeze(-2)).sum(dim=-1)


class DampedArticulation:
    """A view of the engine whose joints also get the efforts that damp its links.

    They change when the script sets efforts, which controllers do once per control step, and stay in between.

    Args:
        view: the view of the engine.
        links: view of the links.
        damping: of the links.
    """

    def __init__(self, view: Any, links: Any, damping: LinkDamping) -> None:
        self._view, self._links, self._damping = view, links, damping
        self._own: torch.Tensor | None = None
        self._interval = 1  # physics steps between the last two times that the script set efforts
        self._since_set, self._since_damped = 0, LONGEST

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def set_joint_efforts(self, efforts: torch.Tensor, indices: Any = None, joint_indices: Any = None) -> None:
        """Set efforts of the script."""
        if self._own is not None:
            self._view.set_joint_efforts(self._own)
        self._view.set_joint_efforts(efforts, indices, joint_indices)
        self._own = self._view.get_applied_joint_efforts()
        if self._since_set:
            self._interval, self._since_set = min(self._since_set, LONGEST), 0
        self._since_damped = LONGEST

    def get_applied_joint_efforts(
        self, indices: Any = None, joint_indices: Any = None, clone: bool = True
    ) -> torch.Tensor:
        """Return efforts of the script."""
        exerted = self._view.get_applied_joint_efforts()
        if self._own is not None:
            self._view.set_joint_efforts(self._own)
        efforts = self._view.get_applied_joint_efforts(indices, joint_indices, clone=True)
        self._view.set_joint_efforts(exerted)
        return efforts

    def forget(self) -> None:
        """Forget efforts, which a reset of the worlds has removed."""
        self._own, self._interval = None, 1
        self._since_set, self._since_damped = 0, LONGEST

    def damp(self) -> None:
        """Set the efforts of the next physics step."""
        engine = session().engine
        assert engine is not None
        self._since_set += 1
        self._since_damped += 1
        if self._since_damped <= self._interval:
            return
        self._since_damped = 1
        own = self._view.get_applied_joint_efforts() if self._own is None else self._own
        self._own = own
        efforts = self._damping.efforts(
            self._view.get_mass_matrices(),
            self._view.get_joint_velocities(),
            self._links.get_velocities(),
            engine.physics_dt * self._interval,
        )
        self._view.set_joint_efforts(own + efforts)
