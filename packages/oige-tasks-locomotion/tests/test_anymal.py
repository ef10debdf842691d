"""Anymal against numbers computed by hand; what ``compat=upstream`` restores, one error at a time."""

import math
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from oige_core import VecEnv
from oige_core.registry import load_config
from oige_core.testing import make_env_on, set_root_pose
from oige_tasks_locomotion.anymal import AnymalLearnConfig
from oige_tasks_locomotion.anymal.task import reward_terms, reward_weights

DEFAULT = torch.tensor([0.03, 0.03, -0.03, -0.03, 0.4, -0.4, 0.4, -0.4, -0.8, 0.8, -0.8, 0.8])
LEARN = AnymalLearnConfig(
    linearVelocityXYRewardScale=1.0,
    angularVelocityZRewardScale=0.5,
    linearVelocityZRewardScale=-0.03,
    jointAccRewardScale=-0.0003,
    actionRateRewardScale=-0.006,
    cosmeticRewardScale=-0.06,
    linearVelocityScale=2.0,
    angularVelocityScale=0.25,
    dofPositionScale=1.0,
    dofVelocityScale=0.05,
)


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make_env_on("c", "Anymal", 2)
    yield env
    env.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[VecEnv]:
    env = make_env_on("c", "Anymal", 2, compat="upstream")
    yield env
    env.close()


def put(env: VecEnv, height: float = 1.0, orientation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)) -> None:
    """Hold the robots at rest in the air, in the default pose."""
    env.reset(seed=0)
    task: Any = env.task
    view = task.anymals
    n = env.num_envs
    set_root_pose(view, (0.0, 0.0, height), orientation)
    view.set_velocities(torch.zeros(n, 6))
    view.set_joint_velocities(torch.zeros(n, 12))
    view.set_joint_velocity_targets(torch.zeros(n, 12))


def test_observation_matches_hand_computed_values(env: VecEnv) -> None:
    """Rolled to the left side: the base's y axis points up, its z axis to the right, along the world's −y."""
    put(env, orientation=(math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0))
    task: Any = env.task
    task.anymals.set_velocities(torch.tensor([[1.0, 2.0, 3.0, 0.4, 0.8, -1.2]]).repeat(2, 1))
    steps = torch.arange(12.0)
    task.anymals.set_joint_positions((DEFAULT + 0.01 * steps).repeat(2, 1))
    task.anymals.set_joint_velocities((0.5 * steps).repeat(2, 1))
    task.commands = torch.tensor([[1.0, -0.5, 0.4]]).repeat(2, 1)
    task.actions = (0.1 * steps - 0.5).repeat(2, 1)
    observation = task.get_observations()[1]
    close = torch.testing.assert_close
    close(observation[0:3], torch.tensor([2.0 * 1.0, 2.0 * 3.0, 2.0 * -2.0]))
    close(observation[3:6], torch.tensor([0.25 * 0.4, 0.25 * -1.2, 0.25 * -0.8]))
    close(observation[6:9], torch.tensor([0.0, -1.0, 0.0]), atol=1e-6, rtol=0)
    close(observation[9:12], torch.tensor([2.0 * 1.0, 2.0 * -0.5, 0.25 * 0.4]))
    close(observation[12:24], 0.01 * steps, atol=1e-6, rtol=0)
    close(observation[24:36], 0.05 * 0.5 * steps)
    close(observation[36:48], 0.1 * steps - 0.5)
    assert len(observation) == 48


