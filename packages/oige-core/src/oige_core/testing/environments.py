"""Helpers that run a task on any executor and compare a Warp variant with its task."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from oige_core.engines.mujoco.engine import MujocoEngine, on_warp
from oige_core.envs import VecEnv
from oige_core.registry import find_task, load_config, load_spec, load_task_class
from oige_core.views import ArticulationView, FramedView

__all__ = [
    "assert_fills_range",
    "assert_variants_agree",
    "make_engine_on",
    "make_env_on",
    "set_root_pose",
    "spatial_momentum",
]


def assert_fills_range(values: torch.Tensor, low: torch.Tensor | float, high: torch.Tensor | float) -> None:
    """Assert that samples are in a range and within 1 % of both of its ends, in every column.

    Args:
        values: ``(N, d)`` samples, at least a thousand, otherwise they may miss an end by chance.
        low: minimum, ``(d,)`` or one number.
        high: maximum, ``(d,)`` or one number.
    """
    fraction = (values - low) / (high - low)
    assert fraction.min() > -1e-5
    assert fraction.max() < 1.0 + 1e-5
    assert (fraction.amin(dim=0) < 0.01).all()
    assert (fraction.amax(dim=0) > 0.99).all()


def make_engine_on(executor: str, num_envs: int, num_threads: int = 1) -> Any:
    """Return an engine, not built yet: the embedded one with one of its executors, or the other one.

    Args:
        executor: ``c``, the C engine; ``warp-cpu``, MuJoCo Warp on the CPU; ``warp-cuda``; or ``physx``, the engine of
            Isaac Sim on real PhysX without Isaac Sim, where ovphysx is installed.
        num_envs: number of worlds.
        num_threads: threads of the C engine and of the ray tracer on the CPU.
    """
    if executor == "physx":
        from oige_core.engines.isaacsim.engine import IsaacSimEngine
        from oige_core.testing.physx import OvphysxHost

        return IsaacSimEngine(num_envs, OvphysxHost())
    if executor == "c":
        return MujocoEngine(num_envs, num_threads=num_threads)
    device = {"warp-cpu": "cpu", "warp-cuda": "cuda:0"}[executor]
    return MujocoEngine(num_envs, device, num_threads, executor=on_warp(num_envs, device))


def make_env_on(
    executor: str,
    task: str,
    num_envs: int,
    *,
    warp: bool = False,
    overrides: Mapping[str, Any] | None = None,
    **env: Any,
) -> VecEnv:
    """Build the environment of an installed task on an executor of the embedded engine.

    Args:
        executor: see :func:`make_engine_on`.
        task: name of the task.
        num_envs: number of worlds.
        warp: whether to build the task's Warp variant.
        overrides: values by dotted key.
        env: values of ``task.env`` by key, in which two underscores stand for a dot.
    """
    spec = load_spec(find_task(task))
    values = {f"task.env.{key.replace('__', '.')}": value for key, value in env.items()}
    values |= {"num_envs": num_envs, "warp": warp, **(overrides or {})}
    config = load_config(task, values)
    return VecEnv(load_task_class(spec, warp=warp)(config, spec, make_engine_on(executor, num_envs)))


def assert_variants_agree(
    variant: VecEnv, task: VecEnv, actions: torch.Tensor, *, atol: float, rtol: float
) -> tuple[int, int]:
    """Assert that a Warp variant matches its task in each of many steps, on any executors.

    Both start from the same state and get the same actions. Whenever worlds are reset, their states are made equal
    again, because the two draw from different random streams. The function compares observations (including those
    after resets), last observations, rewards, flags and episode statistics.

    Args:
        variant: the environment of the Warp variant.
        task: the environment of the task.
        actions: ``(steps, N, num_actions)``.
        atol: absolute tolerance.
        rtol: relative tolerance.

    Returns:
        The numbers of terminated and truncated episodes; a test needs enough of both.

    Raises:
        AssertionError: they differ.
    """
    mode = task.task.autoreset_mode
    n = task.num_envs
    nobody = torch.zeros(n, dtype=torch.bool)

    def check(name: str, ours: torch.Tensor, theirs: torch.Tensor, rows: torch.Tensor | None = None) -> None:
        ours, theirs = ours.cpu(), theirs.cpu()
        if rows is not None:
            ours, theirs = ours[rows], theirs[rows]
        torch.testing.assert_close(ours, theirs, atol=atol, rtol=rtol, msg=lambda text: f"{where}, {name}: {text}")

    variant.reset(seed=1)
    task.reset(seed=2)
    _copy_state(task, variant, torch.arange(n))
    ended = torch.zeros(n, dtype=torch.bool)
    terminated_count = truncated_count = 0
    for step, action in enumerate(actions):
        where = f"step {step}"
        observations, rewards, terminated, truncated, info = variant.step(action.to(variant.device))
        expected = task.step(action.to(task.device))
        # Unless in the step that ends their episode, worlds are reset at random by this one: before or after physics.
        same = ~ended if mode == "upstream" else torch.ones(n, dtype=torch.bool)
        was_reset = torch.zeros(n, dtype=torch.bool) if mode == "same_step" else ended
        check("rewards", rewards, expected[1], same)
        check("terminated", terminated, expected[2], same)
        check("truncated", truncated, expected[3], same)
        ended = (expected[2] | expected[3]).cpu()
        terminated_count += int(expected[2].sum())
        truncated_count += int(expected[3].sum())
        if mode == "same_step":
            check("final_obs", info["final_obs"], expected[4]["final_obs"])
            check("_final_obs", info["_final_obs"], ended)
            check("observations", observations, expected[0], ~ended)
            count = expected[4].get("episode_count", 0)
            check("episode_count", info["episode_count"], torch.as_tensor(count))
            for name, mean in expected[4].get("episode_means", {}).items():
                check(name, info["episode_means"][name], mean)
            was_reset = ended
        else:
            check("observations", observations, expected[0], ~was_reset)
        if was_reset.any():
            _copy_state(task, variant, was_reset.nonzero().flatten())
            (ours, _), (theirs, _) = (env.reset(options={"reset_mask": nobody}) for env in (variant, task))
            check("observations after a reset", ours, theirs)
    return terminated_count, truncated_count


def set_root_pose(
    view: FramedView, position: Sequence[float], orientation: Sequence[float] = (1.0, 0.0, 0.0, 0.0)
) -> None:
    """Set the pose of the bodies or roots of all worlds; velocities do not change.

    Args:
        view: view of the bodies.
        position: x, y, z in m.
        orientation: w, x, y, z.
    """
    positions, orientations = view.get_world_poses()
    view.set_world_poses(positions.new_tensor(position), orientations.new_tensor(orientation))


def spatial_momentum(vehicles: ArticulationView) -> torch.Tensor:
    """Return momentum (kg·m/s) and angular momentum about the root's origin (kg·m²/s) of floating bases ``(N, 6)``.

    After a step from rest, they equal the impulse of external forces, including gravity, regardless of joint efforts.
    """
    motion = torch.cat((vehicles.get_velocities(), vehicles.get_joint_velocities()), dim=-1)
    return (vehicles.get_mass_matrices()[:, :6] @ motion.unsqueeze(-1)).squeeze(-1)


def _copy_state(source: VecEnv, target: VecEnv, worlds: torch.Tensor) -> None:
    """Copy positions and velocities of worlds from ``source`` to ``target``."""
    engines = source.task.engine, target.task.engine
    ours, theirs = (engine for engine in engines if isinstance(engine, MujocoEngine))
    for name in ("qpos", "qvel"):
        values, field = ours.executor.field(name), theirs.executor.field(name)
        field[worlds.to(field.device)] = values[worlds.to(values.device)].to(field)
    theirs.worlds.mark_stale(worlds.to(theirs.device))
