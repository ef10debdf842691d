"""BallBalance.

Task: catch a ball that falls on a tray on three legs, and hold it in the middle by bending the legs.
Randomisation: the ball starts up to 0.4 m from the middle, 1 to 2 m high, at 5 m/s downwards and up to 2 m/s inwards.
Success: the ball rests 0.7 m above the ground, with the tray raised by 3 cm; the reward of each of 600 steps is then 1.
"""

import math
from pathlib import Path

import torch
from oige_core import ArticulationAsset, Drive, Material, RLTask, Scene

from oige_tasks_classic.ball_balance import BallBalanceConfig

__all__ = ["BallBalanceTask", "ball_is_lost", "reward"]

BALANCE_BOT = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "balance_bot.xml",
    usd="Robots/BalanceBot/balance_bot.usd",
    # 400 and 40 per degree, as in OmniIsaacGymEnvs, but without its limit of 1000 N·m. MuJoCo limits the efforts that
    # drives demand before an implicit step, which exerts far less. With this limit, the legs would shake.
    drives={"lower_leg[0-2]": Drive(stiffness=math.degrees(400.0), damping=math.degrees(40.0))},
)

TRAY_HEIGHT = 0.5591  # m, with the feet on the ground: 0.36 · √2 + 0.04 + half a thickness
BALL_RADIUS = 0.1  # m
BALL_DENSITY = 200.0  # kg/m³

START_RADIUS = (0.001, 0.4)  # m, from the middle
START_HEIGHT = (1.0, 2.0)  # m
FALL_SPEED = 5.0  # m/s
MAX_INWARD_SPEED = 2.0  # m/s, at the largest radius

GOAL = (0.0, 0.0, 0.7)  # m
LOST_HEIGHT = 0.15  # m; on the ground the ball's centre is at 0.1
FORCE_SCALE = 1.0 / 20.0  # scale of observed forces and torques
BALL_POSITION, BALL_VELOCITY = slice(6, 9), slice(9, 12)  # of the observation

UPSTREAM_SPAWN_HEIGHT = 1.0  # m; upstream adds the start height to the height of the ball in the scene


class BallBalanceTask(RLTask[BallBalanceConfig]):
    """See the module.

    With ``task.env.compat=upstream``, the ball starts 1 m higher, joints keep their velocities at a reset, targets move
    per control step as far as they do in a physics step, and actions are ignored in the step that resets a world.
    """

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane, the table with its feet on it, and the ball."""
        scene.add_ground_plane()
        self.tables = scene.add_articulation(
            "table", BALANCE_BOT, position=(0.0, 0.0, TRAY_HEIGHT), track_joint_forces=True
        )
        self.balls = scene.add_sphere(
            "ball",
            radius=BALL_RADIUS,
            density=BALL_DENSITY,
            position=(0.0, 0.0, START_HEIGHT[0]),
            material=Material(color=(0.95, 0.55, 0.1, 1.0)),
        )

    def post_reset(self) -> None:
        """Look up the driven joints and the legs whose joint forces are observed."""
        tables, legs = self.tables, range(3)
        self.driven = [tables.get_dof_index(f"lower_leg{leg}") for leg in legs]
        self.sensing = [tables.get_link_index(f"upper_leg{leg}") for leg in legs]
        self.lower_limits, self.upper_limits = tables.get_dof_limits()[0, self.driven].unbind(-1)
        self.targets = torch.zeros(self.num_envs, 3, device=self.device)
        self.target_dt = self.engine.physics_dt if self.upstream else self.control_dt
        self.goal = torch.tensor(GOAL, device=self.device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Restore the table and throw the ball at it."""
        joint_velocities = self.tables.get_joint_velocities(worlds)
        super().reset_idx(worlds)
        self.targets = self.assign(self.targets, worlds, 0.0)
        positions, velocities = self.throw(len(worlds))
        if self.upstream:
            positions[:, 2] += UPSTREAM_SPAWN_HEIGHT
            self.tables.set_joint_velocities(joint_velocities, worlds)
        self.balls.set_world_poses(positions, indices=worlds)
        self.balls.set_linear_velocities(velocities, worlds)

    def throw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw initial positions ``(count, 3)`` in m and velocities ``(count, 3)`` in m/s of the ball."""
        angle = self.uniform(0.0, 2.0 * math.pi, count)
        outwards = torch.stack((angle.cos(), angle.sin()), dim=-1)
        low, high = START_RADIUS
        share = self.uniform(0.0, 1.0, count, 1)  # fraction of the way from the smallest to the largest radius
        speed = self.uniform(0.0, MAX_INWARD_SPEED, count, 1) * share
        height = self.uniform(*START_HEIGHT, count, 1)
        positions = torch.cat(((low + (high - low) * share) * outwards, height), dim=-1)
        velocities = torch.cat((-speed * outwards, torch.full_like(height, -FALL_SPEED)), dim=-1)
        return positions, velocities

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the position targets of the lower legs."""
        targets = self.targets + self.ignore_while_reset(actions) * (self.cfg.actionSpeedScale * self.target_dt)
        self.targets = torch.clamp(targets, self.lower_limits, self.upper_limits)
        self.tables.set_joint_position_targets(self.targets, joint_indices=self.driven)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the observations; each entry has three columns, one per leg unless stated otherwise.

        Positions (rad) and velocities (rad/s) of the lower joints; position (m) and velocity (m/s) of the ball; force
        of the tray on the upper legs along the hinge (N / 20), and its torques about the hinge, about the axis
        across hinge and leg, and about the leg (N·m / 20).
        """
        tables, balls = self.tables, self.balls
        wrenches = tables.get_measured_joint_forces(worlds, joint_indices=self.sensing, clone=False).transpose(1, 2)
        parts = (
            tables.get_joint_positions(worlds, joint_indices=self.driven),
            tables.get_joint_velocities(worlds, joint_indices=self.driven),
            balls.get_world_poses(worlds, clone=False)[0],
            balls.get_linear_velocities(worlds),
            wrenches[:, 0] * FORCE_SCALE,
            wrenches[:, 3:].flatten(1) * FORCE_SCALE,
        )
        return torch.cat(parts, dim=-1)

    def is_done(self) -> torch.Tensor:
        """Terminate when the ball is lost."""
        return ball_is_lost(self.obs_buf[:, BALL_POSITION])

    def calculate_metrics(self) -> torch.Tensor:
        """Reward a ball that rests at the goal."""
        offset, velocity = self.obs_buf[:, BALL_POSITION] - self.goal, self.obs_buf[:, BALL_VELOCITY]
        return self.sum_reward_terms({"balance": reward(offset, velocity)})


def reward(offset: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
    """Return 1 / (1 + distance) · 1 / (1 + speed), ``(N,)``.

    Args:
        offset: ``(N, 3)`` position of the ball relative to the goal, in m.
        velocity: ``(N, 3)`` velocity of the ball, in m/s.
    """
    distance = torch.linalg.vector_norm(offset, dim=-1)
    speed = torch.linalg.vector_norm(velocity, dim=-1)
    return 1.0 / ((1.0 + distance) * (1.0 + speed))


def ball_is_lost(position: torch.Tensor) -> torch.Tensor:
    """Return whether the ball, at ``(N, 3)`` m, is about to lie on the ground, ``(N,)`` bool."""
    return position[:, 2] < LOST_HEIGHT
