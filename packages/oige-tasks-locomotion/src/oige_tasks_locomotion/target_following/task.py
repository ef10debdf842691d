"""TargetFollowing.

Task: drive a robot with two driven wheels to a cube, with images of its front camera as observations.
Randomisation: heading of the robot; distance of the cube along x, and its heading, at each reset.
Success: the robot comes within 1 m of the cube.
"""

import math
from pathlib import Path

import torch
from oige_core import ArticulationAsset, Drive, Material, RLTask, Scene
from oige_core.math import quat_from_angle_axis

from oige_tasks_locomotion.target_following import TargetFollowingConfig

__all__ = ["TargetFollowingTask"]

CARTER_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "nova_carter.xml",
    usd="Robots/Carter/nova_carter.usd",
    drives={"joint_wheel_.*": Drive(damping=50.0, max_effort=15.0)},
)

CAMERA_LINK = "carter/chassis_link"
CAMERA_POSITION = (0.125, -0.075, 0.345)  # m; the right lens of the front stereo camera, 150 mm from the left one
CAMERA_FOV = math.radians(121.5)  # Hawk stereo camera, from NVIDIA's page on Nova Carter
CAMERA_FAR = 25.0  # m

TARGET_EDGE = 0.25  # m
TARGET_HEIGHT = TARGET_EDGE / 2  # m; of its middle
TARGET_COLOR = (0.46, 0.72, 0.0, 1.0)

NEAR = 1.0  # m; within this distance the robot gets the bonus
END = 0.9  # m

# With compat=upstream:
UPSTREAM_START_HEIGHT = 0.25  # m; of the robot, which falls to the ground
UPSTREAM_TARGET_HEIGHT = 0.025  # m; of the middle of the target, which the ground pushes out
UPSTREAM_FIRST_MASK = 3  # control steps after which an episode shows new masks


