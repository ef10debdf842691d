"""The Factory tasks against golden vectors of OmniIsaacGymEnvs.

Fixes in the default mode: the Jacobian of controllers is that of the fingertips' midpoint, not of the fingers' frames;
episodes have 128 steps of the policy, not 127. In both modes, success and its bonus do not depend on the progress of
world 0, fingers start within their limits, and episodes start at poses that the arm reaches, where the original only
moves towards them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env
from oige_core import ControlConfig
from oige_core.control import Controller
from oige_core.math import quat_apply
from oige_tasks_manipulation.franka.factory import FINGERPAD_LENGTH, damping_efforts

TASKS = ("FactoryTaskNutBoltPick", "FactoryTaskNutBoltPlace")
MODES = ("upstream", "fixed")
FINGER_LENGTH = 0.053671  # m
BONUS = 10.0
ARM = slice(0, 7)
LINKS = torch.tensor([8, 9])  # of the fingers in the original's Jacobians, which do not contain the root


@contextmanager
def golden_task(name: str, compat: str, **env: Any) -> Iterator[tuple[Any, Golden]]:
    """Make a task that sees the golden state.

    The original takes the hand's z axis to get from the fingers to their tips, ours that of the fingertip link, which
    is the same for a robot, but not in the random states; the fingers are moved to make up for it.
    """
    golden = Golden(name)
    with make_env(name, len(golden["out/rewards"]), compat=compat, **env) as made:
        task: Any = made.task
        task.frankas = GoldenView(task.frankas, golden.view("frankas"))
        task.finger_links = LINKS
        task.nuts, task.bolts = (GoldenView(getattr(task, view), golden.view(view)) for view in ("nuts", "bolts"))
        tips, hands = golden.view("fingertip_centered"), golden.view("hands")
        task.fingertips = GoldenView(task.fingertips, tips)
        along = torch.tensor([0.0, 0.0, FINGER_LENGTH]).expand(len(tips["velocities"]), 3)
        moved = quat_apply(hands["world_poses"][1], along) - quat_apply(tips["world_poses"][1], along)
        sides = [golden.view(side) for side in ("lfingers", "rfingers")]
        positions = torch.stack([side["world_poses"][0] + moved for side in sides], dim=1)
        forces = torch.stack([side["net_contact_forces"] for side in sides], dim=1)
        poses = positions, torch.stack([side["world_poses"][1] for side in sides], dim=1)
        task.fingers = GoldenView(task.fingers, {"world_poses": poses, "net_contact_forces": forces})
        yield task, golden


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("compat", MODES)
def test_steps_match(name: str, compat: str) -> None:
    with golden_task(name, compat, rl__success_bonus=BONUS) as (task, golden):
        task.progress_buf = torch.zeros_like(golden["in/progress"])
        assert_columns(task.get_observations(), golden["out/observations"])
        rewards = task.calculate_metrics()
        assert_columns(rewards, golden["out/terms/keypoints"])
        assert_columns(rewards, golden["out/rewards"])
        check_success(task, golden, has_keypoints=name.endswith("Place"))
        check_endings(task, golden, routine=40 if name.endswith("Pick") else 0)

        task.progress_buf = torch.zeros_like(golden["in/progress"])
        position, orientation, wrench = task.read_actions(golden["in/actions"], task.get_fingertips())
        assert wrench is None
        assert_columns(position, golden["out/target_position"])
        assert_columns(orientation, golden["out/target_orientation"])
        expected = golden["out/joint_efforts"][:, ARM] if compat == "upstream" else moved_efforts(task, golden)
        check_commands(task, golden, expected, gripper=0.04 if name.endswith("Pick") else 0.0)
        if name.endswith("Pick"):
            check_rewards_of_the_routine(task)
        if name.endswith("Pick") and compat == "upstream":
            check_controllers(task, golden)


def check_success(task: Any, golden: Golden, *, has_keypoints: bool) -> None:
    """The bonus of the original is for all worlds in the last step of world 0, ours for those at their end."""
    succeeded = golden["out/succeeded"].bool()
    assert 0.1 < succeeded.float().mean() < 0.9
    last = torch.full_like(golden["in/progress"], task.time_limit)
    for progress, success in ((last, succeeded), (last - 1, torch.zeros_like(succeeded))):
        task.progress_buf = progress
        task.get_observations()
        task.get_extras()
        assert torch.equal(task.extras["success"], success)
        keypoints = golden["out/terms/keypoints"] if has_keypoints else 0.0
        assert_columns(task.calculate_metrics(), BONUS * success + keypoints)


def check_endings(task: Any, golden: Golden, *, routine: int) -> None:
    """The original closes and lifts in the last step, ours in steps of their own."""
    progress = task.progress_buf = golden["in/progress"]
    assert torch.equal(golden["out/resets"].bool(), progress >= 127)
    for steps, ended in ((127, False), (128, True)):
        task.progress_buf = torch.full_like(progress, steps + routine - task.upstream)
        assert (task.is_done() | task.is_cut_short()).tolist() == [ended] * len(progress)


def check_rewards_of_the_routine(task: Any) -> None:
    """There is no reward in the 20 + 20 control steps in which the gripper closes and lifts."""
    last = 128 - task.upstream
    task.progress_buf = last + torch.tensor([0, 1, 39, 40]).repeat(12)
    task.get_observations()
    moved = task.calculate_metrics() - BONUS * task.lifted != 0.0
    assert moved.view(12, 4).tolist() == [[True, False, False, False]] * 12


def check_commands(task: Any, golden: Golden, efforts: torch.Tensor, gripper: float, tolerance: float = 1e-5) -> None:
    """Efforts of the arm are those of the controller and of damping, which PhysX has instead; drives move fingers."""
    task.pre_physics_step(golden["in/actions"])
    values, tips = golden.view("frankas"), task.get_fingertips()
    damping = damping_efforts(
        values["mass_matrices"][:, ARM, ARM],
        values["joint_velocities"][:, ARM],
        tips.linear_velocity,
        tips.angular_velocity,
        task.control_dt,
    )
    written, joints = task.frankas.written["set_joint_efforts"]
    assert joints == {"joint_indices": list(range(7))}
    largest = efforts.abs().amax(dim=0).clamp(min=1.0)
    assert ((written - damping - efforts).abs().amax(dim=0) < tolerance * largest).all()
    targets, joints = task.frankas.written["set_joint_position_targets"]
    assert joints == {"joint_indices": [7, 8]}
    assert (targets == gripper).all()


def moved_efforts(task: Any, golden: Golden) -> torch.Tensor:
    """Return the efforts of the default controller with the Jacobian of the fingertips, computed in another way."""
    values = golden.view("frankas")
    jacobian = values["jacobians"][:, LINKS, :, ARM].double().mean(dim=1)
    along = task.along_fingers(golden.view("fingertip_centered")["world_poses"][1]).double()
    for joint in range(7):
        jacobian[:, :3, joint] += torch.linalg.cross(jacobian[:, 3:, joint], along)
    error = 0.1 * golden["in/actions"][:, :6].double().unsqueeze(-1)
    delta = jacobian.mT @ torch.linalg.inv(jacobian @ jacobian.mT + 0.01 * torch.eye(6)) @ error
    acceleration = 40.0 * delta - 8.0 * values["joint_velocities"][:, ARM].double().unsqueeze(-1)
    return (values["mass_matrices"][:, ARM, ARM].double() @ acceleration).squeeze(-1).clamp(-100.0, 100.0)


def check_controllers(task: Any, golden: Golden) -> None:
    """Where matrices are inverted, in float32, efforts agree to 1e-4 of the largest."""
    task.progress_buf = torch.zeros_like(golden["in/progress"])
    for name in ("gym_default", "operational_space_motion", "closed_loop_force", "hybrid_force_motion"):
        task.controller = Controller(ControlConfig(ctrl_type=name), "cpu")
        if name != "gym_default":
            efforts = golden[f"out/controllers/{name}/joint_efforts"][:, ARM]
            check_commands(task, golden, efforts, gripper=0.04, tolerance=1e-4)
            continue
        task.pre_physics_step(golden["in/actions"])
        targets = task.frankas.written["set_joint_position_targets"][0]
        assert_columns(targets[:, ARM], golden["out/controllers/gym_default/dls/joint_positions"][:, ARM])
        assert (targets[:, 7:] == 0.04).all()


@pytest.mark.parametrize("name", TASKS)
def test_resets_match(name: str) -> None:
    """Positions on the table; in Place, the nut is in the gripper and moves with it."""
    golden = Golden(name)
    with make_env(name, 2048, compat="fixed") as env:
        task: Any = env.task
        names = ("nut", "bolt") if name.endswith("Pick") else ("bolt",)
        for body in names:
            position, orientation = getattr(task, f"{body}s").get_world_poses()
            assert_distribution(position, golden, f"{body}_position")
            assert_distribution(orientation, golden, f"{body}_orientation")


@pytest.mark.parametrize("compat", MODES)
def test_screw_matches(compat: str) -> None:
    """In the default mode, the penalty of actions is that of the policy's actions, not of the unidirectional ones, and
    training episodes end with failures.
    """
    name, weight = "FactoryTaskNutBoltScrew", 0.25
    with golden_task(name, compat, rl__success_bonus=BONUS, rl__action_penalty_scale=weight) as (task, golden):
        task.progress_buf = golden["in/progress"]
        assert_columns(task.get_observations(), golden["out/observations"])
        actions = golden["in/actions"].clone()
        task.pre_physics_step(actions)
        assert torch.equal(actions, golden["in/actions"])
        used = actions.clone()
        used[:, [2, 5]] = -0.5 * (used[:, [2, 5]] + 1.0)
        position, orientation, wrench = task.read_actions(used, task.get_fingertips())
        assert wrench is None
        assert_columns(position, golden["out/target_position"])
        assert_columns(orientation, golden["out/target_orientation"])
        if compat == "upstream":
            check_commands(task, golden, golden["out/joint_efforts"][:, ARM], gripper=0.0, tolerance=1e-4)

        move_fingers_for_pads(task, golden)
        task.get_observations()
        penalised = used if compat == "upstream" else actions
        succeeded = golden["out/succeeded"]
        assert 0.1 < succeeded.float().mean() < 0.9
        assert torch.equal(task.succeeded, succeeded)
        keypoints = golden["out/terms/nut_keypoints"] + golden["out/terms/finger_nut_keypoints"]
        rewards = keypoints - weight * penalised.norm(dim=-1) + BONUS * succeeded
        penalty = 30.0 if compat == "fixed" else 0.0
        assert_columns(task.calculate_metrics(), rewards - penalty * task.failures.any())
        expired = golden["in/progress"] >= 2048
        assert torch.equal(task.failures.any() | expired, golden["out/failed"])
        assert torch.equal(task.is_cut_short(), golden["out/resets"].bool())
        lost = task.failures.any()
        assert 0.1 < lost.float().mean() < 0.9
        assert torch.equal(task.is_done(), lost if compat == "fixed" else torch.zeros_like(lost))


def move_fingers_for_pads(task: Any, golden: Golden) -> None:
    """Move the fingers so that the middles of their pads are right, instead of the tips: see :func:`golden_task`."""
    along = torch.tensor([0.0, 0.0, 0.5 * FINGERPAD_LENGTH])
    hands, tips = (golden.view(name)["world_poses"][1] for name in ("hands", "fingertip_centered"))
    shift = quat_apply(hands, along.expand(len(hands), 3)) - quat_apply(tips, along.expand(len(tips), 3))
    positions, orientations = task.fingers.get_world_poses()
    task.fingers.replace(world_poses=(positions - shift.unsqueeze(1), orientations))


def test_screw_starts_where_the_original_does() -> None:
    """Except for the fingers, which touch the flats of the nut."""
    golden = Golden("FactoryTaskNutBoltScrew")
    with make_env("FactoryTaskNutBoltScrew", 4, compat="upstream") as env:
        task: Any = env.task
        position, orientation = task.nuts.get_world_poses()
        assert_columns(position, golden["out/reset/nut_position/mean"].expand(4, 3))
        assert_columns(orientation, golden["out/reset/nut_orientation/mean"].expand(4, 4))
        joints = task.frankas.get_joint_positions()
        assert_columns(joints[:, ARM], golden["out/reset/joint_positions/mean"][ARM].expand(4, 7))
        assert (joints[:, 7:] == 0.012).all()
