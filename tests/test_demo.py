"""The demo: a robot that is driven does as the keys say and its episode does not end; also in a real browser."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_infos import make_info
from oige_core import VecEnv, make_env, make_vec
from oige_core.errors import ConfigError
from oige_core.render.viewer import Viewer
from oige_train import demo as demo_module
from oige_train.checkpoint import save_checkpoint
from oige_train.cli.common import checked_run
from oige_train.cli.demo import demo
from oige_train.demo import Driver
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy import Policy

TERRAIN = {"numLevels": 2, "numTerrains": 2, "borderSize": 3.0}
COMMAND_SCALE = torch.tensor([2.0, 2.0, 0.25])
COMMANDS = slice(9, 12)  # of the observation


@pytest.fixture
def env() -> Iterator[VecEnv]:
    values = {f"task.env.terrain.{key}": value for key, value in TERRAIN.items()}
    values |= {"task.env.learn.addNoise": False, "task.env.learn.pushRobots": False, "task.env.episodeLength": 50}
    env = make_vec("AnymalTerrain", 3, values, num_threads=1)
    env.reset(seed=0)
    yield env
    env.close()


def test_driven_robot_follows_the_keys_and_its_episode_does_not_end(env: VecEnv) -> None:
    task: Any = env.task
    viewer = Viewer(env)
    driver = Driver(viewer, task)
    random = task.commands.clone()
    driver.drive(1)

    def step(*keys: str) -> torch.Tensor:
        driver.hold(list(keys))
        driver.before_step()
        observations, *_ = env.step(torch.zeros(3, 12))
        return observations[1, COMMANDS] / COMMAND_SCALE  # what the policy is told

    for keys, command in {
        ("ArrowUp",): (1.0, 0.0, 0.0),
        ("ArrowDown",): (-1.0, 0.0, 0.0),
        ("ArrowLeft",): (0.0, 1.0, 0.0),
        ("ArrowRight",): (0.0, -1.0, 0.0),
        ("z",): (0.0, 0.0, 1.0),
        ("x",): (0.0, 0.0, -1.0),
        ("ArrowUp", "ArrowRight", "z"): (1.0, -1.0, 1.0),
        ("ArrowUp", "ArrowDown"): (0.0, 0.0, 0.0),
        (): (0.0, 0.0, 0.0),
    }.items():
        torch.testing.assert_close(step(*keys), torch.tensor(command))
    assert not task.commands[1].equal(random[1])
    torch.testing.assert_close(task.commands[[0, 2], :2], random[[0, 2], :2])

    # On its back and beyond the end of the episode it is still the same episode.
    back = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    task.anymals.set_world_poses(orientations=back.repeat(2, 1), indices=[0, 1])
    started = task.progress_buf[1].item()
    for _ in range(60):
        step()
    assert task.progress_buf[1] == started + 60
    assert task.progress_buf[0] < 60  # which lay on its back, too

    driver.release()
    assert driver.robot is None
    step("ArrowUp")
    assert task.progress_buf[1] <= 1  # a new episode
    assert not task.manual_control.any()
    for _ in range(50):
        step()
    assert task.progress_buf.max() < 50
    viewer.close()


def test_tasks_without_drivable_robots_are_refused() -> None:
    with pytest.raises(ConfigError, match="task=Cartpole: its robots cannot be driven; choose AnymalTerrain"):
        demo(["task=Cartpole", "checkpoint=pretrained"])
    with pytest.raises(ConfigError, match=r"^task: expected a task whose robots can be driven, task=AnymalTerrain\.$"):
        demo(["checkpoint=pretrained"])
    with pytest.raises(ConfigError, match="checkpoint: a policy is needed"):
        demo(["task=AnymalTerrain"])


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that was never trained: robots more or less stand."""
    run = checked_run(["task=AnymalTerrain", "num_envs=2", *(f"task.env.terrain.{k}={v}" for k, v in TERRAIN.items())])
    env = make_env(run.config)
    torch.manual_seed(0)
    model = Policy(run, RlGamesEnv(env, "cpu").get_env_info(), "cpu", 2).model
    env.close()
    file = tmp_path_factory.mktemp("policy") / "policy.pth"
    save_checkpoint(file, {"model": model.state_dict()}, make_info("AnymalTerrain", 188, 12))
    return file


def test_demo_refuses_more_robots_than_it_shows(policy: Path) -> None:
    with pytest.raises(ConfigError, match="num_envs=129: expected at most 128 robots"):
        demo(["task=AnymalTerrain", f"checkpoint={policy}", "num_envs=129"])


class Stopped(Exception):  # noqa: N818
    """The test is over."""


def test_clicks_and_keys_in_a_browser_drive_robots(
    policy: Path, browser: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drivers: list[Driver] = []
    stop = threading.Event()

    class WatchedDriver(Driver):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            drivers.append(self)

        def before_step(self) -> None:
            if stop.is_set():
                raise Stopped
            super().before_step()

    monkeypatch.setattr(demo_module, "Driver", WatchedDriver)
    terrain = [f"task.env.terrain.{key}={value}" for key, value in TERRAIN.items()]
    arguments = [
        "task=AnymalTerrain",
        f"checkpoint={policy}",
        "num_envs=2",
        "task.env.learn.pushRobots=False",
        *terrain,
    ]

    def run() -> None:
        with pytest.raises(Stopped):
            demo(arguments)

    program = threading.Thread(target=run)
    program.start()
    until(lambda: drivers, "the demo does not start")
    driver = drivers[0]
    viewer: Viewer = driver._viewer
    task: Any = driver._task
    try:
        browser.open(viewer.url)
        browser.wait_for_text("steps/s")
        viewer.follow(1)  # which puts it into the middle
        browser.wait_for_text("Reward per step, world 1")

        def click() -> bool:
            browser.click(*browser.middle())
            return driver.robot == 1

        until(click, "the click finds no robot")
        until(lambda: task.manual_control.tolist() == [False, True], "the robot is not driven")

        def commanded(*command: float) -> None:
            until(lambda: task.commands[1].tolist() == list(command), f"the command does not become {command}")

        commanded(0.0, 0.0, 0.0)
        browser.key("keyDown", "ArrowUp")
        commanded(1.0, 0.0, 0.0)
        browser.key("keyDown", "z")
        commanded(1.0, 0.0, 1.0)
        browser.key("keyUp", "ArrowUp")
        commanded(0.0, 0.0, 1.0)
        browser.key("keyUp", "z")
        commanded(0.0, 0.0, 0.0)
        browser.key("keyDown", "ArrowRight")
        commanded(0.0, -1.0, 0.0)
        browser.key("keyUp", "ArrowRight")
        commanded(0.0, 0.0, 0.0)

        # The camera is 1.8 m behind the robot and 0.6 m above it.
        (client,) = viewer.server.get_clients().values()

        def behind() -> bool:
            offset = client.camera.position - (viewer.scene.roots[1] + viewer.scene.shift)
            return bool(np.allclose([np.hypot(*offset[:2]), offset[2]], [1.8, 0.6], atol=0.05))

        until(behind, "the camera is not behind the robot")
        press(browser, "c")
        until(lambda: not driver.third_person and not behind(), "C does not switch the camera")
        press(browser, "c")
        until(lambda: driver.third_person and behind(), "C does not switch the camera back")
        press(browser, "Escape")
        until(lambda: not task.manual_control.any(), "Esc does not let go")
        assert driver.robot is None
        until(lambda: not behind(), "the camera stays behind the robot")
    finally:
        stop.set()
        program.join()


def press(browser: Any, key: str) -> None:
    browser.key("keyDown", key)
    browser.key("keyUp", key)
