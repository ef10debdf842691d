"""BallBalance: observations, rewards, endings, actions and resets against numbers computed by hand."""

import math
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core.envs import VecEnv
from oige_core.testing import assert_fills_range, make_env_on, set_root_pose
from oige_tasks_classic.ball_balance.task import ball_is_lost, reward

G = 9.81
LINK_MASS = 1000 * (math.pi * 0.02**2 * 0.36 + 4 / 3 * math.pi * 0.02**3)  # kg; a capsule
TRAY_MASS = 100 * math.pi * 0.5**2 * 0.02
BALL_MASS = 200 * 4 / 3 * math.pi * 0.1**3
CHORD = 0.36 * math.sqrt(2.0)  # from a hip straight down to its foot, m
LEG_DIRECTIONS = torch.tensor([[1.0, 0.0], [-0.5, math.sqrt(0.75)], [-0.5, -math.sqrt(0.75)]])


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make_env_on("c", "BallBalance", 4)
    yield env
    env.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[VecEnv]:
    env = make_env_on("c", "BallBalance", 1024, compat="upstream")
    yield env
    env.close()


def place_ball(env: VecEnv, *position: float) -> None:
    """Lay balls down at a place (m), at rest."""
    task: Any = env.task
    set_root_pose(task.balls, position)
    task.balls.set_velocities(torch.zeros(env.num_envs, 6))


# ----------------------------------------------------------------------------------------------- rewards and endings


def test_reward_terms_match_hand_computed_values() -> None:
    offset = torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.0, -0.4], [0.0, 0.0, 1.0]])
    velocity = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 2.0, -2.0]])
    torch.testing.assert_close(reward(offset, velocity), torch.tensor([1.0, 1 / 1.5, 1 / (2 * 4)]))


def test_lost_ball_fails() -> None:
    position = torch.tensor([[0.0, 0.0, 0.151], [9.0, 9.0, 0.149], [0.0, 0.0, -1.0]])
    assert ball_is_lost(position).tolist() == [False, True, True]


def test_step_rewards_the_new_state_and_terminates_when_the_ball_is_lost(env: VecEnv) -> None:
    """In free fall: semi-implicit in velocity, two solver steps of 5 ms each."""
    env.reset(seed=0)
    task: Any = env.task
    starts = torch.tensor([[0.0, 0.0, 1.7], [0.0, 0.0, 0.7], [3.0, 0.0, 0.1510], [3.0, 0.0, 0.16]])
    starts[1, 0] = 4.0  # beside the tray
    task.balls.set_world_poses(starts)
    task.balls.set_linear_velocities(torch.tensor([[0.3, 0.0, -1.0]]).expand(4, 3))
    observations, rewards, terminated, truncated, info = env.step(torch.zeros(4, 3))
    speed = 1.0 + 2 * 0.005 * G
    drop = 0.005 * (1.0 + 0.005 * G) + 0.005 * speed
    positions, velocity = starts + torch.tensor([0.003, 0.0, -drop]), torch.tensor([0.3, 0.0, -speed])
    torch.testing.assert_close(info["final_obs"][:, 6:9], positions, atol=1e-5, rtol=0)
    torch.testing.assert_close(info["final_obs"][:, 9:12], velocity.expand(4, 3), atol=1e-5, rtol=0)
    for world, position in enumerate(positions.tolist()):
        expected = 1 / (1 + math.dist(position, (0.0, 0.0, 0.7))) / (1 + math.hypot(0.3, speed))
        assert rewards[world].item() == pytest.approx(expected, rel=1e-5)
    assert terminated.tolist() == [False, False, True, True]
    assert not truncated.any()
    assert (observations[2:, 8] > 0.95).all()  # a new episode


