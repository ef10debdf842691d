"""What Factory tasks share: the scene, what they measure, controllers, and what actions mean."""

import dataclasses
import logging
import math
from typing import Any, NamedTuple, TypeVar

import torch
from oige_core import Material, RLTask, Scene
from oige_core.control import Controller, ControlState, ControlTarget
from oige_core.math import quat_from_rotation_vector, quat_mul

from oige_tasks_manipulation.factory import FactoryConfig, KeypointRlConfig, NutBoltPickRandomizeConfig
from oige_tasks_manipulation.factory.frames import axis_z, points_along_z, upright
from oige_tasks_manipulation.factory.sizes import SIZES, NutBoltSize
from oige_tasks_manipulation.factory.starts import StartPoses
from oige_tasks_manipulation.factory.threads import CONTACT_TIME as STIFFEST
from oige_tasks_manipulation.factory.threads import bolt_asset, nut_asset
from oige_tasks_manipulation.franka.factory import (
    FACTORY_FRANKA,
    FINGER_LENGTH,
    FINGERTIP_LINK,
    MAX_OPENING,
    damping_efforts,
)

__all__ = [
    "ARM",
    "DOWNWARDS",
    "FRANKA_ORIENTATION",
    "FRANKA_POSITION",
    "OPEN",
    "TABLE_HEIGHT",
    "FactoryConfigT",
    "FactoryTask",
    "Fingertips",
    "contact_time",
    "rotation_of_action",
]

logger = logging.getLogger(__name__)

FRANKA_POSITION = (0.5, 0.0, 0.0)  # m
FRANKA_ORIENTATION = (0.0, 0.0, 0.0, 1.0)

TABLE_SIZE = (0.6, 1.0)  # m, along x and y
TABLE_HEIGHT = 0.4  # m
BLACK = (0.05, 0.05, 0.05, 1.0)

LONGEST_STEP = 0.0021  # s, of the solver; nuts jump over the thread with longer ones

FORCE_FEEDBACK = ("closed_loop_force", "hybrid_force_motion")

NUT_OFFSET = 0.1  # m; of nut and bolt in the scene, before the first reset

FINGER_LINKS = ("panda_leftfinger", "panda_rightfinger")

CONTACT_TIME = 0.01  # s; of nut and bolt
FINE_PITCH = 0.0015  # m; nuts with finer threads, M4 and M8, have contacts as stiff as they can be

ARM = slice(0, 7)
"""Joints of the arm; the others are those of the fingers."""

DOWNWARDS = (0.0, 0.0, 1.0, 0.0)
"""Orientation of a gripper that grasps a nut, in the frame of the nut."""

OPEN = 0.5 * MAX_OPENING
"""Joint position of an open finger, in m."""

FactoryConfigT = TypeVar("FactoryConfigT", bound=FactoryConfig[Any, Any])


class Fingertips(NamedTuple):
    """The midpoint between the tips of the fingers, in n worlds.

    Attributes:
        position: ``(n, 3)``, in m.
        orientation: ``(n, 4)``, that of the hand, whose z axis points along the fingers.
        linear_velocity: ``(n, 3)``, in m/s.
        angular_velocity: ``(n, 3)``, in rad/s.
    """

    position: torch.Tensor
    orientation: torch.Tensor
    linear_velocity: torch.Tensor
    angular_velocity: torch.Tensor


