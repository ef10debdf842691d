"""What library users call: the arguments of ``make_vec``, names of environments, rendering."""

import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from oige_core import make_vec
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.registry import UnknownTaskError
from oige_core.render import Camera, viewport_camera

SMALL = {"task.viewport.viewport_camera_width": 160, "task.viewport.viewport_camera_height": 90}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"headless": False},
            "headless=False: only programs such as oige-train support this. Show worlds with "
            "oige_core.render.viewer.Viewer(env), or render images with render_mode='rgb_array'.",
        ),
        (
            {"overrides": {"test": True}},
            "test=True: only programs such as oige-train support this. An environment is the same for training and for "
            "playing.",
        ),
        (
            {"torch_deterministic": True},
            "torch_deterministic=True: only programs such as oige-train support this. Call "
            "torch.use_deterministic_algorithms(True).",
        ),
        (
            {"physics_engine": "isaacsim", "num_threads": 2},
            "num_threads: has no effect; read by the embedded engine only, not by Isaac Sim; leave it out.",
        ),
        (
            {"episodeLength": 100},
            "episodeLength: unknown argument of make_vec. Pass it as overrides={'task.env.episodeLength': 100}.",
        ),
        (
            {"overides": {"seed": 1}},
            "overides: unknown argument of make_vec. Did you mean overrides? All other keys go into "
            "overrides={key: value}.",
        ),
        (
            {"overrides": {"seed": 3}, "seed": 4},
            "overrides: 'seed' is also given as the argument seed=4; set only one of them.",
        ),
        (
            {"overrides": {"task.env.numEnvs": 7}},
            "overrides: 'task.env.numEnvs' is also given as the argument num_envs=2; set only one of them.",
        ),
        (
            {"overrides": ["task.env.numEnvs=7"]},
            "overrides=['task.env.numEnvs=7']: expected a mapping of dotted keys, such as "
            "{'task.env.episodeLength': 100}.",
        ),
        (
            {"render_mode": "human"},
            "render_mode='human': expected 'rgb_array' or None. oige_core.render.viewer.Viewer(env) shows worlds in a "
            "browser.",
        ),
    ],
)
def test_arguments_without_effect_raise(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        gym.make_vec("oige/Cartpole-v0", num_envs=2, **arguments)
    assert str(raised.value) == message


@pytest.mark.parametrize(("threads", "policy", "warned"), [(2, "", True), (2, "PASSIVE", False), (1, "", False)])
def test_busy_waiting_torch_threads_give_a_warning(
    monkeypatch: pytest.MonkeyPatch, threads: int, policy: str, warned: bool
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_vec("Cartpole", 1, sim_device="cpu", num_threads=1).close()
    messages = [str(warning.message) for warning in caught if "threads" in str(warning.message)]
    assert bool(messages) == warned
    if warned:
        assert messages[0].startswith("torch has 2 threads, which busy-wait")
        assert caught[0].filename == __file__


@pytest.mark.parametrize("task", [None, 3, ["Cartpole"]])
def test_task_that_is_not_a_string_raises(task: Any) -> None:
    with pytest.raises(UnknownTaskError, match="unknown task"):
        make_vec(task, 2)


def test_headless_default_is_accepted() -> None:
    make_vec("Cartpole", 1, headless=True).close()


@pytest.mark.parametrize(
    "make", [gym.make, lambda name: gym.make_vec(name, vectorization_mode="sync")], ids=["make", "sync"]
)
def test_gymnasium_make_raises_with_the_call_to_use(make: Callable[[str], Any]) -> None:
    message = r"gymnasium\.make_vec\('oige/Cartpole-v0', num_envs=1\), without vectorization_mode\.\Z"
    with pytest.raises(CapabilityError, match=message):
        make("oige/Cartpole-v0")


def test_module_in_the_id_registers_the_tasks() -> None:
    """So no formatter can remove an ``import oige_core`` that looks unused."""
    program = "import gymnasium; gymnasium.make_vec('oige_core:oige/Cartpol-v0')"  # importing torch would take longer
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("doesn't exist in namespace oige. Did you mean: `Cartpole`?")


@pytest.mark.parametrize(("num_envs", "size"), [(1, (160, 90)), (3, (80, 44)), (9, (64, 36))])
def test_render_returns_an_image_of_each_world(num_envs: int, size: tuple[int, int]) -> None:
    env = make_vec("Cartpole", num_envs, SMALL, render_mode="rgb_array", num_threads=1)
    env.reset(seed=1)
    before = env.render()
    assert len(before) == num_envs
    assert {(image.shape, image.dtype) for image in before} == {((size[1], size[0], 3), np.dtype(np.uint8))}
    moved = num_envs // 2
    task: Any = env.task
    task.cartpoles.set_joint_positions(torch.tensor([[0.0, 2.0]]), indices=[moved])
    for world, (old, new) in enumerate(zip(before, env.render(), strict=True)):
        assert np.array_equal(old, new) == (world != moved)
    assert env.metadata["render_fps"] == 60
    env.close()


@pytest.mark.parametrize("position", [None, [3.0, -1.0, 3.0]])
def test_render_equals_the_frame_of_a_video(position: list[float] | None) -> None:
    overrides = SMALL | {"task.viewport.camera_position": position}
    env = make_vec("Cartpole", 1, overrides, render_mode="rgb_array", num_threads=1)
    camera = viewport_camera(env.task.config.task.viewport)
    renderer: Any = env.task.engine.create_grid_renderer(camera, np.zeros((1, 3)))
    env.reset(seed=1)
    for _ in range(3):
        env.step(torch.ones(1, 1))
        assert np.array_equal(env.render()[0], renderer.render()[0])
    env.close()


def test_camera_shows_a_point_of_the_middle_world_instead_of_its_robot() -> None:
    viewport = {"task.viewport.world_target": [0.0, 0.5, 2.0], "task.viewport.world_radius": 0.5}
    env = make_vec("Cartpole", 1, SMALL | viewport, num_threads=1)
    env.reset(seed=1)
    offsets = np.array([[3.0, 1.0, 0.0]])
    # Four radii along (0.75, -0.75, 0.5) from the point, which is (3, 1.5, 2) on the grid.
    still = Camera((160, 90), position=(4.5, 0.0, 3.0), target=(3.0, 1.5, 2.0))
    cameras = viewport_camera(env.task.config.task.viewport), still, Camera((160, 90))
    renderers: list[Any] = [env.task.engine.create_grid_renderer(camera, offsets) for camera in cameras]
    close, expected, following = (renderer.render() for renderer in renderers)
    assert np.array_equal(close, expected)
    assert not np.array_equal(close, following)
    env.close()


def test_viewport_sets_camera_position_target_and_size() -> None:
    env = make_vec("Cartpole", 1, SMALL | {"task.viewport.camera_target": [1, 2, 3]}, num_threads=1)
    viewport = env.task.config.task.viewport
    assert viewport_camera(viewport) == Camera((160, 90), position=None, target=(1.0, 2.0, 3.0))
    assert viewport_camera(viewport, (10, 20)).size == (10, 20)
    with pytest.raises(OigeError, match=r"\Arender: make the environment with render_mode='rgb_array'\."):
        env.render()
    env.close()


def test_render_before_reset_and_after_close_raise() -> None:
    env = make_vec("Cartpole", 1, SMALL, render_mode="rgb_array", num_threads=1)
    with pytest.raises(OigeError, match=r"\Arender before reset: call reset first\.\Z"):
        env.render()
    env.close()
    with pytest.raises(OigeError, match="closed"):
        env.render()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"physics_engine=isaacsim: Isaac Sim was not found by this Python .* use physics_engine=mujoco\..*"),
        (
            {"warp": True},
            r"warp=True: the engine Isaac Sim does not support Warp variants of tasks; .*",
        ),
        ({"render_mode": "rgb_array"}, r"render_mode='rgb_array': the engine Isaac Sim does not support drawing .*"),
    ],
)
def test_isaac_sim_is_chosen_without_importing_the_other_engine(arguments: dict[str, Any], message: str) -> None:
    program = (
        "import sys; sys.modules['mujoco'] = None\n"
        "from oige_core import make_vec\n"
        f"make_vec('Cartpole', 2, physics_engine='isaacsim', sim_device='cpu', **{arguments})"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert re.fullmatch(rf"oige_core\.errors\.\w+: {message}", ran.stderr.splitlines()[-1])