def test_ball_at_the_goal_gives_the_maximum_return(env: VecEnv) -> None:
    """600 steps, in each of which the ball falls for two solver steps h of 5 ms: by 3 g h², to 2 g h."""
    env.reset(seed=0)
    for _ in range(599):
        place_ball(env, 0.0, 0.0, 0.7)
        *_, terminated, truncated, info = env.step(torch.zeros(4, 3))
        assert not (terminated | truncated).any()
    place_ball(env, 0.0, 0.0, 0.7)
    *_, terminated, truncated, info = env.step(torch.zeros(4, 3))
    assert truncated.all()
    assert not terminated.any()
    expected = 600 / (1 + 3 * G * 0.005**2) / (1 + 0.01 * G)
    assert info["episode_means"]["return"].item() == pytest.approx(expected, rel=1e-4)


# --------------------------------------------------------------------------------------------------- observations


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
def test_observation_at_rest_matches_hand_computed_values(executor: str) -> None:
    """The ball lies in the middle. Each leg carries a third of tray and ball, N.

    A leg stands on its foot, and its hip, right above, is free to turn. Its two links lean inwards, each by a quarter
    of the chord, so that the tray pushes the hip outwards by H: H · chord = 2 · m g · chord / 4. The upper link points
    inwards and down at 45°: the force along it is (N − H) / √2, and (N + H) / √2 across it. No force is left for the
    axis of the hinge, which is the one that is observed.
    """
    env = make_env_on(executor, "BallBalance", 2)
    env.reset(seed=0)
    place_ball(env, 0.0, 0.0, 0.669)
    for _ in range(59):
        env.step(torch.zeros(2, 3))
    observations, rewards, *_ = env.step(torch.zeros(2, 3))
    carried, pushed = (TRAY_MASS + BALL_MASS) * G / 3, LINK_MASS * G / 2
    expected = torch.zeros(24)
    expected[8] = 0.02 + CHORD + 0.02 + 0.02 + 0.1  # foot, hip, tray, ball
    task: Any = env.task
    forces = task.tables.get_measured_joint_forces(joint_indices=task.sensing)[..., :3]
    along = torch.tensor([0.0, carried + pushed, carried - pushed]) / math.sqrt(2.0)
    torch.testing.assert_close(forces, along.expand(2, 3, 3), atol=3e-2, rtol=0)
    torch.testing.assert_close(observations, expected.expand(2, 24), atol=1.5e-3, rtol=0)
    assert rewards[0].item() == pytest.approx(1 / (1 + 0.7 - observations[0, 8].item()), abs=1e-3)
    env.close()


def test_leg_torques_balance_a_torque_on_the_tray(env: VecEnv) -> None:
    """A torque of 6 N·m about z on the tray, which legs take up by forces T on their hips: 3 · T · 0.4 m = 6 N·m.

    A leg on its foot would tip over, about the direction in which it points. The tray keeps it from that, with T times
    the chord, of which the upper link feels 1/√2 about the y axis of its joint's frame and −1/√2 about z, along it.
    """
    env.reset(seed=0)
    place_ball(env, 0.0, 0.0, 0.669)
    engine: Any = env.task.engine
    wrench = engine.executor.field("xfrc_applied")
    tray = engine.compiled.model.body("table/tray").id
    for _ in range(60):
        wrench[:, tray, 5] = 6.0
        engine.step()
    observations = env.task.get_observations()  # type: ignore[attr-defined]
    torque = 6.0 / (3 * 0.4) * CHORD / math.sqrt(2.0) / 20.0
    expected = torch.tensor([0.0] * 3 + [torque] * 3 + [-torque] * 3)
    torch.testing.assert_close(observations[:, 15:], expected.expand(4, 9), atol=1e-3, rtol=0)
    torch.testing.assert_close(observations[:, 12:15], torch.full((4, 3), 6.0 / (3 * 0.4) / 20.0), atol=1e-3, rtol=0)
    wrench.zero_()


def test_observation_contains_joints_and_ball(env: VecEnv) -> None:
    env.reset(seed=0)
    task: Any = env.task
    joints, ball = torch.rand(2, 4, 6), torch.rand(2, 4, 3)
    task.tables.set_joint_positions(joints[0])
    task.tables.set_joint_velocities(joints[1])
    task.balls.set_world_poses(ball[0])
    task.balls.set_linear_velocities(ball[1])
    expected = torch.cat((joints[0, :, 3:], joints[1, :, 3:], ball[0], ball[1]), dim=-1)
    torch.testing.assert_close(task.get_observations()[:, :12], expected)


