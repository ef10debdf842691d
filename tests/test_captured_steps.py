"""Captured steps of every task equal eager steps bit for bit: on a GPU with CUDA graphs, elsewhere with tapes."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.registry import installed_tasks
from oige_core.testing import TapeRecorder, assert_captured_steps_agree, make_env_on

LENGTH = 7  # control steps of an episode: several episodes end by time
STEPS = 18
SIZES: dict[str, dict[str, Any]] = {
    "AnymalTerrain": {
        "task.env.terrain.numLevels": 2,
        "task.env.terrain.numTerrains": 2,
        "task.env.learn.pushInterval_s": 0.1,
        "task.env.learn.feetAirTimeRewardScale": 1.0,
    },
    "CartpoleCamera": {"task.env.cameraHeight": 16, "task.env.cameraWidth": 24},
    "FactoryTaskNutBolt": {
        "task.env.pick_steps": 1,
        "task.env.align_steps": 1,
        "task.env.num_gripper_close_sim_steps": 2,
        "task.env.num_gripper_lift_sim_steps": 2,
        "task.env.carry_steps": 1,
        "task.env.place_steps": 1,
        "task.env.lower_steps": 1,
        "task.env.episodeLength": 8,
    },
    "FactoryTaskNutBoltPick": {
        "task.env.episodeLength": 3,
        "task.env.num_gripper_close_sim_steps": 4,
        "task.env.num_gripper_lift_sim_steps": 4,
    },
    "ShadowHand": {"task.env.successTolerance": 1.5},
    "ShadowHandOpenAI_FF": {
        "task.env.successTolerance": 1.5,
        "task.env.maxConsecutiveSuccesses": 2,
        "task.env.resetTime": -1.0,
    },
    "TargetFollowing": {"task.env.imageSize": 16},
}
EXECUTORS = [
    "warp-cpu",
    pytest.param("warp-cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]
TASKS = [name for name in installed_tasks() if not name.endswith(("SAC", "_LSTM"))]  # those are the same classes
# AnymalTerrain steps the engine in pre_physics_step, which cannot be captured; test_step_capture.py tests the report.
DIFFER_UPSTREAM = [
    "Ant",
    "Anymal",
    "BallBalance",
    "CartpoleCamera",
    "Crazyflie",
    "FrankaCabinet",
    "FrankaDeformable",
    "Humanoid",
    "Ingenuity",
    "Quadcopter",
    "ShadowHand",
    "TargetFollowing",
]
CASES = [(name, "fixed") for name in TASKS] + [(name, "upstream") for name in DIFFER_UPSTREAM]


@pytest.fixture(autouse=True)
def _tapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines on Warp's CPU device record tapes and launch the kernels of a GPU."""
    graphs = MujocoEngine.graph_recorder

    def recorder(engine: MujocoEngine) -> Any:
        return TapeRecorder() if engine.device.type == "cpu" else graphs(engine)

    monkeypatch.setattr(MujocoEngine, "graph_recorder", recorder)
    monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[Any]:
    envs: list[Any] = []

    def make(executor: str, name: str, num_envs: int = 4, **env: Any) -> tuple[Any, Any]:
        values: dict[str, Any] = {"episodeLength": LENGTH} | env
        for capture in (True, False):
            envs.append(make_env_on(executor, name, num_envs, overrides=SIZES.get(name), captureStep=capture, **values))
        return envs[-2], envs[-1]

    yield make
    for env in envs:
        env.close()


def actions_for(env: Any, steps: int = STEPS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(steps, *env.action_space.shape, generator=generator) * 2 - 1


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("name", "compat"), CASES)
def test_captured_steps_agree(pair: Any, executor: str, name: str, compat: str) -> None:
    captured, eager = pair(executor, name, compat=compat)
    assert assert_captured_steps_agree(captured, eager, actions_for(eager)) >= 8
