"""The base of tasks in which a hand turns a cube to one goal orientation after another."""

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

import torch
from oige_core import ConfigError, Material, RLTask, Scene
from oige_core.math import quat_conjugate, quat_mul

from oige_tasks_manipulation.in_hand import InHandConfig
from oige_tasks_manipulation.in_hand.goals import (
    average_successes,
    random_orientations,
    reward_terms,
    reward_weights,
    rotation_angles,
)
from oige_tasks_manipulation.in_hand.hand import Hand

__all__ = ["InHandConfigT", "InHandTask"]

CUBE_SIZE = 0.05  # m
CUBE_DENSITY = 567.0  # kg/m³, which makes 0.0709 kg
FACE_COLORS = (
    (0.85, 0.15, 0.15),
    (0.95, 0.55, 0.1),
    (0.15, 0.6, 0.25),
    (0.15, 0.35, 0.85),
    (0.95, 0.85, 0.15),
    (0.55, 0.25, 0.7),
)
"""Of the faces +x, −x, +y, −y, +z, −z: red, orange, green, blue, yellow, purple."""
FRAME_COLOR = (0.93, 0.93, 0.93)
GOAL_OPACITY = 0.5
WRENCH_SCALE = 10.0  # of observed fingertip wrenches
UPSTREAM_DT = 1.0 / 60.0  # s; see ``task.env.compat``

InHandConfigT = TypeVar("InHandConfigT", bound=InHandConfig)