def test_joints_are_in_upstream_order(env: VecEnv) -> None:
    task: Any = env.task
    assert task.tables.dof_names == [f"{link}_leg{leg}" for link in ("upper", "lower") for leg in range(3)]
    assert task.driven == [3, 4, 5]


# -------------------------------------------------------------------------------------------------------- actions


def test_actions_move_targets_within_limits(env: VecEnv) -> None:
    """By 20 rad/s · 0.01 s; the ball on the ground ends the episode, and the targets are zero again."""
    env.reset(seed=0)
    task: Any = env.task
    action = torch.tensor([[1.0, -0.5, 3.0]]).expand(4, 3)  # the last is clamped to 1
    env.step(action)
    torch.testing.assert_close(task.targets, torch.tensor([[0.2, -0.1, 0.2]]).expand(4, 3))
    for _ in range(12):
        task.pre_physics_step(torch.tensor([[1.0, -1.0, 0.0]]).expand(4, 3))
    lower, upper = math.radians(-70), math.radians(90)
    torch.testing.assert_close(task.targets, torch.tensor([[upper, lower, 0.2]]).expand(4, 3))
    place_ball(env, 3.0, 0.0, 0.1)
    env.step(action)
    assert not task.targets.any()


def test_joints_follow_targets_with_a_lag(env: VecEnv) -> None:
    """With 400 and 40 per degree on links this light, the speed is the distance to the target by 0.1 s."""
    env.reset(seed=0)
    task: Any = env.task
    place_ball(env, 0.0, 0.0, 3.0)
    task.tables.set_joint_position_targets(torch.full((4, 3), 0.3), joint_indices=task.driven)
    task.engine.step(20)
    lag = 0.3 / (1 + 0.005 / 0.1) ** 40  # 40 implicit steps of 5 ms
    positions = task.tables.get_joint_positions()
    torch.testing.assert_close(positions[:, 3:], torch.full((4, 3), 0.3 - lag), atol=2e-3, rtol=0)
    torch.testing.assert_close(positions[:, :3], -0.5 * positions[:, 3:], atol=2e-3, rtol=0)  # hips stay above feet


# ------------------------------------------------------------------------- resets, and what compat=upstream restores


@pytest.mark.parametrize(("compat", "low"), [("fixed", 1.0), ("upstream", 2.0)])
def test_resets_cover_their_ranges(compat: str, low: float, upstream: VecEnv) -> None:
    """Upstream adds the start height to a spawn 1 m above the ground."""
    env = upstream if compat == "upstream" else make_env_on("c", "BallBalance", 1024)
    observations = torch.cat([env.reset(seed=4)[0], env.reset()[0]])
    position, velocity = observations[:, 6:8], observations[:, 9:11]
    assert_fills_range(observations[:, 8:9], low, low + 1.0)
    radius = torch.linalg.vector_norm(position, dim=-1, keepdim=True)
    assert_fills_range(radius, 0.001, 0.4)
    angle = torch.atan2(position[:, 1:], position[:, :1])
    assert_fills_range(angle, -math.pi, math.pi)
    assert_fills_range((torch.linalg.vector_norm(velocity, dim=-1, keepdim=True) / (radius - 0.001) * 0.399), 0.0, 2.0)
    torch.testing.assert_close(
        (position * velocity).sum(dim=-1), -radius[:, 0] * torch.linalg.vector_norm(velocity, dim=-1)
    )
    assert (observations[:, 11] == -5.0).all()
    assert not observations[:, :6].any()
    if env is not upstream:
        env.close()


