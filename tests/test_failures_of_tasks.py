"""Worlds of tasks that fail are repeated from their files bit for bit, with terrain, soft bodies and random masses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from oige_core import make_vec
from oige_core.engines.mujoco.failures.failure import Failure
from oige_core.engines.mujoco.failures.pictures import frames, moments
from oige_core.engines.mujoco.failures.replay import replay
from oige_core.testing import make_env_on

SMALL = {
    "AnymalTerrain": {"task.env.terrain.numLevels": 1, "task.env.terrain.numTerrains": 1},
    "CartpoleCamera": {"task.env.cameraHeight": 16, "task.env.cameraWidth": 24},
    "ShadowHand": {"task.domain_randomization.randomize": True},  # masses, sizes, gains and so on of each world
}
TASKS = ("Ant", "AnymalTerrain", "CartpoleCamera", "FactoryTaskNutBoltScrew", "FrankaDeformable", "ShadowHand")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_failed_world_of_a_task_is_repeated_to_zero(name: str, tmp_path: Path) -> None:
    env = make_vec(name, 4, {"num_threads": 1, "sim_device": "cpu"} | SMALL.get(name, {}))
    try:
        env.record_failures(10, {"task": name})
        env.reset(seed=1)
        random = torch.Generator().manual_seed(0)
        engine: Any = env.task.engine
        num_actions = env.task.spec.num_actions

        def step() -> None:
            env.step(2.0 * torch.rand(4, num_actions, generator=random) - 1.0)

        for _ in range(8):
            step()
        engine.executor.field("qvel")[2] *= 1e6
        step()
        (failure,) = env.take_failures()
    finally:
        env.close()
    failure.save(tmp_path / "a.npz")
    loaded = Failure.load(tmp_path / "a.npz")
    result = replay(loaded)
    assert (loaded.world, result.fails_as_recorded) == (2, True)
    assert len(loaded.states) >= 9  # one for each call of physics
    assert result.deviation == 0.0
    assert result.trouble is not None
    assert result.trouble.text.startswith("velocity of ")
    assert len(moments(loaded)) == 1 + int(loaded.solver_steps[:-1].sum())
    assert next(frames(loaded, (96, 64))).std() > 5.0


@pytest.mark.slow
def test_worlds_that_explode_on_warp_explode_in_the_c_engine() -> None:
    env = make_env_on("warp-cpu", "Ant", 64, powerScale=60.0)
    failures: list[Failure] = []
    try:
        env.record_failures(10, {"task": "Ant"})
        env.reset(seed=1)
        random = torch.Generator().manual_seed(0)
        while len(failures) < 10:
            env.step(2.0 * torch.rand(64, 8, generator=random) - 1.0)
            failures += env.take_failures()
    finally:
        env.close()
    results = [replay(failure) for failure in failures]
    assert all(result.fails_as_recorded for result in results)
    assert {len(failure.states) for failure in failures} == {1}
