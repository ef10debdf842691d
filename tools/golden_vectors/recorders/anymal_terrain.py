"""Recorder of AnymalTerrain."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tools.golden_vectors.original import locals_of, make_task
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

JOINTS = tuple(f"{leg}_{joint}" for joint in ("HAA", "HFE", "KFE") for leg in ("LF", "LH", "RF", "RH"))
TERMS = {
    "linear_velocity_xy": "rew_lin_vel_xy",
    "angular_velocity_z": "rew_ang_vel_z",
    "linear_velocity_z": "rew_lin_vel_z",
    "angular_velocity_xy": "rew_ang_vel_xy",
    "orientation": "rew_orient",
    "base_height": "rew_base_height",
    "torque": "rew_torque",
    "joint_acceleration": "rew_joint_acc",
    "action_rate": "rew_action_rate",
    "hip": "rew_hip",
    "fallen_over": "rew_fallen_over",
}
WEIGHTS = {"orientation": -0.5, "baseHeight": -2.0, "hip": -0.3}  # reward scales that are 0 otherwise
TERMINAL_REWARD = -10.0
SAMPLES, DRAWS, SEED, TERRAIN_SEED = 192, 4096, 0, 7
METHOD = (
    "Robots within 6 m of the middle of random tiles, some of them 44 m away; random yaw, a quarter of them upright, "
    "others tilted by up to 1 rad; Gaussian velocities; random contact forces. Progress 0 to 997, with 997 to 1000 in "
    "the first worlds. Terrain after numpy.random.seed(7). One post_physics_step without noise and without a push, so "
    "that worlds that end are reset in it. Reward terms are local variables of calculate_metrics, with all weights "
    "different from 0. Torques are those of four physics steps in which nothing moves."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record a step with its observations, reward terms, endings and resets; torques, pushes, noise and resets."""
    recording = Recording(task, SEED, METHOD)
    robots = _make(original, SAMPLES)
    _draw_states(robots)
    recording.put_view(robots._anymals)
    recording.put("in/knees/net_contact_forces", robots._anymals._knees.values["net_contact_forces"])
    recording.put("in/base/net_contact_forces", robots._anymals._base.values["net_contact_forces"])
    for name in ("commands", "actions", "last_actions", "last_dof_vel", "torques", "terrain_levels", "terrain_types"):
        recording.put(f"in/{name}", getattr(robots, name))
    recording.put("in/progress", robots.progress_buf)
    robots.add_noise = False
    found = locals_of(type(robots).calculate_metrics, robots.post_physics_step)
    for name, local in TERMS.items():
        recording.put(f"out/terms/{name}", found[local])
    recording.put("out/rewards", robots.rew_buf)
    recording.put("out/resets", robots.reset_buf)
    recording.put("out/observations", robots.obs_buf)
    recording.put("out/measured_heights", robots.measured_heights)
    recording.put("out/commands", robots.commands)
    recording.put("out/terrain_levels", robots.terrain_levels)
    recording.put("out/noise_scale", robots.noise_scale_vec)
    recording.put("out/push_interval", robots.push_interval)
    recording.put("out/last_actions", robots.last_actions)
    _record_new_states(robots, recording)
    actions = torch.randn(SAMPLES, 12)
    robots._anymals.values["joint_positions"] = robots.default_dof_pos + 0.3 * torch.randn(SAMPLES, 12)
    robots._anymals.values["joint_velocities"] = 3.0 * torch.randn(SAMPLES, 12)
    robots.refresh_dof_state_tensors()
    robots.pre_physics_step(actions)
    recording.put("in/control/joint_positions", robots.dof_pos)
    recording.put("in/control/joint_velocities", robots.dof_vel)
    recording.put("in/control/actions", actions)
    recording.put("out/joint_efforts", robots._anymals.written("set_joint_efforts"))
    _record_distributions(_make(original, DRAWS), recording)
    yield recording


def _make(original: Path, n: int) -> Any:
    scales = {f"task__env__learn__{name}RewardScale": weight for name, weight in WEIGHTS.items()}
    scales["task__env__learn__terminalReward"] = TERMINAL_REWARD
    robots = make_task(original, "AnymalTerrain", "anymal_terrain:AnymalTerrainTask", num_envs=n, **scales)
    np.random.seed(TERRAIN_SEED)
    robots.get_terrain(create_mesh=False)
    robots.default_dof_pos[:] = torch.tensor([robots.named_default_joint_angles[name] for name in JOINTS])
    knees = RecordingView("knees", 4 * n, values={"world_poses": (torch.zeros(4 * n, 3), torch.zeros(4 * n, 4))})
    base = RecordingView("base", n)
    values = {"world_poses": (torch.zeros(n, 3), torch.zeros(n, 4))}
    robots._anymals = RecordingView("anymals", n, names={"dof": JOINTS}, values=values, _knees=knees, _base=base)
    robots.post_reset()
    return robots


