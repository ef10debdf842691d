"""What the recorders of flying vehicles share."""

from collections.abc import Sequence
from typing import Any

import torch

from tools.golden_vectors.recording import Recording

__all__ = ["draw_flight", "draw_steps", "put_endings", "put_factors", "put_resets"]


def draw_flight(n: int, *, around: Sequence[float], width: float, joints: int) -> dict[str, Any]:
    """Draw poses, velocities, joint positions and joint velocities of ``n`` vehicles.

    Args:
        n: number of vehicles; every fourth is upright and at the middle, every fourth is near it.
        around: middle of the positions, in m.
        width: greatest distance from it along each axis, in m.
        joints: number of joints.
    """
    offsets = (torch.rand(n, 3) * 2 - 1) * width
    offsets[1::4] *= 0.2
    orientations = torch.randn(n, 4)
    orientations[::2, 1:] *= 0.2
    velocities = torch.randn(n, 6)
    offsets[::4], velocities[::4] = 0.0, 0.0
    orientations[::4] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    return {
        "world_poses": (torch.tensor(around) + offsets, torch.nn.functional.normalize(orientations, dim=-1)),
        "velocities": velocities,
        "joint_positions": (torch.rand(n, joints) * 2 - 1) * 0.5,
        "joint_velocities": torch.randn(n, joints),
    }


def draw_steps(steps: int, n: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return actions in ±1 of some steps, ``(steps, n, size)``, at the limits in some worlds, and which worlds a step
    resets, ``(steps, n)``."""
    actions = torch.rand(steps, n, size) * 2 - 1
    actions[:, :8] = 1.0
    actions[:, 8:16] = -1.0
    resets = torch.zeros(steps, n, dtype=torch.bool)
    resets[steps // 2, ::5] = True
    return actions, resets


def put_factors(recording: Recording, found: dict[str, Any], names: Sequence[str]) -> None:
    """Store local variables of the reward function as ``out/factors/<name>``."""
    for name in names:
        recording.put(f"out/factors/{name}", found[name])


def put_endings(recording: Recording, task: Any, *, length: int) -> None:
    """Store which episodes end, at random progress; the first worlds, which are near the target, are near the end."""
    progress = torch.randint(0, length + 20, (task.num_envs,))
    progress[:16] = torch.arange(length - 2, length + 2).repeat_interleave(4)
    task.progress_buf[:] = progress
    task.is_done()
    recording.put("in/progress", progress)
    recording.put("out/resets", task.reset_buf)


def put_resets(recording: Recording, task: Any) -> None:
    """Store the distributions of a reset that begins where the vehicle is spawned, at (0, 0, 1)."""
    n, copters = task.num_envs, task._copters
    spawned = torch.tensor([0.0, 0.0, 1.0]).repeat(n, 1), torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1)
    copters.values["world_poses"] = spawned
    task.post_reset()
    task.reset_idx(torch.arange(n))
    for name in ("joint_positions", "joint_velocities", "velocities"):
        recording.put_distribution(name, copters.written(f"set_{name}"))
    positions, orientations = copters.last("set_world_poses").args
    recording.put_distribution("positions", positions)
    recording.put_distribution("orientations", orientations)
    recording.put_distribution("targets", task.target_positions)
