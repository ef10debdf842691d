"""TargetFollowing against numbers computed by hand; a robot that steers by the mask reaches its target."""

import math
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core import VecEnv, make_vec
from oige_core.registry import find_task, load_config, load_spec
from oige_core.testing import assert_fills_range, make_env_on, set_root_pose
from oige_tasks_locomotion.target_following.task import reward_terms

RADIUS, TRACK = 0.14, 0.4132  # m, of wheels and between them
SIZE = 64  # pixels
FOCAL = SIZE / 2 / math.tan(math.radians(121.5) / 2)


def make(num_envs: int = 2, executor: str = "c", **overrides: Any) -> VecEnv:
    return make_env_on(executor, "TargetFollowing", num_envs, **{"imageSize": SIZE, **overrides})


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make()
    yield env
    env.close()


def put(env: VecEnv, yaw: float, target: tuple[float, float], origin: tuple[float, float] = (0.0, 0.0)) -> None:
    """Put robots at rest at ``origin``, turned by ``yaw``, and targets, not turned, at ``target``."""
    env.reset(seed=0)
    task: Any = env.task
    set_root_pose(task.carters, (*origin, 0.0), (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)))
    set_root_pose(task.targets, (*target, 0.125))
    env.reset(options={"reset_mask": torch.zeros(env.num_envs, dtype=torch.bool)})  # observes