def test_resets_stop_joints_except_in_upstream_mode(env: VecEnv, upstream: VecEnv) -> None:
    for world, kept in ((env, False), (upstream, True)):
        world.reset(seed=0)
        task: Any = world.task
        n = world.num_envs
        speeds = 0.1 * torch.arange(1.0, 7.0).expand(n, 6)
        task.tables.set_joint_positions(torch.full((n, 6), 0.1))
        task.tables.set_joint_velocities(speeds)
        task.reset_idx(torch.tensor([1]))
        assert task.tables.get_joint_velocities(indices=[1]).equal(speeds[:1] if kept else torch.zeros(1, 6))
        assert not task.tables.get_joint_positions(indices=[1]).any()
        assert task.tables.get_joint_velocities(indices=[0]).equal(speeds[:1])


# -------------------------------------------------------------------------------------------------------- the model


def test_masses_and_limits_match_the_model(env: VecEnv) -> None:
    tables: Any = env.task.tables  # type: ignore[attr-defined]
    masses = torch.tensor([TRAY_MASS] + [LINK_MASS] * 6)
    torch.testing.assert_close(tables.get_body_masses()[0], masses)
    limits = torch.tensor([[-45.0, 45.0]] * 3 + [[-70.0, 90.0]] * 3).deg2rad()
    torch.testing.assert_close(tables.get_dof_limits()[0], limits)
    assert env.task.balls.get_masses()[0].item() == pytest.approx(BALL_MASS)  # type: ignore[attr-defined]


def feet(env: VecEnv, world: int) -> np.ndarray:
    """Return where the ends of the lower links are ``(3, 3)``, in m."""
    engine: Any = env.task.engine
    model = engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = engine.executor.field("qpos")[world]
    mujoco.mj_kinematics(model, data)
    links = [data.body(f"table/lower_leg{leg}") for leg in range(3)]
    return np.stack([link.xpos + 0.36 * link.xmat.reshape(3, 3)[:, 2] for link in links])


FEET = torch.cat((0.4 * LEG_DIRECTIONS, torch.full((3, 1), 0.02)), dim=-1).numpy()


@pytest.mark.parametrize("bend", [-0.5, 0.5, 1.0])
def test_bent_legs_raise_the_tray(env: VecEnv, bend: float) -> None:
    """Two links of 0.36 m enclose 90° + bend; the hip turns back by half of it."""
    env.reset(seed=0)
    task: Any = env.task
    place_ball(env, 4.0, 0.0, 0.1)
    task.tables.set_joint_position_targets(torch.full((4, 3), bend), joint_indices=task.driven)
    task.engine.step(120)
    height = 0.05 + 2 * 0.36 * math.sin((math.pi / 2 + bend) / 2)
    positions, orientations = task.tables.get_world_poses()
    torch.testing.assert_close(positions[0], torch.tensor([0.0, 0.0, height]), atol=1e-3, rtol=0)
    torch.testing.assert_close(orientations[0], torch.tensor([1.0, 0.0, 0.0, 0.0]), atol=1e-4, rtol=0)
    joints = torch.tensor([-bend / 2] * 3 + [bend] * 3)
    torch.testing.assert_close(task.tables.get_joint_positions()[0], joints, atol=1e-3, rtol=0)
    assert feet(env, 0) == pytest.approx(FEET, abs=5e-4)


def test_feet_stay_at_their_anchors(env: VecEnv) -> None:
    """To 2 cm even when targets jump from limit to limit and legs work against each other, and to 2 mm as a rule."""
    env.reset(seed=0)
    task: Any = env.task
    generator = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(10):
        action = 20.0 * torch.randint(-1, 2, (4, 3), generator=generator)
        task.pre_physics_step(action.float())
        for _ in range(5):
            task.engine.step(5)
            errors += [np.linalg.norm(feet(env, world) - FEET, axis=1) for world in range(4)]
    assert np.max(errors) < 0.02
    assert np.median(errors) < 0.002


# -------------------------------------------------------------------------------------------------------- physics