def test_reward_terms_match_hand_computed_values() -> None:
    terms = reward_terms(
        base_motion=torch.tensor([[1.2, -0.1, 0.5, 9.0, 9.0, 0.7]]),
        commands=torch.tensor([[1.5, 0.3, 0.2]]),
        joint_velocity_changes=torch.tensor([[2.0, -1.0] + [0.0] * 10]),
        action_changes=torch.tensor([[0.5] * 12]),
        hip_offsets=torch.tensor([[0.1, -0.2, 0.0, 0.3]]),
    )
    weights = reward_weights(LEARN, dt=0.02)
    expected = {
        "linear_velocity": 1.0 * 0.02 * math.exp(-(0.3**2 + 0.4**2) / 0.25),
        "yaw_rate": 0.5 * 0.02 * math.exp(-(0.5**2) / 0.25),
        "vertical_velocity": -0.03 * 0.02 * 0.5**2,
        "joint_acceleration": -0.0003 * 0.02 * (2.0**2 + 1.0**2),
        "action_rate": -0.006 * 0.02 * 12 * 0.5**2,
        "hip_abduction": -0.06 * 0.02 * 0.6,
    }
    assert weights.keys() == terms.keys()
    assert {name: weights[name] * term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_step_rewards_the_observed_state(env: VecEnv) -> None:
    """Changes of actions and of joint velocities are taken from the step before."""
    put(env)
    task: Any = env.task
    task.commands = torch.tensor([[0.3, -0.2, 0.1], [0.0, 0.5, -0.4]])
    generator = torch.Generator().manual_seed(0)
    first, second = 0.1 * torch.randn(2, 2, 12, generator=generator)
    before = env.step(first)[0].double()
    after, rewards, *_ = env.step(second)
    after = after.double()
    velocity, yaw_rate = after[:, 0:3] / 2.0, after[:, 5] / 0.25
    error = (task.commands[:, :2] - velocity[:, :2]).square().sum(dim=1)
    expected = torch.exp(-error / 0.25) + 0.5 * torch.exp(-((task.commands[:, 2] - yaw_rate) ** 2) / 0.25)
    expected -= 0.03 * velocity[:, 2] ** 2
    expected -= 0.0003 * ((after[:, 24:36] - before[:, 24:36]) / 0.05).square().sum(dim=1)
    expected -= 0.006 * (second - first).square().sum(dim=1)
    expected -= 0.06 * after[:, 12:16].abs().sum(dim=1)
    torch.testing.assert_close(rewards.double(), 0.02 * expected, rtol=1e-4, atol=1e-6)
    assert (rewards > 0.005).all()


def test_reward_is_never_negative_without_a_fall(env: VecEnv) -> None:
    put(env)
    task: Any = env.task
    task.commands = torch.full((2, 3), 5.0)  # out of reach: only costs remain
    _, rewards, terminated, *_ = env.step(torch.ones(2, 12))
    assert rewards.tolist() == [0.0, 0.0]
    assert not terminated.any()


def test_low_base_ends_the_episode_and_costs_one(env: VecEnv) -> None:
    put(env)
    task: Any = env.task
    task.anymals.set_world_poses(torch.tensor([[0.0, 0.0, 0.514], [0.0, 0.0, 0.509]]))  # they fall by up to 3 mm
    task.anymals.set_joint_positions((DEFAULT + torch.tensor([0.0] * 4 + [0.6, -0.6] * 4)).repeat(2, 1))  # feet up
    _, rewards, terminated, truncated, _ = env.step(torch.zeros(2, 12))
    assert terminated.tolist() == [False, True]
    assert not truncated.any()
    assert rewards[0] >= 0
    assert rewards[1] == -1.0
    assert task.anymals.get_world_poses()[0][1].tolist() == pytest.approx([0.0, 0.0, 0.62])


def test_episode_is_truncated_at_its_length() -> None:
    env = make_env_on("c", "Anymal", 1, episodeLength=3)
    put(env)
    ends = [env.step(torch.zeros(1, 12))[2:4] for _ in range(3)]
    assert [bool(truncated) for _, truncated in ends] == [False, False, True]
    assert not any(bool(terminated) for terminated, _ in ends)
    env.close()


def test_resets_cover_exactly_their_ranges() -> None:
    env = make_env_on("c", "Anymal", 2048)
    observations, _ = env.reset(seed=1)
    task: Any = env.task
    for column, bound in enumerate((2.0, 1.0, 1.0)):
        values = task.commands[:, column]
        assert bound * 0.99 < values.max() <= bound
        assert -bound <= values.min() < -bound * 0.99
    velocities = task.anymals.get_joint_velocities()
    assert 0.0999 < velocities.max() <= 0.1
    assert -0.1 <= velocities.min() < -0.0999
    torch.testing.assert_close(task.anymals.get_joint_positions(), DEFAULT.expand(2048, 12))
    torch.testing.assert_close(observations[:, 0:9], torch.tensor([0.0] * 8 + [-1.0]).expand(2048, 9))
    assert not observations[:, 36:].any()
    env.close()


def test_new_episode_clears_actions_and_targets(env: VecEnv) -> None:
    """Position targets, actions and the velocities that accelerations are computed from start again."""
    put(env)
    task: Any = env.task
    env.step(torch.ones(2, 12))
    task.anymals.set_world_poses(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.3]]))
    env.step(torch.ones(2, 12))
    torch.testing.assert_close(task.targets[1], DEFAULT)
    assert (task.targets[0] - DEFAULT).abs().min() > 0.2
    assert not task.actions[1].any()
    assert not task.last_joint_velocities[1].any()
    assert task.last_joint_velocities[0].all()


