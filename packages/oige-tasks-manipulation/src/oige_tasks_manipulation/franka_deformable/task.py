"""FrankaDeformable.

Task: a Franka Panda with a gripper picks up a soft tube and puts its back end into a beaker.
Randomisation: position (±1 cm along x and y) and yaw (±0.05 rad) of the tube at each reset.
Success: the back end of the tube is in the lower half of the beaker at the end of the episode, and the 12.5 cm before
it are in the beaker or above that half: a tube that is pushed through the wall does not count.
"""

import torch
from oige_core import DeformableAsset, Material, RLTask, Scene

from oige_tasks_manipulation.franka.description import DT, FINGER_JOINTS, FINGER_SPEED
from oige_tasks_manipulation.franka.robot import FRANKA
from oige_tasks_manipulation.franka_deformable import FrankaDeformableConfig
from oige_tasks_manipulation.franka_deformable.beaker import BEAKER, HEIGHT, INNER_RADIUS, OUTER_RADIUS

__all__ = ["FrankaDeformableTask"]

START = (0.0, 0.63, 0.0, -2.15, 0.0, 2.76, 0.75, 0.02, 0.02)  # joint positions, rad and m

SEGMENTS, ROWS = 8, 16
TUBE = DeformableAsset.tube(
    outer_radius=0.0125,
    inner_radius=0.008,
    length=0.4,
    segments=SEGMENTS,
    rows=ROWS,
    cells=(3, 1, 1),
    youngs_modulus=2e5,
    density=1100.0,
    damping=0.02,
)
"""A hose of soft silicone rubber; sizes and material are estimates, because those of the original are not published."""
TUBE_POSITION = (0.6, 0.0, 0.0135)  # m; on the ground, along x, its front end towards the robot
TUBE_COLOR = (0.85, 0.35, 0.2, 1.0)
FRONT_NODE = 2 * 6 * SEGMENTS + SEGMENTS // 4
"""Node on the top of the tube, 15 cm from its front end, where the gripper is at first."""
BACK_NODE = 2 * ROWS * SEGMENTS + 3 * SEGMENTS // 4
"""Node on the bottom of the tube's back end."""
LINE_NODES = [BACK_NODE - 2 * SEGMENTS * rows for rows in range(ROWS + 1)]
"""Nodes on the bottom, 2.5 cm apart, from the back end to the front end."""
TAIL = 6
"""Number of the nodes on the bottom up to 12.5 cm from the back end."""

BEAKER_POSITION = (0.5, 0.2, 0.095)  # m
FRONT_GOAL = (0.36, 0.0, 0.23)  # m; observed only
BACK_GOAL = (0.5, 0.2, 0.0)  # m
NEAR = 0.07  # m; horizontal distance from the goal within which the back end may sink
LIFT_HEIGHT = 0.18  # m; of the back end outside of that distance
DEPTH_FROM = 0.25  # m; height from which on depth is rewarded, above that of a tube that hovers over the beaker
WALL_MARGIN = 0.006  # m; how deep contacts may be in the wall of the beaker
DEPTH = 0.5 * HEIGHT  # m; height below which the back end has to be for success


