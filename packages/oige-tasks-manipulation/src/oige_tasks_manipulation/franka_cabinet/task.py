"""FrankaCabinet.

Task: a Franka Panda with a gripper grasps the handle of the upper drawer of a cabinet and opens it. The drawer contains
cubes.
Randomisation: joint positions of the robot (±0.125 rad or m, within their limits) at each reset.
Success: the drawer is open, its joint beyond 0.39 m of 0.4 m, at the end of the episode.
"""

import math

import torch
from oige_core import Material, RLTask, Scene
from oige_core.math import quat_apply, quat_apply_inverse, quat_conjugate, quat_mul, quat_to_matrix

from oige_tasks_manipulation.franka.description import DT, FINGER_JOINTS, FINGER_SPEED
from oige_tasks_manipulation.franka.robot import FRANKA
from oige_tasks_manipulation.franka_cabinet import FrankaCabinetConfig
from oige_tasks_manipulation.franka_cabinet.cabinet import CABINET, DRAWER_TOP, DRAWER_TOP_JOINT

__all__ = ["FrankaCabinetTask"]

CABINET_POSITION = (0.0, 0.0, 0.4)  # m
FRANKA_POSITION = (1.0, 0.0, 0.0)  # m
TOWARDS_CABINET = (0.0, 0.0, 0.0, 1.0)

START = (1.157, -1.066, -0.155, -2.239, -1.841, 1.003, 0.469, 0.035, 0.035)  # joint positions, rad and m
START_NOISE = 0.125  # rad and m

PROP_EDGE, PROP_SPACING = 0.08, 0.09  # m
PROP_DENSITY = 100.0  # kg/m³
PROP_COLOR = (0.2, 0.4, 0.6, 1.0)
PROPS_CENTRE = (0.0515, 0.0, 0.7172)  # m; on the floor of the closed drawer

GRASP_OFFSET = (
    0.0,
    0.04,
    0.0,
)  # m; of the grasp point from the middle of the fingers' frames, along axes of the last link
HANDLE = (0.3, 0.01, 0.0)  # m; grasp point in the frame of the drawer
OPEN = 0.39  # m