def _draw_states(robots: Any) -> None:
    """Set the state of the robots, and what the task keeps from the step before."""
    n = SAMPLES
    robots.terrain_levels = torch.randint(10, (n,))
    robots.terrain_levels[::12] = 9
    robots.env_origins = robots.terrain_origins[robots.terrain_levels, robots.terrain_types].clone()
    # Multiples of 1/128 m, to which other origins of the map can be added without rounding errors.
    positions = ((robots.env_origins + 12.0 * torch.rand(n, 3) - 6.0) * 128).round() / 128
    positions[::6, 1] += 44.0  # so far that they move up a level although many robots are reset at once
    positions[:, 2] = robots.env_origins[:, 2] + 0.2 + 0.8 * torch.rand(n)
    yaw, tilt, direction = (torch.rand(3, n) * 2 - 1) * torch.tensor([[math.pi], [1.0], [math.pi]])
    tilt[::4] = 0.0
    # A rotation about z, then one about a horizontal axis.
    w, z = (yaw / 2).cos(), (yaw / 2).sin()
    c, x, y = (tilt / 2).cos(), (tilt / 2).sin() * direction.cos(), (tilt / 2).sin() * direction.sin()
    orientations = torch.stack((c * w, x * w + y * z, y * w - x * z, c * z), dim=-1)
    robots._anymals.values = {
        "world_poses": (positions, orientations),
        "velocities": torch.randn(n, 6) * torch.tensor([0.6, 0.6, 0.3, 0.6, 0.6, 0.6]),
        "joint_positions": robots.default_dof_pos + 0.3 * torch.randn(n, 12),
        "joint_velocities": 2.0 * torch.randn(n, 12),
    }
    knees, base = torch.zeros(n, 4, 3), torch.zeros(n, 3)
    knees[:, :, 2] = (torch.rand(n, 4) < 0.2) * 2.0 * torch.rand(n, 4)
    base[:, 0] = (torch.rand(n) < 0.2) * 2.0 * torch.rand(n)
    robots._anymals._knees.values["net_contact_forces"] = knees.view(-1, 3)
    robots._anymals._base.values["net_contact_forces"] = base
    robots.progress_buf[:] = torch.randint(997, (n,))
    robots.progress_buf[:8] = torch.tensor([997, 998, 999, 1000] * 2) - 1  # post_physics_step adds 1
    robots.actions, robots.last_actions = torch.randn(2, n, 12) * 0.5
    robots.last_dof_vel = robots._anymals.values["joint_velocities"] + 0.7 * torch.randn(n, 12)
    robots.torques = torch.randn(n, 12) * 20.0
    robots.commands[:, 2] = torch.rand(n) * 2 - 1


def _record_new_states(robots: Any, recording: Recording) -> None:
    """Store the states that the step wrote into the worlds that it reset."""
    view = robots._anymals
    for setter, argument in (
        ("set_world_poses", "positions"),
        ("set_world_poses", "orientations"),
        ("set_velocities", "velocities"),
        ("set_joint_positions", "positions"),
        ("set_joint_velocities", "velocities"),
    ):
        recording.put(f"out/written/{setter.removeprefix('set_')}/{argument}", view.last(setter).kwargs[argument])


def _record_distributions(robots: Any, recording: Recording) -> None:
    view = robots._anymals
    poses = view.last("set_world_poses").kwargs
    recording.put_distribution("offsets", poses["positions"] - robots.env_origins)
    recording.put_distribution("orientations", poses["orientations"])
    recording.put_distribution("velocities", view.last("set_velocities").kwargs["velocities"])
    recording.put_distribution("joint_positions", view.last("set_joint_positions").kwargs["positions"])
    recording.put_distribution("joint_velocities", view.last("set_joint_velocities").kwargs["velocities"])
    recording.put_distribution("commands", robots.commands[:, [0, 1, 3]])
    recording.put_distribution("terrain_levels", robots.terrain_levels.float())
    recording.put_distribution("terrain_types", robots.terrain_types.float())
    robots.base_velocities = torch.zeros(DRAWS, 6)
    robots.push_robots()
    recording.put_distribution("pushed_velocities", view.written("set_velocities"))
