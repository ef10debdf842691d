"""AnymalTerrain.

Task: ANYmal C follows a commanded velocity and heading over slopes, stairs and obstacles, whose heights it measures.
Randomisation: commands; joint positions, joint velocities and position in the tile at each reset; noise on
observations; a push every 15 s; the tile, which is harder for robots that went far and easier for those that did not.
Success: 20 s at the commanded velocity without base or knees touching the ground; the return is then close to 30.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import torch
from oige_core import (
    ConfigError,
    Drive,
    HeightSampler,
    Material,
    RLTask,
    Scene,
    TerrainMap,
    curriculum_map,
    derive_seed,
    mixed_map,
)
from oige_core.math import quat_apply, quat_apply_inverse

from oige_tasks_locomotion.anymal.robot import ANYMAL_ASSET, MAX_EFFORT, default_pose
from oige_tasks_locomotion.anymal_terrain import AnymalTerrainConfig, LearnConfig
from oige_tasks_locomotion.anymal_terrain.curriculum import next_levels, next_levels_of_upstream
from oige_tasks_locomotion.anymal_terrain.description import MEASURED_X, MEASURED_Y
from oige_tasks_locomotion.anymal_terrain.rewards import Motion, reward_terms, reward_weights
from oige_tasks_locomotion.anymal_terrain.symmetry import reflections

__all__ = ["AnymalTerrainTask", "has_fallen", "touches_ground", "yaw_rate_towards"]

CONTACT_FORCE = 1.0  # N; larger forces count as a contact
LEAST_COMMAND = 0.25  # m/s; slower commands become zero
HEADING_GAIN = 0.5  # rad/s of commanded yaw rate per rad of heading error, up to 1 rad/s
PUSH_SPEED = 1.0  # m/s; a push sets velocities along x and y to random values up to this
STANDING_HEIGHT = 0.5  # m; ground at this distance below the base is observed as 0
SHANKS = ["LF_SHANK", "LH_SHANK", "RF_SHANK", "RH_SHANK"]  # feet are part of the shanks
HEIGHTS = slice(36, 176)  # of the observation


class Sensed(NamedTuple):
    """State of n robots and the ground around them.

    Attributes:
        positions: ``(n, 3)`` positions of the base, in m.
        forward: ``(n, 2)`` horizontal component of the base's x axis.
        motion: ``(n, 6)`` linear (m/s) and angular velocity (rad/s) of the base in its own frame.
        gravity: ``(n, 3)`` unit vector downwards, in the base's frame.
        joint_offsets: ``(n, 12)`` joint positions relative to the default pose, in rad.
        joint_velocities: ``(n, 12)`` joint velocities, in rad/s.
        heights: ``(n, 140)`` heights of the ground, in m.
    """

    positions: torch.Tensor
    forward: torch.Tensor
    motion: torch.Tensor
    gravity: torch.Tensor
    joint_offsets: torch.Tensor
    joint_velocities: torch.Tensor
    heights: torch.Tensor


class AnymalTerrainTask(RLTask[AnymalTerrainConfig]):
    """See the module.

    Attributes:
        commands: ``(N, 3)``: velocity along x and y of the robot (m/s), yaw rate (rad/s). They may be written at any
            time; the yaw rate is computed from ``headings``.
        headings: ``(N,)`` commanded heading, in rad.
        manual_control: ``(N,)`` bool; robots whose commanded yaw rate is not derived from their heading.
        terrain_levels: ``(N,)`` int64 level of difficulty.
        terrain_types: ``(N,)`` int64 type of tile, which never changes.
        terrain_map: the terrain.
    """

    def set_up_scene(self, scene: Scene) -> None:
        """Add the terrain and a robot, which is on one of the hardest tiles until its first reset."""
        control, terrain = self.cfg.control, self.cfg.terrain
        self.terrain_map = ground = self._make_map()
        scene.add_height_field(
            "terrain",
            ground.heights,
            horizontal_scale=ground.horizontal_scale,
            origin=ground.origin,
            # Upstream overwrites the friction after reading it, so that it has no effect.
            material=None if self.upstream else Material(friction=terrain.dynamicFriction),
        )
        # Upstream computes torques between physics steps; see _step_like_upstream.
        drive = Drive(stiffness=control.stiffness, damping=control.damping, max_effort=MAX_EFFORT)
        asset = dataclasses.replace(
            ANYMAL_ASSET,
            drives=ANYMAL_ASSET.drives if self.upstream else {".*": drive},
            joint_positions=default_pose(self.cfg.defaultJointAngles),
        )
        start = self.cfg.baseInitState
        x, y, z = (float(value) for value in ground.tile_origins[-1, terrain.numTerrains // 2] + start.pos)
        self.anymals = scene.add_articulation("anymal", asset, position=(x, y, z), orientation=start.rot)
        links = ["base", "LF_THIGH", "LH_THIGH", "RF_THIGH", "RH_THIGH"]
        if self.cfg.learn.feetAirTimeRewardScale:
            self.feet = scene.add_link_view("feet", "anymal", SHANKS, track_contact_forces=True)
        self.base_and_knees = scene.add_link_view("base_and_knees", "anymal", links, track_contact_forces=True)

    def _make_map(self) -> TerrainMap:
        terrain, seed = self.cfg.terrain, self.config.seed
        rng = np.random.default_rng(derive_seed(seed, "terrain"))
        if self.upstream:  # it draws from numpy's global generator, which it seeds with the seed of the run
            rng = np.random.RandomState(None if seed == -1 else seed % 2**32)
        options: dict[str, Any] = {
            "levels": terrain.numLevels,
            "types": terrain.numTerrains,
            "length": terrain.mapLength,
            "width": terrain.mapWidth,
            "border": terrain.borderSize,
            "horizontal_scale": terrain.horizontalScale,
            "rng": rng,
        }
        if terrain.curriculum:
            return curriculum_map(proportions=terrain.terrainProportions, **options)
        return mixed_map(**options)

    def post_reset(self) -> None:
        """Assign a type of tile and the first level to every robot; look up constants."""
        n, device, terrain, learn = self.num_envs, self.device, self.cfg.terrain, self.cfg.learn
        if self.upstream:
            self.control_frequency_inv = 1  # _step_like_upstream takes the others
        self.steps_between_pushes = round(learn.pushInterval_s / self.control_dt)
        if self.steps_between_pushes < 1:
            raise ConfigError(
                f"task.env.learn.pushInterval_s={learn.pushInterval_s}: expected at least one control step, "
                f"{self.control_dt:g} s."
            )
        self.control_steps = torch.zeros((), dtype=torch.int64, device=device)
        ground = self.terrain_map
        points = torch.cartesian_prod(torch.tensor(MEASURED_X), torch.tensor(MEASURED_Y))
        self.ground = HeightSampler(ground.heights, ground.horizontal_scale, ground.origin, device, points.t())
        self.tile_origins = torch.tensor(ground.tile_origins, dtype=torch.float32, device=device)
        start = self.cfg.baseInitState
        self.start_position = torch.tensor(start.pos, device=device)
        self.start_velocity = torch.tensor([*start.vLinear, *start.vAngular], device=device)
        self.starts_moving = any((*start.vLinear, *start.vAngular))
        self.map_edge = -torch.tensor(ground.origin[:2], device=device) - ground.horizontal_scale
        # Neighbours are on different types, so that a minibatch of neighbours contains all types.
        drawn = min(n, terrain.numTerrains)
        self.terrain_types = torch.arange(n, device=device) % drawn * terrain.numTerrains // drawn
        if self.upstream:
            self.terrain_types = torch.randint(terrain.numTerrains, (n,), generator=self.generator, device=device)
        highest = terrain.maxInitMapLevel if terrain.curriculum else terrain.numLevels - 1
        self.terrain_levels = torch.randint(highest + 1, (n,), generator=self.generator, device=device)
        self.reward_weights = reward_weights(learn, self.control_dt)
        self.default_positions = self.anymals.get_joint_positions()[0]
        ranges = self.cfg.randomCommandVelocityRanges
        limits = torch.tensor([ranges.linear_x, ranges.linear_y, ranges.yaw], device=device)
        self.command_low, self.command_span = limits[:, 0], limits[:, 1] - limits[:, 0]
        self.forward, self.down = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]], device=device)
        scales = [learn.linearVelocityScale] * 3 + [learn.angularVelocityScale] * 3 + [1.0] * 3
        scales += [learn.linearVelocityScale] * 2 + [learn.angularVelocityScale]
        scales += [learn.dofPositionScale] * 12 + [learn.dofVelocityScale] * 12
        scales += [learn.heightMeasurementScale] * len(points) + [1.0] * 12
        self.observation_scale = torch.tensor(scales, device=device)
        self.symmetries = tuple(symmetry.to(device) for symmetry in reflections(self.anymals.dof_names, points))
        self.noise_scale = noise_scale(learn).to(device) if learn.addNoise else None
        self.noise = torch.zeros(n, *self.observation_shape, device=device)
        self.commands = torch.zeros(n, 3, device=device)
        self.headings = torch.zeros(n, device=device)
        self.manual_control = torch.zeros(n, dtype=torch.bool, device=device)
        self.actions, self.last_actions = torch.zeros(2, n, 12, device=device)
        self.last_joint_velocities = torch.zeros(n, 12, device=device)
        self.swing_time = torch.zeros(n, len(SHANKS), device=device)
        self.knees_down = torch.zeros(n, dtype=torch.int64, device=device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Move robots to the next tile, in random joint states, with new commands."""
        levels, types = self.rows(self.terrain_levels, worlds), self.rows(self.terrain_types, worlds)
        if self.cfg.terrain.curriculum:
            levels = self._next_levels(worlds, levels, types)
            self.terrain_levels = self.assign(self.terrain_levels, worlds, levels)
        # Upstream, the first observation of an episode contains the last action of the one before.
        actions = self.rows(self.actions * self._ended().unsqueeze(-1), worlds) if self.upstream else 0.0
        super().reset_idx(worlds)
        n = len(worlds)
        positions = self.tile_origins[levels, types]
        positions[:, :2] += self.uniform(-0.5, 0.5, n, 2)
        positions += self.start_position
        self.anymals.set_world_poses(positions, indices=worlds)
        if self.starts_moving:
            self.anymals.set_velocities(self.start_velocity, worlds)
        joint_positions = self.default_positions * self.uniform(0.5, 1.5, n, 12)
        self.anymals.set_joint_positions(joint_positions, worlds)
        self.anymals.set_joint_velocities(self.uniform(-0.1, 0.1, n, 12), worlds)
        self.draw_commands(worlds)
        if self.noise_scale is not None:
            self.noise = self.assign(self.noise, worlds, self.uniform_noise(self.noise_scale, n))
        self.actions = self.assign(self.actions, worlds, actions)
        self.last_joint_velocities = self.assign(self.last_joint_velocities, worlds, 0.0)
        self.swing_time = self.assign(self.swing_time, worlds, 0.0)

    def draw_commands(self, worlds: torch.Tensor) -> None:
        """Draw new random commands for the robots of a selection of worlds."""
        drawn = self.uniform(0.0, 1.0, len(worlds), 3)
        commands = torch.addcmul(self.command_low, self.command_span, drawn)
        moving = torch.linalg.vector_norm(commands[:, :2], dim=-1, keepdim=True) > LEAST_COMMAND
        commands *= moving
        # The third number is a heading, from which get_observations computes the yaw rate.
        self.headings = self.assign(self.headings, worlds, commands[:, 2])
        if self.upstream:  # which computes it in the next step, and observes the one of the step before until then
            commands[:, 2] = self.rows(self.commands, worlds)[:, 2] * moving[:, 0]
        self.commands = self.assign(self.commands, worlds, commands)

    def _next_levels(self, worlds: torch.Tensor, before: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """Return the next levels ``(n,)`` of robots, which depend on how far they got."""
        terrain = self.cfg.terrain
        start = self.tile_origins[before, types, :2]
        position = self.anymals.get_world_poses(worlds, clone=False)[0]
        distance = torch.linalg.vector_norm(position[:, :2] - start, dim=-1)
        # Robots of episodes that staggering shortened could not go as far.
        steps = self.max_episode_length - self.rows(self.skipped_buf, worlds)
        episode = (steps * self.control_dt).unsqueeze(-1)
        commanded = self.rows(self.commands, worlds)[:, :2] * episode
        if self.upstream:
            reset = self.assign(torch.zeros_like(self.ended_buf), worlds, True)
            commanded = commanded * self.rows(reset, worlds).unsqueeze(-1)
            levels = next_levels_of_upstream(before, distance, commanded, terrain.mapLength, terrain.numLevels)
        else:
            redrawn = torch.randint(terrain.numLevels, before.shape, generator=self.generator, device=self.device)
            far = torch.linalg.vector_norm(commanded, dim=-1)
            levels = next_levels(before, distance, far, terrain.mapLength, terrain.numLevels, redrawn)
        # A failed robot has been moved, and episodes that callers reset early say nothing about difficulty.
        return torch.where(self.rows(self._ended() & ~self.failed_buf, worlds), levels, before)

    def _ended(self) -> torch.Tensor:
        """Return which worlds are in the last step of an episode, ``(N,)`` bool, before their reset."""
        return self.ended_buf & (self.progress_buf > self.skipped_buf)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Set the position targets of the joints; push the robots if a push is due."""
        self.control_steps += 1
        if self.noise_scale is not None:
            self.noise = self.uniform_noise(self.noise_scale, self.num_envs)
        if not self.upstream:
            self._push_if_due()
        self.last_actions, self.actions = self.actions, actions
        self.last_joint_velocities = self.anymals.get_joint_velocities()
        targets = self.default_positions + self.cfg.control.actionScale * actions
        if self.upstream:
            self._step_like_upstream(targets)
        else:
            self.anymals.set_joint_position_targets(targets)

    def post_physics_step(self) -> None:
        """Push the robots if a push is due and, as upstream, is part of what they observe in the same step."""
        if self.upstream:
            self._push_if_due()
        super().post_physics_step()

    def _push_if_due(self) -> None:
        """Push all robots if a push is due."""
        if not self.cfg.learn.pushRobots:
            return
        due = self.control_steps % self.steps_between_pushes == 0
        worlds = self.selection(due.expand(self.num_envs))
        velocities = self.anymals.get_linear_velocities(worlds)
        velocities[:, :2] = self.uniform(-PUSH_SPEED, PUSH_SPEED, len(worlds), 2)
        self.anymals.set_linear_velocities(velocities, worlds)

    def _step_like_upstream(self, targets: torch.Tensor) -> None:
        """Run all physics steps with separate torques; the environment adds one more step with the last torques."""
        control = self.cfg.control
        for _ in range(self.cfg.controlFrequencyInv):
            offsets = targets - self.anymals.get_joint_positions()
            efforts = control.stiffness * offsets - control.damping * self.anymals.get_joint_velocities()
            self.anymals.set_joint_efforts(efforts.clamp(-MAX_EFFORT, MAX_EFFORT))
            self.engine.step()

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return velocities, gravity, command, joints, 140 heights and previous actions; see the
        module ``description``.
        """
        sensed = self._sense(worlds)
        if worlds is not None and self.upstream:
            sensed, commands = self._keep_motion(sensed, worlds), self.rows(self.commands, worlds)
        else:
            commands = self._commands(sensed, worlds)
        if worlds is None:
            self.sensed, self.commands = sensed, commands
        else:
            self.commands = self.assign(self.commands, worlds, commands)
        return self._observations(sensed, commands, self.rows(self.actions, worlds), self.rows(self.noise, worlds))

    def _keep_motion(self, sensed: Sensed, worlds: torch.Tensor) -> Sensed:
        """Return what upstream observes after a reset: velocities and gravity are still those before it."""
        motion, gravity = (self.rows(values, worlds) for values in (self.sensed.motion, self.sensed.gravity))
        return sensed._replace(motion=motion, gravity=gravity)

    def _sense(self, worlds: torch.Tensor | None) -> Sensed:
        """Read the state of the robots of a selection and measure the ground around them."""
        anymals = self.anymals
        positions, orientations = anymals.get_world_poses(worlds, clone=False)
        forward = quat_apply(orientations, self.forward.expand_as(positions))[:, :2]
        # Upstream measures heights along the x axis of (w, 0, 0, z), which differs if the base is tilted.
        ahead = rotated_x_axis(orientations[:, 0], orientations[:, 3]) if self.upstream else forward
        ahead = ahead / torch.linalg.vector_norm(ahead, dim=-1, keepdim=True)
        return Sensed(
            positions=positions,
            forward=forward,
            motion=anymals.get_body_frame_velocities(worlds),
            gravity=quat_apply_inverse(orientations, self.down.expand_as(positions)),
            joint_offsets=anymals.get_joint_positions(worlds, clone=False) - self.default_positions,
            joint_velocities=anymals.get_joint_velocities(worlds, clone=False),
            heights=self.ground.sample_around(positions[:, :2], ahead),
        )

    def _commands(self, sensed: Sensed, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return the commands of the robots of a selection, with yaw rates from their headings."""
        commands, headings, manual_control = (
            self.rows(row, worlds) for row in (self.commands, self.headings, self.manual_control)
        )
        towards = yaw_rate_towards(headings, sensed.forward, wrap_up=not self.upstream)
        yaw_rate = torch.where(manual_control, commands[:, 2], towards)
        return torch.cat((commands[:, :2], yaw_rate.unsqueeze(-1)), dim=-1)

    def _observations(
        self, sensed: Sensed, commands: torch.Tensor, actions: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Return observations ``(n, 188)``."""
        joint_positions = sensed.joint_offsets
        if self.upstream:  # upstream, they are not relative to the default pose
            joint_positions = joint_positions + self.default_positions
        clearance = (sensed.positions[:, 2:] - STANDING_HEIGHT - sensed.heights).clamp_(-1.0, 1.0)
        velocities = sensed.joint_velocities
        parts = (sensed.motion, sensed.gravity, commands, joint_positions, velocities, clearance, actions)
        observations = torch.addcmul(noise, torch.cat(parts, dim=-1), self.observation_scale)
        if self.noise_scale is not None and not self.upstream:  # upstream, noise exceeds the range of measurements
            limit = self.cfg.learn.heightMeasurementScale
            observations[:, HEIGHTS].clamp_(-limit, limit)
        return observations

    def is_done(self) -> torch.Tensor:
        """Terminate when the base or more than one knee touches the ground."""
        touches = touches_ground(self.base_and_knees.get_net_contact_forces(clone=False))
        self.knees_down = touches[:, 1:].sum(dim=-1)
        return has_fallen(touches[:, 0], self.knees_down)

    def is_cut_short(self) -> torch.Tensor:
        """Truncate episodes that reach their length or leave the map, which upstream are not."""
        if self.upstream:
            return super().is_cut_short()
        beyond = (self.sensed.positions[:, :2].abs() > self.map_edge).any(dim=-1)
        return super().is_cut_short() | beyond

    def calculate_metrics(self) -> torch.Tensor:
        """Reward following the command, and penalise unnecessary motion."""
        sensed = self.sensed
        motion = Motion(
            linear_velocity=sensed.motion[:, :3],
            angular_velocity=sensed.motion[:, 3:],
            gravity=sensed.gravity,
            height=sensed.positions[:, 2],
            ground=sensed.heights.new_zeros(1, 1)
            if self.upstream
            else sensed.heights,  # upstream, heights are absolute
            commands=self.commands,
            efforts=self.anymals.get_measured_joint_efforts(clone=False),
            joint_offsets=sensed.joint_offsets,
            velocity_change=sensed.joint_velocities - self.last_joint_velocities,
            action_change=self.actions - self.last_actions,
            swings=self._finished_swings(self.control_dt),
            knees_down=self.knees_down,
            fallen=self.terminated_buf,
        )
        ended = self.terminated_buf.int()
        if self.upstream:  # it negates an integer bit by bit: a fall counts -1 times, and the end of time -2 times
            ended = torch.where(self.is_cut_short(), -2, -ended)
        final = (self.cfg.learn.terminalReward * self.control_dt) * ended
        total = self.sum_reward_terms(reward_terms(motion, self.reward_weights) | {"termination": final})
        return (total - final).clamp_(min=0.0) + final

    def _finished_swings(self, dt: float) -> torch.Tensor:
        """Return the time in the air of feet that have just touched the ground, ``(N, 4)`` in s; 0 for other feet.

        If swings are not rewarded, they are not measured.
        """
        if not self.cfg.learn.feetAirTimeRewardScale:
            return self.swing_time
        grounded = self.feet.get_net_contact_forces(clone=False)[..., 2] > CONTACT_FORCE
        self.swing_time += dt
        finished = self.swing_time * (grounded & (self.swing_time > 1.5 * dt))  # not on the ground in the previous step
        self.swing_time.masked_fill_(grounded, 0.0)
        return finished

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Report the mean level of all robots in the episode statistics."""
        return super().finish_episodes(worlds) | {"terrain_level": self.terrain_levels.float().mean()}


def noise_scale(learn: LearnConfig) -> torch.Tensor:
    """Return the maximum noise of each entry of the observation, ``(188,)``."""
    return learn.noiseLevel * torch.cat(
        (
            torch.full((3,), learn.linearVelocityNoise * learn.linearVelocityScale),
            torch.full((3,), learn.angularVelocityNoise * learn.angularVelocityScale),
            torch.full((3,), learn.gravityNoise),
            torch.zeros(3),
            torch.full((12,), learn.dofPositionNoise * learn.dofPositionScale),
            torch.full((12,), learn.dofVelocityNoise * learn.dofVelocityScale),
            torch.full((140,), learn.heightMeasurementNoise * learn.heightMeasurementScale),
            torch.zeros(12),
        )
    )


def yaw_rate_towards(headings: torch.Tensor, forward: torch.Tensor, *, wrap_up: bool = True) -> torch.Tensor:
    """Return the commanded yaw rate ``(N,)`` in rad/s, between −1 and 1, that turns robots the short way.

    Args:
        headings: ``(N,)`` commanded heading, in rad.
        forward: ``(N, 2)`` horizontal components of the robots' x axes, of any length above 0.
        wrap_up: add 2π to errors below −π; upstream, such robots turn the long way.
    """
    error = headings - torch.atan2(forward[:, 1], forward[:, 0])
    if wrap_up:
        error = torch.remainder(error + torch.pi, 2 * torch.pi) - torch.pi
    else:
        error = torch.fmod(error, 2 * torch.pi)
        error = torch.where(error > torch.pi, error - 2 * torch.pi, error)
    return (HEADING_GAIN * error).clamp_(-1.0, 1.0)


def rotated_x_axis(w: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return the horizontal components ``(N, 2)`` of the x axis, rotated by quaternions (w, 0, 0, z) of any length."""
    return torch.stack((w * w - z * z, 2.0 * w * z), dim=-1)


def touches_ground(contact_forces: torch.Tensor) -> torch.Tensor:
    """Return which links touch something, ``(N, links)`` bool, from net contact forces ``(N, links, 3)`` in N."""
    return (contact_forces * contact_forces).sum(dim=-1) > CONTACT_FORCE**2


def has_fallen(base_down: torch.Tensor, knees_down: torch.Tensor) -> torch.Tensor:
    """Return whether robots have fallen, ``(N,)`` bool: on the base, or on more than one knee.

    Args:
        base_down: ``(N,)`` bool; whether the base touches the ground.
        knees_down: ``(N,)`` number of knees that touch the ground.
    """
    return base_down | (knees_down > 1)
