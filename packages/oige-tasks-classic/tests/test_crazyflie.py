"""Crazyflie against numbers computed by hand; what ``compat=upstream`` restores, one error at a time."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core import VecEnv, make_vec
from oige_core.testing import make_env_on, set_root_pose
from oige_tasks_classic.crazyflie.task import reward_terms

DT, MASS, GRAVITY = 0.01, 0.028, 9.81
MOST = 1.9 * MASS * GRAVITY / 4  # thrust of a propeller, N


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make_env_on("c", "Crazyflie", 2)
    yield env
    env.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[VecEnv]:
    env = make_env_on("c", "Crazyflie", 2, compat="upstream")
    yield env
    env.close()


def put(env: VecEnv, roll: float = 0.0) -> Any:
    """Hold Crazyflies at rest 2 m above the origin, at their target, rolled by an angle, and return the task."""
    env.reset(seed=0)
    task: Any = env.task
    set_root_pose(task.vehicles, (0.0, 0.0, 2.0), (math.cos(roll / 2), math.sin(roll / 2), 0.0, 0.0))
    task.targets[:] = torch.tensor([0.0, 0.0, 2.0])
    return task


def forces_of(task: Any, actions: torch.Tensor, speed: float = 1.0) -> torch.Tensor:
    """Return the forces ``(N, 4, 3)`` in N that actions cause when propellers turn at ``speed`` of the greatest."""
    sent: list[torch.Tensor] = []
    task.speeds[:] = speed
    task.propellers.apply_forces = sent.append
    task.pre_physics_step(actions)
    del task.propellers.apply_forces
    return sent[0]


def test_model_has_the_published_values(env: VecEnv) -> None:
    """28 g; motors at the corners of a square, 5 · 92 mm across; 25 times the inertia that was measured."""
    task = put(env)
    assert task.vehicles.get_body_masses()[0].sum().item() == pytest.approx(MASS)
    propellers = task.propellers.get_world_poses()[0][0]
    assert (propellers[0] - propellers[2]).norm().item() == pytest.approx(5 * 0.092, rel=2e-3)
    assert propellers[:, :2].sign().tolist() == [[1, -1], [-1, -1], [-1, 1], [1, 1]]
    # About the middle of the board, to which the height of the propellers adds.
    inertia = task.vehicles.get_mass_matrices()[0].diagonal()[3:6] - 4 * 0.0005 * 0.065**2 * torch.tensor([1, 1, 0])
    expected = 25 * torch.tensor([1.657e-5, 1.666e-5, 2.926e-5])
    torch.testing.assert_close(inertia, expected, rtol=5e-3, atol=0)


def test_propellers_follow_actions_with_a_lag(env: VecEnv) -> None:
    """Action −1 commands no thrust, 1 the maximum. Speed goes 4 · 0.01 / 0.15 of the way to the square root of that."""
    task = put(env)
    speeds = torch.tensor([0.4, 0.2, 0.4, 0.6])
    forces = forces_of(task, torch.tensor([[-1.0, -0.5, 0.28, 1.0]] * 2), speeds)  # type: ignore[arg-type]
    expected = speeds + 4 * DT / 0.15 * (torch.tensor([0.0, 0.5, 0.8, 1.0]) - speeds)
    torch.testing.assert_close(task.speeds[0], expected)
    noise = 0.05 * torch.tensor([0.0, 0.25, 0.64, 1.0])  # five standard deviations
    assert ((forces[0, :, 2] / MOST - expected**2).abs() <= noise + 1e-6).all()
    turning = task.vehicles.get_joint_velocities()
    torch.testing.assert_close(turning, 433.3 * forces[:, :, 2] / MOST * torch.tensor([1.0, -1.0, 1.0, -1.0]))


def test_maximum_thrust_follows_configured_gravity() -> None:
    env = make_vec("Crazyflie", num_envs=1, overrides={"task.sim.gravity": [0.0, 0.0, -3.72]}, sim_device="cpu")
    forces = forces_of(put(env), torch.ones(1, 4))
    assert forces[..., 2].max().item() == pytest.approx(1.9 * MASS * 3.72 / 4, rel=0.02)  # noise of 1 %, clamped
    env.close()


def test_maximum_thrust_accelerates_by_nearly_one_g(env: VecEnv) -> None:
    """Noise is clamped at the maximum, which costs 0.01 / √(2π) of it on average."""
    task = put(env)
    task.speeds[:] = 1.0
    for _ in range(50):
        env.step(torch.ones(2, 4))
    assert task.vehicles.get_velocities()[0, 2].item() == pytest.approx(0.892 * GRAVITY * 50 * DT, rel=0.01)


def test_right_propellers_roll_the_body_to_the_left(env: VecEnv) -> None:
    """M1 and M2 are on the right, at y = −0.1625 m."""
    task = put(env)
    task.speeds[:] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    env.step(torch.tensor([[1.0, 1.0, -1.0, -1.0]] * 2))
    spin = -2 * MOST * 0.1625 / (25 * 1.657e-5) * DT
    assert task.vehicles.get_velocities()[0, 3].item() == pytest.approx(spin, rel=0.03)


def test_observation_matches_hand_computed_values(env: VecEnv) -> None:
    """Rolled to the left side by 90°: its y axis points up, its z axis along the world's −y."""
    task = put(env, roll=math.pi / 2)
    task.targets[:] = torch.tensor([0.3, -0.6, 2.7])
    task.vehicles.set_velocities(torch.tensor([[1.0, -2.0, 0.5, 0.1, 0.2, -0.3]] * 2))
    expected = [0.3, -0.6, 0.7, 1, 0, 0, 0, 0, 1, 0, -1, 0, 1.0, -2.0, 0.5, 0.1, 0.2, -0.3]
    torch.testing.assert_close(task.get_observations()[0], torch.tensor(expected), atol=1e-6, rtol=0)


