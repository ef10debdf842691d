"""Quadcopter.

Task: a quadcopter whose rotors tilt about two axes flies to a point 1 m above the ground and hovers there.
Randomisation: position ±1.5 m (0.8 m to 2.5 m above the ground) and gimbal angles ±0.2 rad at each reset.
Success: 5 s at the target, upright and without spinning; the return is at most 1500.
"""

from pathlib import Path

import torch
from oige_core import ArticulationAsset, Drive, EnvConfig, Scene

from oige_tasks_classic.hover import HoverTask, Range3
from oige_tasks_classic.quadcopter.description import GIMBAL_SPEED, MAX_THRUST, ROTORS, THRUST_SPEED

__all__ = ["QuadcopterTask"]

QUADCOPTER_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "quadcopter.xml",
    usd="Robots/Quadcopter/quadcopter.usd",
    drives={".*": Drive(stiffness=1000.0)},
)

TARGET: Range3 = ((0.0, 0.0), (0.0, 0.0), (1.0, 1.0))
START: Range3 = ((-1.5, 1.5), (-1.5, 1.5), (0.8, 2.5))
START_ANGLE = 0.2  # rad
MIN_HEIGHT = 0.3  # m
MAX_DISTANCE = 3.0  # m


class QuadcopterTask(HoverTask[EnvConfig]):
    """See the module.

    With ``task.env.compat=upstream``, targets and thrusts change per control step as much as they do in a physics step,
    and actions are ignored in the step that resets a world.
    """

    start_range = START
    target_range = TARGET
    max_distance = MAX_DISTANCE
    min_height = MIN_HEIGHT

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane, the quadcopter and its target."""
        scene.add_ground_plane()
        self.vehicles = scene.add_articulation("copter", QUADCOPTER_ASSET, position=(0.0, 0.0, 1.0))
        self.rotors = scene.add_link_view("rotors", "copter", ROTORS)
        self.add_target(scene, radius=0.05)

    def post_reset(self) -> None:
        """Look up joint limits; create position targets and thrusts."""
        super().post_reset()
        self.lower_limits, self.upper_limits = self.vehicles.get_dof_limits()[0].unbind(-1)
        self.angle_targets = torch.zeros(self.num_envs, self.vehicles.num_dof, device=self.device)
        self.thrusts = torch.zeros(self.num_envs, len(ROTORS), device=self.device)
        self.dt = self.engine.physics_dt if self.upstream else self.control_dt

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Start episodes from random positions, without thrust."""
        super().reset_idx(worlds)
        angles = self.uniform(-START_ANGLE, START_ANGLE, len(worlds), self.vehicles.num_dof)
        self.vehicles.set_joint_positions(angles, worlds)
        self.angle_targets = self.assign(self.angle_targets, worlds, angles)
        self.thrusts = self.assign(self.thrusts, worlds, 0.0)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the position targets of 4 pitch and 4 roll joints, and 4 thrusts, which act along the rotors' axes."""
        speeds, thrust_changes = self.ignore_while_reset(actions).split((self.vehicles.num_dof, len(ROTORS)), dim=-1)
        angles = self.angle_targets + speeds * (GIMBAL_SPEED * self.dt)
        self.angle_targets = angles.clamp(self.lower_limits, self.upper_limits)
        self.vehicles.set_joint_position_targets(self.angle_targets)
        thrusts = self.thrusts + thrust_changes * (THRUST_SPEED * self.dt)
        self.thrusts = thrusts.clamp(-MAX_THRUST, MAX_THRUST)
        self.rotors.apply_forces(torch.nn.functional.pad(self.thrusts.unsqueeze(-1), (2, 0)), is_global=False)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the vector to the target (/ 3 m), orientation, linear (/ 2 m/s) and angular velocity (/ π rad/s), and
        the angles of 4 pitch and 4 roll joints (rad).
        """
        angles = self.vehicles.get_joint_positions(worlds)
        return torch.cat((self.read_vehicles(worlds).observe(), angles), dim=-1)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward being at the target, upright and without spin there."""
        flight = self.flight
        terms = reward_terms(flight.distance, flight.up[:, 2], flight.velocity[:, 5])
        return self.sum_reward_terms(terms).clamp(min=0.0)


def reward_terms(distance: torch.Tensor, up_z: torch.Tensor, spin: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step; if their sum is negative, the reward is zero.

    Args:
        distance: ``(N,)`` distance to the target, in m.
        up_z: ``(N,)`` vertical component of the body's z axis.
        spin: ``(N,)`` angular velocity about the vertical, in rad/s.

    Returns:
        ``(N,)`` each: ``position`` = p = 1 / (1 + 3 d²), ``upright`` = p / (1 + 10 (1 − up_z)²), ``spin`` = p / (1 +
        0.001 ω_z²), ``spin_cost`` = −p ω_z² / 400.
    """
    position = 1.0 / (1.0 + 3.0 * distance.square())
    return {
        "position": position,
        "upright": position / (1.0 + 10.0 * (1.0 - up_z).square()),
        "spin": position / (1.0 + 0.001 * spin.square()),
        "spin_cost": position * spin.square() / -400.0,
    }
