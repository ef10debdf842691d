"""FactoryTaskNutBolt.

Task: a Franka picks up a nut, places it on a bolt and screws it on, in one episode of one world. Policies of
FactoryTaskNutBoltPick, -Place and -Screw act in their stages, and each gets the observations of its task. Routines in
between ignore actions: the gripper turns to flats of the nut, closes and lifts; it moves to where Place starts; and it
puts the nut on the bolt's tip. Nothing but friction holds the nut.
Randomisation: that of FactoryTaskNutBoltPick.
Success: that of FactoryTaskNutBoltScrew.
"""

import math
from itertools import accumulate

import torch
from oige_core.control import Controller, ControlTarget
from oige_core.math import quat_apply, quat_conjugate, quat_from_rotation_vector, quat_mul, rotation_vector_from_quat

from oige_tasks_manipulation.factory import NutBoltConfig
from oige_tasks_manipulation.factory.base import (
    ARM,
    DOWNWARDS,
    FRANKA_ORIENTATION,
    FRANKA_POSITION,
    OPEN,
    TABLE_HEIGHT,
    Fingertips,
)
from oige_tasks_manipulation.factory.frames import (
    hexagon_yaw,
    level,
    pad_z,
    points_along_z,
    tilt_back,
    turn_about_z,
    upright,
)
from oige_tasks_manipulation.factory.helix import ThreadTask
from oige_tasks_manipulation.factory.pick import FINGER_SPEED, LIFT, LIFTED
from oige_tasks_manipulation.factory.screw import CLOSE, make_unidirectional
from oige_tasks_manipulation.factory.starts import solve_starts
from oige_tasks_manipulation.franka.kinematics import ArmKinematics

__all__ = ["FactoryTaskNutBolt", "step_towards"]

PICK, ALIGN, CLOSE_GRIPPER, LIFT_NUT, CARRY, PLACE, LOWER, SCREW = range(8)  # stages
POLICY_OF_STAGE = (0, 0, 0, 0, 1, 1, 1, 2)

PLACE_YAW, SCREW_YAW = 0.5 * math.pi, math.pi / 6.0  # of the nut in the gripper, where these tasks start
PLACE_START = ((-0.15, -0.15, TABLE_HEIGHT + 0.15), (0.15, 0.15, TABLE_HEIGHT + 0.25))  # m; where the nut is carried
DEPTH = 0.005  # m; of the fingertips below the middle of a nut that they grasp
GAIN, LARGEST_STEP = 4.0, 0.1  # of routines: targets are this multiple of what is missing, up to this many m and rad
PRESS = 0.001  # m; by which a lowered nut's target is below the bolt's tip
STEEP = 10.0  # what is farther aside than an allowance descends along a cone with this slope
CENTRED, HIGHEST = 1e-4, 0.01  # m; allowance of the nut's base at the bolt's tip, and height from where it descends
ADDED, CLOSE_BY = 0.1, 5e-4  # of what is missing aside, up to this many m, is added to its goal in each step
BESIDE, CLEAR = 2e-3, 0.04  # m; those of the gripper at the nut
SLOW = 0.02  # m; largest step of a nut that is lowered


