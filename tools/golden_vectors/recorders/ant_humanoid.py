"""Recorder of Ant and Humanoid."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tools.golden_vectors.original import make_task
from tools.golden_vectors.recorders.ant_humanoid_robots import ROBOTS, SPACING, clone_positions, draw_motion
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

SAMPLES, DRAWS, SEED = 128, 4096, 0
METHOD = (
    "Worlds on the grid of Isaac Sim's cloner; poses and joints at random, a tenth of the torsos too low; the "
    "potential of the step before differs by up to 10; progress 0 to 1020, with 997 to 1000 in some worlds. Reward "
    "terms: rewards with all other weights and the progress set to zero."
)
WEIGHTS = {
    "alive": "alive_reward_scale",
    "upright": "up_weight",
    "heading": "heading_weight",
    "actions": "actions_cost_scale",
    "energy": "energy_cost_scale",
}


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its terms, endings, torques and resets."""
    robot, recording = ROBOTS[task], Recording(task, SEED, METHOD)
    runner, view = _make(original, task, SAMPLES)
    origins = clone_positions(SAMPLES, SPACING)
    recording.put("out/reset/potentials", runner.potentials)
    view.values |= draw_motion(robot, SAMPLES, origins)
    recording.put("in/origins", origins)
    actions = torch.rand(SAMPLES, view.num_dof) * 2 - 1
    runner.reset_buf[:] = 0
    runner.pre_physics_step(actions)
    recording.put("in/actions", actions)
    recording.put("out/joint_efforts", view.written("set_joint_efforts"))

    progress = torch.randint(0, 1021, (SAMPLES,))
    progress[1:5] = torch.tensor([997, 998, 999, 1000])
    runner.progress_buf[:] = progress
    recording.put("in/progress", progress)
    places = view.values["world_poses"][0]
    distance = (runner.targets - places)[:, :2].norm(dim=-1)
    runner.potentials[:] = -60.0 * distance + (torch.rand(SAMPLES) * 2 - 1) * 10.0
    runner.get_observations()
    recording.put_view(view)
    recording.put("out/observations", runner.obs_buf)
    recording.put("in/potentials", runner.prev_potentials)
    recording.put("out/potentials", runner.potentials)
    runner.calculate_metrics()
    recording.put("out/rewards", runner.rew_buf)
    runner.is_done()
    recording.put("out/resets", runner.reset_buf)
    for name, values in _terms(runner).items():
        recording.put(f"out/terms/{name}", values)

    _, view = _make(original, task, DRAWS)
    recording.put_distribution("joint_positions", view.written("set_joint_positions"))
    recording.put_distribution("joint_velocities", view.written("set_joint_velocities"))
    recording.put("out/reset/velocities", view.written("set_velocities")[:1])
    recording.put("out/reset/orientations", view.written("set_world_poses", 1)[:1])
    yield recording


def _make(original: Path, task: str, n: int) -> tuple[Any, RecordingView]:
    """Return the original's task, just reset, with a view of robots at their spawn poses."""
    robot = ROBOTS[task]
    runner = make_task(original, task, f"{robot.module}:{robot.name}", num_envs=n)
    spawn = clone_positions(n, SPACING) + torch.tensor([0.0, 0.0, robot.spawn_height])
    limits = torch.tensor(robot.limits).deg2rad()
    view = RecordingView(
        "robots",
        n,
        names={"body": robot.links},
        values={
            "world_poses": (spawn, torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1)),
            "joint_positions": torch.tensor(robot.defaults).deg2rad().repeat(n, 1),
            "dof_limits": limits.unsqueeze(0),
        },
        _body_indices={link: i for i, link in enumerate(robot.links)},
    )
    view.num_dof = len(robot.limits)
    setattr(runner, robot.attribute, view)
    runner.post_reset()
    return runner, view


def _terms(runner: Any) -> dict[str, torch.Tensor]:
    """Return the weighted terms of a reward without a fall."""
    weights = {attribute: getattr(runner, attribute) for attribute in WEIGHTS.values()}
    terms = {"joint_limits": -runner.get_dof_at_limit_cost().float()}
    runner.termination_height = -math.inf
    runner.get_dof_at_limit_cost = lambda: torch.zeros(runner.num_envs)
    runner.prev_potentials[:] = runner.potentials
    for name, attribute in WEIGHTS.items():
        for each in WEIGHTS.values():
            setattr(runner, each, weights[each] if each == attribute else 0.0)
        runner.calculate_metrics()
        terms[name] = runner.rew_buf.clone()
    return terms
