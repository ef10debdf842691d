"""Ingenuity.

Task: NASA's coaxial helicopter flies to a target on Mars and hovers there; every 5 s the target moves.
Randomisation: position ±0.5 m and angle of the blades ±0.2 rad at each reset; targets 1 to 2 m above the ground.
Success: 20 s close to the targets, upright and without spinning; the return is at most 6000.
"""

from pathlib import Path

import torch
from oige_core import ArticulationAsset, EnvConfig, Scene
from oige_core.math import quat_apply

from oige_tasks_classic.hover import HoverTask, Range3
from oige_tasks_classic.ingenuity.description import MAX_LATERAL, MAX_THRUST, UPSTREAM_THRUST_RATE

__all__ = ["IngenuityTask"]

INGENUITY_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "ingenuity.xml",
    usd="Robots/Ingenuity/ingenuity.usd",
)

ROTORS = ["rotor_physics_0", "rotor_physics_1"]  # lower, upper
BLADES = ["rotor_visual_0", "rotor_visual_1"]

START: Range3 = ((-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5))
TARGETS: Range3 = ((-1.0, 1.0), (-1.0, 1.0), (1.0, 2.0))
TARGET_STEPS = 500
MIN_HEIGHT = 0.5  # m
MAX_DISTANCE = 20.0  # m

BLADE_SPEED = 50.0  # rad/s, only for display
BLADE_ANGLE = 0.2  # rad


class IngenuityTask(HoverTask[EnvConfig]):
    """See the module.

    With ``task.env.compat=upstream``, thrust acts along the axes of the world instead of those of the helicopter, is
    proportional to ``task.sim.dt``, and is zero in the step that resets a world; all joints are set to their speed in
    each step.
    """

    start_range = START
    target_range = TARGETS
    max_distance = MAX_DISTANCE
    min_height = MIN_HEIGHT

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane, the helicopter and its target."""
        scene.add_ground_plane()
        self.vehicles = scene.add_articulation("ingenuity", INGENUITY_ASSET, position=(0.0, 0.0, 1.0))
        self.rotors = scene.add_link_view("rotors", "ingenuity", ROTORS)
        self.add_target(scene, radius=0.1)

    def post_reset(self) -> None:
        """Look up the joints of the blades."""
        super().post_reset()
        self.blade_joints = [self.vehicles.get_dof_index(name) for name in BLADES]
        self.joint_speeds = torch.zeros(1, self.vehicles.num_dof, device=self.device)
        self.joint_speeds[:, self.blade_joints] = torch.tensor([BLADE_SPEED, -BLADE_SPEED], device=self.device)
        self.max_thrust = UPSTREAM_THRUST_RATE * self.engine.physics_dt if self.upstream else MAX_THRUST

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Start episodes from random positions, with spinning blades."""
        super().reset_idx(worlds)
        angles = self.uniform(-BLADE_ANGLE, BLADE_ANGLE, len(worlds), 2)
        self.vehicles.set_joint_positions(angles, worlds, self.blade_joints)
        self.vehicles.set_joint_velocities(self.joint_speeds, worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Apply lateral forces along x and y and the thrust, of the lower rotor, then of the upper one."""
        self.move_targets(TARGET_STEPS)
        forces = rotor_forces(actions, self.max_thrust)
        if self.upstream:
            forces = self.ignore_while_reset(forces)
            self.vehicles.set_joint_velocities(self.joint_speeds)
        else:
            _, orientation = self.vehicles.get_world_poses(clone=False)
            forces = quat_apply(orientation.unsqueeze(1), forces)
        self.rotors.apply_forces(forces)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the vector to the target (/ 3 m), orientation, velocity (/ 2 m/s), angular velocity (/ π rad/s)."""
        return self.read_vehicles(worlds).observe()

    def calculate_metrics(self) -> torch.Tensor:
        """Reward being at the target, upright and without spin there."""
        flight = self.flight
        terms = reward_terms(flight.distance, flight.up[:, 2], flight.velocity[:, 5])
        return self.sum_reward_terms(terms)


def rotor_forces(actions: torch.Tensor, max_thrust: float) -> torch.Tensor:
    """Return the forces of both rotors ``(N, 2, 3)`` in N, along the axes of the helicopter.

    Args:
        actions: ``(N, 6)``, clamped to ±1: for each rotor the lateral force along x and y, ±20 % of its thrust, and its
            thrust.
        max_thrust: thrust at action 1, in N.
    """
    lateral, thrust = actions.clamp(-1.0, 1.0).unflatten(-1, (2, 3)).split((2, 1), dim=-1)
    thrust = max_thrust * thrust
    return torch.cat((MAX_LATERAL * lateral * thrust, thrust), dim=-1)


def reward_terms(distance: torch.Tensor, up_z: torch.Tensor, spin: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step.

    Args:
        distance: ``(N,)`` distance to the target, in m.
        up_z: ``(N,)`` vertical component of the body's z axis.
        spin: ``(N,)`` angular velocity about the vertical, in rad/s.

    Returns:
        ``(N,)`` each: ``position`` = p = 1 / (1 + 2.5 d²), ``upright`` = p / (1 + 30 (1 − up_z)²), ``spin`` = p / (1 +
        10 ω_z²).
    """
    position = 1.0 / (1.0 + 2.5 * distance.square())
    return {
        "position": position,
        "upright": position / (1.0 + 30.0 * (1.0 - up_z).square()),
        "spin": position / (1.0 + 10.0 * spin.square()),
    }
