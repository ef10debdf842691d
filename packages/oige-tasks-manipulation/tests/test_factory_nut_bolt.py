"""FactoryTaskNutBolt: scripted policies pick the nut up and put it on the tip; what the stages hand over."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from factory_scripts import pick_actions, place_actions
from oige_core import ConfigError, load_config, make_vec
from oige_core.math import (
    quat_conjugate,
    quat_from_euler_xyz,
    quat_from_rotation_vector,
    quat_mul,
    rotation_vector_from_quat,
)
from oige_tasks_manipulation.factory.frames import axis_z, flipped, hexagon_yaw, level, tilt_back, turn_about_z, upright
from oige_tasks_manipulation.franka.factory import SCREW_JOINT_POSITIONS

CHAIN = "FactoryTaskNutBolt"
TABLE, SHANK = 0.4, 0.025  # m
UP = torch.tensor([0.0, 0.0, 1.0])


def test_scripted_policies_put_the_nut_on_the_tip() -> None:
    """One column says which policy acts; the nut is never set to a place, and hardly moves from step to step."""
    env = make_vec(CHAIN, 4, {"task.env.episodeLength": 570}, sim_device="cpu", num_threads=1)
    observed, _ = env.reset(seed=1)
    task: Any = env.task
    acting, largest, info = [], 0.0, {}
    place = task.nuts.get_world_poses()[0]
    for step in range(560):
        acting.append(observed[:, :3].argmax(dim=-1).unique().tolist())
        pick, placed = pick_actions(observed[:, 3:23]), place_actions(observed[:, 23:50])
        observed, _, _, _, info = env.step(torch.where(observed[:, :1] == 1.0, pick, placed))
        now = task.nuts.get_world_poses()[0]
        largest = max(largest, torch.linalg.vector_norm(now - place, dim=-1).max().item())
        place = now
        if step == 287:
            assert task.picked.float().mean() >= 0.75
    assert acting == [[0]] * 288 + [[1]] * 272
    assert observed[:, 2].tolist() == [1.0] * 4
    assert task.placed.float().mean() >= 0.75
    assert task.lateral_error[task.placed].max() < 0.0005
    assert largest < 0.05  # m in a control step, also of a nut that falls
    assert not info["success"].any()
    env.close()


@pytest.fixture
def chain() -> Iterator[Any]:
    """The task in 4 worlds where Screw starts, before and in its stage by turns, with hands turned in the last two,
    in one by more than half a turn.

    The bolt's axis is beside the nut's by 2 mm where Screw acts.
    """
    env = make_vec(CHAIN, 4, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    joints = torch.tensor([*SCREW_JOINT_POSITIONS, 0.012, 0.012]).repeat(4, 1)
    turns = torch.tensor([0.0, 0.0, 0.3, -5.0])
    joints[:, 6] -= turns  # its axis points down
    task.frankas.set_joint_positions(joints)
    place = task.get_fingertips().position
    place[:, 2] = TABLE
    task.nuts.set_world_poses(place + UP * SHANK, turn_about_z(math.pi / 6.0 + turns))
    place[:, 0] += torch.tensor([0.0, 0.002, 0.0, 0.002])
    task.bolts.set_world_poses(place)
    task.progress_buf = task.ends[6] - 1 + torch.tensor([0, 1, 0, 1])
    yield task
    env.close()


def test_screw_gets_what_it_observes_in_its_own_task(chain: Any) -> None:
    """Relative to the bolt's axis, and to the yaw of the hand when the stage begins."""
    screw = make_vec("FactoryTaskNutBoltScrew", 1, sim_device="cpu", num_threads=1)
    screw.reset(seed=1)
    task: Any = screw.task
    task.frankas.set_joint_positions(torch.tensor([[*SCREW_JOINT_POSITIONS, 0.012, 0.012]]))
    task.nuts.set_world_poses((UP * (TABLE + SHANK))[None], turn_about_z(torch.tensor([math.pi / 6.0])))
    expected = task.get_observations().repeat(4, 1)
    screw.close()
    observed = chain.get_observations()[:, 50:]
    for column in (0, 13):  # x and y of fingertips and nut
        aside = observed[:, column : column + 2]
        across = torch.linalg.vector_norm(aside, dim=-1)
        torch.testing.assert_close(across, torch.tensor([0.0, 0.002, 0.0, 0.002]), atol=1e-5, rtol=0.0)
        aside[:] = expected[:, column : column + 2]
    torch.testing.assert_close(observed, expected, atol=1e-4, rtol=0.0)