class FactoryTaskNutBolt(ThreadTask[NutBoltConfig]):
    """See the module.

    Observations are 3 numbers of which one is 1, that of the policy that acts next, then the observations of the three
    policies. A hexagon looks the same in six orientations: Place and Screw get that which is closest to the one in
    which they start. Screw, which starts in one place, gets all poses relative to the bolt's axis and to the gripper's
    yaw at the start of the stage. Its actions along and about z act; the other axes, which are free in Screw, keep
    the nut on the bolt's axis.
    """

    def post_reset(self) -> None:
        """Solve the start poses and create the tensors that change from step to step."""
        super().post_reset()
        cfg, n, device = self.cfg, self.num_envs, self.device
        self.ends = torch.tensor(list(accumulate(cfg.stage_steps())), device=device)
        self.begins = torch.nn.functional.pad(self.ends, (1, 0))[:-1]
        self.policies = torch.nn.functional.one_hot(torch.tensor(POLICY_OF_STAGE, device=device)).float()
        self.screw_controller = Controller(cfg.screw_ctrl, device, captured=self.capture is not None)
        kinematics = ArmKinematics(FRANKA_POSITION, FRANKA_ORIENTATION, device)
        self.starts = solve_starts(cfg.randomize, TABLE_HEIGHT, kinematics, self.generator)
        self.place_start = torch.tensor(PLACE_START, device=device)
        self.backwards = torch.tensor([-1.0, 0.0, 0.0], device=device)
        self.from_nut = torch.tensor(DOWNWARDS, device=device)
        self.one_way = torch.zeros(self.spec.num_actions, device=device)
        self.one_way[[2, 5]] = 1.0
        self.held = torch.zeros(n, 3, device=device), upright(torch.zeros(n, 1, device=device)).clone()
        self.back = self.held[1].clone()
        self.added = torch.zeros(n, 3, device=device)  # m; to the goal of a nut that is lowered
        self.lateral_error = torch.zeros(n, device=device)
        self.picked, self.placed, self.screwed = torch.zeros(3, n, dtype=torch.bool, device=device).unbind()

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Open the gripper at a random pose, and put nut and bolt in random places on the table."""
        super().reset_idx(worlds)
        self.start_above_nut(worlds, self.cfg.randomize, self.starts)

    def get_stages(self) -> torch.Tensor:
        """Return the stage of each world in the next step ``(N,)``."""
        return torch.bucketize(self.progress_buf, self.ends, right=True).clamp_max(SCREW)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the gripper as the policy of a stage says, or as its routine does."""
        stage, tips = self.get_stages(), self.get_fingertips()
        screws = stage == SCREW
        # While the nut turns, the policy's actions are those that matter in Screw: down, and about z.
        used = torch.where(screws.unsqueeze(-1), self.one_way * make_unidirectional(actions, self.one_way), actions)
        position, orientation, _ = self.read_actions(used, tips)
        nut, turned = self.get_nut_centres()
        bolt = self.bolts.get_world_poses(clone=False)[0]
        to_axis = torch.nn.functional.pad((bolt - nut)[:, :2], (0, 1))
        position = torch.where(screws.unsqueeze(-1), position + GAIN * to_axis, position)
        orientation = torch.where(screws.unsqueeze(-1), quat_mul(tilt_back(turned), level(orientation)), orientation)
        acts = (stage == PICK) | (stage == PLACE) | screws
        goal, goal_orientation = self._goals(stage, tips, nut, turned, bolt)
        step = (LARGEST_STEP - (LARGEST_STEP - SLOW) * (stage == LOWER)).unsqueeze(-1)
        moved, rotated = step_towards(tips, goal, goal_orientation, step)
        target = ControlTarget(
            position=torch.where(acts.unsqueeze(-1), position, moved),
            orientation=torch.where(acts.unsqueeze(-1), orientation, rotated),
            gripper_positions=self._gripper().unsqueeze(-1).expand(-1, 2),
        )
        state = self.get_control_state(tips)
        moving, screwing = (
            each.compute_efforts(state, target)[:, ARM] for each in (self.controller, self.screw_controller)
        )
        self.frankas.set_joint_position_targets(target.gripper_positions, joint_indices=self.finger_joints)
        self.exert(state, torch.where(screws.unsqueeze(-1), screwing, moving))

    def _gripper(self) -> torch.Tensor:
        """Return targets of the finger joints ``(N,)``, in m."""
        closing = (self.progress_buf - self.begins[CLOSE_GRIPPER] + 1).clamp_min(0)  # control steps
        return (OPEN - FINGER_SPEED * self.control_dt * closing).clamp_min(0.0)

    def _goals(
        self,
        stage: torch.Tensor,
        tips: Fingertips,
        nut: torch.Tensor,
        turned: torch.Tensor,
        bolt: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(N, 3)`` in m and orientations ``(N, 4)`` to which routines move the fingertips."""
        holds = self.progress_buf <= self.begins[CLOSE_GRIPPER]
        self.held = (
            torch.where(holds.unsqueeze(-1), tips.position, self.held[0]),
            torch.where(holds.unsqueeze(-1), tips.orientation, self.held[1]),
        )
        # To flats of the nut, from above: a finger that stands on the nut, or beside it, must not tilt the hand.
        yaw = hexagon_yaw(tips.orientation, turned, PLACE_YAW)[1]
        at_flats = quat_mul(turn_about_z(yaw), level(tips.orientation))
        around = nut + pad_z(rise_aside(nut - tips.position, BESIDE, CLEAR) - DEPTH)
        lifted = self.held[0] + pad_z(LIFT * (stage == LIFT_NUT))
        carried = torch.clamp(tips.position, *self.place_start)
        # The nut's axis to that of the bolt, then its base to the bolt's tip.
        base = points_along_z(nut, turned, -0.5 * self.nut_height.unsqueeze(-1)).squeeze(1)
        tip = bolt + pad_z(self.head_height + self.shank_length - PRESS)
        missing = tip - base
        # Adding up what is missing makes up for the nut's weight and for friction.
        aside = torch.nn.functional.pad(missing[:, :2].clamp(-CLOSE_BY, CLOSE_BY), (0, 1))
        self.added = (self.added + ADDED * aside) * (stage == LOWER).unsqueeze(-1)
        onto = tips.position + missing + self.added + pad_z(rise_aside(missing, CENTRED, HIGHEST))
        upright_nut = quat_mul(tilt_back(turned), tips.orientation)
        chosen = stage.unsqueeze(-1)
        position = torch.where(chosen == ALIGN, around, lifted)
        position = torch.where(chosen == CARRY, carried, position)
        position = torch.where(chosen == LOWER, onto, position)
        orientation = torch.where(chosen == ALIGN, at_flats, self.held[1])
        orientation = torch.where(chosen >= CARRY, upright_nut, orientation)
        return position, orientation

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return which policy acts next, and the observations of the policies of Pick, Place and Screw."""
        tips = self.get_fingertips(worlds)
        origin, turned = self.nuts.get_world_poses(worlds, clone=False)
        bolt, bolt_orientation = self.bolts.get_world_poses(worlds, clone=False)
        centre, _ = self.get_nut_centres(worlds)
        linear, angular = self.get_nut_velocities(worlds)
        stage = self.rows(self.get_stages(), worlds)
        if worlds is None:
            self._measure(tips, centre, turned, bolt)
            self.follow_thread(centre, turned)
        grasp = quat_mul(turned, self.from_nut.expand_as(turned))
        in_gripper = hexagon_yaw(tips.orientation, turned, PLACE_YAW)[0]
        back = self.rows(self.back, worlds)
        axis = torch.cat((bolt[:, :2], torch.zeros_like(bolt[:, 2:])), dim=-1)
        for_screw = hexagon_yaw(tips.orientation, turned, SCREW_YAW)[0]
        screw = (
            quat_apply(back, tips.position - axis),
            quat_mul(back, tips.orientation),
            quat_apply(back, tips.linear_velocity),
            quat_apply(back, tips.angular_velocity),
            quat_apply(back, centre - axis),
            quat_mul(back, for_screw),
            quat_apply(back, linear),
            quat_apply(back, angular),
            centre.new_zeros(len(centre), 6),
        )
        place = (*tips, origin, in_gripper, bolt, bolt_orientation)
        return torch.cat((self.policies[stage], *tips, centre, grasp, *place, *screw), dim=-1)

    def _measure(self, tips: Fingertips, nut: torch.Tensor, turned: torch.Tensor, bolt: torch.Tensor) -> None:
        """Note how stages ended, and what turns the gripper back to the yaw with which Screw starts."""
        progress, at = self.progress_buf, bolt[:, :2]
        origin = points_along_z(nut, turned, -(self.head_height + 0.5 * self.nut_height).unsqueeze(-1)).squeeze(1)
        base = points_along_z(nut, turned, -0.5 * self.nut_height.unsqueeze(-1)).squeeze(1)
        lifted = origin[:, 2] > TABLE_HEIGHT + LIFTED * self.nut_height
        self.picked = torch.where(progress == self.ends[LIFT_NUT], lifted, self.picked & (progress > 0))
        off_axis = torch.linalg.vector_norm(base[:, :2] - at, dim=-1)
        lowered = progress == self.ends[LOWER]
        self.lateral_error = torch.where(lowered, off_axis, self.lateral_error)
        on_tip = (base[:, 2] - bolt[:, 2] - self.head_height - self.shank_length).abs() < 2.0 * self.thread_pitch
        self.placed = torch.where(lowered, on_tip & (off_axis < self.thread_pitch), self.placed & (progress > 0))
        forward = quat_apply(tips.orientation, self.backwards.expand_as(tips.position))
        back = turn_about_z(-torch.atan2(forward[:, 1], forward[:, 0]))
        # The sign of the quaternion is that in Screw, where only y is not zero at the start.
        back = back * (quat_mul(back, tips.orientation)[:, 2:3] >= 0.0).float().mul(2.0).sub(1.0)
        self.back = torch.where((progress <= self.ends[LOWER]).unsqueeze(-1), back, self.back)
        target = bolt + pad_z(self.head_height + 0.5 * self.nut_height)
        close = torch.linalg.vector_norm(target - nut, dim=-1) < CLOSE * self.thread_pitch
        self.screwed = close & (progress > self.ends[LOWER])

    def is_done(self) -> torch.Tensor:
        """Terminate nothing: only time ends episodes."""
        return torch.zeros_like(self.terminated_buf)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward a nut that is screwed on."""
        return self.sum_reward_terms({"screwed": self.screwed.float()})

    def get_extras(self) -> None:
        """Report in which worlds the nut is screwed on."""
        self.extras["success"] = self.screwed

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Add fractions of episodes in which the nut was picked up, put on the tip and screwed on, and how far its base
        was from the bolt's axis before it was screwed on, in m.
        """
        outcomes = {"picked": self.picked, "placed": self.placed, "success": self.screwed}
        means = {name: self.mean(values.float(), worlds) for name, values in outcomes.items()}
        return super().finish_episodes(worlds) | means | {"lateral_error": self.mean(self.lateral_error, worlds)}


def rise_aside(missing: torch.Tensor, allowance: float, highest: float) -> torch.Tensor:
    """Return by how much ``(n,)`` a goal is raised, in m, so that it is reached from above.

    Args:
        missing: the way to the goal ``(n, 3)``, in m.
        allowance: distance aside up to which the goal is not raised, in m.
        highest: in m.
    """
    aside = torch.linalg.vector_norm(missing[:, :2], dim=-1)
    return (STEEP * (aside - allowance)).clamp(0.0, highest)


def step_towards(
    tips: Fingertips, position: torch.Tensor, orientation: torch.Tensor, largest: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return targets of the fingertips on their way to a pose.

    Args:
        tips: where they are.
        position: where they go ``(n, 3)``, in m.
        orientation: ``(n, 4)``.
        largest: largest step ``(n, 1)``, in m; rotations are up to ``LARGEST_STEP`` rad.

    Returns:
        Positions ``(n, 3)``, in m, and orientations ``(n, 4)``.
    """
    step = GAIN * (position - tips.position)
    step = step * (largest / torch.linalg.vector_norm(step, dim=-1, keepdim=True).clamp_min(1e-6)).clamp_max(1.0)
    turn = GAIN * rotation_vector_from_quat(quat_mul(orientation, quat_conjugate(tips.orientation)))
    length = torch.linalg.vector_norm(turn, dim=-1, keepdim=True).clamp_min(1e-6)
    turn = turn * (LARGEST_STEP / length).clamp_max(1.0)
    return tips.position + step, quat_mul(quat_from_rotation_vector(turn), tips.orientation)