def test_initial_state_is_configurable_except_in_upstream_mode() -> None:
    """Turned by 90° about z, with the scalar last; the linear velocity is the world's."""
    half = math.sqrt(0.5)
    start = {"pos": [0.0, 0.0, 0.8], "rot": [0.0, 0.0, half, half], "vLinear": [0.4, 0, 0], "vAngular": [0, 0, 0.8]}
    words = {f"baseInitState__{key}": value for key, value in start.items()}
    env = make_env_on("c", "Anymal", 2, **words)
    observations, _ = env.reset(seed=0)
    task: Any = env.task
    positions, orientations = task.anymals.get_world_poses()
    torch.testing.assert_close(positions[0], torch.tensor([0.0, 0.0, 0.8]))
    torch.testing.assert_close(orientations[0], torch.tensor([half, 0.0, 0.0, half]))
    # Forward is the world's y, so +x in the world is to the right.
    expected = torch.tensor([0.0, -0.8, 0.0, 0.0, 0.0, 0.2])
    torch.testing.assert_close(observations[0, :6], expected, atol=1e-6, rtol=0)
    env.close()
    env = make_env_on("c", "Anymal", 2, compat="upstream", **words)
    observations, _ = env.reset(seed=0)
    task = env.task
    assert torch.cat(task.anymals.get_world_poses(), dim=-1)[0].tolist() == pytest.approx([0, 0, 0.62, 1, 0, 0, 0])
    assert not observations[:, :6].any()
    env.close()


# --------------------------------------------------------------------------------------- what compat=upstream restores


def test_targets_use_the_control_step_except_in_upstream_mode(env: VecEnv, upstream: VecEnv) -> None:
    for world, step in ((env, 13.5 * 0.02), (upstream, 13.5 / 60)):
        put(world)
        task: Any = world.task
        task.pre_physics_step(torch.full((2, 12), 0.5))
        torch.testing.assert_close(task.targets, (DEFAULT + 0.5 * step).expand(2, 12))
        for _ in range(10):
            task.pre_physics_step(torch.ones(2, 12))
        torch.testing.assert_close(task.targets[0, [0, 2]], torch.tensor([0.49, 0.72]))  # limits of HAA
        assert task.targets[0, 4].item() == pytest.approx(0.4 + 10.5 * step, rel=1e-5)


def test_rewards_use_the_control_step_except_in_upstream_mode(env: VecEnv, upstream: VecEnv) -> None:
    """A robot at rest that is told to rest, no costs: 1.5 per second."""
    for world, dt in ((env, 0.02), (upstream, 1 / 60)):
        put(world)
        task: Any = world.task
        task.commands = torch.zeros(2, 3)
        task.pre_physics_step(torch.zeros(2, 12))
        task.get_observations()
        task.joint_velocities = task.last_joint_velocities
        task.terminated_buf = torch.zeros(2, dtype=torch.bool)
        assert task.calculate_metrics().tolist() == pytest.approx([1.5 * dt] * 2, rel=1e-6)


