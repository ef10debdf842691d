"""Quadcopter against numbers computed by hand."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core import VecEnv
from oige_core.testing import assert_fills_range, make_env_on, set_root_pose, spatial_momentum
from oige_tasks_classic.quadcopter.task import reward_terms

DT = 0.01
# Densities by volumes: disc, bearings, rotors.
MASS = math.pi * (50 * 0.1**2 * 0.03 + 4 * (200 * 4 / 3 * 0.01**3 + 1000 * 0.04**2 * 0.01))
LIMIT = math.pi / 6


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make_env_on("c", "Quadcopter", 2)
    yield env
    env.close()


def put(env: VecEnv, angles: torch.Tensor | None = None, roll: float = 0.0) -> Any:
    """Hold the quadcopters at rest 1 m above the origin, with gimbal angles ``(8,)``, and return the task."""
    env.reset(seed=0)
    task: Any = env.task
    set_root_pose(task.vehicles, (0.0, 0.0, 1.0), (math.cos(roll / 2), math.sin(roll / 2), 0.0, 0.0))
    task.angle_targets = (torch.zeros(8) if angles is None else angles).repeat(env.num_envs, 1)
    task.vehicles.set_joint_positions(task.angle_targets)
    return task


def test_model_has_the_published_values(env: VecEnv) -> None:
    task: Any = env.task
    assert task.vehicles.get_body_masses()[0].sum().item() == pytest.approx(MASS, rel=1e-4)
    assert task.vehicles.dof_names == [f"rotor_{axis}{i}" for axis in ("pitch", "roll") for i in range(4)]
    put(env)
    rotors = task.rotors.get_world_poses()[0][0]
    side = 0.145 * math.sqrt(0.5)
    expected = [[side, side, 1.0], [-side, side, 1.0], [-side, -side, 1.0], [side, -side, 1.0]]
    torch.testing.assert_close(rotors, torch.tensor(expected), atol=1e-5, rtol=0)
    torch.testing.assert_close(task.upper_limits, torch.full((8,), LIMIT))
    torch.testing.assert_close(task.lower_limits, torch.full((8,), -LIMIT))


def test_actions_move_targets_and_thrusts_within_bounds(env: VecEnv) -> None:
    """0.08 π rad and 1 N a step at action 1; up to 30° and 2 N either way."""
    task = put(env)
    action = torch.tensor([0.5, -1.0, 0, 0, 0, 0, 0, 0.25, 1.0, -0.5, 0.1, 0.0])
    task.pre_physics_step(action.repeat(2, 1))
    torch.testing.assert_close(task.angle_targets[0], action[:8] * 0.08 * math.pi)
    torch.testing.assert_close(task.thrusts[0], action[8:])
    for _ in range(4):
        task.pre_physics_step(action.repeat(2, 1))
    torch.testing.assert_close(task.angle_targets[0, [0, 1]], torch.tensor([LIMIT, -LIMIT]))
    torch.testing.assert_close(task.thrusts[0], torch.tensor([2.0, -2.0, 0.5, 0.0]))


def test_gimbals_reach_their_targets_within_a_step(env: VecEnv) -> None:
    task = put(env)
    actions = torch.zeros(2, 12)
    actions[:, :8] = torch.tensor([1.0, -1.0, 0.5, 0.5, -1.0, 1.0, 0.0, 0.2])
    observations, *_ = env.step(actions)
    torch.testing.assert_close(observations[:, 13:], task.angle_targets, atol=2e-3, rtol=0)


def test_even_thrust_accelerates_upwards(env: VecEnv) -> None:
    task = put(env)
    env.step(torch.tensor([[0.0] * 8 + [0.8] * 4] * 2))
    expected = torch.tensor([0.0, 0.0, (4 * 0.8 / MASS - 9.81) * DT, 0.0, 0.0, 0.0])
    torch.testing.assert_close(task.vehicles.get_velocities()[0], expected, atol=5e-5, rtol=0)  # gimbals give way


def test_thrust_follows_gimbals_and_body_tilt(env: VecEnv) -> None:
    """Rotor 0, its arm at 45°, pitched by 0.3 rad leans outwards, rolled by 0.2 rad sideways; all is rolled by 90°."""
    pitch, roll = 0.3, 0.2
    task = put(env, torch.tensor([pitch, 0.0, 0.0, 0.0, roll, 0.0, 0.0, 0.0]), roll=math.pi / 2)
    env.step(torch.tensor([[0.0] * 8 + [1.0, 0.0, 0.0, 0.0]] * 2))
    outward, sideways, along = math.sin(pitch) * math.cos(roll), -math.sin(roll), math.cos(pitch) * math.cos(roll)
    x, y, z = math.sqrt(0.5) * (outward - sideways), math.sqrt(0.5) * (outward + sideways), along
    expected = torch.tensor([x, -z, y - MASS * 9.81]) * DT  # what is y there points up, what is z to −y
    torch.testing.assert_close(spatial_momentum(task.vehicles)[0, :3], expected, atol=1e-4, rtol=0)


def test_observation_matches_hand_computed_values(env: VecEnv) -> None:
    angles = torch.tensor([0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, -0.4])
    task = put(env, angles, roll=math.pi / 2)
    task.vehicles.set_world_poses(torch.tensor([[0.3, -0.6, 1.9]] * 2))
    task.vehicles.set_velocities(torch.tensor([[1.0, -2.0, 0.5, 0.1 * math.pi, 0.2 * math.pi, -0.3 * math.pi]] * 2))
    observation = task.get_observations()[0]
    expected = [-0.1, 0.2, -0.3, math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0, 0.5, -1.0, 0.25, 0.1, 0.2, -0.3]
    torch.testing.assert_close(observation, torch.cat((torch.tensor(expected), angles)))


def test_reward_terms_match_hand_computed_values() -> None:
    terms = reward_terms(torch.tensor([0.0, 0.4]), torch.tensor([1.0, 0.8]), torch.tensor([0.0, -10.0]))
    p = 1 / (1 + 3 * 0.16)
    torch.testing.assert_close(terms["position"], torch.tensor([1.0, p]))
    torch.testing.assert_close(terms["upright"], torch.tensor([1.0, p / (1 + 10 * 0.04)]))
    torch.testing.assert_close(terms["spin"], torch.tensor([1.0, p / 1.1]))
    torch.testing.assert_close(terms["spin_cost"], torch.tensor([0.0, -p * 0.25]))


def test_step_rewards_the_new_state_and_is_never_negative(env: VecEnv) -> None:
    task = put(env)
    task.vehicles.set_world_poses(torch.tensor([[0.5, 0.0, 1.0]] * 2))
    task.vehicles.set_velocities(torch.tensor([[0.0] * 6, [0.0] * 5 + [60.0]]))
    _, rewards, *_ = env.step(torch.zeros(2, 12))
    assert rewards[0].item() == pytest.approx(3 / (1 + 3 * 0.25), rel=1e-4)
    assert rewards[1].item() == 0.0  # 1 + 1 + 0.2 − 9


def test_episode_terminates_near_the_ground_and_far_away() -> None:
    env = make_env_on("c", "Quadcopter", 4)
    task = put(env)
    task.vehicles.set_world_poses(torch.tensor([[0, 0, 0.31], [0, 0, 0.29], [2.9, 0, 1.0], [3.1, 0, 1.0]]))
    _, _, terminated, truncated, _ = env.step(torch.zeros(4, 12))
    assert terminated.tolist() == [False, True, False, True]
    assert not truncated.any()
    env.close()


def test_new_episode_has_zero_thrust_and_targets_at_gimbal_angles() -> None:
    env = make_env_on("c", "Quadcopter", 2048)
    env.reset(seed=0)
    task: Any = env.task
    env.step(torch.ones(2048, 12))
    assert (task.thrusts[task.progress_buf == 1] == 1.0).all()
    env.reset(options={"reset_mask": torch.ones(2048, dtype=torch.bool)})
    assert not task.thrusts.any()
    angles = task.vehicles.get_joint_positions()
    assert_fills_range(angles, -0.2, 0.2)
    torch.testing.assert_close(task.angle_targets, angles)
    env.close()


# --------------------------------------------------------------------------------------- what compat=upstream restores


@pytest.mark.parametrize(
    ("compat", "mode"), [("upstream", "upstream"), ("upstream", "same_step"), ("fixed", "upstream")]
)
def test_action_is_ignored_in_the_step_that_resets_a_world_in_upstream_mode(compat: str, mode: str) -> None:
    """World 0 is at the ground. Its thrusts start at 0 again; those of world 1 rise to 2 N."""
    env = make_env_on("c", "Quadcopter", 2, compat=compat, autoresetMode=mode)
    task = put(env)
    task.vehicles.set_world_poses(torch.tensor([[0.0, 0.0, 0.1], [0.0, 0.0, 1.0]]))
    env.step(torch.ones(2, 12))
    env.step(torch.ones(2, 12))
    ignored = (compat, mode) == ("upstream", "upstream")
    torch.testing.assert_close(task.thrusts, torch.tensor([[0.0 if ignored else 1.0] * 4, [2.0] * 4]))
    turned = task.angle_targets[0] - task.vehicles.get_joint_positions()[0]
    assert (task.angle_targets[0].abs() < 0.2).all() == ignored
    assert turned.abs().max() < 0.01
    env.close()


def test_targets_move_by_control_steps_or_physics_steps_in_upstream_mode() -> None:
    for compat, dt in (("fixed", 2 * DT), ("upstream", DT)):
        env = make_env_on("c", "Quadcopter", 1, compat=compat, controlFrequencyInv=2)
        task = put(env)
        task.pre_physics_step(torch.full((1, 12), 0.1))
        torch.testing.assert_close(task.angle_targets, torch.full((1, 8), 0.8 * math.pi * dt))
        torch.testing.assert_close(task.thrusts, torch.full((1, 4), 10.0 * dt))
        env.close()