class FactoryTask(RLTask[FactoryConfigT]):
    """A Franka at a table with a nut and a bolt.

    With ``task.env.compat=upstream``, the controllers' Jacobian is the mean of those of the fingers' frames, not that
    of their tips.

    The frames of nut and bolt coincide when the nut touches the head of the bolt, which stands on it: the bolt's origin
    is at the bottom of its head, that of the nut is the height of the head below the nut.

    Attributes:
        nut_width: ``(N,)``, between opposite flats, in m.
        nut_height: ``(N,)``, in m.
        head_height: ``(N,)``: of the bolt's head, in m.
        shank_length: ``(N,)``: of the bolt, in m.
        bolt_diameter: ``(N,)``, in m.
        thread_pitch: ``(N,)``, in m.
    """

    @property
    def observes_finger_forces(self) -> bool:
        """Whether observations contain the contact forces of the fingers."""
        return False

    def set_up_scene(self, scene: Scene) -> None:
        """Add ground plane, table, robot, nut and bolt; warn if the solver's steps are too long for threads."""
        sim = scene.sim
        if sim.dt / sim.substeps > LONGEST_STEP:
            logger.warning(
                "task.sim.substeps=%d: nuts may jump over the thread in solver steps of %.2f ms; set %d or more.",
                sim.substeps,
                1e3 * sim.dt / sim.substeps,
                math.ceil(sim.dt / LONGEST_STEP),
            )
        scene.add_ground_plane()
        x, y = TABLE_SIZE
        scene.add_box(
            "table",
            size=(x, y, TABLE_HEIGHT),
            position=(0.0, 0.0, 0.5 * TABLE_HEIGHT),
            kinematic=True,
            material=Material(color=BLACK),
        )
        self.frankas = scene.add_articulation(
            "franka", FACTORY_FRANKA, position=FRANKA_POSITION, orientation=FRANKA_ORIENTATION, disable_gravity=True
        )
        measured = self.observes_finger_forces or self.cfg.ctrl.ctrl_type in FORCE_FEEDBACK
        self.fingertips = scene.add_link_view("fingertips", "franka", FINGERTIP_LINK)
        self.fingers = scene.add_link_view("fingers", "franka", FINGER_LINKS, track_contact_forces=measured)
        sizes = [SIZES[name] for name in self.cfg.nutBoltSizes]
        nuts, bolts = (
            [asset(size, self.cfg.nutBoltThread, contact_time=contact_time(size)) for size in sizes]
            for asset in (nut_asset, bolt_asset)
        )
        self.nuts = scene.add_rigid_body("nut", nuts, position=(0.0, NUT_OFFSET, TABLE_HEIGHT))
        self.bolts = scene.add_rigid_body("bolt", bolts, position=(0.0, 0.0, TABLE_HEIGHT), kinematic=True)

    def post_reset(self) -> None:
        """Look up sizes and create the controller."""
        device, cfg = self.device, self.cfg
        sizes = [SIZES[name] for name in cfg.nutBoltSizes]
        columns = [dataclasses.astuple(size)[1:] for size in sizes]
        of_worlds = torch.tensor(columns, device=device)[self.nuts.get_variants()]
        self.nut_width, self.nut_height, self.bolt_diameter, self.head_height = of_worlds[:, :4].unbind(-1)
        self.shank_length, self.thread_pitch = of_worlds[:, 4:].unbind(-1)
        self.controller = Controller(cfg.ctrl, device, captured=self.capture is not None)
        if self.controller.drives_positions:
            gains = self.controller.drive_gains
        else:  # drives of the fingers alone, which are too light for efforts that change once per control step
            of_gripper = cfg.ctrl.all.gripper_prop_gains, cfg.ctrl.all.gripper_deriv_gains
            gains = [torch.tensor([0.0] * 7 + list(values), device=device) for values in of_gripper]
        self.frankas.set_gains(*(values.expand(self.num_envs, -1) for values in gains))
        self.arm_joints, self.finger_joints = list(range(7)), [7, 8]
        links = [self.frankas.get_link_index(name) for name in FINGER_LINKS]
        self.finger_links = torch.tensor(links, device=device)
        rl = cfg.rl
        scales = (*rl.pos_action_scale, *rl.rot_action_scale, *rl.force_action_scale, *rl.torque_action_scale)
        self.action_scales = torch.tensor(scales, device=device)
        self.least_rotation = rl.clamp_rot_thresh if rl.clamp_rot else 0.0

    def get_fingertips(self, worlds: torch.Tensor | None = None) -> Fingertips:
        """Return pose and velocity of the midpoint between the fingertips."""
        centre, orientation = self.fingertips.get_world_poses(worlds, clone=False)
        linear, angular = self.fingertips.get_velocities(worlds, clone=False).split(3, dim=-1)
        fingers = self.fingers.get_world_poses(worlds, clone=False)[0].mean(dim=1)
        position = fingers + self.along_fingers(orientation)
        linear = linear + torch.linalg.cross(angular, position - centre)
        return Fingertips(position, orientation, linear, angular)

    def along_fingers(self, orientation: torch.Tensor) -> torch.Tensor:
        """Return the vectors from the fingers' frames to their tips ``(n, 3)``, in m, for orientations ``(n, 4)``."""
        return FINGER_LENGTH * axis_z(orientation)

    def get_nut_centres(self, worlds: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` of the middles of the nuts, in m, and orientations ``(n, 4)`` of the nuts."""
        position, orientation = self.nuts.get_world_poses(worlds, clone=False)
        height = self.rows(self.head_height + 0.5 * self.nut_height, worlds)
        return points_along_z(position, orientation, height.unsqueeze(-1)).squeeze(1), orientation

    def get_nut_velocities(self, worlds: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return linear velocities ``(n, 3)`` of the middles of the nuts, in m/s, and angular ones, in rad/s."""
        linear, angular = self.nuts.get_velocities(worlds, clone=False).split(3, dim=-1)
        centre, _ = self.get_nut_centres(worlds)
        arm = centre - self.nuts.get_world_poses(worlds, clone=False)[0]
        return linear + torch.linalg.cross(angular, arm), angular

    def control(
        self,
        tips: Fingertips,
        position: torch.Tensor,
        orientation: torch.Tensor,
        gripper: torch.Tensor,
        wrench: torch.Tensor | None = None,
    ) -> None:
        """Set efforts, or targets of drives, that move the fingertips to a pose, and those that damp the arm.

        Args:
            tips: where they are.
            position: target of their midpoint ``(N, 3)``, in m.
            orientation: target ``(N, 4)``.
            gripper: targets of the finger joints ``(N,)``, in m.
            wrench: target of the contact wrench ``(N, 6)``, in N and N·m; for controllers of forces.
        """
        state = self.get_control_state(tips)
        target = ControlTarget(
            position=position,
            orientation=orientation,
            gripper_positions=gripper.unsqueeze(-1).expand(-1, 2),
            wrench=wrench,
        )
        if self.controller.drives_positions:
            self.frankas.set_joint_position_targets(self.controller.compute_position_targets(state, target))
            self.exert(state, torch.zeros_like(state.joint_positions[:, ARM]))
        else:
            self.frankas.set_joint_position_targets(target.gripper_positions, joint_indices=self.finger_joints)
            self.exert(state, self.controller.compute_efforts(state, target)[:, ARM])

    def get_control_state(self, tips: Fingertips) -> ControlState:
        """Return what controllers measure, where the fingertips are known."""
        jacobian = self.frankas.get_jacobians().index_select(1, self.finger_links)[..., ARM].mean(dim=1)
        if not self.upstream:
            along = self.along_fingers(tips.orientation).unsqueeze(-1).expand(-1, 3, jacobian.shape[-1])
            moved = torch.linalg.cross(jacobian[:, 3:], along, dim=1)
            jacobian = torch.cat((jacobian[:, :3] + moved, jacobian[:, 3:]), dim=1)
        measures_force = self.controller.needs_contact_force
        return ControlState(
            joint_positions=self.frankas.get_joint_positions(clone=False),
            joint_velocities=self.frankas.get_joint_velocities(clone=False),
            position=tips.position,
            orientation=tips.orientation,
            linear_velocity=tips.linear_velocity,
            angular_velocity=tips.angular_velocity,
            jacobian=jacobian,
            mass_matrix=self.frankas.get_mass_matrices()[:, ARM, ARM],
            contact_force=self.fingers.get_net_contact_forces().sum(dim=1) if measures_force else None,
        )

    def exert(self, state: ControlState, efforts: torch.Tensor) -> None:
        """Set the efforts of the arm: those of a controller ``(N, 7)``, in N·m, and those that damp it."""
        assert state.mass_matrix is not None
        damping = damping_efforts(
            state.mass_matrix,
            state.joint_velocities[:, ARM],
            state.linear_velocity,
            state.angular_velocity,
            self.control_dt,
        )
        self.frankas.set_joint_efforts(efforts + damping, joint_indices=self.arm_joints)

    def read_actions(
        self, actions: torch.Tensor, tips: Fingertips
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return what actions ``(N, 12)`` mean, relative to where the fingertips are.

        Returns:
            Target of their position ``(N, 3)`` in m, of their orientation ``(N, 4)``, and, for controllers of forces,
            of the contact wrench ``(N, 6)``.
        """
        displacement, turn, wrench = (actions * self.action_scales).split((3, 3, 6), dim=-1)
        rotation = rotation_of_action(turn, self.least_rotation)
        wrench = wrench if self.controller.needs_wrench else None
        return tips.position + displacement, quat_mul(rotation, tips.orientation), wrench

    def weights_of(self, rl: KeypointRlConfig) -> dict[str, float]:
        """Return the weights of reward terms; upstream scales the penalty of actions twice."""
        return {
            "keypoints": -rl.keypoint_reward_scale,
            "action": -(rl.action_penalty_scale ** (2 if self.upstream else 1)),
            "success": rl.success_bonus,
        }

    def start_above_nut(self, worlds: torch.Tensor, cfg: NutBoltPickRandomizeConfig, starts: StartPoses) -> None:
        """Open the gripper at a random pose of a bank, and put nut and bolt in random places on the table."""
        start = starts.rows(self.sample_rows(len(starts.arm), worlds))
        fingers = start.arm.new_full((len(worlds), 2), OPEN)
        self.frankas.set_joint_positions(torch.cat((start.arm, fingers), dim=-1), worlds)
        nut = self.sample(worlds, cfg.nut_pos_xy_initial, cfg.nut_pos_xy_noise)
        height = TABLE_HEIGHT - self.rows(self.head_height, worlds)
        pose = torch.cat((nut, height.unsqueeze(-1)), dim=-1), upright(nut)
        self.place_bodies(worlds, pose, self.sample(worlds, cfg.bolt_pos_xy_initial, cfg.bolt_pos_xy_noise))

    def place_bodies(
        self,
        worlds: torch.Tensor,
        nut: tuple[torch.Tensor, torch.Tensor],
        bolt: torch.Tensor,
    ) -> None:
        """Set the poses of nuts and bolts.

        Args:
            worlds: the selection.
            nut: positions ``(len(worlds), 3)`` in m, and orientations ``(len(worlds), 4)``.
            bolt: positions on the table ``(len(worlds), 2)``, in m; bolts stand upright.
        """
        self.nuts.set_world_poses(*nut, worlds)
        height = bolt.new_full((len(worlds), 1), TABLE_HEIGHT)
        self.bolts.set_world_poses(torch.cat((bolt, height), dim=-1), upright(bolt), worlds)

    def control_steps(self, physics_steps: int) -> int:
        """Return the number of control steps that contain a number of physics steps."""
        return math.ceil(physics_steps / self.control_frequency_inv)

    def sample_rows(self, count: int, worlds: torch.Tensor) -> torch.Tensor:
        """Sample one of ``count`` rows for each selected world ``(len(worlds),)``."""
        return torch.randint(count, (len(worlds),), generator=self.generator, device=self.device)

    def sample(self, worlds: torch.Tensor, middle: tuple[float, ...], noise: tuple[float, ...]) -> torch.Tensor:
        """Sample ``(len(worlds), k)`` uniformly between ``middle`` minus and plus ``noise``."""
        drawn = self.uniform(-1.0, 1.0, len(worlds), len(middle))
        columns = zip(middle, noise, drawn.unbind(-1), strict=True)
        return torch.stack([centre + bound * column for centre, bound, column in columns], dim=-1)


def contact_time(size: NutBoltSize) -> float:
    """Return the time constant of the contacts of a nut and its bolt, in s."""
    return CONTACT_TIME if size.pitch > FINE_PITCH else STIFFEST


def rotation_of_action(turn: torch.Tensor, least: float) -> torch.Tensor:
    """Return the rotations ``(n, 4)`` of rotation vectors ``(n, 3)`` in rad, none for vectors up to ``least`` long."""
    is_turn = torch.linalg.vector_norm(turn, dim=-1, keepdim=True) > least
    return quat_from_rotation_vector(turn * is_turn)
