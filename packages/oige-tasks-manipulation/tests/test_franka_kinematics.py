"""Kinematics of the arm against the engine."""

from typing import Any

import pytest
import torch
from oige_core import make_vec
from oige_core.math import quat_from_euler_xyz
from oige_tasks_manipulation.factory.base import FRANKA_ORIENTATION, FRANKA_POSITION
from oige_tasks_manipulation.franka.factory import SCREW_JOINT_POSITIONS
from oige_tasks_manipulation.franka.kinematics import ArmKinematics

WORLDS = 16


@pytest.fixture(scope="module")
def kinematics() -> ArmKinematics:
    return ArmKinematics(FRANKA_POSITION, FRANKA_ORIENTATION)


def test_poses_and_jacobians_are_those_of_the_engine(kinematics: ArmKinematics) -> None:
    env = make_vec("FactoryTaskNutBoltPick", WORLDS, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    limits = task.frankas.get_dof_limits()[0, :7].clamp(-3.0, 3.0)
    torch.testing.assert_close(kinematics.limits.clamp(-3.0, 3.0), limits)
    torch.manual_seed(0)
    joints = limits[:, 0] + torch.rand(WORLDS, 7) * (limits[:, 1] - limits[:, 0])
    task.frankas.set_joint_positions(joints, joint_indices=list(range(7)))
    positions, orientations = task.fingertips.get_world_poses()
    position, orientation = kinematics.poses(joints)
    torch.testing.assert_close(position, positions, atol=1e-5, rtol=0.0)
    same = (orientation * orientations).sum(dim=-1, keepdim=True).sign()
    torch.testing.assert_close(orientation * same, orientations, atol=1e-5, rtol=0.0)
    link = task.frankas.get_link_index("panda_fingertip_centered")
    jacobians = task.frankas.get_jacobians()[:, link, :, :7]
    torch.testing.assert_close(kinematics.jacobians(joints), jacobians, atol=1e-5, rtol=0.0)
    env.close()


def test_start_of_place_is_where_the_original_says(kinematics: ArmKinematics) -> None:
    """OmniIsaacGymEnvs puts the nut at the height 0.58781 m of the fingertips at these joint positions."""
    joints = torch.tensor([[0.00871, -0.10368, -0.00794, -1.49139, -0.00083, 1.38774, 0.7861]])
    position, orientation = kinematics.poses(joints)
    torch.testing.assert_close(position, torch.tensor([[0.0, 0.0, 0.58781]]), atol=1e-4, rtol=0.0)
    torch.testing.assert_close(orientation.abs(), torch.tensor([[0.0, 0.0, 1.0, 0.0]]), atol=1e-4, rtol=0.0)


def test_inverse_kinematics_reaches_poses_or_says_by_how_much_not(kinematics: ArmKinematics) -> None:
    start = torch.tensor([SCREW_JOINT_POSITIONS]).repeat(3, 1)
    position = torch.tensor([[0.0, 0.0, 0.5], [0.1, -0.2, 0.6], [-0.9, 0.0, 0.5]])  # the last one is out of reach
    orientation = quat_from_euler_xyz(torch.tensor([[3.1416, 0.0, 3.1416], [3.3, 0.1, 2.6], [3.1416, 0.0, 3.1416]]))
    joints, errors = kinematics.solve(start, position, orientation)
    reached, turned = kinematics.poses(joints)
    torch.testing.assert_close(reached[:2], position[:2], atol=1e-5, rtol=0.0)
    assert (turned[:2] * orientation[:2]).sum(dim=-1).abs().min() > 1.0 - 1e-6
    assert errors[:2].max() < 1e-4
    assert errors[2] > torch.linalg.vector_norm(reached[2] - position[2]) > 0.2
    lower, upper = kinematics.limits.unbind(-1)
    assert (joints >= lower).all()
    assert (joints <= upper).all()
