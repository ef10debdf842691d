"""CartpoleCamera: what its images show, by the pinhole, and that all else is Cartpole."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import math
from typing import Any

import pytest
import torch
from oige_core.envs import make_vec
from oige_core.errors import ConfigError
from oige_core.registry import find_task, load_config, load_spec
from oige_core.testing import make_env_on

FOCAL = 120.0 * 24.0 / (20.955 / 2.0)  # pixels: 24 mm, and half the sensor's width is 120 pixels
PITCH = math.radians(6.1155)


def is_cart(image: torch.Tensor) -> torch.Tensor:
    """Return which pixels are blue."""
    return (image[..., 2] > 120) & (image[..., 0] < 80)


def is_pole(image: torch.Tensor) -> torch.Tensor:
    """Return which pixels are orange."""
    return (image[..., 0] > 120) & (image[..., 2] < 90)


def project(x: float, y: float, z: float) -> tuple[float, float]:
    """Return column and row of a point (m) seen from (−4.2, 0, 3), 6.1155° downwards, along x."""
    ahead, above = x + 4.2, z - 3.0
    depth = ahead * math.cos(PITCH) - above * math.sin(PITCH)
    height = ahead * math.sin(PITCH) + above * math.cos(PITCH)
    return 120.0 - FOCAL * y / depth, 80.0 - FOCAL * height / depth


@pytest.fixture(scope="module")
def env():
    env = make_vec("CartpoleCamera", num_envs=3, seed=3)
    env.reset()
    yield env
    env.close()


def put(env, positions, velocities=((0.0, 0.0),)):
    n = env.num_envs
    env.task.cartpoles.set_joint_positions(torch.tensor(positions).expand(n, 2))
    env.task.cartpoles.set_joint_velocities(torch.tensor(velocities).expand(n, 2))


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
def test_cart_and_pole_appear_where_the_camera_projects_them(executor):
    env = make_env_on(executor, "CartpoleCamera", 3, frames=1)
    env.reset(seed=0)
    states = [(0.0, 0.0), (0.9, 0.3), (-1.2, -0.5)]
    put(env, states)
    assert env.symmetries == (), "those of Cartpole are of positions and velocities"
    task: Any = env.task
    images = task.get_observations().int().cpu()
    assert images.shape == (3, 160, 240, 3)
    for image, (y, angle) in zip(images, states, strict=True):
        # The lower edge of the cart's face and its outer side: 0.1 m and 0.125 m from its centre.
        side = math.copysign(0.125, y)
        column, row = project(-0.1, y + side, 1.9)
        rows, columns = is_cart(image).nonzero().double().unbind(-1)
        assert rows.max().item() + 1 == pytest.approx(row, abs=1.0)
        assert (columns.min().item() if side > 0 else columns.max().item() + 1) == pytest.approx(column, abs=1.0)
        # The pole leans towards −y, which is right; its end is 1 m from the hinge.
        column, row = project(0.12, y - math.sin(angle), 2.0 + math.cos(angle))
        rows, columns = is_pole(image).nonzero().double().add(0.5).unbind(-1)
        top = rows == rows.min()
        assert rows.min().item() == pytest.approx(row, abs=2.0)
        assert columns[top].mean().item() == pytest.approx(column, abs=3.0)
    env.close()


def test_observation_has_the_images_of_now_and_three_steps_ago(env):
    observations, _ = env.reset(seed=1)
    assert observations.dtype == torch.uint8
    assert observations.shape == (3, 160, 240, 6)
    assert env.single_observation_space.contains(observations[0].numpy())
    assert torch.equal(observations[..., :3], observations[..., 3:]), "an episode's first image fills them all"
    newest = [observations[..., 3:]]
    for step in range(1, 7):
        observations, _, terminated, _, _ = env.step(torch.tensor([[0.05], [-0.05], [0.0]]))
        assert not terminated.any()
        newest.append(observations[..., 3:])
        assert torch.equal(observations[..., :3], newest[max(0, step - 3)])
        assert not torch.equal(newest[-1], newest[-2])


def test_images_after_a_reset_are_only_of_the_new_episode(env):
    env.reset(seed=2)
    put(env, [[0.0, 0.0]], [[1.0, 0.0]])
    for _ in range(4):
        before = env.step(torch.zeros(3, 1))[0]
    env.task.cartpoles.set_joint_positions(torch.tensor([[3.5, 0.0]]), indices=[1])
    observations, rewards, terminated, _, info = env.step(torch.zeros(3, 1))
    assert terminated.tolist() == [False, True, False]
    assert rewards[1] == -2.0
    assert torch.equal(observations[1, ..., :3], observations[1, ..., 3:])
    last = info["final_obs"]
    assert not torch.equal(last[1, ..., :3], last[1, ..., 3:])
    assert not is_cart(last[1, ..., 3:].int()).any(), "at 3.5 m the cart is out of the picture"
    assert is_cart(observations[1].int()).any()
    for world in (0, 2):
        assert torch.equal(observations[world], last[world])
        assert not torch.equal(observations[world, ..., :3], observations[world, ..., 3:])
        assert not torch.equal(observations[world], before[world])


def test_rewards_and_terminations_match_cartpole(env):
    plain = make_vec("Cartpole", num_envs=3, seed=3)
    generator = torch.Generator().manual_seed(5)
    for one in (env, plain):
        one.reset(seed=9)
    ended = 0
    for _ in range(60):
        action = torch.rand(3, 1, generator=generator) * 2 - 1
        ours, theirs = env.step(action), plain.step(action)
        torch.testing.assert_close(ours[1], theirs[1])
        assert torch.equal(ours[2], theirs[2])
        torch.testing.assert_close(env.task.observe_motion().clamp(-5, 5), theirs[0])
        ended += int(theirs[2].sum())
    assert ended >= 3
    plain.close()


def test_restored_environment_returns_the_same_images(env):
    env.reset(seed=4)
    actions = torch.tensor([[0.1], [-0.1], [0.05]])
    for _ in range(5):
        env.step(actions)
    state = env.state_dict()
    expected = [env.step(actions)[0] for _ in range(4)]
    other = make_vec("CartpoleCamera", num_envs=3, seed=8)
    other.reset()
    other.load_state_dict(state)
    for images in expected:
        assert torch.equal(other.step(actions)[0], images)
    other.close()


def test_sizes_follow_the_configuration():
    config = load_config("CartpoleCamera", {"task.env.cameraWidth": 60, "task.env.frames": 4})
    assert load_spec(find_task("CartpoleCamera")).shape_for(config.task.env) == (160, 60, 12)
    upstream = load_config("CartpoleCamera", {"task.env.compat": "upstream"})
    assert load_spec(find_task("CartpoleCamera")).shape_for(upstream.task.env) == (240, 160, 3)
    with pytest.raises(ConfigError, match=r"task\.env\.frames=-1"):
        load_config("CartpoleCamera", {"task.env.frames": -1})


def measured(images: torch.Tensor) -> torch.Tensor:
    """Return cart position (m) and pole angle (rad) ``(N, 2)`` as images ``(N, rows, columns, 3)`` show them."""
    images = images.int()

    def centre(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = mask.sum(dim=(1, 2)).clamp(min=1)
        columns, rows = torch.arange(240) + 0.5, torch.arange(160)[:, None] + 0.5
        return (mask * columns).sum(dim=(1, 2)) / count, (mask * rows).sum(dim=(1, 2)) / count

    (cart, cart_row), (pole, pole_row) = centre(is_cart(images)), centre(is_pole(images))
    return torch.stack(((120.0 - cart) * 4.2 / FOCAL, torch.atan2(pole - cart, cart_row - 2.0 - pole_row)), dim=-1)


@pytest.mark.slow
@pytest.mark.parametrize(("sees_motion", "worst"), [(True, (490.0, 500.0)), (False, (0.0, 450.0))])
def test_controller_balances_the_pole_from_two_images(sees_motion, worst):
    """A linear regulator on what images show, with gains of a quadratic cost at 60 Hz; one image lets it swing."""
    env = make_vec("CartpoleCamera", num_envs=3, seed=2)
    observations, _ = env.reset()
    returns, ended = torch.zeros(3), torch.zeros(3, dtype=torch.bool)
    for _ in range(500):
        before, now = measured(observations[..., :3]), measured(observations[..., 3:])
        speed = (now - before) / (3 * 2 * 0.0083) * sees_motion
        force = now @ torch.tensor([6.3, -73.4]) + speed @ torch.tensor([8.55, -16.5])
        observations, rewards, terminated, _, _ = env.step(force[:, None] / 400.0)
        returns += rewards * ~ended
        ended |= terminated
    assert worst[0] <= returns.min() <= worst[1]
    env.close()
