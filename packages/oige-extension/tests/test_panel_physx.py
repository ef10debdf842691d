"""The panel on the engine of Isaac Sim, which runs on real PhysX without Isaac Sim: level 3 of docs/isaac_sim.md."""

from collections.abc import Callable
from typing import Any

import pytest
from oige_core.engines.isaacsim import start
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.testing.physx import OvphysxHost, is_ovphysx_installed
from oige_extension.panel import Phase
from panel_driver import OVERRIDES, Driver

pytestmark = pytest.mark.skipif(not is_ovphysx_installed(), reason="ovphysx is not installed: uv sync --group isaacsim")


@pytest.fixture
def driver(make_driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A panel that asks for Isaac Sim, as the one in Kit does."""

    def create_engine(config: Any, device: str, render_mode: str | None = None) -> IsaacSimEngine:
        return IsaacSimEngine(config.task.env.numEnvs, OvphysxHost(), config.task.env.envSpacing)

    monkeypatch.setattr(start, "create_engine", create_engine)
    driver = make_driver("physics_engine=isaacsim")
    # MuJoCo's number of threads has no effect on PhysX and is refused.
    driver.panel.overrides = (*(text for text in OVERRIDES if "num_threads" not in text), "physics_engine=isaacsim")
    return driver


def test_cartpole_is_loaded_trained_and_played_twice_in_the_same_worlds(driver: Driver) -> None:
    driver.load(num_envs=8)
    assert driver.state.error == ""
    (env,) = driver.host.envs
    assert isinstance(env.task.engine, IsaacSimEngine)
    initial = env.task.cartpoles.get_joint_positions()
    for _ in range(2):
        driver.panel.set_test(False)
        driver.panel.start()
        driver.until(lambda: len(driver.state.rewards) >= 2)
        driver.stop()
        assert driver.state.progress.startswith("stopped after epoch ")
        driver.panel.set_test(True)
        driver.start()
        driver.until(lambda: "mean return" in driver.state.progress)
        driver.stop()
        assert driver.state.error == ""
        assert (env.task.cartpoles.get_joint_positions() != initial).any()
        assert driver.panel._scene is not None
        driver.panel._scene.restore()
        assert (env.task.cartpoles.get_joint_positions() == initial).all()
    assert driver.host.envs == [env]


def test_another_task_takes_the_only_stage(driver: Driver) -> None:
    for task in ("Cartpole", "Ant"):
        driver.load(task, 4)
        assert driver.state.error == ""
        driver.start()
        driver.stop()
    assert driver.state.phase is Phase.LOADED
    assert [env.closed for env in driver.host.envs] == [True, False]