def test_screw_acts_down_and_about_z_with_its_own_controller(chain: Any) -> None:
    """Other axes move the nut to the bolt's axis, by 4 times what is missing."""
    targets: list[Any] = []
    exerted: list[torch.Tensor] = []
    screwing, moving = chain.screw_controller.compute_efforts, chain.controller.compute_efforts

    def compute(state: Any, target: Any) -> torch.Tensor:
        targets.append((state, target))
        return screwing(state, target)

    chain.screw_controller.compute_efforts = compute
    chain.exert = lambda state, efforts: exerted.append(efforts)
    tips = chain.get_fingertips()
    chain.pre_physics_step(torch.full((4, 12), 0.5))
    ((state, target),) = targets
    moved = (target.position - tips.position)[1::2]
    torch.testing.assert_close(moved, torch.tensor([[0.008, 0.0, -0.075]] * 2), atol=1e-5, rtol=0.0)
    turned = rotation_vector_from_quat(quat_mul(target.orientation, quat_conjugate(tips.orientation)))[1::2]
    torch.testing.assert_close(turned, torch.tensor([[0.0, 0.0, -0.075]] * 2), atol=1e-3, rtol=0.0)
    ours, others = (each(state, target)[:, :7] for each in (screwing, moving))
    assert (ours - others).abs().max() > 0.1
    torch.testing.assert_close(exerted[0], torch.stack((others[0], ours[1], others[2], ours[3])))


def test_nut_is_screwed_on_within_five_pitches_after_the_last_routine(chain: Any) -> None:
    heights = torch.tensor([0.0, 0.0, 4.9, 5.1]) * 0.002
    chain.nuts.set_world_poses(chain.bolts.get_world_poses()[0] + UP * heights[:, None])
    chain.progress_buf = chain.ends[6] + torch.tensor([0, 1, 1, 1])
    chain.get_observations()
    chain.get_extras()
    assert chain.extras["success"].tolist() == [False, True, True, False]
    assert chain.calculate_metrics().tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("tilts", [(0.05, 0.0), (0.0, 0.05)], ids=["hand", "nut"])
def test_screw_keeps_hand_and_nut_upright(chain: Any, tilts: tuple[float, float]) -> None:
    """A tilt of the nut turns the hand back by as much, and so does one of the hand."""
    targets: list[Any] = []
    efforts = chain.screw_controller.compute_efforts
    chain.screw_controller.compute_efforts = lambda state, target: targets.append(target) or efforts(state, target)
    tips = chain.get_fingertips()
    position, orientation = chain.nuts.get_world_poses()
    of_hand, of_nut = (quat_from_rotation_vector(torch.tensor([[tilt, 0.0, 0.0]]).expand(4, 3)) for tilt in tilts)
    hand = quat_mul(of_hand, tips.orientation)
    chain.get_fingertips = lambda worlds=None: tips._replace(orientation=hand)
    chain.nuts.set_world_poses(position, quat_mul(of_nut, orientation))
    actions = torch.zeros(4, 12)
    actions[:, 5] = -1.0  # no turn about z
    chain.pre_physics_step(actions)
    turned = rotation_vector_from_quat(quat_mul(targets[0].orientation, quat_conjugate(hand)))[1::2]
    torch.testing.assert_close(turned, torch.tensor([[-0.05, 0.0, 0.0]] * 2), atol=1e-4, rtol=0.0)


def test_nut_is_lowered_where_it_is_above_the_tip(chain: Any) -> None:
    """By hand: its base is 2 mm above the tip. The goal is 1 mm below it, 4 mm higher 0.5 mm beside the axis, and
    3 mm higher 0.4 mm beside it. A tenth of what is missing aside is added in each step of the stage.
    """
    targets: list[Any] = []
    efforts = chain.controller.compute_efforts
    chain.controller.compute_efforts = lambda state, target: targets.append(target) or efforts(state, target)
    bolts = chain.bolts.get_world_poses()[0]
    beside = torch.tensor([[0.0, 0.0, 0.0], [0.0005, 0.0, 0.0], [0.0, -0.0005, 0.0], [0.0, 0.0004, 0.0]])
    chain.nuts.set_world_poses(bolts + beside + UP * (SHANK + 0.002), upright(bolts))
    tips = chain.get_fingertips().position
    rise = torch.tensor([[-0.003], [0.001], [0.001], [0.0]])
    for steps, times in ((0, 1.1), (1, 1.2), (-1, None), (0, 1.1)):
        chain.progress_buf = (chain.ends[5] + steps).expand(4).clone()
        chain.pre_physics_step(torch.ones(4, 12))
        if times is not None:
            expected = 4.0 * (UP * rise - times * beside)
            torch.testing.assert_close(targets[-1].position - tips, expected, atol=1e-5, rtol=0.0)


