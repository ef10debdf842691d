"""FrankaCabinet: a scripted robot opens the drawer; ends of episodes, resets and options."""

from typing import Any

import mujoco
import pytest
import torch
from oige_core import ConfigError, load_config, make_vec
from oige_core.math import quat_apply
from oige_core.testing import make_env_on
from oige_tasks_manipulation.franka_cabinet.task import prop_positions

HANDLE = torch.tensor([0.3515, -0.02, 0.7172])  # m; the middle between the fingers' pads, on the closed drawer's handle
FINGERS = 0.0584  # m; from the hand to the frames of the fingers
PAD = FINGERS + 0.045  # m; from the hand to the middle of the pads
ARM = slice(0, 7)
AWAY = torch.tensor([1.57, -1.5, 0.0, -2.8, 0.0, 1.5, 0.8, 0.02, 0.02])  # joint positions far from the drawer
READY = torch.tensor([1.79, -1.07, -1.06, -1.82, -2.17, 2.39, 0.34])  # near a pose with the gripper around the handle


def contacts(task: Any) -> dict[tuple[str, str], float]:
    """Return the depth of the contacts of the first world by names of links, in m."""
    model = task.engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = task.engine.executor.field("qpos")[0]
    mujoco.mj_forward(model, data)
    pairs: dict[tuple[str, str], float] = {}
    for contact in data.contact:
        a, b = (model.body(model.geom_bodyid[geom]).name for geom in contact.geom)
        pairs[min(a, b), max(a, b)] = max(-contact.dist, pairs.get((min(a, b), max(a, b)), 0.0))
    return pairs


def solve(task: Any, start: torch.Tensor, pad: torch.Tensor) -> torch.Tensor:
    """Return joint positions ``(7,)`` that put the pads around ``pad`` ``(3,)``, one above the other and inwards.

    The robot moves there without physics, step by step along the error of its hand.
    """
    frankas = task.frankas
    hand = frankas.get_link_index("panda_hand")
    axes = torch.tensor([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])  # of the hand, in the world
    target = pad + torch.tensor([PAD, 0.0, 0.0])
    along = torch.tensor([0.0, 0.0, FINGERS])
    position = start
    for _ in range(40):
        frankas.set_joint_positions(position.repeat(2, 1), joint_indices=range(7))
        left, rotation = (value[0] for value in task.left_fingers.get_world_poses())
        middle = 0.5 * (left + task.right_fingers.get_world_poses()[0][0])
        place = middle - quat_apply(rotation, along)
        turn = 0.5 * torch.linalg.cross(quat_apply(rotation.expand(3, 4), torch.eye(3)), axes, dim=-1).sum(dim=0)
        jacobian = frankas.get_jacobians()[0, hand, :, ARM]
        step = torch.linalg.pinv(jacobian) @ torch.cat((target - place, turn))
        position = position + step.clamp(-0.2, 0.2)
        if step.abs().max() < 1e-4:
            return position
    raise AssertionError(f"{pad}: not reached")


def hold(task: Any, arm: torch.Tensor, fingers: float, steps: int) -> None:
    """Drive the robot to joint positions, with the torques that hold it against gravity."""
    targets = torch.cat((arm, torch.full((2,), fingers))).repeat(2, 1)
    for _ in range(steps):
        task.frankas.set_joint_efforts(task.frankas.get_generalized_gravity_forces())
        task.frankas.set_joint_position_targets(targets)
        task.engine.step(2)


@pytest.mark.parametrize("executor", ["c", pytest.param("warp-cpu", marks=pytest.mark.slow)])
def test_gripper_opens_the_drawer_by_its_handle(executor: str) -> None:
    """The bar stays between the pads, nothing overlaps, and the cubes come along."""
    env = make_env_on(executor, "FrankaCabinet", 2)
    env.reset(seed=3)
    task: Any = env.task
    path = [READY]
    for opening in torch.linspace(0.0, 0.38, 20):
        path.append(solve(task, path[-1], HANDLE + torch.tensor([opening, 0.0, 0.0])))
    task.frankas.set_joint_positions(torch.cat((path[1], torch.full((2,), 0.04))).repeat(2, 1))
    hold(task, path[1], 0.04, 20)
    assert not [pair for pair in contacts(task) if any("finger" in name for name in pair)]
    hold(task, path[1], 0.0, 40)
    closed = task.frankas.get_joint_positions()[:, 7:]
    torch.testing.assert_close(closed, torch.full((2, 2), 0.006), atol=2e-4, rtol=0.0)
    for position in path[1:]:
        hold(task, position, 0.0, 6)
    hold(task, path[-1], 0.0, 30)
    opening = task.cabinets.get_joint_positions()[:, 3]
    assert (opening - 0.38).abs().max() < 4e-3
    torch.testing.assert_close(task.frankas.get_joint_positions()[:, 7:], closed, atol=2e-4, rtol=0.0)
    pairs = contacts(task)
    for finger in ("left", "right"):
        assert pairs["cabinet/drawer_handle_top", f"franka/panda_{finger}finger"] < 3e-4
    assert max(pairs.values()) < 3e-4
    places = task.engine.executor.field("qpos")[:, -28:].view(2, 4, 7)[..., :3].float()
    moved = places - torch.tensor(prop_positions(4))
    torch.testing.assert_close(moved[..., 0], opening.view(2, 1).expand(2, 4), atol=2e-3, rtol=0.0)
    assert moved[..., 1:].abs().max() < 2e-3
    assert not any(env.problems().values())
    env.close()


