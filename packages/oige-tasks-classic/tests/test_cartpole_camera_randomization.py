"""Images of CartpoleCamera with the blocks of randomisation that the documentation shows for images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from oige_core import make_vec
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.testing import TapeRecorder, assert_captured_steps_agree, make_env_on

PAGE = Path(__file__).resolve().parents[3] / "docs" / "randomization.md"
BLOCKS = yaml.safe_load(PAGE.read_text().partition("\n## Images\n")[2].partition("```yaml\n")[2].partition("```")[0])
OVERRIDES = {
    "task.env.cameraWidth": 48,
    "task.env.cameraHeight": 32,
    "task.env.frames": 1,
    "task.domain_randomization.randomize": True,
    "task.domain_randomization.randomization_params": BLOCKS,
}


@pytest.fixture
def env() -> Iterator[Any]:
    env = make_vec("CartpoleCamera", 4, OVERRIDES, seed=3)
    yield env
    env.close()


def images(env: Any) -> torch.Tensor:
    """Return the images of upright poles ``(N, rows, columns, 3)``."""
    env.task.cartpoles.set_joint_positions(torch.zeros(env.num_envs, 2))
    return env.task.get_observations().clone()


def reset(env: Any, world: int) -> None:
    mask = torch.zeros(env.num_envs, dtype=torch.bool)
    mask[world] = True
    env.reset(options={"reset_mask": mask})


def test_images_change_in_worlds_that_are_randomised(env: Any) -> None:
    env.reset()
    first = images(env)
    for world in range(1, 4):
        assert not torch.equal(first[0], first[world])
    for _ in range(2):
        env.step(torch.zeros(4, 1))
    assert torch.equal(images(env), first)
    reset(env, 2)
    second = images(env)
    assert torch.equal(second[[0, 1, 3]], first[[0, 1, 3]])
    assert not torch.equal(second[2], first[2])


def test_what_is_drawn_once_stays(env: Any) -> None:
    camera = env.task.camera
    fovs = camera.get_horizontal_fovs()
    assert ((fovs / camera.horizontal_fov - 1).abs() <= 0.0501).all()
    assert len(fovs.unique()) == 4
    positions, orientations = camera.get_local_poses()
    env.reset()
    assert torch.equal(camera.get_horizontal_fovs(), fovs)
    moved, turned = camera.get_local_poses()
    assert torch.equal(turned, orientations)
    assert not (moved == positions).any()


def test_saved_images_are_restored(env: Any) -> None:
    env.reset()
    before, state = images(env), env.state_dict()
    env.reset()
    assert not torch.equal(images(env), before)
    env.load_state_dict(state)
    assert torch.equal(images(env), before)


EXECUTORS = [
    "warp-cpu",
    pytest.param("warp-cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_images_are_randomised_in_captured_steps(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if executor == "warp-cpu":
        monkeypatch.setattr(MujocoEngine, "graph_recorder", lambda _: TapeRecorder())
        monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)
    captured, eager = (
        make_env_on(executor, "CartpoleCamera", 4, overrides=OVERRIDES, episodeLength=5, captureStep=capture)
        for capture in (True, False)
    )
    actions = torch.rand(14, 4, 1, generator=torch.Generator().manual_seed(3)) * 2 - 1
    assert assert_captured_steps_agree(captured, eager, actions) >= 8
    for env in (captured, eager):
        env.close()
