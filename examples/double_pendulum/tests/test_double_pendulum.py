"""Rewards, actions and ends of episodes against numbers computed by hand."""

import math

import pytest
import torch
from double_pendulum.task import DoublePendulumTask, reward_terms
from oige_core import VecEnv, make_vec


def start(positions: list[list[float]], velocities: list[list[float]]) -> VecEnv:
    """Return an environment whose joints have these positions (rad) and velocities (rad/s)."""
    env = make_vec("DoublePendulum", num_envs=len(positions), sim_device="cpu")
    env.reset(seed=0)
    task = env.task
    assert isinstance(task, DoublePendulumTask)
    task.poles.set_joint_positions(torch.tensor(positions))
    task.poles.set_joint_velocities(torch.tensor(velocities))
    return env


def test_reward_terms() -> None:
    # upright at rest; only the lower pole upright, elbow at 2 rad/s; hanging
    observations = torch.tensor(
        [[0.0, 0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0, 0.0, 2.0], [0.0, 0.0, -1.0, -1.0, 0.0, 0.0]]
    )
    terms = reward_terms(observations)
    assert terms["upright"].tolist() == pytest.approx([0.5, 0.25, 0.0])
    assert terms["still"].tolist() == pytest.approx([0.5, 0.125 * math.exp(-0.4), 0.0])


def test_angle_of_the_upper_pole_is_to_the_vertical() -> None:
    env = start(positions=[[math.pi / 2, -math.pi / 2]], velocities=[[0.0, 0.0]])
    task = env.task
    assert isinstance(task, DoublePendulumTask)
    assert task.get_observations()[0].tolist() == pytest.approx([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], abs=1e-6)


def test_motors_cannot_hold_horizontal_poles() -> None:
    env = start(positions=[[math.pi / 2, 0.0]], velocities=[[0.0, 0.0]])
    observations, *_ = env.step(torch.tensor([[-1.0, -1.0]]))
    assert observations[0, 4].item() > 0.0  # the shoulder falls, although its motor pushes up


def test_poles_hang_at_the_start() -> None:
    env = make_vec("DoublePendulum", num_envs=64, sim_device="cpu")
    observations, _ = env.reset(seed=0)
    assert observations[:, 2:4].max().item() < -math.cos(0.2) + 1e-6  # the upper pole within 0.1 + 0.1 rad
    assert observations[:, 4:].abs().max().item() == 0.0


def test_spinning_joint_ends_the_episode() -> None:
    env = start(positions=[[0.0, 0.0]] * 4, velocities=[[39.0, 39.0], [41.0, 0.0], [0.0, 41.0], [0.0, -41.0]])
    task = env.task
    assert isinstance(task, DoublePendulumTask)
    task.obs_buf = task.get_observations()
    assert task.is_done().tolist() == [False, True, True, True]
