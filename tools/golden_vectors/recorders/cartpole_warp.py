"""Recorder of the Warp variant of Cartpole, on Warp's CPU device."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import warp as wp

from tools.golden_vectors.original import make_task
from tools.golden_vectors.recorders.cartpole import JOINTS, draw_motion
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["as_view", "record"]

SAMPLES, DRAWS, SEED = 128, 4096, 0
METHOD = "As for Cartpole, with the kernels of the Warp variant on the CPU."


def as_view(values: torch.Tensor) -> Any:
    """Return a tensor as the indexed Warp array that views of Isaac Sim return."""
    rows = wp.array(list(range(len(values))), dtype=wp.int32, device="cpu")
    return wp.indexedarray(wp.from_torch(values.contiguous()), [rows] + [None] * (values.ndim - 1))


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward, endings, efforts and resets."""
    wp.init()
    recording = Recording(task, SEED, METHOD)
    cartpole = _make(original, SAMPLES)
    view = cartpole._cartpoles
    motion = draw_motion(SAMPLES)
    motion["joint_positions"][:4] *= 0.1
    cartpole.post_reset()
    view.values = {name: as_view(values) for name, values in motion.items()}
    for name, values in motion.items():
        recording.put(f"in/cartpoles/{name}", values)
    progress = torch.randint(0, 521, (SAMPLES,), dtype=torch.int32)
    progress[:4] = torch.tensor([498, 499, 500, 501])
    recording.put("in/progress", progress)
    wp.to_torch(cartpole.progress_buf)[:] = progress
    cartpole.get_observations()
    cartpole.calculate_metrics()
    cartpole.is_done()
    recording.put("out/observations", wp.to_torch(cartpole.obs_buf))
    recording.put("out/rewards", wp.to_torch(cartpole.rew_buf))
    recording.put("out/resets", wp.to_torch(cartpole.reset_buf))
    actions = torch.rand(SAMPLES, 1) * 2 - 1
    cartpole.reset_buf.zero_()
    cartpole.pre_physics_step(actions)
    recording.put("in/actions", actions)
    recording.put("out/joint_efforts", wp.to_torch(view.written("set_joint_efforts")))
    many = _make(original, DRAWS)
    many.post_reset()
    recording.put(
        "out/reset/first", torch.cat([wp.to_torch(each)[:SAMPLES] for each in (many.dof_pos, many.dof_vel)], 1)
    )
    recording.put("out/reset/seed", many._rand_seed)
    recording.put_distribution("joint_positions", wp.to_torch(many.dof_pos))
    recording.put_distribution("joint_velocities", wp.to_torch(many.dof_vel))
    yield recording


def _make(original: Path, n: int) -> Any:
    cartpole = make_task(original, "Cartpole", "warp.cartpole:CartpoleTask", num_envs=n, warp=True)
    cartpole._cartpoles = RecordingView("cartpoles", n, names={"dof": JOINTS})
    return cartpole
