"""A task of a fork on the embedded engine, compared with numbers computed by hand."""

import math
from typing import Any

import pytest
import torch
from oige_compat.errors import CompatError, ServedNameError
from oige_compat.gym_interface import VecEnvBase
from oige_compat.imports import install
from oige_compat.session import session

NUM_ENVS, DT = 3, 0.005


@pytest.fixture(scope="module")
def task() -> Any:
    install()
    from fork_task import PushTask

    env = VecEnvBase(headless=True)
    env.set_task(PushTask(NUM_ENVS), backend="torch", sim_params={"dt": DT, "gravity": [0.0, 0.0, -9.81]})
    env.task.env = env
    return env.task


@pytest.fixture(autouse=True)
def _initial_state(task: Any) -> None:
    task.env.world.reset()


def test_worlds_stand_on_the_grid(task: Any) -> None:
    positions, _ = task.carts.get_world_poses()
    expected = torch.tensor([[4.0, 0.0, 2.0], [0.0, 0.0, 2.0], [-4.0, 0.0, 2.0]])  # one row, from +x to −x
    torch.testing.assert_close(positions, expected)
    torch.testing.assert_close(task.carts.get_local_poses()[0], expected - task._env_pos)


def test_force_accelerates_cart_and_pole(task: Any) -> None:
    """A cart of 1 kg and the pole, a rod of 1 m that is free to turn, with the mass and armature of the stage."""
    task.env.step(torch.tensor([[0.0], [2.0], [-2.0]]))
    velocities = task.carts.get_joint_velocities()[:, task.cart]
    mass, armature = 3.0, 0.25  # of the pole
    inertia = mass * 0.08363333333  # kg·m² about the pole's centre, 0.5 m above the axle
    reduced = 1.0 + mass - (mass * 0.5) ** 2 / (inertia + mass * 0.5**2 + armature)  # kg: what the cart feels
    expected = 2.0 * DT / (reduced + 2.0 * DT)  # with the drive's damping of 2 N·s/m, implicitly
    torch.testing.assert_close(velocities, torch.tensor([0.0, expected, -expected]), rtol=2e-3, atol=1e-6)


def test_drive_of_the_stage_acts(task: Any) -> None:
    stiffnesses, dampings = task.carts.get_gains()
    torch.testing.assert_close(dampings[:, task.cart], torch.full((NUM_ENVS,), 2.0))
    assert not stiffnesses.any()


def test_setting_velocities_sets_targets_as_isaac_sim_does(task: Any) -> None:
    velocities = torch.zeros(NUM_ENVS, 2)
    velocities[:, task.cart] = 1.0
    task.carts.set_joint_velocities(velocities)
    task.env.step(torch.zeros(NUM_ENVS, 1))
    # The damping pulls towards the target, which is the velocity itself: nothing brakes the cart.
    torch.testing.assert_close(task.carts.get_joint_velocities(), velocities, rtol=1e-5, atol=1e-5)


def test_indices_select_worlds(task: Any) -> None:
    positions = torch.tensor([[0.5, 0.1]])
    task.carts.set_joint_positions(positions, indices=torch.tensor([2], dtype=torch.int32))
    expected = torch.zeros(NUM_ENVS, 2)
    expected[2] = positions
    torch.testing.assert_close(task.carts.get_joint_positions(), expected)
    torch.testing.assert_close(task.carts.get_joint_positions(indices=[2], joint_indices=[1]), positions[:, 1:])


def test_bodies_of_a_world_follow_each_other(task: Any) -> None:
    assert task.poles.count == 2 * NUM_ENVS
    positions, _ = task.poles.get_world_poses()
    cart = task._env_pos + torch.tensor([0.0, 0.0, 2.0])
    pole = cart + torch.tensor([0.12, 0.0, 0.0])
    torch.testing.assert_close(positions, torch.stack((cart, pole), dim=1).flatten(0, 1))
    torch.testing.assert_close(task.poles.get_world_poses(indices=[3])[0], pole[1:2])


def test_force_on_one_body_moves_only_its_world(task: Any) -> None:
    force = torch.tensor([[0.0, 2.0, 0.0]])  # N along the rail, on the cart of the second world
    task.poles.apply_forces(force, indices=torch.tensor([2]))
    task.env.step(torch.zeros(NUM_ENVS, 1))
    velocities = task.carts.get_joint_velocities()[:, task.cart]
    assert velocities[1] > 1e-3
    assert not velocities[[0, 2]].any()


def test_forces_may_have_a_row_per_world(task: Any) -> None:
    forces = torch.zeros(NUM_ENVS, 2, 3)
    forces[2, 0, 1] = 2.0
    task.poles.apply_forces(forces)
    task.env.step(torch.zeros(NUM_ENVS, 1))
    velocities = task.carts.get_joint_velocities()[:, task.cart]
    assert velocities[2] > 1e-3
    assert not velocities[:2].any()


def test_ball_has_the_mass_of_its_density_and_falls(task: Any) -> None:
    torch.testing.assert_close(task.balls.get_masses(), torch.full((NUM_ENVS,), 200.0 * 4 / 3 * math.pi * 0.1**3))
    task.env.step(torch.zeros(NUM_ENVS, 1))
    torch.testing.assert_close(task.balls.get_linear_velocities()[:, 2], torch.full((NUM_ENVS,), -9.81 * DT))


def test_ball_is_placed_on_the_stage(task: Any) -> None:
    target = torch.tensor([[5.0, 6.0, 7.0]])
    task.balls.set_world_poses(positions=target, indices=torch.tensor([1]))
    torch.testing.assert_close(task.balls.get_world_poses()[0][1:2], target)
    local = task.balls.get_local_poses()[0]
    torch.testing.assert_close(local[1:2], target - task._env_pos[1:2])
    torch.testing.assert_close(local[0], torch.tensor([0.0, 1.0, 3.0]))


def test_masses_and_armatures_of_the_stage_act(task: Any) -> None:
    torch.testing.assert_close(task.carts.get_armatures(), torch.tensor([[0.0, 0.25]] * NUM_ENVS))
    torch.testing.assert_close(task.poles.get_masses(), torch.tensor([1.0, 3.0] * NUM_ENVS))


def test_joints_without_limits_have_the_numbers_of_physx(task: Any) -> None:
    limits = task.carts.get_dof_limits()[0]
    largest = torch.finfo(torch.float32).max
    torch.testing.assert_close(limits, torch.tensor([[-4.0, 3.5], [-largest, largest]]))


def test_unknown_method_of_a_view_names_its_place(task: Any) -> None:
    with pytest.raises(ServedNameError, match=r"^ArticulationView\.get_mystery \(used in .*test_fork\.py:\d+\): oige-"):
        task.carts.get_mystery()


def test_unknown_asset_is_one_line() -> None:
    from oige_compat.stage import add_reference_to_stage

    with pytest.raises(CompatError) as caught:
        add_reference_to_stage("/nowhere/robot.usd", "/World/envs/env_0/Robot")
    message = str(caught.value)
    assert message.startswith("/nowhere/robot.usd (used in ")
    assert message.endswith(
        "): neither a file on this machine nor a robot that OIGE has; download the file and put it into the checkout, "
        "or give it with --asset robot.usd=FILE before the script."
    )


def test_environments_have_their_own_prims(task: Any) -> None:
    stage = session().stage
    translation = stage.GetPrimAtPath("/World/envs/env_2").GetAttribute("xformOp:translate").Get()
    assert tuple(translation) == (-4.0, 0.0, 0.0)