class FrankaCabinetTask(RLTask[FrankaCabinetConfig]):
    """See the module.

    With ``task.env.compat=upstream``, the right finger is taken to be where the left one is, so that no gripper is
    around the handle, and an open drawer terminates an episode instead of truncating it.
    """

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane, the robot, the cabinet and the cubes in its drawer."""
        scene.add_ground_plane()
        self.frankas = scene.add_articulation("franka", FRANKA, position=FRANKA_POSITION, orientation=TOWARDS_CABINET)
        self.cabinets = scene.add_articulation("cabinet", CABINET, position=CABINET_POSITION)
        self.hands = scene.add_link_view("hands", "franka", "panda_link7")
        self.left_fingers = scene.add_link_view("lfingers", "franka", "panda_leftfinger")
        self.right_fingers = scene.add_link_view("rfingers", "franka", "panda_rightfinger")
        self.drawers = scene.add_link_view("drawers", "cabinet", DRAWER_TOP)
        for number, position in enumerate(prop_positions(self.cfg.numProps)):
            scene.add_box(
                f"prop_{number}",
                size=(PROP_EDGE, PROP_EDGE, PROP_EDGE),
                position=position,
                density=PROP_DENSITY,
                section="prop",
                material=Material(color=PROP_COLOR),
            )

    def post_reset(self) -> None:
        """Look up joints and limits, and create the tensors that change from step to step."""
        device, cfg = self.device, self.cfg
        n, joints = self.num_envs, self.frankas.num_dof
        self.drawer_joint = [self.cabinets.get_dof_index(DRAWER_TOP_JOINT)]
        self.lower_limits, self.upper_limits = self.frankas.get_dof_limits()[0].unbind(-1)
        self.start = torch.tensor(START, device=device)
        speeds = torch.full((joints,), cfg.actionScale * DT, device=device)
        speeds[[self.frankas.get_dof_index(name) for name in FINGER_JOINTS]] *= FINGER_SPEED
        self.target_changes = speeds  # at action 1, in rad or m
        self.local_grasp = self._measure_local_grasp()
        self.handle = torch.tensor(HANDLE, device=device)
        self.reward_weights = {
            "distance": cfg.distRewardScale,
            "rotation": cfg.rotRewardScale,
            "around_handle": cfg.aroundHandleRewardScale,
            "open": cfg.openRewardScale,
            "finger_distance": cfg.fingerDistRewardScale,
            "action": -cfg.actionPenaltyScale,
            "finger_close": cfg.fingerCloseRewardScale,
            "bonus": 1.0,
        }
        self.targets = self.start.repeat(n, 1)
        self.actions = torch.zeros(n, joints, device=device)

    def _measure_local_grasp(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return position ``(3,)`` and orientation ``(4,)`` of the gripper's grasp frame in that of the last link."""
        hand, hand_rotation = (value[0] for value in self.hands.get_world_poses())
        left, rotation = (value[0] for value in self.left_fingers.get_world_poses())
        right = self.right_fingers.get_world_poses()[0][0]
        position = quat_apply_inverse(hand_rotation, 0.5 * (left + right) - hand)
        offset = torch.tensor(GRASP_OFFSET, device=self.device)
        return position + offset, quat_mul(quat_conjugate(hand_rotation), rotation)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Close the drawer, put the cubes back into it, and move the robot to its first pose, with noise."""
        super().reset_idx(worlds)
        noise = self.uniform(-START_NOISE, START_NOISE, len(worlds), self.frankas.num_dof)
        positions = torch.clamp(self.start + noise, self.lower_limits, self.upper_limits)
        self.frankas.set_joint_positions(positions, worlds)
        self.frankas.set_joint_position_targets(positions, worlds)
        self.targets = self.assign(self.targets, worlds, positions)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the position targets of the joints."""
        self.actions = actions
        targets = torch.addcmul(self.targets, actions, self.target_changes)
        self.targets = torch.clamp(targets, self.lower_limits, self.upper_limits)
        self.frankas.set_joint_position_targets(self.targets)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return joint positions scaled from their limits to ±1, scaled joint velocities, the vector from the gripper
        to the handle (m), and position (m) and velocity (m/s) of the drawer.
        """
        joint_positions = self.frankas.get_joint_positions(worlds, clone=False)
        joint_velocities = self.frankas.get_joint_velocities(worlds, clone=False)
        opening = self.cabinets.get_joint_positions(worlds, self.drawer_joint)
        opening_speed = self.cabinets.get_joint_velocities(worlds, self.drawer_joint)
        hand, hand_rotation = self.hands.get_world_poses(worlds, clone=False)
        drawer, drawer_rotation = self.drawers.get_world_poses(worlds, clone=False)
        grasp, grasp_rotation = self.local_grasp
        grasp = hand + quat_apply(hand_rotation, grasp.expand_as(hand))
        handle = drawer + quat_apply(drawer_rotation, self.handle.expand_as(drawer))
        if worlds is None:
            self.joint_positions, self.opening = joint_positions, opening.squeeze(-1)
            self.grasp, self.grasp_rotation = grasp, quat_mul(hand_rotation, grasp_rotation.expand_as(hand_rotation))
            self.handle_position, self.drawer_rotation = handle, drawer_rotation
        middle, half_range = (
            0.5 * (self.lower_limits + self.upper_limits),
            0.5 * (self.upper_limits - self.lower_limits),
        )
        return torch.cat(
            (
                (joint_positions - middle) / half_range,
                joint_velocities * self.cfg.dofVelocityScale,
                handle - grasp,
                opening,
                opening_speed,
            ),
            dim=-1,
        )

    def is_done(self) -> torch.Tensor:
        """Terminate nothing; upstream, terminate when the drawer is open."""
        return self.opening > OPEN if self.upstream else torch.zeros_like(self.terminated_buf)

    def is_cut_short(self) -> torch.Tensor:
        """Truncate when the drawer is open, or the time has run out.

        Rewards are positive. A learner that gets none after the drawer is open would leave it almost open.
        """
        return super().is_cut_short() | (self.opening > OPEN)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward a gripper that surrounds and grasps the handle, and the opening of the drawer."""
        left = self.left_fingers.get_world_poses(clone=False)[0]
        right = left if self.upstream else self.right_fingers.get_world_poses(clone=False)[0]
        heights = torch.stack((left[:, 2], right[:, 2]), dim=-1)
        terms = reward_terms(
            to_handle=self.handle_position - self.grasp,
            grasp_rotation=self.grasp_rotation,
            drawer_rotation=self.drawer_rotation,
            finger_heights=heights - self.handle_position[:, 2:],
            finger_positions=self.joint_positions[:, 7:],
            opening=self.opening,
            actions=self.actions,
        )
        return self.sum_reward_terms(terms)

    def get_extras(self) -> None:
        """Report in which worlds the drawer is open."""
        self.extras["success"] = self.opening > OPEN

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Add the fraction of episodes that end with an open drawer, and the mean opening at their end, in m."""
        opening = self.opening
        means = {"success": self.mean((opening > OPEN).float(), worlds), "opening": self.mean(opening, worlds)}
        return super().finish_episodes(worlds) | means


def prop_positions(count: int) -> list[tuple[float, float, float]]:
    """Return the positions of cubes in rows along x on the floor of the drawer, in m."""
    per_row = math.ceil(math.sqrt(count))
    first = -0.5 * PROP_SPACING * (per_row - 1)
    x, y, z = PROPS_CENTRE
    places = [divmod(number, per_row) for number in range(count)]
    return [(x + first + column * PROP_SPACING, y + first + row * PROP_SPACING, z) for row, column in places]


def reward_terms(
    *,
    to_handle: torch.Tensor,
    grasp_rotation: torch.Tensor,
    drawer_rotation: torch.Tensor,
    finger_heights: torch.Tensor,
    finger_positions: torch.Tensor,
    opening: torch.Tensor,
    actions: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step, before weights.

    Args:
        to_handle: ``(N, 3)``: from the grasp point of the gripper to that of the handle, in m.
        grasp_rotation: ``(N, 4)``: orientation of the gripper, which points along z, with the left finger towards y.
        drawer_rotation: ``(N, 4)``: orientation of the drawer, which opens along x.
        finger_heights: ``(N, 2)``: heights of the left and the right finger above the handle, in m.
        finger_positions: ``(N, 2)``: joint positions of the fingers, 0 to 0.04 m.
        opening: ``(N,)``: joint position of the drawer, in m.
        actions: ``(N, 9)``.

    Returns:
        ``(N,)`` each: ``distance`` = 1 / (1 + d²)², twice that for d ≤ 0.02 m; ``rotation`` = ½ (sign(a) a² + sign(b)
        b²) with the cosines a between the gripper and the inward direction, b between its y axis and up;
        ``around_handle`` = ½ if the left finger is above the handle and the right one below; ``open`` = opening ·
        (1 + around_handle); ``finger_distance`` = Σ (0.04 m − |height|) of fingers around the handle;
        ``action`` = Σ a²; ``finger_close`` = Σ (0.04 m − finger position) for d ≤ 0.03 m; ``bonus`` = ½ beyond 0.01 m,
        around_handle beyond 0.2 m and twice that beyond 0.39 m.
    """
    d_squared = to_handle.square().sum(dim=-1)
    distance = (1.0 + d_squared).pow(-2)
    gripper, drawer = quat_to_matrix(grasp_rotation), quat_to_matrix(drawer_rotation)
    forward = -(gripper[..., 2] * drawer[..., 0]).sum(dim=-1)
    up = (gripper[..., 1] * drawer[..., 2]).sum(dim=-1)
    surrounds = (finger_heights[:, 0] > 0.0) & (finger_heights[:, 1] < 0.0)
    around_handle = 0.5 * surrounds
    is_near = d_squared <= 0.03**2
    return {
        "distance": torch.where(d_squared <= 0.02**2, 2.0 * distance, distance),
        "rotation": 0.5 * (forward * forward.abs() + up * up.abs()),
        "around_handle": around_handle,
        "open": opening * (1.0 + around_handle),
        "finger_distance": surrounds * (0.04 - finger_heights.abs()).sum(dim=-1),
        "action": actions.square().sum(dim=-1),
        "finger_close": is_near * (0.04 - finger_positions).sum(dim=-1),
        "bonus": 0.5 * (opening > 0.01) + around_handle * ((opening > 0.2) + 2.0 * (opening > OPEN)),
    }
