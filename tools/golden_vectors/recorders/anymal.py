"""Recorder of Anymal."""

import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tools.golden_vectors.original import locals_of, make_task
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

SAMPLES, DRAWS, SEED = 128, 4096, 0
JOINTS = [f"{leg}_{joint}" for joint in ("HAA", "HFE", "KFE") for leg in ("LF", "LH", "RF", "RH")]
LIMITS = [(-0.72, 0.49)] * 2 + [(-0.49, 0.72)] * 2 + [(-9.42478, 9.42478)] * 8  # rad, of the robot of this repository
SPAWN_HEIGHT, FALL_HEIGHT = 0.62, 0.51  # m
METHOD = (
    "Orientations at random, a third of them within 10° of level; a tenth of the bases too low, none within 1 cm of "
    "the limit; velocities close to the commands in half of the worlds; progress 0 to 3100, with 2997 to 3000 in some "
    "worlds. Reward terms: local variables of calculate_metrics. The second action follows on the first."
)
TERMS = {
    "linear_velocity": "rew_lin_vel_xy",
    "yaw_rate": "rew_ang_vel_z",
    "vertical_velocity": "rew_lin_vel_z",
    "joint_acceleration": "rew_joint_acc",
    "action_rate": "rew_action_rate",
    "hip_abduction": "rew_cosmetic",
}


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its terms, endings, targets and resets."""
    recording = Recording(task, SEED, METHOD)
    anymal, view = _make(original, SAMPLES)
    recording.put("in/anymals/dof_names", JOINTS)
    anymal.reset_buf[:] = 0
    for i in range(2):
        actions = torch.rand(SAMPLES, len(JOINTS)) * 2 - 1
        anymal.last_actions[:] = anymal.actions
        anymal.pre_physics_step(actions)
        recording.put(f"in/actions/{i}", actions)
        recording.put(f"out/joint_position_targets/{i}", view.written("set_joint_position_targets"))

    view.values |= _draw_motion(anymal)
    recording.put_view(view)
    for name in ("commands", "last_dof_vel"):
        recording.put(f"in/{name}", getattr(anymal, name))
    progress = torch.randint(0, 3101, (SAMPLES,))
    progress[1:5] = torch.tensor([2997, 2998, 2999, 3000])
    anymal.progress_buf[:] = progress
    recording.put("in/progress", progress)
    anymal.get_observations()
    recording.put("out/observations", anymal.obs_buf)
    found = locals_of(type(anymal).calculate_metrics, anymal.calculate_metrics)
    for name, local in TERMS.items():
        recording.put(f"out/terms/{name}", found[local])
    recording.put("out/rewards", anymal.rew_buf)
    anymal.is_done()
    recording.put("out/resets", anymal.reset_buf)

    many, view = _make(original, DRAWS)
    recording.put("out/reset/joint_positions", view.written("set_joint_positions")[:1])
    recording.put("out/reset/root_velocities", view.written("set_velocities")[:1])
    recording.put("out/reset/last_dof_vel", many.last_dof_vel[:1])
    recording.put("out/reset/joint_position_targets", many.current_targets[:1])
    recording.put_distribution("joint_velocities", view.written("set_joint_velocities"))
    recording.put_distribution("commands", many.commands)
    yield recording


def _make(original: Path, n: int) -> tuple[Any, RecordingView]:
    """Return the original's task, just reset, with a view of robots at their spawn poses."""
    anymal = make_task(original, "Anymal", "anymal:AnymalTask", num_envs=n)
    spawn = torch.tensor([0.0, 0.0, SPAWN_HEIGHT]).repeat(n, 1)
    values = {
        "world_poses": (spawn, torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1)),
        "dof_limits": torch.tensor(LIMITS).unsqueeze(0),
    }
    view: Any = RecordingView("anymals", n, names={"dof": JOINTS}, values=values)
    views = importlib.import_module("omniisaacgymenvs.robots.articulations.views.anymal_view")
    view.is_base_below_threshold = functools.partial(views.AnymalView.is_base_below_threshold, view)
    anymal._anymals = view
    anymal.post_reset()
    return anymal, view


def _draw_motion(anymal: Any) -> dict[str, Any]:
    """Draw poses, velocities and joints, by the name of the getter; commands and last velocities in the task."""
    n = SAMPLES
    heights = FALL_HEIGHT + 0.01 + 0.3 * torch.rand(n)
    heights[::10] = FALL_HEIGHT - 0.01 - 0.3 * torch.rand(n)[::10]
    orientations = torch.randn(n, 4)
    orientations[::3] = torch.tensor([1.0, 0.0, 0.0, 0.0]) + 0.06 * torch.randn(n, 4)[::3]
    velocities = torch.randn(n, 6)
    velocities[::2] *= 0.2
    velocities[::2, :2] += anymal.commands[::2, :2]
    velocities[::2, 5] += anymal.commands[::2, 2]
    joint_velocities = 5.0 * torch.randn(n, len(JOINTS))
    anymal.last_dof_vel[:] = joint_velocities + torch.randn(n, len(JOINTS))
    return {
        "world_poses": (
            torch.cat((torch.randn(n, 2), heights.unsqueeze(-1)), dim=-1),
            torch.nn.functional.normalize(orientations),
        ),
        "velocities": velocities,
        "joint_positions": anymal.default_dof_pos + 0.3 * torch.randn(n, len(JOINTS)),
        "joint_velocities": joint_velocities,
    }