def test_reward_terms_match_hand_computed_values() -> None:
    terms = reward_terms(
        torch.tensor([5.0, 1.02, 3.0]),
        torch.tensor([4.99, 0.99, 3.001]),
        torch.tensor([[2.0, 1.0], [3.0, 3.0], [-2.0, 2.0]]),
        torch.tensor([0.25, 0.01, 0.0]),
    )
    torch.testing.assert_close(terms["progress"], torch.tensor([0.1, 0.3, -0.01]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(terms["straight"], torch.tensor([0.00025, 0.0015, -0.002]))
    torch.testing.assert_close(terms["seen"], torch.tensor([0.35, 0.11, -0.1]))
    assert terms["near"].tolist() == [0.0, 100.0, 0.0]


def test_robot_has_the_published_mass_and_size(env: VecEnv) -> None:
    task: Any = env.task
    assert task.carters.get_body_masses()[0].sum().item() == pytest.approx(48.0)
    assert task.carters.dof_names[:2] == ["joint_wheel_left", "joint_wheel_right"]
    model = task.engine.compiled.model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    corners = []
    for geom in range(model.ngeom):
        is_seen = model.geom_group[geom] < 3
        if is_seen and model.body(model.geom_bodyid[geom]).name.startswith("carter/"):
            centre, half = model.geom_aabb[geom].reshape(2, 3)
            for signs in [(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]:
                corners.append(data.geom_xpos[geom] + data.geom_xmat[geom].reshape(3, 3) @ (centre + half * signs))
    corners = torch.from_numpy(np.array(corners))
    length, width, height = (corners.amax(0) - corners.amin(0)).tolist()
    assert (length, width, height) == pytest.approx((0.725, 0.5, 0.556), abs=0.02)
    assert corners[:, 2].min() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
def test_wheels_roll_without_slipping(executor: str) -> None:
    env = make(3, executor)
    put(env, 0.0, (8.0, 0.0))
    task: Any = env.task
    actions = torch.tensor([[0.8, 0.8], [0.5, -0.5], [0.9, 0.6]])
    for _ in range(60):
        task.pre_physics_step(actions)
        task.engine.step()
    left, right = (actions * math.pi).unbind(-1)
    speeds = task.carters.get_velocities()
    forward, turning = torch.linalg.vector_norm(speeds[:, :2], dim=-1), speeds[:, 5]
    expected = (left + right) / 2 * RADIUS
    torch.testing.assert_close(forward[[0, 2]], expected[[0, 2]], rtol=0.02, atol=0.0)
    assert forward[1] < 0.06  # casters swing
    torch.testing.assert_close(turning, (right - left) * RADIUS / TRACK, rtol=0.04, atol=0.005)
    heights = task.carters.get_world_poses()[0][:, 2]
    assert heights.abs().max() < 0.003
    env.close()


def test_mask_shows_the_target_at_its_projection(env: VecEnv) -> None:
    task: Any = env.task
    yaw = math.radians(20.0)
    put(env, yaw, (3.0, 0.0))
    image = env.task.obs_buf[0]
    assert image.dtype == torch.uint8
    assert image.shape == (SIZE, SIZE, 3)
    assert set(image.unique().tolist()) == {0, 255}
    assert (image == image[..., :1]).all()
    # The target in the robot's frame, seen from the camera at (0.125, −0.075, 0.345).
    x = 3.0 * math.cos(yaw) - 0.125
    y = -3.0 * math.sin(yaw) + 0.075
    rows, columns = (image[..., 0] > 0).nonzero().double().add(0.5).unbind(-1)
    assert columns.mean().item() == pytest.approx(SIZE / 2 - FOCAL * y / x, abs=1.0)
    assert rows.mean().item() == pytest.approx(SIZE / 2 - FOCAL * (0.125 - 0.345) / x, abs=1.0)
    count = len(rows)
    assert task.visible_fraction[0].item() == pytest.approx(count / SIZE**2)
    assert 1.0 < count < 1.6 * (FOCAL * 0.25 / (x - 0.2)) ** 2 + 8
    put(env, math.pi, (3.0, 0.0))
    assert (task.obs_buf == 0).all()
    assert (task.visible_fraction == 0).all()


def test_colour_image_is_green_where_the_mask_is_set() -> None:
    env, masks = make(observe="rgb"), make()
    for one in (env, masks):
        put(one, 0.0, (1.5, 0.2))
    image, mask = env.task.obs_buf[0].int(), masks.task.obs_buf[0, ..., 0] > 0
    assert mask.sum() > 4
    green = (image[..., 1] > image[..., 2] + 40) & (image[..., 1] > image[..., 0] + 20)
    assert torch.equal(green, mask)
    env.close()
    masks.close()


def test_first_step_rewards_its_progress(env: VecEnv) -> None:
    task: Any = env.task
    env.reset(seed=3)
    start = task.targets.get_world_poses()[0][:, 0]
    _, rewards, _, _, info = env.step(torch.zeros(2, 2))
    robots = task.carters.get_world_poses()[0]
    distance = torch.linalg.vector_norm(task.targets.get_world_poses()[0][:, :2] - robots[:, :2], dim=-1)
    torch.testing.assert_close(task.distance, distance)
    left, right = task.carters.get_joint_velocities()[:, :2].unbind(-1)
    expected = 10 * (start - distance) + 0.0005 * ((left + right) / 2 - (left - right).abs())
    seen = task.visible_fraction
    expected = expected + seen + torch.where(seen > 0, 0.1, -0.1)
    torch.testing.assert_close(rewards, expected, atol=1e-4, rtol=0.0)
    assert info["success"].tolist() == [False, False]


def test_near_target_is_rewarded_and_arrival_terminates(env: VecEnv) -> None:
    task: Any = env.task
    put(env, 0.0, (5.0, 0.0))
    task.carters.set_world_poses(torch.tensor([[4.05, 0.0, 0.0], [4.15, 0.0, 0.0]]))
    _, rewards, terminated, truncated, info = env.step(torch.zeros(2, 2))
    assert terminated.tolist() == [False, True]
    assert not truncated.any()
    # 4.05 m and 4.15 m closer at 10 per metre, 0.1 for seeing it and less than 0.1 for how large it is.
    assert rewards.tolist() == pytest.approx([100 + 40.5 + 0.15, 100 + 41.5 + 0.15], abs=0.06)
    assert info["success"].tolist() == [True, True]
    assert info["episode_means"]["success"].item() == 1.0
    assert task.reached.tolist() == [True, False], "the second world has begun a new episode"
    task.carters.set_world_poses(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    info = env.step(torch.zeros(2, 2))[4]
    assert info["success"].tolist() == [True, False], "it was reached in this episode"


def test_episode_is_truncated_after_2048_steps(env: VecEnv) -> None:
    task: Any = env.task
    put(env, 0.0, (5.0, 0.0))
    task.progress_buf[:] = torch.tensor([2046, 2047])
    _, _, terminated, truncated, info = env.step(torch.zeros(2, 2))
    assert not terminated.any()
    assert truncated.tolist() == [False, True]
    assert info["episode_means"]["success"].item() == 0.0


def test_resets_cover_their_ranges() -> None:
    env = make(3000, imageSize=8)
    env.reset(seed=1)
    task: Any = env.task
    positions, orientations = task.carters.get_world_poses()
    assert positions.abs().max() < 1e-6
    targets, turned = task.targets.get_world_poses()
    yaw = [2 * torch.atan2(q[:, 3], q[:, 0]) for q in (orientations, turned)]
    yaw = torch.stack([torch.atan2(angle.sin(), angle.cos()) for angle in yaw], dim=-1)
    assert_fills_range(yaw, -math.pi, math.pi)
    assert_fills_range(targets[:, :1], 4.0, 9.0)
    assert (targets[:, 1:] == torch.tensor([0.0, 0.125])).all()
    env.close()


def test_actions_are_wheel_speeds(env: VecEnv) -> None:
    put(env, 0.0, (9.0, 0.0))
    task: Any = env.task
    for _ in range(60):
        env.step(torch.tensor([[1.0, 0.5], [5.0, 0.5]]))
    wheels = task.carters.get_joint_velocities()[:, :2]
    assert wheels[0].tolist() == pytest.approx([math.pi, 0.5 * math.pi], rel=0.05)
    assert wheels[1].tolist() == pytest.approx(wheels[0].tolist(), rel=1e-3), "actions are clamped to 1"


def test_upstream_mode_sets_the_state_of_joints_to_actions_times_pi_twice() -> None:
    """Drives have the same targets, so that a turned wheel on the ground does not slow down."""
    env = make(compat="upstream")
    env.reset(seed=0)
    task: Any = env.task
    task.carters.set_joint_velocities(torch.full((2, task.carters.num_dof), 0.3))
    task.pre_physics_step(torch.tensor([[1.0, 0.5], [-0.2, 0.5]]))
    velocities = task.carters.get_joint_velocities()
    expected = math.pi**2 * torch.tensor([[1.0, 0.5], [-0.2, 0.5]])
    torch.testing.assert_close(velocities[:, :2], expected)
    assert not velocities[:, 2:].any()
    assert task.carters.get_measured_joint_efforts()[:, :2].abs().max() < 1e-4
    task.carters.set_joint_velocities(torch.zeros_like(velocities))
    held = task.carters.get_measured_joint_efforts()[:, :2]
    assert held.tolist() == [[15.0, 15.0], [-15.0, 15.0]], "N·m, the limit of the drives"
    for _ in range(90):
        env.step(torch.ones(2, 2))
    speed = torch.linalg.vector_norm(task.carters.get_velocities()[:, :2], dim=-1)
    assert ((speed > 0.8 * RADIUS * math.pi**2) & (speed < 1.02 * RADIUS * math.pi**2)).all()
    env.close()


def test_upstream_mode_starts_above_the_ground_and_measures_in_three_dimensions() -> None:
    env = make(compat="upstream")
    env.reset(seed=0)
    task: Any = env.task
    robots, targets = (view.get_world_poses()[0] for view in (task.carters, task.targets))
    assert robots.tolist() == [[0.0, 0.0, 0.25]] * 2
    assert targets[:, 2].tolist() == pytest.approx([0.025] * 2)
    torch.testing.assert_close(task.distance, (targets[:, 0] ** 2 + 0.225**2).sqrt())
    task.targets.set_world_poses(torch.tensor([[0.9, 0.0, 0.025], [0.6, 0.0, 0.025]]))
    task.get_observations()
    assert task.distance.tolist() == pytest.approx([math.hypot(0.9, 0.225), math.hypot(0.6, 0.225)])
    assert task.is_done().tolist() == [False, True]
    env.close()


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
def test_cube_rises_out_of_the_ground_in_upstream_mode_only(executor: str) -> None:
    """Its middle begins 0.1 m below its height on the ground, whose contact pushes it out."""
    heights = {}
    for compat in ("fixed", "upstream"):
        env = make(2, executor, compat=compat, imageSize=8)
        env.reset(seed=0)
        task: Any = env.task
        start, turned = task.targets.get_world_poses()
        seen = [start[:, 2]]
        for _ in range(20):
            env.step(torch.zeros(2, 2))
            seen.append(task.targets.get_world_poses()[0][:, 2])
        heights[compat] = torch.stack(seen)
        positions, orientations = task.targets.get_world_poses()
        torch.testing.assert_close(positions[:, :2], start[:, :2], atol=1e-4, rtol=0.0)
        torch.testing.assert_close(orientations, turned, atol=1e-4, rtol=0.0)
        env.close()
    assert (heights["fixed"] == 0.125).all()
    rise = heights["upstream"]
    assert rise[0].tolist() == pytest.approx([0.025] * 2)
    assert (rise[:7].diff(dim=0) > 0.01).all()
    assert (rise.amax(dim=0) > 0.125).all(), "it has left the ground"
    assert (rise < 0.16).all()
    torch.testing.assert_close(rise[-1], torch.full((2,), 0.125), atol=0.005, rtol=0.0)


def test_upstream_mode_shows_the_last_mask_for_two_steps_and_keeps_moving() -> None:
    """In the first episode, which has no last mask, it is empty. Observations are floats."""
    env = make(compat="upstream")
    task: Any = env.task
    observations, _ = env.reset(seed=0)
    assert observations.dtype == torch.float32
    turned = task.carters.get_world_poses()[1]
    for step in range(5):
        set_root_pose(task.carters, (0.0, 0.0, 0.0))
        set_root_pose(task.targets, (2.0, 0.4 * step, 0.025))
        observations, *_ = env.step(torch.zeros(2, 2))
        assert observations.amax().item() == (1.0 if step >= 2 else 0.0)
        assert (task.visible_fraction > 0).all() == (step >= 2)
    truth = (task.camera.get_segmentation() == task.target_id).float().expand(-1, -1, -1, 3)
    assert torch.equal(observations, truth)  # rows and columns are in the same places
    set_root_pose(task.targets, (0.5, 0.0, 0.025))
    last, _, terminated, _, _ = env.step(torch.ones(2, 2))
    assert terminated.all()
    before = task.carters.get_velocities()
    task.reset_idx(torch.arange(2))
    torch.testing.assert_close(task.carters.get_velocities(), before)
    assert not torch.equal(task.carters.get_world_poses()[1], turned)
    for step in range(3):
        set_root_pose(task.carters, (0.0, 0.0, 0.0))
        set_root_pose(task.targets, (-5.0, 0.0, 0.025))
        task.ended_buf[:] = False
        observations, *_ = env.step(torch.zeros(2, 2))
        assert torch.equal(observations, last) == (step < 2)
    env.reset(seed=0)
    assert not task.carters.get_velocities().any(), "another reset starts from rest"
    env.close()


def test_settings_match_upstream() -> None:
    config = load_config("TargetFollowing").task
    assert (config.env.numEnvs, config.env.envSpacing, config.env.episodeLength) == (16, 50.0, 2048)
    assert load_spec(find_task("TargetFollowing")).shape_for(config.env) == (256, 256, 3)


@pytest.mark.parametrize("compat", [pytest.param("fixed", marks=pytest.mark.slow), "upstream"])
def test_mask_controller_reaches_the_target(compat: str) -> None:
    """Turn on the spot until the target is seen, then drive to it: the images tell enough."""
    env = make(4, compat=compat)
    observations, _ = env.reset(seed=5)
    columns = torch.linspace(-1.0, 1.0, SIZE)
    reached = torch.zeros(4, dtype=torch.bool)
    steps = 0
    while not reached.all() and steps < 2048:
        mask = (observations[..., 0] > 0).float()
        weight = mask.sum(dim=(1, 2))
        side = (mask * columns).sum(dim=(1, 2)) / weight.clamp(min=1.0)  # positive: to the right
        speed = torch.where(weight > 0, 1.0, 0.0)
        turn = torch.where(weight > 0, 1.5 * side, 0.3)
        observations, _, _, truncated, info = env.step(torch.stack((speed + turn, speed - turn), dim=-1))
        reached |= info["success"]
        assert not truncated.any()
        steps += 1
    assert reached.all()
    env.close()


def test_default_friction_acts_between_wheels_and_ground() -> None:
    key = "task.sim.default_physics_material."
    env = make_vec("TargetFollowing", 1, {f"{key}static_friction": 0.2, f"{key}dynamic_friction": 0.2})
    model: Any = env.task.engine.compiled.model  # type: ignore[attr-defined]
    assert (model.geom_friction[:, 0] == 0.2).all()
    env.close()
