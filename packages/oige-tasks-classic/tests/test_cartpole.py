"""Cartpole against numbers computed by hand and the closed-form equations of a cart with a rod."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import math
from typing import Any

import gymnasium as gym
import oige_core  # noqa: F401 (registers the tasks)
import pytest
import torch
from oige_core.envs import make_vec
from oige_tasks_classic.cartpole.task import REWARD_WEIGHTS, has_failed, reward_terms

GRAVITY, CART, POLE, HALF_LENGTH, DT = 9.81, 1.0, 1.0, 0.5, 0.0083
POLE_INERTIA = POLE * (1.0**2 + 0.06**2) / 12  # of the pole's box about its centre, about x: edges 1 m and 0.06 m


@pytest.fixture(scope="module")
def env():
    env = make_vec("Cartpole", num_envs=4, seed=3)
    env.reset()
    yield env
    env.close()


def put(env, x=0.0, v=0.0, angle=0.0, rate=0.0):
    n = env.num_envs
    env.task.cartpoles.set_joint_positions(torch.tensor([[x, angle]]).repeat(n, 1))
    env.task.cartpoles.set_joint_velocities(torch.tensor([[v, rate]]).repeat(n, 1))


def test_reward_terms_match_hand_computed_values():
    terms = reward_terms(torch.tensor([[0.5, 2.0, 0.3, -4.0], [0.0, -1.0, 0.0, 0.0]]))
    torch.testing.assert_close(terms["upright"], torch.tensor([0.91, 1.0]))
    torch.testing.assert_close(terms["cart_velocity"], torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(terms["pole_velocity"], torch.tensor([4.0, 0.0]))
    assert REWARD_WEIGHTS == {"upright": 1.0, "cart_velocity": -0.01, "pole_velocity": -0.005}


def test_failure_matches_hand_computed_values():
    observations = torch.zeros(6, 4)
    observations[:, 0] = torch.tensor([2.999, 3.001, -3.001, 0.0, 0.0, 0.0])
    observations[:, 2] = torch.tensor([0.0, 0.0, 0.0, 1.57, 1.572, -1.572])
    assert has_failed(observations, 3.0).tolist() == [False, True, True, False, True, True]


def test_step_follows_the_equations_of_motion_and_rewards_the_observed_state(env):
    env.reset()
    put(env, x=0.2, v=0.1, angle=0.1, rate=-0.3)
    action = torch.tensor([[0.05], [-0.05], [0.0], [2.0]])  # the last is clamped to 1
    observations, rewards, terminated, truncated, _ = env.step(action)
    for world, command in enumerate((0.05, -0.05, 0.0, 1.0)):
        x, v, angle, rate = 0.2, 0.1, 0.1, -0.3
        for _ in range(2):  # two physics steps, semi-implicit; the hinge turns about x, so the pole leans towards −y
            mass = CART + POLE
            force, sine, cosine = 400.0 * command, math.sin(angle), math.cos(angle)
            inertia = POLE_INERTIA + POLE * HALF_LENGTH**2
            coupling = -POLE * HALF_LENGTH * cosine
            right_cart = force - POLE * HALF_LENGTH * sine * rate**2
            right_pole = POLE * GRAVITY * HALF_LENGTH * sine
            determinant = mass * inertia - coupling**2
            v += DT * (right_cart * inertia - coupling * right_pole) / determinant
            rate += DT * (mass * right_pole - coupling * right_cart) / determinant
            x += DT * v
            angle += DT * rate
        expected = torch.tensor([x, v, angle, rate])
        torch.testing.assert_close(observations[world], expected.clamp(-5, 5), rtol=1e-4, atol=1e-4)
        reward = 1 - angle**2 - 0.01 * abs(v) - 0.005 * abs(rate)
        assert rewards[world].item() == pytest.approx(reward, abs=1e-3)
    assert not terminated.any()
    assert not truncated.any()


@pytest.mark.parametrize("warp", [False, True])
def test_mirrored_cartpole_moves_like_the_mirror_image(warp):
    env = make_vec("Cartpole", num_envs=4, seed=3, warp=warp)
    try:
        (mirror,) = env.symmetries
        cartpoles: Any = vars(env.task)["cartpoles"]
        random = torch.Generator().manual_seed(2)
        states = torch.randn(4, 4, generator=random) * torch.tensor([0.5, 1.0, 0.2, 1.0])
        actions = torch.randn(10, 4, 1, generator=random) * 0.1

        def play(states, actions):
            env.reset()
            cartpoles.set_joint_positions(states[:, ::2])
            cartpoles.set_joint_velocities(states[:, 1::2])
            outcome = [env.step(action) for action in actions]
            assert not any(step[2].any() for step in outcome)
            return torch.stack([step[0] for step in outcome]), torch.stack([step[1] for step in outcome])

        observations, rewards = play(states, actions)
        images, rewards_of_images = play(mirror.observations(states), mirror.actions(actions))
        torch.testing.assert_close(images, mirror.observations(observations), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(rewards_of_images, rewards, rtol=1e-4, atol=1e-4)
        assert (images - observations).abs().min(dim=0).values.max() > 0.1
    finally:
        env.close()


def test_failure_costs_two_and_returns_the_next_episode(env):
    env.reset()
    put(env, x=3.2)
    observations, rewards, terminated, _, info = env.step(torch.zeros(4, 1))
    assert terminated.all()
    assert rewards.tolist() == [-2.0] * 4
    assert (info["final_obs"][:, 0] > 3.1).all()
    assert (observations[:, 0].abs() <= 1.0).all()
    assert info["episode_means"]["length"].item() == 1.0


def test_episode_ends_after_500_steps():
    env = make_vec("Cartpole", num_envs=2)
    env.reset(seed=0)
    for step in range(1, 501):
        put(env)  # held upright in the middle: every step is worth 1, up to the rounding of one step
        _, rewards, terminated, truncated, info = env.step(torch.zeros(2, 1))
        assert rewards.min() > 0.999
        assert not terminated.any()
        assert truncated.tolist() == [step == 500] * 2
    assert info["episode_means"]["return"].item() == pytest.approx(500.0, abs=0.5)
    assert info["episode_means"]["length"].item() == 500.0
    env.close()


def test_resets_cover_exactly_their_ranges():
    env = make_vec("Cartpole", num_envs=4096)
    observations, _ = env.reset(seed=5)
    for column, bound in enumerate((1.0, 0.5, math.pi / 8, math.pi / 4)):
        values = observations[:, column]
        assert values.abs().max() <= bound + 1e-6
        assert values.max() > 0.99 * bound
        assert values.min() < -0.99 * bound
        assert values.mean().abs() < 0.05 * bound
    env.close()


def test_hanging_pole_has_the_analytic_period(env):
    env.reset()
    put(env, angle=math.pi - 0.01)
    inertia = POLE_INERTIA + POLE * HALF_LENGTH**2
    reduced = inertia - (POLE * HALF_LENGTH) ** 2 / (CART + POLE)  # the cart gives way
    half_period = math.pi / math.sqrt(POLE * GRAVITY * HALF_LENGTH / reduced)
    steps = round(half_period / DT)
    env.task.engine.step(steps)
    angle = env.task.cartpoles.get_joint_positions()[0, 1].item()
    assert angle - math.pi == pytest.approx(0.01, rel=0.02)  # on the other side, as far out


def test_model_has_the_published_values(env):
    view = env.task.cartpoles
    assert view.dof_names == ["cartJoint", "poleJoint"]
    assert view.get_body_masses()[0, 1:].tolist() == [1.0, 1.0]
    assert view.get_dof_limits()[0].tolist() == [[-4.0, 4.0], [-math.inf, math.inf]]
    assert view.get_max_efforts()[0, 0].item() == 1000.0


def test_gymnasium_env_is_reproducible_by_seed():
    runs = []
    for threads in (1, 2):
        env = gym.make_vec("oige/Cartpole-v0", num_envs=64, num_threads=threads)
        observations, _ = env.reset(seed=11)
        generator = torch.Generator().manual_seed(0)
        trace = [observations]
        for _ in range(50):
            trace.append(env.step(torch.rand(64, 1, generator=generator) * 2 - 1)[0])
        runs.append(torch.stack(trace))
        env.close()
    assert torch.equal(*runs)
