"""FrankaDeformable: a scripted robot puts the tube into the beaker; rewards, success, resets and ends of episodes."""

from typing import Any

import pytest
import torch
from oige_core import make_vec
from oige_core.testing import make_env_on
from oige_tasks_manipulation.franka_deformable.task import (
    FRONT_NODE,
    START,
    is_in_beaker,
    is_through_wall,
    move_horizontally,
    reward_terms,
)

NO_NOISE = {"task.env.startPositionNoise": 0.0, "task.env.startRotationNoise": 0.0}

# Joint positions of the arm with the gripper above the tube, beside the beaker, and lowered there, in rad.
LIFTED = (0.081, 0.004, -0.03, -1.782, -0.109, 1.402, 0.508)
BESIDE = (0.315, 0.02, 0.204, -1.69, -0.475, 1.05, 0.109)
LOWERED = (0.288, 0.284, 0.192, -2.124, -0.479, 1.678, 0.411)
PATH = ((6, START[:7]), (24, LIFTED), (22, BESIDE), (10, BESIDE), (22, LOWERED), (16, LOWERED))  # steps, and where to
LARGEST_CHANGE = 7.5 / 60  # of a target in a control step, in rad


def scripted_actions() -> torch.Tensor:
    """Return actions ``(100, 9)`` that close the gripper and move the arm along straight lines in joint space."""
    place, targets = torch.tensor(START[:7]), [torch.tensor(START[:7])]
    for steps, end in PATH:
        line = torch.linspace(0.0, 1.0, steps + 1)[1:, None]
        targets += (place + line * (torch.tensor(end) - place)).unbind()
        place = targets[-1]
    arm = torch.stack(targets).diff(dim=0) / LARGEST_CHANGE
    return torch.cat((arm, torch.full((len(arm), 2), -1.0)), dim=-1)