class TargetFollowingTask(RLTask[TargetFollowingConfig]):
    """See the module."""

    def set_up_scene(self, scene: Scene) -> None:
        """Add the robot with its camera, and the target."""
        scene.add_ground_plane(material=Material(color=(0.62, 0.64, 0.66, 1.0)))
        self.start_height = UPSTREAM_START_HEIGHT if self.upstream else 0.0
        self.target_height = UPSTREAM_TARGET_HEIGHT if self.upstream else TARGET_HEIGHT
        self.carters = scene.add_articulation("carter", CARTER_ASSET, position=(0.0, 0.0, self.start_height))
        self.targets = scene.add_box(
            "target",
            size=(TARGET_EDGE, TARGET_EDGE, TARGET_EDGE),
            position=(5.0, 0.0, self.target_height),
            kinematic=not self.upstream,
            collision=self.upstream,
            material=Material(color=TARGET_COLOR),
        )
        self.camera = scene.add_camera(
            "front_camera",
            width=self.cfg.imageSize,
            height=self.cfg.imageSize,
            horizontal_fov=CAMERA_FOV,
            parent=CAMERA_LINK,
            position=CAMERA_POSITION,
            outputs=("segmentation",) if self.cfg.observe == "segmentation" else ("segmentation", "rgb"),
            far=CAMERA_FAR,
            hidden=("carter",),  # the body is behind the camera
        )

    def post_reset(self) -> None:
        """Look up the driven wheels and the target's ID in segmentation images."""
        self.wheels = [self.carters.get_dof_index(f"joint_wheel_{side}") for side in ("left", "right")]
        self.target_id = self.camera.segmentation_ids["target"]
        # OmniIsaacGymEnvs multiplies actions, which are wheel speeds up to π rad/s already, by π once more.
        self.action_scale = self.cfg.maxWheelSpeed * (math.pi if self.upstream else 1.0)
        self.up = torch.tensor([0.0, 0.0, 1.0], device=self.device)
        self.start = torch.tensor([0.0, 0.0, self.start_height], device=self.device)
        n, size = self.num_envs, self.cfg.imageSize
        if self.upstream:
            self.shown_mask = torch.zeros(n, size, size, 1, dtype=torch.bool, device=self.device)
        self.distance = torch.zeros(n, device=self.device)
        self.previous_distance = torch.zeros(n, device=self.device)
        self.reached = torch.zeros(n, dtype=torch.bool, device=self.device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Set random headings of robots and targets; place targets along x."""
        moving = self._motion(worlds) if self.upstream else ()
        super().reset_idx(worlds)
        n = len(worlds)
        robot_yaw, target_yaw = self.uniform(-math.pi, math.pi, 2, n).unbind()
        axis, start = self.up.expand(n, 3), self.start.expand(n, 3)
        self.carters.set_world_poses(start, quat_from_angle_axis(robot_yaw, axis), indices=worlds)
        if self.upstream:
            self._keep_moving(worlds, *moving)
        position = torch.zeros(n, 3, device=self.device)
        position[:, 0] = self.uniform(*self.cfg.targetDistance, n)
        position[:, 2] = self.target_height
        self.targets.set_world_poses(position, quat_from_angle_axis(target_yaw, axis), indices=worlds)
        self.distance = self.assign(self.distance, worlds, self._measure(start, position))
        self.reached = self.assign(self.reached, worlds, False)

    def _motion(self, worlds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return velocities ``(n, 6)`` of the robots, and positions and velocities ``(n, joints)`` of their joints."""
        return (
            self.carters.get_velocities(worlds),
            self.carters.get_joint_positions(worlds),
            self.carters.get_joint_velocities(worlds),
        )

    def _keep_moving(self, worlds: torch.Tensor, *before: torch.Tensor) -> None:
        """Let robots whose episode has ended continue to move, as upstream, which only moves them to the start.

        The last mask remains, too, until the episode shows new ones.
        """
        goes_on = self.ended_buf & ~self.failed_buf
        last = self.shown_mask & goes_on.view(-1, 1, 1, 1)
        self.shown_mask = self.assign(self.shown_mask, worlds, self.rows(last, worlds))
        kept = self.rows(goes_on, worlds).unsqueeze(-1)
        motion = [torch.where(kept, old, new) for old, new in zip(before, self._motion(worlds), strict=True)]
        self.carters.set_velocities(motion[0], worlds)
        self.carters.set_joint_positions(motion[1], worlds)
        self.carters.set_joint_velocities(motion[2], worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Set the speeds of the left and the right wheel."""
        self.previous_distance = self.distance
        speeds = actions * self.action_scale
        if self.upstream:  # which sets the state, too, and stops the other joints
            velocities = torch.zeros_like(self.carters.get_joint_velocities())
            velocities[:, self.wheels] = speeds
            self.carters.set_joint_velocities(velocities)
        self.carters.set_joint_velocity_targets(speeds, joint_indices=self.wheels)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return images ``(n, rows, columns, 3)``: 255 in all channels of the target's pixels, or colours."""
        target = self.camera.get_segmentation(worlds, clone=False) == self.target_id
        if self.upstream:
            target = self._delayed(target, worlds)
        if worlds is None:
            self.visible_fraction = target.float().mean(dim=(1, 2, 3))
            self.distance = self._measure(*(view.get_world_poses()[0] for view in (self.carters, self.targets)))
            self.reached = self.reached | (self.distance < NEAR)
        if self.cfg.observe == "rgb":
            return self.camera.get_rgb(worlds)
        image = (target.to(torch.uint8) * 255).expand(-1, -1, -1, 3)
        # The base class swaps rows and columns, which upstream does with colours but not with masks.
        return image.transpose(1, 2) if self.upstream else image

    def _delayed(self, target: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return masks ``(n, rows, columns, 1)`` as upstream: an episode begins with the last of the one before."""
        is_shown = self.rows(self.progress_buf >= UPSTREAM_FIRST_MASK, worlds).view(-1, 1, 1, 1)
        target = torch.where(is_shown, target, self.rows(self.shown_mask, worlds))
        if worlds is None:
            self.shown_mask = target
        return target

    def is_done(self) -> torch.Tensor:
        """Terminate close to the target."""
        return self.distance < END

    def calculate_metrics(self) -> torch.Tensor:
        """Reward progress, driving straight ahead, and keeping the target in view."""
        wheels = self.carters.get_joint_velocities(joint_indices=self.wheels)
        terms = reward_terms(self.previous_distance, self.distance, wheels, self.visible_fraction)
        return self.sum_reward_terms(terms)

    def get_extras(self) -> None:
        """Report which robots have reached their target in this episode."""
        self.extras["success"] = self.reached

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Add the fraction of episodes in which the target was reached."""
        return super().finish_episodes(worlds) | {"success": self.mean(self.reached, worlds)}

    def _measure(self, robots: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return horizontal distances ``(n,)`` of positions ``(n, 3)``, in m; upstream, they are not horizontal."""
        difference = robots - targets
        return torch.linalg.vector_norm(difference if self.upstream else difference[:, :2], dim=-1)


def reward_terms(
    previous_distance: torch.Tensor, distance: torch.Tensor, wheel_speeds: torch.Tensor, visible_fraction: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step.

    Args:
        previous_distance: ``(N,)`` distance to the target one step ago, in m.
        distance: ``(N,)`` distance to the target now, in m.
        wheel_speeds: ``(N, 2)`` speeds of the left and right wheel, in rad/s.
        visible_fraction: ``(N,)`` fraction of the image that the target fills.

    Returns:
        ``(N,)`` each: ``progress`` = 10 per metre; ``straight`` = 0.0005 · (mean − |difference| of the wheel speeds);
        ``seen`` = visible fraction + 0.1, or −0.1 if the target is out of view; ``near`` = 100 within 1 m of it.
    """
    left, right = wheel_speeds.unbind(-1)
    return {
        "progress": 10.0 * (previous_distance - distance),
        "straight": 0.0005 * (0.5 * (left + right) - (left - right).abs()),
        "seen": visible_fraction + torch.where(visible_fraction > 0, 0.1, -0.1),
        "near": torch.where(distance < NEAR, 100.0, 0.0),
    }
