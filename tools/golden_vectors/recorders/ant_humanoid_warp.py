"""Recorder of the Warp variants of Ant and Humanoid, on Warp's CPU device."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import warp as wp

from tools.golden_vectors.original import make_task
from tools.golden_vectors.recorders.ant_humanoid_robots import ROBOTS, SPACING, clone_positions, draw_motion
from tools.golden_vectors.recorders.cartpole_warp import as_view
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

SAMPLES, SEED = 128, 0
RESET = (1, 2, 5, 100)  # worlds of a later reset
METHOD = (
    "As for the torch task, with the kernels of the Warp variant on the CPU, whose threads run in order. Resets: those "
    f"of all worlds, then those of worlds {RESET}, as the task writes them to the view."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward, limit cost, endings, torques and resets."""
    wp.init()
    robot, recording = ROBOTS[task.removesuffix("Warp")], Recording(task, SEED, METHOD)
    origins = clone_positions(SAMPLES, SPACING)
    runner, view = _make(original, task.removesuffix("Warp"), origins)
    _put_reset(recording, view, "all")
    runner.reset()
    recording.put("out/reset/progress", wp.to_torch(runner.progress_buf)[:2])
    recording.put("out/reset/flags", wp.to_torch(runner.reset_buf)[:2])
    motion = draw_motion(robot, SAMPLES, origins)
    places, orientations = motion["world_poses"]
    view.values |= {name: as_view(values) for name, values in motion.items() if name != "world_poses"}
    view.values["world_poses"] = (as_view(places), as_view(orientations))
    recording.put("in/origins", origins)
    for name, values in motion.items():
        recording.put(f"in/robots/{name}", values)
    recording.put("in/robots/body_names", view.body_names)

    actions = torch.rand(SAMPLES, view._num_dof) * 2 - 1
    runner.reset_buf.zero_()
    runner.pre_physics_step(actions)
    recording.put("in/actions", actions)
    recording.put("out/joint_efforts", wp.to_torch(view.written("set_joint_efforts")))

    progress = torch.randint(0, 1021, (SAMPLES,), dtype=torch.int32)
    progress[1:5] = torch.tensor([997, 998, 999, 1000])
    wp.to_torch(runner.progress_buf)[:] = progress
    recording.put("in/progress", progress)
    distance = (torch.tensor([1000.0, 0.0]) - (places - origins)[:, :2]).norm(dim=-1)
    potentials = -60.0 * distance + (torch.rand(SAMPLES) * 2 - 1) * 10.0
    wp.to_torch(runner.potentials)[:] = potentials
    recording.put("in/potentials", potentials)
    runner.get_observations()
    runner.calculate_metrics()
    runner.is_done()
    recording.put("out/observations", wp.to_torch(runner.obs_buf))
    recording.put("out/potentials", wp.to_torch(runner.potentials))
    recording.put("out/rewards", wp.to_torch(runner.rew_buf))
    recording.put("out/terms/joint_limits", -wp.to_torch(runner.dof_at_limit_cost))
    recording.put("out/resets", wp.to_torch(runner.reset_buf))

    runner.reset_buf.zero_()
    wp.to_torch(runner.reset_buf)[list(RESET)] = 1
    runner.reset_idx()
    _put_reset(recording, view, "some")
    recording.put("in/reset/worlds", list(RESET))
    recording.put("out/reset/potentials", wp.to_torch(runner.potentials)[list(RESET)])
    yield recording


def _make(original: Path, task: str, origins: torch.Tensor) -> tuple[Any, RecordingView]:
    robot, n = ROBOTS[task], len(origins)
    runner = make_task(original, task, f"warp.{robot.module}:{robot.name}", num_envs=n, warp=True)
    runner._env_pos = wp.from_torch(origins)
    spawn = origins + torch.tensor([0.0, 0.0, robot.spawn_height])
    limits = torch.tensor(robot.limits).deg2rad()
    view = RecordingView(
        "robots",
        n,
        names={"body": robot.links},
        values={
            "world_poses": (as_view(spawn), as_view(torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1))),
            "joint_positions": as_view(torch.tensor(robot.defaults).deg2rad().repeat(n, 1)),
            "dof_limits": wp.from_torch(limits.unsqueeze(0).contiguous()),
        },
        _body_indices={link: i for i, link in enumerate(robot.links)},
        _num_dof=len(robot.limits),
    )
    view.num_dof = view._num_dof
    setattr(runner, robot.attribute, view)
    runner.post_reset()
    return runner, view


def _put_reset(recording: Recording, view: RecordingView, which: str) -> None:
    for name in ("joint_positions", "joint_velocities"):
        recording.put(f"out/reset/{which}/{name}", view.written(f"set_{name}").numpy())