@pytest.mark.parametrize("compat", ["fixed", "upstream"])
def test_episode_ends_when_the_drawer_is_open(compat: str) -> None:
    """The report of the environment says so, and a reset closes the drawer and puts the cubes back."""
    settings = {"task.env.compat": compat, "task.env.autoresetMode": "same_step"}
    env = make_vec("FrankaCabinet", 2, settings, sim_device="cpu", num_threads=1)
    env.reset(seed=3)
    task: Any = env.task
    actions = torch.zeros(2, 9)
    task.targets = AWAY.repeat(2, 1)
    task.frankas.set_joint_positions(task.targets)
    positions = task.cabinets.get_joint_positions()
    positions[0, 3] = 0.389
    task.cabinets.set_joint_positions(positions)
    _, _, terminated, truncated, info = env.step(actions)
    assert not (terminated | truncated).any()
    assert not info["success"].any()
    positions[:, 3] = torch.tensor([0.391, 0.0])
    task.cabinets.set_joint_positions(positions)
    observations, _, terminated, truncated, info = env.step(actions)
    ended, not_ended = (truncated, terminated) if compat == "fixed" else (terminated, truncated)
    assert ended.tolist() == info["success"].tolist() == [True, False]
    assert not not_ended.any()
    assert (info["episode_count"], info["episode_means"]["success"]) == (1, 1.0)
    assert info["episode_means"]["opening"] == pytest.approx(0.391, abs=1e-3)
    assert info["final_obs"][0, 21] == pytest.approx(0.391, abs=1e-3)
    assert observations[0, 21] == 0.0
    places = task.engine.executor.field("qpos")[:, -28:].view(2, 4, 7)[..., :3].float()
    torch.testing.assert_close(places[0], torch.tensor(prop_positions(4)))
    env.close()


def test_episode_that_ends_by_time_is_no_success() -> None:
    env = make_vec("FrankaCabinet", 2, {"task.env.episodeLength": 3}, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    for _ in range(2):
        env.step(torch.zeros(2, 9))
    _, _, terminated, truncated, info = env.step(torch.zeros(2, 9))
    assert truncated.all()
    assert not terminated.any()
    assert info["episode_means"]["success"] == 0.0
    env.close()


def test_cubes_stand_in_rows() -> None:
    x, y, z = 0.0515, 0.0, 0.7172
    assert prop_positions(0) == []
    assert prop_positions(1) == [(x, y, z)]
    expected = [(x + 0.09 * i, y + 0.09 * j, z) for j, i in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0))]
    assert [value for place in prop_positions(5) for value in place] == pytest.approx(
        [value for place in expected for value in place]
    )


@pytest.mark.parametrize("count", [0, 2])
def test_number_of_cubes_is_an_option(count: int) -> None:
    env = make_vec("FrankaCabinet", 1, {"task.env.numProps": count}, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    env.step(torch.zeros(1, 9))
    model: Any = env.task.engine.compiled.model  # pyright: ignore[reportAttributeAccessIssue]
    assert [model.body(body).name for body in range(model.nbody)].count("prop_1") == (count == 2)
    env.close()


@pytest.mark.parametrize("count", [-1, 26])
def test_impossible_numbers_of_cubes_raise(count: int) -> None:
    with pytest.raises(ConfigError, match=rf"^task\.env\.numProps={count}: expected 0 to 25, .*\.$"):
        load_config("FrankaCabinet", {"task.env.numProps": count})


def test_section_prop_is_that_of_all_cubes() -> None:
    sections = {"task.sim.prop.density": 50.0, "task.sim.franka.enable_self_collisions": 0}
    env = make_vec("FrankaCabinet", 1, sections, sim_device="cpu", num_threads=1)
    model: Any = env.task.engine.compiled.model  # pyright: ignore[reportAttributeAccessIssue]
    masses = [model.body(f"prop_{number}").mass[0] for number in range(4)]
    assert masses == pytest.approx([50.0 * 0.08**3] * 4)
    env.close()