def test_reward_terms_match_hand_computed_values() -> None:
    terms = reward_terms(
        distance=torch.tensor([0.0, 0.25]),
        up_z=torch.tensor([1.0, -0.5]),
        angular_velocity=torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 0.5]]),
        actions=torch.tensor([[0.0] * 4, [1.0, -1.0, 0.5, 0.5]]),
    )
    torch.testing.assert_close(terms["position"], torch.tensor([1.0, 0.8]))
    torch.testing.assert_close(terms["upright"], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(terms["spin"], torch.tensor([0.01, 0.008 * math.exp(-2.25)]))
    torch.testing.assert_close(terms["effort"], torch.tensor([0.05, 0.05 * math.exp(-1.25)]))


def test_episode_terminates_outside_the_bounds_and_upside_down() -> None:
    env = make_env_on("c", "Crazyflie", 8)
    task = put(env)
    places = [
        [0, 0, 0.51],
        [0, 0, 0.49],
        [0, 0, 4.99],
        [0, 0, 5.02],
        [4.9, 0, 2.0],
        [5.1, 0, 2.0],
        [0, 0, 2],
        [0, 0, 2],
    ]
    angles = torch.tensor([0.0] * 6 + [1.55, 1.59])  # a right angle is 1.571
    orientations = torch.stack((torch.cos(angles / 2), torch.sin(angles / 2), 0 * angles, 0 * angles), dim=-1)
    task.vehicles.set_world_poses(torch.tensor(places, dtype=torch.float32), orientations)
    _, _, terminated, truncated, _ = env.step(torch.zeros(8, 4))
    assert terminated.tolist() == [False, True] * 4
    assert not truncated.any()
    env.close()


def test_new_episode_starts_with_propellers_at_rest(env: VecEnv) -> None:
    task = put(env)
    env.step(torch.ones(2, 4))
    task.vehicles.set_world_poses(torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 0.1]]))
    env.step(torch.ones(2, 4))
    assert (task.speeds[0] > 0.4).all()
    assert not task.speeds[1].any()
    assert not task.vehicles.get_joint_velocities()[1].any()


# --------------------------------------------------------------------------------------- what compat=upstream restores