class InHandTask(RLTask[InHandConfigT]):
    """A hand turns a cube to one goal orientation after another.

    A goal that is reached is replaced at the start of the next step; the world goes on. With
    ``task.env.compat=upstream``, a control step counts as 1/60 s for ``dofSpeedScale`` and a physics step for
    ``resetTime``, joints may start beyond their limits, and the cube weighs 0.0709 kg whatever its density in the
    configuration.

    Attributes:
        hand: the hand.
        successes: ``(N,)``, number of goals reached in the current episodes.
        consecutive_successes: ``()``, moving average of the successes of the episodes that ended.
    """

    hand: ClassVar[Hand]

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane, the hand, the cube, and a marker that shows the goal."""
        hand = self.hand
        senses = "fingertip_wrenches" in (*self.cfg.observed_parts, *self.cfg.state_parts)
        scene.add_ground_plane()
        self.hands = scene.add_articulation(
            hand.name,
            hand.asset,
            position=hand.position,
            orientation=hand.orientation,
            disable_gravity=True,
            track_joint_forces=hand.fingertips if senses else False,
        )
        if hand.fingertips:
            self.fingertips = scene.add_link_view("finger", hand.name, hand.fingertips)
        size = (CUBE_SIZE, CUBE_SIZE, CUBE_SIZE)
        self.objects = scene.add_box(
            "object",
            size=size,
            face_colors=[(*color, 1.0) for color in FACE_COLORS],
            position=hand.object_position,
            density=CUBE_DENSITY,
            material=Material(color=(*FRAME_COLOR, 1.0)),
        )
        self.goals = scene.add_box(
            "goal_object",
            size=size,
            face_colors=[(*color, GOAL_OPACITY) for color in FACE_COLORS],
            position=hand.goal_display,
            kinematic=True,
            collision=False,
            material=Material(color=(*FRAME_COLOR, GOAL_OPACITY)),
        )

    def post_reset(self) -> None:
        """Create constants and the tensors that change from step to step."""
        cfg, device, n, hands = self.cfg, self.device, self.num_envs, self.hands
        dt = UPSTREAM_DT if self.upstream else self.control_dt
        if cfg.resetTime > 0.0:
            control_step = UPSTREAM_DT * self.control_frequency_inv if self.upstream else self.control_dt
            self.max_episode_length = round(cfg.resetTime / control_step)
            if self.max_episode_length < 1:
                raise ConfigError(
                    f"task.env.resetTime={cfg.resetTime}: expected at least one control step, {control_step:.4g} s, or "
                    "0 for the time of episodeLength."
                )
        self.target_step = cfg.dofSpeedScale * dt
        self.driven = sorted(hands.get_dof_index(name) for name in self.hand.actuated_joints)
        self.driven_columns = torch.tensor(self.driven, device=device)
        self.sensing = [hands.get_link_index(name) for name in self.hand.fingertips]
        limits = hands.get_dof_limits()[0]
        self.lower_limits, self.upper_limits = limits.unbind(-1)
        self.middles, self.half_ranges = limits.mean(-1), 0.5 * limits.diff().squeeze(-1)
        self.driven_lower, self.driven_upper = limits[self.driven].unbind(-1)
        self.driven_middles, self.driven_half_ranges = self.middles[self.driven], self.half_ranges[self.driven]
        mass = CUBE_DENSITY * CUBE_SIZE**3
        if self.upstream and not torch.allclose(self.objects.get_masses(), torch.tensor(mass, device=device)):
            self.objects.set_densities(torch.full((n,), CUBE_DENSITY, device=device))
        self.start = torch.tensor(self.hand.object_position, device=device)
        self.goal_position = torch.tensor(self.hand.goal_position, device=device)
        self.display_position = torch.tensor(self.hand.goal_display, device=device)
        self.velocity_scales = torch.tensor([1.0] * 3 + [cfg.velObsScale] * 3, device=device)
        self.reward_weights = reward_weights(cfg)
        self.goal_orientations = torch.zeros(n, 4, device=device)
        self.targets = torch.zeros(n, len(self.driven), device=device)
        self.actions = torch.zeros(n, len(self.driven), device=device)
        self.successes = torch.zeros(n, device=device)
        self.reached = torch.zeros(n, dtype=torch.bool, device=device)
        self.consecutive_successes = torch.zeros((), device=device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Place the object above the palm in a random orientation, near-straight fingers, and a new goal."""
        super().reset_idx(worlds)
        cfg, n, joints = self.cfg, len(worlds), self.hands.num_dof
        self._draw_goals(worlds)
        noise, fraction, speed = cfg.resetPositionNoise, cfg.resetDofPosRandomInterval, cfg.resetDofVelRandomInterval
        positions = self.start + self.uniform(-noise, noise, n, 3)
        self.objects.set_world_poses(positions, random_orientations(self.uniform(-1.0, 1.0, n, 2)), worlds)
        joint_positions = fraction * torch.addcmul(self.middles, self.half_ranges, self.uniform(-1.0, 1.0, n, joints))
        if not self.upstream:
            joint_positions = joint_positions.clamp(self.lower_limits, self.upper_limits)
        self.hands.set_joint_positions(joint_positions, worlds)
        if speed:
            self.hands.set_joint_velocities(self.uniform(-speed, speed, n, joints), worlds)
        self.hands.set_joint_position_targets(joint_positions, worlds)
        self.targets = self.assign(self.targets, worlds, joint_positions.index_select(1, self.driven_columns))
        self.actions = self.assign(self.actions, worlds, 0.0)
        self.successes = self.assign(self.successes, worlds, 0.0)
        self.reached = self.assign(self.reached, worlds, 0.0)

    def _draw_goals(self, worlds: torch.Tensor) -> None:
        """Draw new goals for a selection of worlds, and show them."""
        orientations = random_orientations(self.uniform(-1.0, 1.0, len(worlds), 2))
        self.goal_orientations = self.assign(self.goal_orientations, worlds, orientations)
        self.goals.set_world_poses(self.display_position.expand(len(worlds), 3), orientations, worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Replace the goals that were reached, and set the position targets of the joints."""
        self.actions = actions
        reached = self.selection(self.reached)
        if len(reached):
            self._draw_goals(reached)
        if self.cfg.useRelativeControl:
            targets = torch.add(self.targets, actions, alpha=self.target_step)
        else:
            targets = torch.addcmul(self.driven_middles, self.driven_half_ranges, actions)
            targets = torch.lerp(self.targets, targets, self.cfg.actionsMovingAverage)
        self.targets = torch.clamp(targets, self.driven_lower, self.driven_upper)
        self.hands.set_joint_position_targets(self.targets, joint_indices=self.driven)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the parts of ``observationType``; see :class:`~oige_tasks_manipulation.in_hand.Layouts`."""
        if worlds is None:
            self.object_positions, self.object_orientations = self.objects.get_world_poses(clone=False)
        return self._observe_parts(self.cfg.observed_parts, worlds)

    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the privileged states, of all parts."""
        return self._observe_parts(self.cfg.state_parts, worlds)

    def _observe_parts(self, parts: Sequence[str], worlds: torch.Tensor | None) -> torch.Tensor:
        """Return parts of observations side by side, ``(len(worlds), …)``."""
        hands, objects, observed_scale = self.hands, self.objects, self.cfg.velObsScale
        positions, orientations = objects.get_world_poses(worlds, clone=False)
        goals = self.rows(self.goal_orientations, worlds)
        read: dict[str, Callable[[], torch.Tensor]] = {
            "joint_positions": lambda: (
                (hands.get_joint_positions(worlds, clone=False) - self.middles) / self.half_ranges
            ),
            "joint_velocities": lambda: observed_scale * hands.get_joint_velocities(worlds, clone=False),
            "object_position": lambda: positions,
            "object_pose": lambda: torch.cat((positions, orientations), dim=-1),
            "object_velocity": lambda: objects.get_velocities(worlds, clone=False) * self.velocity_scales,
            "goal_pose": lambda: torch.cat((self.goal_position.expand_as(positions), goals), dim=-1),
            "goal_difference": lambda: quat_mul(orientations, quat_conjugate(goals)),
            "fingertip_positions": lambda: self.fingertips.get_world_poses(worlds, clone=False)[0].flatten(1),
            "fingertip_orientations": lambda: self.fingertips.get_world_poses(worlds, clone=False)[1].flatten(1),
            "fingertip_velocities": lambda: self.fingertips.get_velocities(worlds, clone=False).flatten(1),
            "fingertip_wrenches": lambda: WRENCH_SCALE * self._read_wrenches(worlds),
            "actions": lambda: self.rows(self.actions, worlds),
        }
        return torch.cat([read[part]() for part in parts], dim=-1)

    def _read_wrenches(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return the wrenches on fingertips, ``(len(worlds), 6 · fingertips)``, in N and N·m."""
        return self.hands.get_measured_joint_forces(worlds, joint_indices=self.sensing, clone=False).flatten(1)

    def is_done(self) -> torch.Tensor:
        """Count goals that are reached; terminate when the object has fallen or the last goal is reached."""
        cfg = self.cfg
        self.distances = torch.linalg.vector_norm(self.object_positions - self.goal_position, dim=-1)
        self.angles = rotation_angles(self.object_orientations, self.goal_orientations)
        self.reached = self.angles <= cfg.successTolerance
        self.successes = self.successes + self.reached
        self.fallen = self.distances >= cfg.fallDistance
        if not cfg.maxConsecutiveSuccesses:
            return self.fallen.clone()
        for steps in (self.progress_buf, self.skipped_buf):
            steps.masked_fill_(self.reached, 0)
        return self.fallen | (self.successes >= cfg.maxConsecutiveSuccesses)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward an object near the goal and aligned with it, and goals reached; penalise actions and falls."""
        terms = reward_terms(
            distances=self.distances,
            angles=self.angles,
            actions=self.actions,
            reached=self.reached,
            angle_bound=self.cfg.rotEps,
        )
        self.extras |= {"goals_reached": self.successes, "goals_given": self._goals_given()}
        if "fall" in self.reward_weights:
            terms["fall"] = self.fallen.float()
        if "time_out" in self.reward_weights:
            terms["time_out"] = (self.progress_buf >= self.time_limit).float()
        return self.sum_reward_terms(terms)

    def _goals_given(self) -> torch.Tensor:
        """Return the numbers of goals of the current episodes ``(N,)``: one more than were reached, up to the last."""
        given = self.successes + 1.0
        limit = self.cfg.maxConsecutiveSuccesses
        return given.clamp(max=limit) if limit else given

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Report goals per episode: the mean of those that end in this step, and the moving average."""
        self.consecutive_successes = average_successes(
            self.consecutive_successes, self.successes, self.ended_buf, self.cfg.averFactor
        )
        self.extras["consecutive_successes"] = self.consecutive_successes
        goals = {"successes": self.successes, "goals_given": self._goals_given()}
        return super().finish_episodes(worlds) | {name: self.mean(counts, worlds) for name, counts in goals.items()}
