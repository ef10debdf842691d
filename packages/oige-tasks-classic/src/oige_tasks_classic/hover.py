"""What the flying tasks share: a target to hover at, drawn as a red ball, and where the vehicle is from there."""

import math
from typing import TypeVar

import torch
from oige_core.config import EnvConfig
from oige_core.math import quat_apply
from oige_core.scene import Material, Scene
from oige_core.tasks import RLTask
from oige_core.views import ArticulationView

__all__ = ["HoverTask", "Range3"]

EnvConfigT = TypeVar("EnvConfigT", bound=EnvConfig)

Range3 = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Lowest and highest x, y and z, in m."""

RED = Material(color=(0.85, 0.08, 0.08, 1.0))


class HoverTask(RLTask[EnvConfigT]):
    """A task whose vehicles fly to a target.

    A subclass sets the ranges and bounds and, in ``set_up_scene``, :attr:`vehicles`; it calls :meth:`add_target` there,
    :meth:`move_targets` in ``pre_physics_step`` if targets move, and :meth:`read_vehicles` in ``get_observations``.

    Attributes:
        vehicles: the vehicles.
        start_range: where vehicles start.
        target_range: where targets lie.
        max_distance: from the target, beyond which an episode ends, in m.
        min_height: below which an episode ends, in m.
        targets: where they shall be ``(N, 3)``, in m.
        to_target: from the vehicles to the targets ``(N, 3)``, in m.
        distance: its length ``(N,)``.
        height: of the vehicles ``(N,)``, in m.
        orientation: of the vehicles ``(N, 4)``.
        up: upright axis of the vehicles ``(N, 3)``.
        velocity: linear and angular velocities of the vehicles ``(N, 6)``, in m/s and rad/s.
    """

    vehicles: ArticulationView
    start_range: Range3
    target_range: Range3
    max_distance: float
    min_height: float

    def add_target(self, scene: Scene, *, radius: float) -> None:
        """Add the ball that shows the target; it touches nothing."""
        x, y, z = (0.5 * (low + high) for low, high in self.target_range)
        self.balls = scene.add_sphere(
            "ball", radius=radius, position=(x, y, z), kinematic=True, collision=False, material=RED
        )

    def post_reset(self) -> None:
        """Prepare targets."""
        self.start_bounds = torch.tensor(self.start_range, device=self.device)
        self.target_bounds = torch.tensor(self.target_range, device=self.device)
        self.targets = torch.zeros(self.num_envs, 3, device=self.device)
        self.upright = torch.tensor([0.0, 0.0, 1.0], device=self.device).expand(self.num_envs, 3)

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Put vehicles upright and at rest at random places, and draw their targets."""
        super().reset_idx(env_ids)
        self.vehicles.set_world_poses(self.sample(self.start_bounds, len(env_ids)), indices=env_ids)
        self.targets[env_ids] = self.sample(self.target_bounds, len(env_ids))
        self.balls.set_world_poses(self.targets)

    def move_targets(self, period: int) -> None:
        """Draw new targets after every ``period`` control steps of an episode."""
        due = (self.progress_buf % period == 0) & (self.progress_buf > 0)
        fresh = self.sample(self.target_bounds, self.num_envs)
        self.targets = torch.where(due.unsqueeze(-1), fresh, self.targets)
        self.balls.set_world_poses(self.targets)

    def read_vehicles(self) -> None:
        """Update the attributes that tell where vehicles are and how they move."""
        positions, self.orientation = self.vehicles.get_world_poses()
        self.velocity = self.vehicles.get_velocities(clone=False)
        self.to_target = self.targets - positions
        self.distance = self.to_target.norm(dim=-1)
        self.height = positions[:, 2]
        self.up = quat_apply(self.orientation, self.upright)

    def observe_flight(self) -> torch.Tensor:
        """Return ``(N, 13)``: way to the target (/ 3 m), orientation, linear (/ 2 m/s), angular velocity (/ π)."""
        linear, angular = self.velocity[:, :3], self.velocity[:, 3:]
        return torch.cat((self.to_target / 3.0, self.orientation, linear / 2.0, angular / math.pi), dim=-1)

    def is_done(self) -> None:
        """End the episode far from the target or near the ground."""
        self.terminated_buf = (self.distance > self.max_distance) | (self.height < self.min_height)

    def sample(self, bounds: torch.Tensor, n: int) -> torch.Tensor:
        """Return ``n`` uniform samples ``(n, 3)`` between bounds ``(3, 2)``."""
        low, high = bounds.unbind(-1)
        return low + (high - low) * self.uniform(0.0, 1.0, n, 3)
