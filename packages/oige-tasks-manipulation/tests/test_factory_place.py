"""FactoryTaskNutBoltPlace: a scripted robot puts the nut on the bolt's tip; the nut in the gripper at the start."""

import math
from typing import Any

import pytest
import torch
from factory_scripts import place_actions, play, z_axis
from oige_core import make_vec
from oige_core.math import quat_apply_inverse
from oige_core.testing import assert_fills_range
from oige_tasks_manipulation.factory.place import half_extent
from oige_tasks_manipulation.factory.sizes import SIZES

PLACE = "FactoryTaskNutBoltPlace"


def in_gripper(task: Any) -> torch.Tensor:
    """Return the middle of the nuts in the frame of the fingertips ``(n, 3)``, in m."""
    tips = task.get_fingertips()
    return quat_apply_inverse(tips.orientation, task.get_nut_centres()[0] - tips.position)


def test_scripted_robot_puts_the_nut_on_the_tip() -> None:
    """Friction holds the nut all the way; the controller is soft, so that its weight leaves a millimetre."""
    env = make_vec(PLACE, 8, sim_device="cpu", num_threads=1)
    observed, _ = env.reset(seed=1)
    task: Any = env.task
    before = in_gripper(task)
    observed, *_ = play(env, observed, place_actions, 127)
    slip = torch.linalg.vector_norm(in_gripper(task) - before, dim=-1)
    tilt = torch.acos(z_axis(task.nuts.get_world_poses()[1])[:, 2].clamp(-1.0, 1.0))
    _, rewards, _, truncated, info = env.step(place_actions(observed))
    assert truncated.all()
    assert info["success"].all()
    assert slip.max() < 0.005
    assert tilt.max() < 0.05
    means = info["episode_means"]
    assert means["success"] == 1.0
    assert means["lateral_error"] < 0.003
    assert means["keypoint_distance"] == pytest.approx(-rewards.mean().item(), rel=1e-5)
    assert not any(env.problems().values())
    env.close()


def test_fingers_touch_two_flats_of_the_nut_at_the_start() -> None:
    """Its base is at the tips of the fingers, up to 10 mm above or below, and nothing overlaps."""
    worlds = 256
    env = make_vec(PLACE, worlds, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    torch.testing.assert_close(task.frankas.get_joint_positions()[:, 7:], torch.full((worlds, 2), 0.012))
    middle = in_gripper(task)
    torch.testing.assert_close(middle[:, :2], torch.zeros(worlds, 2), atol=1e-5, rtol=0.0)
    # The nut is 13 mm high, and z points down.
    assert middle[:, 2].min() == pytest.approx(-0.0065 - 0.01, abs=5e-4)
    assert middle[:, 2].max() == pytest.approx(-0.0065 + 0.01, abs=5e-4)
    tips, (_, turned) = task.get_fingertips(), task.get_nut_centres()
    torch.testing.assert_close(z_axis(turned), -z_axis(tips.orientation), atol=1e-5, rtol=0.0)
    assert task.engine.deepest_penetration().max() < 1e-5
    env.close()


def test_gripper_holds_the_nut_without_actions() -> None:
    env = make_vec(PLACE, 8, sim_device="cpu", num_threads=1)
    env.reset(seed=2)
    task: Any = env.task
    before = in_gripper(task)
    for _ in range(100):
        env.step(torch.zeros(8, 12))
    assert torch.linalg.vector_norm(in_gripper(task) - before, dim=-1).max() < 0.004
    env.close()


def test_gripper_holds_nuts_of_all_sizes() -> None:
    """At least a fifth of their height is between the fingers at first."""
    env = make_vec(PLACE, 40, {"task.env.nutBoltSizes": list(SIZES)}, sim_device="cpu", num_threads=1)
    env.reset(seed=2)
    task: Any = env.task
    before = in_gripper(task)
    held = 0.5 * task.nut_height - before[:, 2]
    assert (held > 0.2 * task.nut_height).all()
    for _ in range(40):
        env.step(torch.zeros(40, 12))
    assert torch.linalg.vector_norm(in_gripper(task) - before, dim=-1).max() < 0.002
    env.close()


def test_noise_moves_the_nut_and_the_fingers_follow() -> None:
    """Offset by 1 mm from finger to finger and turned by up to 30°, both fingers still touch the nut."""
    noise = {"nut_noise_pos_in_gripper": [0.003, 0.001, 0.0], "nut_noise_rot_in_gripper": math.pi / 6.0}
    env = make_vec(PLACE, 1024, {f"task.env.randomize.{key}": value for key, value in noise.items()}, sim_device="cpu")
    env.reset(seed=1)
    task: Any = env.task
    fingers = task.frankas.get_joint_positions()[:, 7:]
    # 24 mm between flats, 27.7 mm between corners
    assert_fills_range(fingers.sum(dim=-1, keepdim=True), 0.024, 0.024 / math.cos(math.pi / 6.0))
    assert_fills_range(fingers[:, :1] - fingers[:, 1:], -0.002, 0.002)
    assert -task.engine.deepest_penetration().max() > -3e-4
    env.close()


def test_half_extent_of_a_hexagon() -> None:
    yaw = torch.tensor([0.0, 30.0, 90.0, 45.0, -30.0, 60.0]).deg2rad()
    flat, corner = 1.0, 2.0 / math.sqrt(3.0)
    between = corner * math.cos(math.radians(15.0))
    expected = torch.tensor([corner, flat, flat, between, flat, corner])
    torch.testing.assert_close(half_extent(torch.full((6,), 2.0), yaw), expected)


def test_tip_of_the_bolt_is_an_optional_observation() -> None:
    env = make_vec(PLACE, 2, {"task.env.rl.add_obs_bolt_tip_pos": True}, sim_device="cpu", num_threads=1)
    observed, _ = env.reset(seed=1)
    assert observed.shape == (2, 30)
    torch.testing.assert_close(observed[:, 27:], torch.tensor([[0.0, 0.0, 0.041]]).expand(2, 3))
    env.close()
