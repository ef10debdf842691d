"""Code that the flying tasks share: a target, drawn as a red ball, and the motion of vehicles relative to it."""

import math
from typing import NamedTuple, TypeVar

import torch
from oige_core import ArticulationView, EnvConfig, Material, RLTask, Scene
from oige_core.math import quat_apply

__all__ = ["Flight", "HoverTask", "Range3"]

EnvConfigT = TypeVar("EnvConfigT", bound=EnvConfig)

Range3 = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Minimum and maximum of x, y and z, in m."""

RED = Material(color=(0.85, 0.08, 0.08, 1.0))


class Flight(NamedTuple):
    """Motion of n vehicles.

    Attributes:
        to_target: vectors from the vehicles to their targets ``(n, 3)``, in m.
        distance: lengths of these vectors ``(n,)``, in m.
        height: heights of the vehicles ``(n,)``, in m.
        orientation: orientations of the vehicles ``(n, 4)``.
        up: z axes of the vehicles ``(n, 3)``.
        velocity: linear and angular velocities of the vehicles ``(n, 6)``, in m/s and rad/s.
    """

    to_target: torch.Tensor
    distance: torch.Tensor
    height: torch.Tensor
    orientation: torch.Tensor
    up: torch.Tensor
    velocity: torch.Tensor

    def observe(self) -> torch.Tensor:
        """Return ``(n, 13)``: vector to the target (/ 3 m), orientation, linear (/ 2 m/s), angular velocity (/ π)."""
        linear, angular = self.velocity[:, :3], self.velocity[:, 3:]
        return torch.cat((self.to_target / 3.0, self.orientation, linear / 2.0, angular / math.pi), dim=-1)


class HoverTask(RLTask[EnvConfigT]):
    """A task whose vehicles fly to a target.

    A subclass sets the ranges and bounds and, in ``set_up_scene``, :attr:`vehicles`; it calls :meth:`add_target` there,
    :meth:`move_targets` in ``pre_physics_step`` if targets move, and :meth:`read_vehicles` in ``get_observations``.

    Attributes:
        vehicles: the vehicles.
        start_range: range of initial positions.
        target_range: range of targets.
        max_distance: distance from the target beyond which an episode terminates, in m.
        min_height: height below which an episode terminates, in m.
        targets: target positions ``(N, 3)``, in m.
        flight: motion of the vehicles of all worlds after the last step.
    """

    vehicles: ArticulationView
    start_range: Range3
    target_range: Range3
    max_distance: float
    min_height: float
    flight: Flight

    def add_target(self, scene: Scene, *, radius: float) -> None:
        """Add the ball that shows the target; it does not collide."""
        x, y, z = (0.5 * (low + high) for low, high in self.target_range)
        self.balls = scene.add_sphere(
            "ball", radius=radius, position=(x, y, z), kinematic=True, collision=False, material=RED
        )

    def post_reset(self) -> None:
        """Prepare targets."""
        self.start_bounds = torch.tensor(self.start_range, device=self.device)
        self.target_bounds = torch.tensor(self.target_range, device=self.device)
        self.targets = torch.zeros(self.num_envs, 3, device=self.device)
        self.upright = torch.tensor([0.0, 0.0, 1.0], device=self.device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Place vehicles upright and at rest at random positions, and draw their targets."""
        super().reset_idx(worlds)
        self.vehicles.set_world_poses(self.sample(self.start_bounds, len(worlds)), indices=worlds)
        self.targets = self.assign(self.targets, worlds, self.sample(self.target_bounds, len(worlds)))
        self.balls.set_world_poses(self.targets)

    def move_targets(self, period: int) -> None:
        """Draw new targets after every ``period`` control steps of an episode."""
        due = (self.progress_buf % period == 0) & (self.progress_buf > 0)
        fresh = self.sample(self.target_bounds, self.num_envs)
        self.targets = torch.where(due.unsqueeze(-1), fresh, self.targets)
        self.balls.set_world_poses(self.targets)

    def read_vehicles(self, worlds: torch.Tensor | None) -> Flight:
        """Return the motion of the vehicles of a selection of worlds; :attr:`flight` stores that of all worlds."""
        positions, orientation = self.vehicles.get_world_poses(worlds)
        to_target = self.rows(self.targets, worlds) - positions
        flight = Flight(
            to_target=to_target,
            distance=to_target.norm(dim=-1),
            height=positions[:, 2],
            orientation=orientation,
            up=quat_apply(orientation, self.upright.expand_as(positions)),
            velocity=self.vehicles.get_velocities(worlds, clone=False),
        )
        if worlds is None:
            self.flight = flight
        return flight

    def is_done(self) -> torch.Tensor:
        """Terminate far from the target or near the ground."""
        return (self.flight.distance > self.max_distance) | (self.flight.height < self.min_height)

    def sample(self, bounds: torch.Tensor, n: int) -> torch.Tensor:
        """Return ``n`` uniform samples ``(n, 3)`` between bounds ``(3, 2)``."""
        low, high = bounds.unbind(-1)
        return low + (high - low) * self.uniform(0.0, 1.0, n, 3)
