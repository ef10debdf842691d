"""Worlds of AnymalTerrain on a small map, without noise and pushes."""

import math
from typing import Any

import torch
from oige_core import VecEnv
from oige_core.registry import load_config
from oige_core.testing import make_env_on, set_root_pose

DEFAULT = torch.tensor([0.03, 0.03, -0.03, -0.03, 0.4, -0.4, 0.4, -0.4, -0.8, 0.8, -0.8, 0.8])
SMALL: dict[str, Any] = {"terrain__numLevels": 3, "terrain__numTerrains": 4, "terrain__borderSize": 5.0}
SILENT: dict[str, Any] = {"learn__addNoise": False, "learn__pushRobots": False}
BORDER = (-14.0, -18.5)  # on the flat ground around the tiles of SMALL
YAWED = (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))  # by 90°: the robot's x axis is the world's y axis


def make(num_envs: int = 4, **overrides: Any) -> VecEnv:
    return make_env_on("c", "AnymalTerrain", num_envs, **(SMALL | SILENT | overrides))


def put(env: VecEnv, x: float, y: float, z: float, orientation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)) -> Any:
    """Hold the robots at rest in their default pose, told to stand."""
    env.reset(seed=0)
    task: Any = env.task
    n = env.num_envs
    set_root_pose(task.anymals, (x, y, z), orientation)
    task.anymals.set_velocities(torch.zeros(n, 6))
    task.anymals.set_joint_positions(DEFAULT.repeat(n, 1))
    task.anymals.set_joint_velocities(torch.zeros(n, 12))
    task.commands[:], task.headings[:] = 0.0, 0.0
    return task


def close(actual: Any, expected: Any, atol: float = 1e-5) -> None:
    expected = torch.as_tensor(expected, dtype=torch.float32)
    torch.testing.assert_close(actual, expected, atol=atol, rtol=1e-5)


def configuration(**overrides: Any) -> Any:
    values = {f"task.env.{key.replace('__', '.')}": value for key, value in overrides.items()}
    return load_config("AnymalTerrain", values).task.env