class FrankaDeformableTask(RLTask[FrankaDeformableConfig]):
    """See the module.

    With ``task.env.compat=upstream``, the reward for the height of a tube depends on the places of the tubes in all
    worlds, see :func:`reward_terms`, and a tube that is pushed through the wall of the beaker ends no episode.
    """

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane, the robot, the tube and the beaker."""
        scene.add_ground_plane()
        self.frankas = scene.add_articulation("franka", FRANKA, disable_gravity=True)
        self.left_fingers = scene.add_link_view("lfingers", "franka", "panda_leftfinger")
        self.right_fingers = scene.add_link_view("rfingers", "franka", "panda_rightfinger")
        self.tubes = scene.add_deformable("tube", TUBE, position=TUBE_POSITION, material=Material(color=TUBE_COLOR))
        scene.add_rigid_body("beaker", BEAKER, position=BEAKER_POSITION, kinematic=True)

    def post_reset(self) -> None:
        """Look up joints and limits, and create the tensors that change from step to step."""
        device, n = self.device, self.num_envs
        self.lower_limits, self.upper_limits = self.frankas.get_dof_limits()[0].unbind(-1)
        self.start = torch.tensor(START, device=device)
        speeds = torch.full((self.frankas.num_dof,), self.cfg.actionScale * DT, device=device)
        speeds[[self.frankas.get_dof_index(name) for name in FINGER_JOINTS]] *= FINGER_SPEED
        self.target_changes = speeds  # at action 1, in rad or m
        self.nodes = [FRONT_NODE, BACK_NODE]
        self.line_nodes = LINE_NODES
        self.front_goal = torch.tensor(FRONT_GOAL, device=device)
        self.back_goal = torch.tensor(BACK_GOAL, device=device)
        self.reward_weights = {
            "goal_distance": self.cfg.goalDistanceRewardScale,
            "lift": self.cfg.liftRewardScale,
            "depth": self.cfg.depthRewardScale,
            "in_beaker": self.cfg.inBeakerRewardScale,
        }
        self.is_in_beaker = torch.zeros(n, dtype=torch.bool, device=device)
        self.targets = self.start.repeat(n, 1)
        self.tube_start = self.tubes.get_simulation_mesh_nodal_positions()[0]

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Put the robot back to where it was at first, and the tube near to where it was."""
        super().reset_idx(worlds)
        positions = self.start.expand(len(worlds), -1)
        self.frankas.set_joint_positions(positions, worlds)
        self.frankas.set_joint_position_targets(positions, worlds)
        self.targets = self.assign(self.targets, worlds, positions)
        shift, yaw = self.cfg.startPositionNoise, self.cfg.startRotationNoise
        if shift or yaw:
            shifts = self.uniform(-shift, shift, len(worlds), 2)
            yaws = self.uniform(-yaw, yaw, len(worlds), 1)
            nodes = move_horizontally(self.tube_start, self.tube_start[FRONT_NODE], shifts, yaws)
            self.tubes.set_simulation_mesh_nodal_positions(nodes, worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the position targets of the joints; the right finger follows the left one."""
        targets = torch.addcmul(self.targets, actions, self.target_changes)
        targets = torch.clamp(targets, self.lower_limits, self.upper_limits)
        self.targets = torch.cat((targets[:, :-1], targets[:, -2:-1]), dim=-1)
        self.frankas.set_joint_position_targets(self.targets)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return joint positions scaled from their limits to ±1, scaled joint velocities, the vectors from the gripper
        to the front of the tube, from there to its goal and from the back of the tube to its goal (m), and position
        (m) and velocity (m/s) of the front and of the back.
        """
        joint_positions = self.frankas.get_joint_positions(worlds, clone=False)
        joint_velocities = self.frankas.get_joint_velocities(worlds, clone=False)
        left = self.left_fingers.get_world_poses(worlds, clone=False)[0]
        right = self.right_fingers.get_world_poses(worlds, clone=False)[0]
        positions = self.tubes.get_simulation_mesh_nodal_positions(worlds, self.nodes)
        velocities = self.tubes.get_simulation_mesh_nodal_velocities(worlds, self.nodes)
        front, back = positions.unbind(dim=1)
        if worlds is None:
            self.front, self.back = front, back
        middle = 0.5 * (self.lower_limits + self.upper_limits)
        half_range = 0.5 * (self.upper_limits - self.lower_limits)
        return torch.cat(
            (
                (joint_positions - middle) / half_range,
                joint_velocities * self.cfg.dofVelocityScale,
                front - 0.5 * (left + right),
                self.front_goal - front,
                self.back_goal - back,
                front,
                velocities[:, 0],
                back,
                velocities[:, 1],
            ),
            dim=-1,
        )

    def is_done(self) -> torch.Tensor:
        """Terminate when the front of the tube is behind the robot, or more than 1 m ahead or beside it, or when the
        tube is pushed through the wall of the beaker, but not upstream.
        """
        x, y = self.front[:, 0], self.front[:, 1]
        self.line = self.tubes.get_simulation_mesh_nodal_positions(None, self.line_nodes) - self.back_goal
        self.through_wall = is_through_wall(self.line)
        self.is_in_beaker = is_in_beaker(self.line[:, :TAIL])
        is_away = (x < 0.0) | (x > 1.0) | (y.abs() > 1.0)
        return is_away if self.upstream else is_away | self.through_wall

    def calculate_metrics(self) -> torch.Tensor:
        """Reward a back end that is lifted, moved above the beaker and let down into it."""
        terms = reward_terms(self.back - self.back_goal, mix_worlds=self.upstream)
        return self.sum_reward_terms(terms | {"in_beaker": self.is_in_beaker.float()})

    def get_extras(self) -> None:
        """Report in which worlds the back end is in the beaker."""
        self.extras["success"] = self.is_in_beaker

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Add the fractions of episodes that end with the back end in the beaker and with the tube in its wall, and the
        mean distance of the back end from the axis of the beaker and its height at their end, in m.
        """
        from_goal = self.back - self.back_goal
        means = {
            "success": self.mean(self.is_in_beaker.float(), worlds),
            "through_wall": self.mean(self.through_wall.float(), worlds),
            "goal_distance": self.mean(from_goal[:, :2].norm(dim=-1), worlds),
            "back_height": self.mean(self.back[:, 2], worlds),
        }
        return super().finish_episodes(worlds) | means


def move_horizontally(
    points: torch.Tensor, pivot: torch.Tensor, shifts: torch.Tensor, yaws: torch.Tensor
) -> torch.Tensor:
    """Return points that are turned about a vertical axis and moved, ``(n, k, 3)``, in m.

    Args:
        points: ``(k, 3)``, in m.
        pivot: a point on the axis ``(3,)``, in m.
        shifts: along x and y ``(n, 2)``, in m.
        yaws: angles ``(n, 1)``, in rad.
    """
    x, y = (points - pivot)[:, :2].unbind(dim=-1)
    cos, sin = yaws.cos(), yaws.sin()
    moved = torch.stack((cos * x - sin * y, sin * x + cos * y), dim=-1) + (pivot[:2] + shifts).unsqueeze(1)
    return torch.cat((moved, points[:, 2:].expand(len(yaws), -1, 1)), dim=-1)


def reward_terms(from_goal: torch.Tensor, *, mix_worlds: bool = False) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step, before weights.

    Args:
        from_goal: ``(N, 3)``: position of the back of the tube relative to its goal on the ground, in m.
        mix_worlds: let the errors relative to the desired heights of all worlds add up, as in OmniIsaacGymEnvs.

    Returns:
        ``(N,)`` each: ``goal_distance`` = 1 / (5 d + 0.025) with the horizontal distance d in m; ``lift`` = 1 / (5 e +
        0.025) with the error e of the height in m; ``depth`` = 1 − height / 0.25 m, from 0 to 1, for d < 0.07 m. The
        desired height is 0 for d < 0.07 m and 0.18 m elsewhere. With ``mix_worlds``, e is the root of the sum of
        squares over the desired heights of all worlds.
    """
    distance, height = from_goal[:, :2].norm(dim=-1), from_goal[:, 2]
    is_near = distance < NEAR
    if mix_worlds:
        near = is_near.sum()
        height_error = (near * height.square() + (len(height) - near) * (height - LIFT_HEIGHT).square()).sqrt()
    else:
        height_error = torch.where(is_near, height, height - LIFT_HEIGHT).abs()
    return {
        "goal_distance": 1.0 / (5.0 * distance + 0.025),
        "lift": 1.0 / (5.0 * height_error + 0.025),
        "depth": is_near * (1.0 - height / DEPTH_FROM).clamp(0.0, 1.0),
    }


def is_in_beaker(from_goal: torch.Tensor) -> torch.Tensor:
    """Return whether the back of the tube is in the lower half of the beaker, ``(N,)`` bool.

    Args:
        from_goal: ``(N, k, 3)``: positions of the back end and of further nodes towards the front relative to the goal
            on the ground, in m. The back end is within 0.07 m of the axis and below half of the rim's height; the
            others are no farther from the axis than the outer radius of the wall, or above that height.
    """
    distances, is_low = from_goal[..., :2].norm(dim=-1), from_goal[..., 2] < DEPTH
    is_around = (distances < OUTER_RADIUS) | ~is_low
    return (distances[:, 0] < NEAR) & is_low[:, 0] & is_around.all(dim=-1)


def is_through_wall(from_goal: torch.Tensor) -> torch.Tensor:
    """Return whether a tube is deep in the wall of the beaker, or on both sides of it below the rim, ``(N,)`` bool.

    Args:
        from_goal: ``(N, k, 3)``: positions of nodes along the tube, closer to each other than the wall is thick,
            relative to the middle of the beaker's bottom, in m.
    """
    distances, is_low = from_goal[..., :2].norm(dim=-1), from_goal[..., 2] < HEIGHT - WALL_MARGIN
    is_inside = is_low & (distances < INNER_RADIUS + WALL_MARGIN)
    is_outside = is_low & (distances > OUTER_RADIUS - WALL_MARGIN)
    is_deep = (is_low & ~is_inside & ~is_outside).any(dim=-1)
    crosses = (is_inside[:, 1:] & is_outside[:, :-1]) | (is_outside[:, 1:] & is_inside[:, :-1])
    return is_deep | crosses.any(dim=-1)