def test_c_engine_and_mujoco_warp_agree() -> None:
    """Seven worlds, 60 steps of actions that bend legs by up to half a radian, from before the ball arrives."""
    ours, theirs = (make_env_on(executor, "BallBalance", 7) for executor in ("warp-cpu", "c"))
    torch.testing.assert_close(ours.reset(seed=3)[0], theirs.reset(seed=3)[0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        actions = 0.3 * (torch.rand(7, 3, generator=generator) * 2 - 1)
        observations, rewards, terminated, *_ = ours.step(actions)
        expected = theirs.step(actions)
        torch.testing.assert_close(observations[:, :12], expected[0][:, :12], atol=2e-3, rtol=0)
        torch.testing.assert_close(observations[:, 12:], expected[0][:, 12:], atol=2e-2, rtol=1e-2)
        torch.testing.assert_close(rewards, expected[1], atol=1e-3, rtol=0)
        assert terminated.equal(expected[2])
    for env in (ours, theirs):
        assert not env.task.engine.problems()
        env.close()


def test_fast_ball_does_not_pass_through_the_tray(env: VecEnv) -> None:
    """From 2 m at 5 m/s it arrives at 7.2 m/s, sinks in by less than 4 cm, leaps by less than 5 and lies there."""
    env.reset(seed=0)
    task: Any = env.task
    place_ball(env, 0.1, 0.05, 2.0)
    task.balls.set_linear_velocities(torch.tensor([[0.0, 0.0, -5.0]]).expand(4, 3))
    heights = []
    for _ in range(100):
        env.step(torch.zeros(4, 3))
        heights.append(task.obs_buf[0, 8].item())
    landed = next(step for step, height in enumerate(heights) if height < 0.669)
    assert min(heights) > 0.63
    assert max(heights[landed:]) < 0.72
    assert heights[-1] == pytest.approx(0.669, abs=2e-3)
    assert task.balls.get_linear_velocities()[0, 2].abs() < 1e-2


def test_ball_rolls_across_a_level_tray_at_constant_speed(env: VecEnv) -> None:
    """At 0.3 m/s and, over its radius of 0.1 m, 3 rad/s, it covers 0.6 m in 2 s."""
    env.reset(seed=0)
    task: Any = env.task
    place_ball(env, -0.3, 0.0, 0.669)
    task.balls.set_velocities(torch.tensor([[0.3, 0.0, 0.0, 0.0, 3.0, 0.0]]).expand(4, 6))
    task.engine.step(200)
    positions, _ = task.balls.get_world_poses()
    torch.testing.assert_close(positions[0, :2], torch.tensor([0.3, 0.0]), atol=2e-3, rtol=0)
    assert task.balls.get_linear_velocities()[0, 0].item() == pytest.approx(0.3, abs=2e-3)


def tilt_against_the_ball(observations: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return actions ``(N, 3)`` of a controller that knows the mechanics, and nothing of the learner.

    A ball on a tray that is tilted by t is accelerated by 5/7 g t, about 7 t. Wanted is −4 r − 4 v, critically damped.
    The hip of a leg in direction u must be 0.4 m · t · u higher, for which its lower joint turns by that over
    0.36 m · cos 45°; all turn by 0.12 rad, which raises the tray by 3 cm.
    """
    tilt = 4.0 / 7.0 * (observations[:, 6:8] + observations[:, 9:11])
    turn = 0.4 * tilt @ LEG_DIRECTIONS.T / (0.36 * math.sqrt(0.5))
    return (0.12 + turn.clamp(-0.2, 0.2) - targets) / 0.2


def test_hand_written_controller_balances_the_ball() -> None:
    """It is worth over 500 of 600 in each of 32 worlds; in 32 others, where nothing moves, many balls roll off."""
    env = make_env_on("c", "BallBalance", 64)
    observations, _ = env.reset(seed=0)
    returns, playing = torch.zeros(64), torch.ones(64, dtype=torch.bool)
    for _ in range(600):
        actions = tilt_against_the_ball(observations, env.task.targets)  # type: ignore[attr-defined]
        actions[32:] = 0.0
        observations, rewards, terminated, *_ = env.step(actions)
        returns += rewards * playing
        playing &= ~terminated
    assert playing[:32].all()
    assert returns[:32].min() > 500.0
    assert returns[:32].mean() > 540.0
    assert returns[32:].mean() < 0.6 * returns[:32].mean()
    env.close()