def test_episodes_last_50_s_or_60_s_in_upstream_mode() -> None:
    """3000 steps were meant to be 50 s at 1/60 s; the best return is 75 both ways."""
    for compat, length, dt in (("fixed", 2500, 0.02), ("upstream", 3000, 1 / 60)):
        env = load_config("Anymal", {"task.env.compat": compat}).task.env
        assert env.episodeLength == length
        assert env.episodeLength * 1.5 * dt == pytest.approx(75.0)


def test_gravity_is_rotated_into_the_base_except_in_upstream_mode(env: VecEnv, upstream: VecEnv) -> None:
    """Pitched by 30°, nose down: gravity pulls forward in the base's frame; upstream, it points backward."""
    for world, forward in ((env, 0.5), (upstream, -0.5)):
        put(world, orientation=(math.cos(math.pi / 12), 0.0, math.sin(math.pi / 12), 0.0))
        task: Any = world.task
        gravity = task.get_observations()[0, 6:9]
        torch.testing.assert_close(gravity, torch.tensor([forward, 0.0, -math.sqrt(0.75)]), atol=1e-6, rtol=0)


def test_drives_follow_the_configuration_except_in_upstream_mode(upstream: VecEnv) -> None:
    """The effort on a joint at rest that is off its target by x is k x, within the bound, if there is one."""
    configured = make_env_on("c", "Anymal", 2, control__stiffness=100.0, control__damping=5.0)
    per_degree = 180.0 / math.pi
    for world, stiffness, damping, bound in (
        (configured, 100.0, 5.0, 80.0),
        (upstream, 400.0 * per_degree, 40.0 * per_degree, math.inf),
    ):
        put(world)
        task: Any = world.task
        view = task.anymals
        view.set_joint_position_targets((DEFAULT + 0.01).repeat(2, 1))
        efforts = view.get_measured_joint_efforts()
        torch.testing.assert_close(efforts, torch.full((2, 12), 0.01 * stiffness), rtol=1e-3, atol=1e-3)
        view.set_joint_velocities(torch.full((2, 12), 0.1))
        efforts = view.get_measured_joint_efforts()
        torch.testing.assert_close(efforts, torch.full((2, 12), 0.01 * stiffness - 0.1 * damping), rtol=1e-3, atol=1e-2)
        view.set_joint_position_targets((DEFAULT + 2.0).repeat(2, 1))
        expected = torch.full((2, 12), min(bound, 2.0 * stiffness - 0.1 * damping))
        torch.testing.assert_close(view.get_measured_joint_efforts(), expected)
    configured.close()


def test_joint_velocities_of_a_reset_are_targets_in_upstream_mode(env: VecEnv, upstream: VecEnv) -> None:
    """At its position target, a drive resists a velocity v by d v, unless v is its velocity target."""
    for world, damping in ((env, 20.0), (upstream, 0.0)):
        world.reset(seed=0)
        view = cast(Any, world.task).anymals
        velocities = view.get_joint_velocities()
        assert velocities.abs().max() > 0.05
        torch.testing.assert_close(view.get_measured_joint_efforts(), -damping * velocities, rtol=1e-4, atol=1e-2)


def test_joints_do_not_swing_in_upstream_mode(upstream: VecEnv) -> None:
    """Targets move by at most 0.3 · 13.5 / 60 rad in 0.02 s. Joints follow them with a time constant of 0.1 s."""
    generator = torch.Generator().manual_seed(0)
    put(upstream)
    task: Any = upstream.task
    fastest = 0.0
    for _ in range(20):
        upstream.step(0.3 * (2.0 * torch.rand(upstream.num_envs, 12, generator=generator) - 1.0))
        fastest = max(fastest, task.anymals.get_joint_velocities().abs().max().item())
    assert fastest < 0.3 * 13.5 / 60.0 / 0.02  # rad/s