@pytest.mark.parametrize("executor", ["c", pytest.param("warp-cpu", marks=pytest.mark.slow)])
def test_script_puts_the_tube_into_the_beaker(executor: str) -> None:
    """It stays in the grip, is inside the beaker at the end of the episode, and starts again where it was."""
    env = make_env_on(executor, "FrankaDeformable", 2, overrides=NO_NOISE)
    first, _ = env.reset(seed=3)
    task: Any = env.task
    nodes = task.tubes.get_simulation_mesh_nodal_positions()
    actions, in_beaker = scripted_actions(), torch.zeros(2)
    for step in range(99):
        observations, _, terminated, truncated, info = env.step(actions[step].repeat(2, 1))
        if step >= 15:  # closed
            assert observations[:, 18:21].norm(dim=-1).max() < 0.04  # m, from between the fingers' frames to the front
        if step == 65:
            assert (task.back[:, 2] > 0.165).all()  # above the rim
            assert (task.reward_terms_by_name()["in_beaker"] == 0.0).all()
        assert not (terminated | truncated).any()
        in_beaker = info["success"]
    assert in_beaker.all()
    assert (task.reward_terms_by_name()["in_beaker"] == 100.0).all()
    observations, _, _, truncated, info = env.step(actions[99].repeat(2, 1))
    assert truncated.all()
    assert info["episode_means"]["success"] == 1.0
    assert info["episode_means"]["goal_distance"] < 0.05
    assert info["episode_means"]["back_height"] < 0.05
    torch.testing.assert_close(observations, first, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(task.tubes.get_simulation_mesh_nodal_positions(), nodes, atol=1e-7, rtol=0.0)
    assert not any(env.problems().values())
    env.close()


def test_front_that_leaves_terminates() -> None:
    """The tube is 0.46 m further along x in one world, and 1.01 m further against y in another one."""
    env = make_vec("FrankaDeformable", 3, {"task.env.autoresetMode": "next_step"}, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    nodes = task.tubes.get_simulation_mesh_nodal_positions()
    nodes[0, :, 0] += 0.46
    nodes[1, :, 1] -= 1.01
    task.tubes.set_simulation_mesh_nodal_positions(nodes)
    _, _, terminated, truncated, _ = env.step(torch.zeros(3, 9))
    assert terminated.tolist() == [True, True, False]
    assert not truncated.any()
    env.close()


def test_right_finger_follows_the_left_one() -> None:
    env = make_vec("FrankaDeformable", 1, {}, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    env.step(torch.tensor([[0.0] * 7 + [0.8, -1.0]]))
    torch.testing.assert_close(task.targets[0, 7:], torch.tensor([0.03, 0.03]))
    env.step(torch.tensor([[0.0] * 7 + [1.0, 0.0]]))
    torch.testing.assert_close(task.targets[0, 7:], torch.tensor([0.04, 0.04]))  # their limit
    env.reset()
    torch.testing.assert_close(task.targets[0], torch.tensor(START))
    env.close()


def test_rewards_of_places_of_the_back() -> None:
    """By hand: d = 5 cm at 1 cm of height; 8 cm at 16 cm; just outside and inside of 7 cm on the ground."""
    places = torch.tensor([[0.03, 0.04, 0.01], [-0.08, 0.0, 0.16], [0.0, 0.0701, 0.0], [0.0, 0.0699, 0.0]])
    terms = reward_terms(places)
    torch.testing.assert_close(terms["goal_distance"], torch.tensor([3.636364, 2.352941, 2.663116, 2.670227]))
    torch.testing.assert_close(terms["lift"], torch.tensor([13.333333, 8.0, 1.081081, 40.0]))
    torch.testing.assert_close(terms["depth"], torch.tensor([0.96, 0.0, 0.0, 1.0]))


def test_rewards_of_the_original_add_the_errors_of_all_worlds() -> None:
    """By hand: two worlds, one near the goal, so that the desired heights are 0 and 0.18 m in both."""
    places = torch.tensor([[0.0, 0.05, 0.12], [0.2, 0.0, 0.05]])
    errors = [(0.12**2 + 0.06**2) ** 0.5, (0.05**2 + 0.13**2) ** 0.5]
    expected = torch.tensor([1.0 / (5.0 * error + 0.025) for error in errors])
    torch.testing.assert_close(reward_terms(places, mix_worlds=True)["lift"], expected)


@pytest.mark.parametrize(
    ("end", "before", "expected"),
    [
        ((0.0, 0.069, 0.08), (0.0, 0.084, 0.08), True),
        ((0.0, 0.071, 0.08), (0.0, 0.074, 0.08), False),  # the end beside the beaker
        ((0.049, 0.049, 0.0), (0.09, 0.0, 0.083), True),
        ((0.0, 0.0, 0.084), (0.0, 0.0, 0.1), False),  # the end too high
        ((0.0, 0.0, 0.01), (0.0, 0.086, 0.08), False),  # through the wall
    ],
)
def test_success_is_the_lower_half_of_the_beaker(
    end: tuple[float, float, float], before: tuple[float, float, float], expected: bool
) -> None:
    assert is_in_beaker(torch.tensor([[end, before]])).tolist() == [expected]


def test_points_turn_about_a_vertical_axis_and_move() -> None:
    """By hand: a quarter turn to the left about (1, 2), then 0.1 m along x."""
    points = torch.tensor([[1.0, 2.0, 3.0], [2.0, 2.0, 0.5]])
    moved = move_horizontally(points, points[0], torch.tensor([[0.1, 0.0]]), torch.tensor([[torch.pi / 2]]))
    torch.testing.assert_close(moved, torch.tensor([[[1.1, 2.0, 3.0], [1.1, 3.0, 0.5]]]))


def test_tubes_start_within_the_noise() -> None:
    """Tubes keep their shape; fronts are spread over the given square, and directions over the given angles."""
    overrides = {"task.env.startPositionNoise": 0.02, "task.env.startRotationNoise": 0.1}
    env = make_vec("FrankaDeformable", 64, overrides, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    nodes = task.tubes.get_simulation_mesh_nodal_positions()
    shifts = nodes[:, FRONT_NODE] - task.tube_start[FRONT_NODE]
    along = nodes[:, -1] - nodes[:, FRONT_NODE]
    before = task.tube_start[-1] - task.tube_start[FRONT_NODE]
    torch.testing.assert_close(along.norm(dim=-1), before.norm().expand(64), atol=1e-5, rtol=0.0)
    yaws = torch.atan2(along[:, 1], along[:, 0]) - torch.atan2(before[1], before[0])
    for noise, bound in ((shifts[:, 0], 0.02), (shifts[:, 1], 0.02), (yaws, 0.1)):
        assert -bound - 1e-5 < noise.min() < -0.8 * bound
        assert 0.8 * bound < noise.max() < bound + 1e-5
    assert shifts[:, 2].abs().max() < 1e-5
    task.restart(torch.tensor([5]))
    again = task.tubes.get_simulation_mesh_nodal_positions()
    assert (again[5] - nodes[5]).abs().max() > 1e-4
    others = torch.arange(64) != 5
    torch.testing.assert_close(again[others], nodes[others], atol=0.0, rtol=0.0)
    env.close()


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([(0.0, 0.0, 0.02), (0.02, 0.0, 0.03)], False),  # inside
        ([(0.062, 0.0, 0.02), (0.05, 0.0, 0.03)], False),  # pressed against the wall from inside
        ([(0.0, 0.08, 0.02), (0.0, 0.1, 0.02)], False),  # and from outside
        ([(0.07, 0.0, 0.02), (0.09, 0.0, 0.02)], True),  # within the wall
        ([(0.07, 0.0, 0.16), (0.09, 0.0, 0.15)], False),  # on the rim
        ([(0.0, 0.06, 0.02), (0.0, 0.082, 0.02)], True),  # on both sides
        ([(0.0, 0.082, 0.02), (0.0, 0.06, 0.02)], True),
        ([(0.06, 0.0, 0.15), (0.07, 0.0, 0.17), (0.083, 0.0, 0.16)], False),  # over the rim
    ],
)
def test_tubes_in_the_wall(nodes: list[tuple[float, float, float]], expected: bool) -> None:
    """The wall is from 0.057 to 0.085 m, of which 6 mm on each side are for contacts, and 0.165 m high."""
    assert is_through_wall(torch.tensor([nodes])).tolist() == [expected]


def test_tube_through_the_wall_terminates_unless_upstream() -> None:
    """The tube is moved to where its back end crosses the wall near the ground."""
    ends = []
    for compat in ("fixed", "upstream"):
        overrides = {"task.env.compat": compat, "task.env.autoresetMode": "next_step"}
        env = make_vec("FrankaDeformable", 2, overrides, sim_device="cpu", num_threads=1)
        env.reset(seed=1)
        task: Any = env.task
        nodes = task.tubes.get_simulation_mesh_nodal_positions()
        nodes[0] += torch.tensor([-0.25, 0.2, 0.03])
        task.tubes.set_simulation_mesh_nodal_positions(nodes)
        ends.append(env.step(torch.zeros(2, 9))[2].tolist())
        env.close()
    assert ends == [[True, False], [False, False]]
