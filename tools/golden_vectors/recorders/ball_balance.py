"""Recorder of BallBalance."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tools.golden_vectors.original import make_task
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

JOINTS = [f"{part}_leg{leg}" for part in ("upper", "lower") for leg in range(3)]
LINKS = ["tray", *JOINTS]
LIMITS = torch.tensor([[-45.0, 45.0]] * 3 + [[-70.0, 90.0]] * 3) * (math.pi / 180)  # rad
BALL_HEIGHT = 1.0  # m, of the ball in the scene
SAMPLES, DRAWS, SEED = 128, 4096, 0
METHOD = (
    "Uniform states; ball up to 1 m from the middle and 0 to 1.2 m high, wrenches up to 60; progress 0 to 620, with "
    "597 to 600 in the first worlds. Three steps with random actions; the last one resets worlds 8 to 15. "
    "Distributions: what a reset writes; inwards is the ball's speed towards the middle times 0.399 / (radius - 0.001) "
    "of balls farther away than 0.05 m."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward, endings, targets of the drives and resets."""
    recording = Recording(task, SEED, METHOD)
    balance = _make(original, SAMPLES)
    tables, balls = balance._balance_bots, balance._balls
    balance.post_reset()
    position = (torch.rand(SAMPLES, 3) * 2 - 1) * torch.tensor([0.7, 0.7, 0.6]) + torch.tensor([0.0, 0.0, 0.6])
    tables.values |= {
        "joint_positions": LIMITS[:, 0] + torch.rand(SAMPLES, 6) * (LIMITS[:, 1] - LIMITS[:, 0]),
        "joint_velocities": (torch.rand(SAMPLES, 6) * 2 - 1) * 4.0,
        "measured_joint_forces": (torch.rand(SAMPLES, len(LINKS), 6) * 2 - 1) * 60.0,
    }
    velocities = (torch.rand(SAMPLES, 6) * 2 - 1) * 3.0
    orientations = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(SAMPLES, 1)
    balls.values = {"world_poses": (position + balance._env_pos, orientations), "velocities": velocities}
    recording.put_view(tables)
    recording.put("in/balls/world_poses", (position, orientations))
    recording.put("in/balls/linear_velocities", velocities[:, :3])
    progress = torch.randint(0, 621, (SAMPLES,))
    progress[:4] = torch.tensor([597, 598, 599, 600])
    position[:4, 2] = 0.5
    balls.values["world_poses"] = (position + balance._env_pos, orientations)
    recording.put("in/balls/world_poses", (position, orientations))
    recording.put("in/progress", progress)
    balance.progress_buf[:] = progress
    balance.reset_buf[:] = 0
    balance.get_observations()
    recording.put("out/observations", balance.obs_buf)
    balance.calculate_metrics()
    recording.put("out/rewards", balance.rew_buf)
    balance.is_done()
    recording.put("out/resets", balance.reset_buf)

    flags = torch.zeros(SAMPLES, dtype=torch.long)
    balance.reset_buf[:] = flags
    actions = torch.rand(3, SAMPLES, 3) * 2 - 1
    targets = []
    for step in range(3):
        flags[8:16] = step == 2
        balance.reset_buf[:] = flags
        balance.pre_physics_step(actions[step])
        targets.append(tables.written("set_joint_position_targets"))
    recording.put("in/actions", actions)
    recording.put("in/reset_in_last_step", flags)
    recording.put("out/targets", torch.stack(targets))

    many = _make(original, DRAWS)
    many.post_reset()
    many.reset_idx(torch.arange(DRAWS))
    balls = many._balls
    position = balls.written("set_world_poses") - many._env_pos
    velocity = balls.written("set_velocities")
    radius = position[:, :2].norm(dim=-1, keepdim=True)
    outwards = (velocity[:, :2] * position[:, :2] / radius).sum(-1, keepdim=True)
    recording.put_distribution("ball_position", position)
    recording.put_distribution("ball_velocity", velocity)
    recording.put_distribution("ball_radius", radius)
    recording.put_distribution("ball_inwards", (-outwards / (radius - 0.001) * 0.399)[radius[:, 0] > 0.05])
    recording.put(
        "out/reset/joint_velocities_written", any("joint_vel" in call.name for call in many._balance_bots.calls)
    )
    yield recording


def _make(original: Path, n: int) -> Any:
    balance = make_task(original, "BallBalance", "ball_balance:BallBalanceTask", num_envs=n)
    balance._env_pos = torch.stack((torch.arange(n) % 8, torch.arange(n) // 8 % 8, torch.zeros(n)), dim=-1) * 2.0
    origin = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(n, 1)
    still = {"velocities": torch.zeros(n, 6)}
    table = {
        "dof_limits": LIMITS.repeat(n, 1, 1),
        "joint_positions": torch.zeros(n, 6),
        "world_poses": (balance._env_pos + torch.tensor([0.0, 0.0, 0.56]), origin),
    }
    names = {"dof": JOINTS, "body": LINKS}
    balance._balance_bots = RecordingView("tables", n, names=names, values=table | still)
    ball = {"world_poses": (balance._env_pos + torch.tensor([0.0, 0.0, BALL_HEIGHT]), origin)}
    balance._balls = RecordingView("balls", n, values=ball | still)
    return balance
