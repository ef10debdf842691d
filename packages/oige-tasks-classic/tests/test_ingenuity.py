"""Ingenuity against numbers computed by hand; what ``compat=upstream`` restores."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core import VecEnv
from oige_core.testing import assert_fills_range, make_env_on, set_root_pose, spatial_momentum
from oige_tasks_classic.ingenuity.description import MAX_THRUST
from oige_tasks_classic.ingenuity.task import reward_terms, rotor_forces

DT, MASS, MARS = 0.01, 1.8, 3.721


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make_env_on("c", "Ingenuity", 2)
    yield env
    env.close()


def put(env: VecEnv, height: float = 2.0, roll: float = 0.0) -> Any:
    """Hold the helicopters at rest above the origin, rolled by an angle, and return the task."""
    env.reset(seed=0)
    task: Any = env.task
    set_root_pose(task.vehicles, (0.0, 0.0, height), (math.cos(roll / 2), math.sin(roll / 2), 0.0, 0.0))
    task.targets[:] = torch.tensor([0.0, 0.0, height])
    return task


def test_forces_match_hand_computed_values() -> None:
    """Thrust is 20 N at action 1; sideways, 20 % of the thrust."""
    forces = rotor_forces(torch.tensor([[0.5, -1.0, 0.4, 1.0, 0.25, -1.0]]), MAX_THRUST)
    torch.testing.assert_close(forces[0], torch.tensor([[0.1 * 8.0, -0.2 * 8.0, 8.0], [-4.0, -1.0, -20.0]]))


def test_model_has_the_published_values(env: VecEnv) -> None:
    """1.8 kg; rotors 0.1 m apart; four joints, in the order of upstream."""
    task: Any = env.task
    assert task.vehicles.get_body_masses()[0].sum().item() == pytest.approx(MASS)
    assert task.vehicles.dof_names == ["rotor_physics_0", "rotor_visual_0", "rotor_physics_1", "rotor_visual_1"]
    put(env, height=1.0)
    heights = task.rotors.get_world_poses()[0][0, :, 2]
    assert heights.tolist() == pytest.approx([1.125, 1.225])
    torch.testing.assert_close(task.engine.get_gravity()[0], torch.tensor([0.0, 0.0, -MARS]))


def test_upright_thrust_accelerates_upwards(env: VecEnv) -> None:
    task = put(env)
    env.step(torch.tensor([[0.0, 0.0, 0.3, 0.0, 0.0, 0.2]] * 2))
    expected = torch.tensor([0.0, 0.0, (10.0 / MASS - MARS) * DT, 0.0, 0.0, 0.0])
    torch.testing.assert_close(task.vehicles.get_velocities()[0], expected, atol=1e-6, rtol=1e-5)


def test_lateral_forces_push_and_rotate_the_body(env: VecEnv) -> None:
    """Along x, 1 N at the lower rotor and 2 N at the upper one, 0.125 m and 0.225 m above the origin."""
    task = put(env)
    env.step(torch.tensor([[0.5, 0.0, 0.5, 1.0, 0.0, 0.5]] * 2))
    expected = torch.tensor([3.0, 0.0, 20.0 - MASS * MARS, 0.0, 1.0 * 0.125 + 2.0 * 0.225, 0.0]) * DT
    torch.testing.assert_close(spatial_momentum(task.vehicles)[0], expected, atol=2e-4, rtol=1e-3)


def test_thrust_follows_the_tilt_except_in_upstream_mode() -> None:
    """Rolled by 60° to the right, 10 N push to the right, −y, and half of them up; upstream, all of them up."""
    for compat, sideways, upwards in (("fixed", -10.0 * math.sqrt(0.75), 5.0), ("upstream", 0.0, 10.0)):
        env = make_env_on("c", "Ingenuity", 2, compat=compat)
        task = put(env, roll=math.pi / 3)
        env.step(torch.tensor([[0.0, 0.0, 0.25, 0.0, 0.0, 0.25]] * 2))
        expected = torch.tensor([0.0, sideways, upwards - MASS * MARS]) * DT
        torch.testing.assert_close(spatial_momentum(task.vehicles)[0, :3], expected, atol=2e-4, rtol=1e-3)
        # Vertical forces above the centre of mass right it; those along its axis do not turn it.
        rolling = task.vehicles.get_velocities()[0, 3].item()
        assert rolling == pytest.approx(0.0, abs=1e-5) if compat == "fixed" else rolling < -0.01
        env.close()


def test_observation_matches_hand_computed_values(env: VecEnv) -> None:
    task = put(env, roll=math.pi / 2)
    task.targets[:] = torch.tensor([0.3, -0.6, 1.7])
    task.vehicles.set_velocities(torch.tensor([[1.0, -2.0, 0.5, 0.1 * math.pi, 0.2 * math.pi, -0.3 * math.pi]] * 2))
    expected = [0.1, -0.2, -0.1, math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0, 0.5, -1.0, 0.25, 0.1, 0.2, -0.3]
    torch.testing.assert_close(task.get_observations()[0], torch.tensor(expected))


def test_reward_terms_match_hand_computed_values() -> None:
    terms = reward_terms(torch.tensor([0.0, 0.4]), torch.tensor([1.0, 0.9]), torch.tensor([0.0, -0.5]))
    p = 1 / (1 + 2.5 * 0.16)
    torch.testing.assert_close(terms["position"], torch.tensor([1.0, p]))
    torch.testing.assert_close(terms["upright"], torch.tensor([1.0, p / (1 + 30 * 0.01)]))
    torch.testing.assert_close(terms["spin"], torch.tensor([1.0, p / (1 + 10 * 0.25)]))
    assert list(terms) == ["position", "upright", "spin"]


def test_step_rewards_the_new_state(env: VecEnv) -> None:
    task = put(env)
    task.targets[:] = torch.tensor([0.3, 0.0, 2.0])
    _, rewards, *_ = env.step(torch.zeros(2, 6))
    p = 1 / (1 + 2.5 * (0.3**2 + (MARS * DT**2) ** 2))
    torch.testing.assert_close(rewards, torch.full((2,), 3 * p))


def test_episode_terminates_near_the_ground_and_far_away() -> None:
    env = make_env_on("c", "Ingenuity", 4)
    task = put(env)
    task.vehicles.set_world_poses(torch.tensor([[0, 0, 0.51], [0, 0, 0.49], [19.9, 0, 2.0], [20.1, 0, 2.0]]))
    _, _, terminated, truncated, _ = env.step(torch.zeros(4, 6))
    assert terminated.tolist() == [False, True, False, True]
    assert not truncated.any()
    env.close()


def test_blades_start_at_random_angles_and_spin_against_each_other() -> None:
    env = make_env_on("c", "Ingenuity", 2048)
    env.reset(seed=0)
    task: Any = env.task
    assert_fills_range(task.vehicles.get_joint_positions()[:, [1, 3]], -0.2, 0.2)
    assert task.vehicles.get_joint_velocities().unique(dim=0).tolist() == [[0.0, 50.0, 0.0, -50.0]]
    for _ in range(20):
        env.step(torch.zeros(2048, 6))
    rates = task.vehicles.get_joint_velocities()[task.progress_buf == 20][:, [1, 3]]
    torch.testing.assert_close(rates, torch.tensor([50.0, -50.0]).expand_as(rates))
    env.close()
