"""Crazyflie.

Task: a Crazyflie 2.x, five times its size, flies to a target about 2 m above the ground and hovers there; after 5 s the
target moves.
Randomisation: position (±0.5 m, ±0.3 m in height) at each reset, target ±0.5 m, thrust 1 % of its command (Gaussian) at
each step.
Success: 7 s close to the targets and upright; the return is then close to 1400.
"""

from pathlib import Path

import torch
from oige_core import ArticulationAsset, EnvConfig, Scene
from oige_core.math import quat_apply, quat_apply_inverse, quat_to_matrix

from oige_tasks_classic.crazyflie.description import PROPELLERS, max_thrust
from oige_tasks_classic.hover import HoverTask, Range3

__all__ = ["CrazyflieTask"]

CRAZYFLIE_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "crazyflie.xml",
    usd="Robots/Crazyflie/cf2x.usd",
)

JOINTS = [f"m{i}_joint" for i in range(1, 5)]

START: Range3 = ((-0.5, 0.5), (-0.5, 0.5), (0.7, 1.3))
TARGETS: Range3 = ((-0.5, 0.5), (-0.5, 0.5), (1.5, 2.5))
UPSTREAM_START: Range3 = ((0.0, 0.0), (0.0, 0.0), (1.0, 1.0))
UPSTREAM_TARGET: Range3 = ((0.0, 0.0), (0.0, 0.0), (2.0, 2.0))
TARGET_STEPS = 500
MIN_HEIGHT, MAX_HEIGHT = 0.5, 5.0  # m
MAX_DISTANCE = 5.0  # m

SETTLING_TIME = 0.15 + 1e-6  # s, settling time of a propeller's speed; four times its time constant
THRUST_NOISE = 0.01  # standard deviation, as a fraction of the commanded thrust
MAX_PROPELLER_SPEED = 433.3  # rad/s, only for display


class CrazyflieTask(HoverTask[EnvConfig]):
    """See the module.

    With ``task.env.compat=upstream``, thrust is rotated by the inverse of the orientation, thrust noise is the same in
    all worlds, effort is rewarded, all episodes have the same start and target, propellers take a control step for a
    physics step, and nothing pushes in the step that resets a world.
    """

    max_distance = MAX_DISTANCE
    min_height = MIN_HEIGHT

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane, the Crazyflie and its target."""
        self.start_range = UPSTREAM_START if self.upstream else START
        self.target_range = UPSTREAM_TARGET if self.upstream else TARGETS
        scene.add_ground_plane()
        self.vehicles = scene.add_articulation("crazyflie", CRAZYFLIE_ASSET, position=(0.0, 0.0, 1.0))
        self.propellers = scene.add_link_view("propellers", "crazyflie", PROPELLERS)
        self.add_target(scene, radius=0.05)

    def post_reset(self) -> None:
        """Create the speeds of the propellers."""
        super().post_reset()
        self.joints = [self.vehicles.get_dof_index(name) for name in JOINTS]
        spin = [1.0, -1.0, 1.0, -1.0]  # neighbours spin in opposite directions
        self.top_speeds = MAX_PROPELLER_SPEED * torch.tensor(spin, device=self.device)
        self.max_thrust = max_thrust(-self.config.task.sim.gravity[2])
        dt = self.engine.physics_dt if self.upstream else self.control_dt
        self.response = min(4.0 * dt / SETTLING_TIME, 1.0)
        self.speeds = torch.zeros(self.num_envs, len(PROPELLERS), device=self.device)
        self.actions = torch.zeros(self.num_envs, len(PROPELLERS), device=self.device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Start episodes with propellers at rest."""
        super().reset_idx(worlds)
        self.speeds = self.assign(self.speeds, worlds, 0.0)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Let the propellers follow the commanded thrusts, from none at action −1 to the maximum at action 1."""
        self.move_targets(TARGET_STEPS)
        self.actions = actions
        commands = 0.5 * (actions.clamp(-1.0, 1.0) + 1.0)
        self.speeds = self.speeds + self.response * (commands.sqrt() - self.speeds)
        rows = 1 if self.upstream else self.num_envs
        noise = torch.randn(rows, len(PROPELLERS), device=self.device, generator=self.generator)
        thrusts = (self.speeds.square() + THRUST_NOISE * commands * noise).clamp(0.0, 1.0)
        _, orientation = self.vehicles.get_world_poses(clone=False)
        rotate = quat_apply_inverse if self.upstream else quat_apply
        up = rotate(orientation, self.upright.expand(self.num_envs, 3))
        forces = self.max_thrust * thrusts.unsqueeze(-1) * up.unsqueeze(1)
        self.propellers.apply_forces(self.ignore_while_reset(forces))
        self.vehicles.set_joint_velocities(thrusts * self.top_speeds, joint_indices=self.joints)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the vector to the target (m), the x, y and z axis of the body, and its velocity (m/s, rad/s)."""
        flight = self.read_vehicles(worlds)
        axes = quat_to_matrix(flight.orientation).transpose(-1, -2).flatten(1)
        return torch.cat((flight.to_target, axes, flight.velocity), dim=-1)

    def is_done(self) -> torch.Tensor:
        """Terminate far from the target, near the ground, high up or upside down."""
        return super().is_done() | (self.flight.height > MAX_HEIGHT) | (self.flight.up[:, 2] < 0.0)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward being at the target, upright and without rotation there, and low effort."""
        flight = self.flight
        terms = reward_terms(flight.distance, flight.up[:, 2], flight.velocity[:, 3:], self.actions)
        if self.upstream:
            terms["effort"] = -terms["effort"]
        return self.sum_reward_terms(terms)


def reward_terms(
    distance: torch.Tensor, up_z: torch.Tensor, angular_velocity: torch.Tensor, actions: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step.

    Args:
        distance: ``(N,)`` distance to the target, in m.
        up_z: ``(N,)`` vertical component of the body's z axis.
        angular_velocity: ``(N, 3)`` angular velocity, in rad/s.
        actions: ``(N, 4)``.

    Returns:
        ``(N,)`` each: ``position`` = p = 1 / (1 + d), ``upright`` = p · up_z, at least 0, ``spin`` = 0.01 p exp(−|ω|²),
        ``effort`` = 0.05 exp(−|a|² / 2).
    """
    position = 1.0 / (1.0 + distance)
    return {
        "position": position,
        "upright": position * up_z.clamp(0.0, 1.0),
        "spin": 0.01 * position * torch.exp(-angular_velocity.square().sum(dim=-1)),
        "effort": 0.05 * torch.exp(-0.5 * actions.square().sum(dim=-1)),
    }