def test_open_gripper_comes_from_above_and_ends_below_the_middle_of_the_nut(chain: Any) -> None:
    """By hand: fingertips are 20 mm above the middle of the nut. The goal is 5 mm below it, up to 2 mm aside, and 10 mm
    higher 3 mm aside; from 10 mm aside it is 40 mm higher.
    """
    targets: list[Any] = []
    efforts = chain.controller.compute_efforts
    chain.controller.compute_efforts = lambda state, target: targets.append(target) or efforts(state, target)
    tips = chain.get_fingertips().position
    beside = torch.tensor([[0.0, 0.0, 0.0], [0.002, 0.0, 0.0], [0.0, -0.003, 0.0], [0.01, 0.0, 0.0]])
    middle = 0.016 + 0.0065  # m; of the nut above its origin
    chain.nuts.set_world_poses(tips - beside - UP * (0.02 + middle), upright(tips))
    chain.progress_buf = chain.ends[0].expand(4).clone()
    chain.pre_physics_step(torch.ones(4, 12))
    rise = torch.tensor([[-0.025], [-0.025], [-0.015], [0.015]])
    expected = 4.0 * (UP * rise - beside)
    expected[:2] *= 0.1 / torch.linalg.vector_norm(expected[:2], dim=-1, keepdim=True).clamp_min(0.1)
    torch.testing.assert_close(targets[0].position - tips, expected, atol=1e-5, rtol=0.0)


def test_outcomes_of_stages_are_those_at_their_ends(chain: Any) -> None:
    """Picked: more than three heights of the nut, 39 mm, above the table; placed: within 2 mm of the axis and 4 mm of
    the tip.
    """
    bolts = chain.bolts.get_world_poses()[0]
    chain.nuts.set_world_poses(bolts + UP * torch.tensor([[0.0385], [0.0395], [0.0395], [0.0385]]), upright(bolts))
    for steps, picked in ((-1, [False] * 4), (0, [False, True, True, False]), (1, [False, True, True, False])):
        chain.progress_buf = (chain.ends[3] + steps).expand(4).clone()
        chain.get_observations()
        assert chain.picked.tolist() == picked
    offsets = torch.tensor([[0.0, 0.0019, 0.0], [0.0021, 0.0, 0.0], [0.0, 0.0, -0.0041], [0.0, 0.0, 0.0039]])
    chain.nuts.set_world_poses(bolts + UP * SHANK + offsets, upright(bolts))
    chain.progress_buf = chain.ends[6].expand(4).clone()
    chain.get_observations()
    assert chain.placed.tolist() == [True, False, False, True]
    assert chain.picked.tolist() == [False, True, True, False]
    torch.testing.assert_close(chain.lateral_error, torch.tensor([0.0019, 0.0021, 0.0, 0.0]), atol=1e-5, rtol=0.0)


def test_stages_follow_each_other() -> None:
    steps = {"pick_steps": 3, "align_steps": 2, "carry_steps": 4, "place_steps": 5, "lower_steps": 6}
    values = {f"task.env.{key}": value for key, value in steps.items()}
    values |= {"task.env.num_gripper_close_sim_steps": 3, "task.env.num_gripper_lift_sim_steps": 2}
    config: Any = load_config(CHAIN, values | {"task.env.episodeLength": 30}).task.env
    assert config.stage_steps() == [3, 2, 2, 1, 4, 5, 6, 7]
    with pytest.raises(ConfigError, match=r"^task\.env\.episodeLength=23: expected more than the 23 control steps"):
        load_config(CHAIN, values | {"task.env.episodeLength": 23})


def test_gripper_has_the_same_gains_in_all_stages() -> None:
    values = {"task.env.screw_ctrl.all.gripper_prop_gains": [100.0, 100.0]}
    with pytest.raises(
        ConfigError, match=r"^task\.env\.screw_ctrl\.all\.gripper_prop_gains=\[100\.0, 100\.0\]: expected"
    ):
        load_config(CHAIN, values)


def test_frames() -> None:
    angles = torch.tensor([[3.1, 0.2, 2.0], [3.3, -0.1, -1.0], [math.pi, 0.0, 0.5]])
    hand = quat_from_euler_xyz(angles)
    stands = flipped(hand)
    torch.testing.assert_close(axis_z(stands), -axis_z(hand), atol=1e-6, rtol=0.0)
    up = torch.tensor([[0.0, 0.0, 1.0]]).expand(3, 3)
    torch.testing.assert_close(axis_z(quat_mul(tilt_back(stands), stands)), up, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(axis_z(level(hand)), -up, atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("turn", [-200.0, -100.0, -10.0, 25.0, 95.0, 350.0])
def test_hexagon_is_turned_by_sixths_to_the_expected_yaw(turn: float) -> None:
    """Turned by 25° from the expected yaw it is turned by 25°, by 95° it looks as by −25°."""
    hand = quat_from_euler_xyz(torch.tensor([[math.pi, 0.0, 0.3]]))
    expected = 0.5 * math.pi
    usual = quat_mul(flipped(hand), quat_from_euler_xyz(torch.tensor([[0.0, 0.0, expected]])))
    nut = quat_mul(usual, quat_from_euler_xyz(torch.tensor([[0.0, 0.0, math.radians(turn)]])))
    best, yaw = hexagon_yaw(hand, nut, expected)
    nearest = math.radians((turn + 30.0) % 60.0 - 30.0)
    assert yaw.item() == pytest.approx(nearest, abs=1e-4)
    torch.testing.assert_close(
        best, quat_mul(usual, quat_from_euler_xyz(torch.tensor([[0.0, 0.0, nearest]]))), atol=1e-5, rtol=0.0
    )