def test_thrust_leans_with_the_body_or_against_it_in_upstream_mode(env: VecEnv, upstream: VecEnv) -> None:
    """Rolled by 30° to the right, thrust pulls to the right, −y; upstream, to the left."""
    for world, side in ((env, -0.5), (upstream, 0.5)):
        forces = forces_of(put(world, roll=math.pi / 6), torch.ones(2, 4)).sum(dim=1)
        direction = torch.nn.functional.normalize(forces, dim=-1)
        torch.testing.assert_close(direction, torch.tensor([[0.0, side, math.sqrt(0.75)]] * 2))


def test_thrust_noise_differs_between_worlds_except_in_upstream_mode() -> None:
    """1 % of the commanded thrust, which is 0.64 here, while the propellers still give 0.257; of each separately."""
    for compat, worlds in (("fixed", 1000), ("upstream", 1)):
        env = make_env_on("c", "Crazyflie", 1000, compat=compat)
        task = put(env)
        thrusts = torch.stack([forces_of(task, torch.full((1000, 4), 0.28), 0.4)[:, :, 2] for _ in range(3)]) / MOST
        assert len(thrusts[0].unique(dim=0)) == worlds
        assert not torch.equal(thrusts[0], thrusts[1])
        if worlds > 1:
            assert thrusts.mean().item() == pytest.approx(0.2567, abs=3e-4)
            assert thrusts.std().item() == pytest.approx(0.0064, rel=0.03)
            correlation = torch.corrcoef(thrusts[0].T) - torch.eye(4)
            assert correlation.abs().max() < 0.15
        env.close()


def test_low_effort_is_rewarded_except_in_upstream_mode(env: VecEnv, upstream: VecEnv) -> None:
    """At the target, upright and at rest: 2.01 for that, 0.05 exp(−|a|² / 2) for effort, subtracted upstream."""
    for world, sign in ((env, 1.0), (upstream, -1.0)):
        task = put(world)
        rewards = []
        for action in (0.0, 0.5):
            task.actions = torch.full((2, 4), action)
            task.get_observations()
            rewards.append(task.calculate_metrics()[0].item())
        assert rewards == pytest.approx([2.01 + sign * 0.05, 2.01 + sign * 0.05 * math.exp(-0.5)])


def test_episodes_are_randomised_except_in_upstream_mode(upstream: VecEnv) -> None:
    upstream.reset(seed=0)
    task: Any = upstream.task
    assert task.vehicles.get_world_poses()[0].tolist() == [[0.0, 0.0, 1.0]] * 2
    assert task.targets.tolist() == [[0.0, 0.0, 2.0]] * 2
    task.progress_buf[:] = 500
    task.pre_physics_step(torch.zeros(2, 4))
    assert task.targets.tolist() == [[0.0, 0.0, 2.0]] * 2


@pytest.mark.parametrize(
    ("compat", "mode"), [("upstream", "upstream"), ("upstream", "same_step"), ("fixed", "upstream")]
)
def test_nothing_pushes_in_the_step_that_resets_a_world_in_upstream_mode(compat: str, mode: str) -> None:
    """World 0 falls out of bounds; the propellers of both turn in the next step."""
    env = make_env_on("c", "Crazyflie", 2, compat=compat, autoresetMode=mode)
    task = put(env)
    task.vehicles.set_world_poses(torch.tensor([[0.0, 0.0, 0.1], [0.0, 0.0, 2.0]]))
    env.step(torch.ones(2, 4))
    sent: list[torch.Tensor] = []
    task.propellers.apply_forces = sent.append
    env.step(torch.ones(2, 4))
    pushed = sent[0].any(dim=-1).any(dim=-1).tolist()
    assert pushed == [(compat, mode) != ("upstream", "upstream"), True]
    assert task.speeds[:, 0].tolist() == pytest.approx([0.26667, 0.46222], rel=1e-3)
    env.close()


def test_propellers_lag_by_control_steps_or_physics_steps_in_upstream_mode() -> None:
    for compat, dt in (("fixed", 2 * DT), ("upstream", DT)):
        env = make_env_on("c", "Crazyflie", 1, compat=compat, controlFrequencyInv=2)
        task = put(env)
        env.step(torch.ones(1, 4))
        assert task.speeds[0].tolist() == pytest.approx([4 * dt / 0.15] * 4, rel=1e-4)
        env.close()
