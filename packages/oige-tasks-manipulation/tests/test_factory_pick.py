"""FactoryTaskNutBoltPick: a scripted robot lifts the nut by friction; phases of each world; start poses; options."""

from typing import Any

import pytest
import torch
from factory_scripts import pick_actions, play
from oige_core import ConfigError, OigeError, load_config, make_vec
from oige_core.math import quat_conjugate, quat_from_euler_xyz, quat_mul, rotation_vector_from_quat
from oige_core.testing import assert_fills_range
from oige_tasks_manipulation.factory.starts import solve_starts

PICK = "FactoryTaskNutBoltPick"
TABLE = 0.4  # m


def test_scripted_robot_lifts_the_nut_by_friction() -> None:
    """Nothing but the fingers touches the nut at the end, 40 control steps after the policy's last one."""
    env = make_vec(PICK, 8, sim_device="cpu", num_threads=1)
    observed, _ = env.reset(seed=1)
    task: Any = env.task
    observed, rewards, *_ = play(env, observed, pick_actions, 128)
    distance = -rewards.mean().item()
    assert (rewards < 0.0).all()
    observed, rewards, _, truncated, _ = play(env, observed, pick_actions, 39)
    assert (rewards == 0.0).all()
    assert not truncated.any()
    heights = task.nuts.get_world_poses()[0][:, 2] - TABLE
    fingers = task.frankas.get_joint_positions()[:, 7:]
    _, rewards, _, truncated, info = env.step(pick_actions(observed))
    assert (rewards == 0.0).all()
    assert truncated.all()
    assert info["success"].float().mean() >= 0.75
    lifted = info["success"]
    assert heights[lifted].min() > 0.1
    # The nut is 24 mm wide between flats, and 27.7 mm between corners.
    assert 0.023 < fingers[lifted].sum(dim=-1).min() < fingers[lifted].sum(dim=-1).max() < 0.029
    assert info["episode_means"]["success"] == info["success"].float().mean()
    assert info["episode_means"]["keypoint_distance"] == pytest.approx(distance, rel=1e-5)
    assert not any(env.problems().values())
    env.close()


def test_no_success_is_reported_unless_the_gripper_lifts() -> None:
    """A success of 0 would say that the policy fails."""
    env = make_vec(PICK, 2, {"task.env.close_and_lift": False}, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    task.progress_buf = torch.full((2,), 126)
    env.step(torch.zeros(2, 12))
    *_, truncated, info = env.step(torch.zeros(2, 12))
    assert truncated.all()
    assert "success" not in info
    assert "keypoint_distance" in info["episode_means"]
    assert "success" not in info["episode_means"]
    env.close()


def test_each_world_is_in_its_own_phase() -> None:
    """Moves as the action says; holds and closes by 0.2 m/s; lifts by 0.3 m from where it held."""
    env = make_vec(PICK, 4, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    commands: list[Any] = []
    task.control = lambda *values: commands.append(values)
    tips = task.get_fingertips()
    actions = torch.full((4, 12), 0.5)
    task.progress_buf = torch.tensor([127, 128, 131, 148])
    task.held = tips.position + 0.01, quat_from_euler_xyz(torch.tensor([[3.0, 0.0, 3.0]])).expand(4, 4)
    held = [value.clone() for value in task.held]
    task.pre_physics_step(actions)
    _, position, orientation, gripper, wrench = commands[0]
    assert wrench is None
    expected = torch.stack(
        (
            tips.position[0] + 0.05,
            tips.position[1],
            held[0][2],
            held[0][3] + torch.tensor([0.0, 0.0, 0.3]),
        )
    )
    torch.testing.assert_close(position, expected)
    torch.testing.assert_close(orientation[1], tips.orientation[1])
    torch.testing.assert_close(orientation[2:], held[1][2:])
    assert (orientation[0] * tips.orientation[0]).sum().abs() < 1.0 - 1e-4
    torch.testing.assert_close(
        gripper, torch.tensor([0.04, 0.04 - 0.2 / 60, 0.04 - 0.8 / 60, 0.0]), atol=1e-6, rtol=0.0
    )
    env.close()


def test_episodes_start_at_reached_poses_without_contact() -> None:
    env = make_vec(PICK, 64, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    arm, position, orientation = task.starts
    low, high = torch.tensor([-0.2, -0.4, 0.5]), torch.tensor([0.2, 0.0, 0.7])
    assert (position > low - 1e-3).all()
    assert (position < high + 1e-3).all()
    # The arm does not reach all of them, but the whole range of each coordinate.
    assert_fills_range(position, low, high)
    tips = task.get_fingertips()
    bank = torch.cdist(tips.position, position, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    assert bank.values.max() < 1e-4
    alike = (tips.orientation * orientation[bank.indices]).sum(dim=-1).abs()
    assert alike.min() > 1.0 - 1e-5
    lower, upper = task.frankas.get_dof_limits()[0, :7].unbind(-1)
    assert ((arm > lower + 0.04) & (arm < upper - 0.04)).all()
    assert task.engine.deepest_penetration().max() <= 1e-6
    env.close()


def test_each_kind_of_action_has_its_scale() -> None:
    scales = {"pos": [0.1, 0.2, 0.3], "rot": [0.01, 0.02, 0.03], "force": [1.0, 2.0, 3.0], "torque": [4.0, 5.0, 6.0]}
    overrides = {f"task.env.rl.{kind}_action_scale": values for kind, values in scales.items()}
    env = make_vec(PICK, 2, overrides | {"task.env.ctrl.ctrl_type": "open_loop_force"}, sim_device="cpu", num_threads=1)
    env.reset(seed=1)
    task: Any = env.task
    tips = task.get_fingertips()
    position, orientation, wrench = task.read_actions(torch.full((2, 12), 0.5), tips)
    env.close()
    turned = rotation_vector_from_quat(quat_mul(orientation, quat_conjugate(tips.orientation)))
    torch.testing.assert_close(position - tips.position, torch.tensor([[0.05, 0.1, 0.15]] * 2), atol=1e-6, rtol=0.0)
    torch.testing.assert_close(turned, torch.tensor([[0.005, 0.01, 0.015]] * 2), atol=1e-6, rtol=0.0)
    torch.testing.assert_close(wrench, torch.tensor([[0.5, 1.0, 1.5, 2.0, 2.5, 3.0]] * 2))


def test_banks_of_starts_keep_a_margin_from_the_limits_of_joints() -> None:
    """Of poses with joints anywhere within their limits."""
    limits = torch.tensor([[-1.0, 1.0]]).expand(7, 2)

    class Arm:
        def __init__(self) -> None:
            self.limits = limits

        def solve(self, start: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            joints = torch.rand(start.shape, generator=torch.Generator().manual_seed(1)) * 2.0 - 1.0
            return joints, torch.linspace(0.0, 2e-3, len(joints))

        def poses(self, arm: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return arm[:, :3], arm[:, :4]

    cfg: Any = load_config(PICK).task.env
    arm: Any = Arm()
    starts = solve_starts(cfg.randomize, TABLE, arm, torch.Generator())
    assert starts.arm.shape == (4096, 7)
    assert 0.94 < starts.arm.abs().max() < 0.95
    reached, _ = arm.solve(starts.arm)
    assert torch.isin(starts.arm[:, 0], reached[:2048, 0]).all()  # those with errors below 1 mm


def test_poses_out_of_reach_are_refused() -> None:
    with pytest.raises(OigeError, match=r"^task\.env\.randomize: the arm reaches 0 of 4096 random poses .*\.$"):
        make_vec(PICK, 1, {"task.env.randomize.fingertip_midpoint_pos_initial": [-1.5, 0.0, 0.2]}, sim_device="cpu")


def test_sections_of_the_original_are_understood() -> None:
    """Overrides may use the names of OmniIsaacGymEnvs."""
    values = {
        "task.rl.max_episode_length": 64,
        "task.rl.pos_action_scale": [0.2, 0.1, 0.1],
        "task.randomize.nut_pos_xy_noise": [0.0, 0.0],
        "task.ctrl.ctrl_type": "gym_default",
        "task.sim.gravity_mag": 1.62,
        "task.sim.disable_gravity": False,
    }
    config: Any = load_config(PICK, values).task
    assert (config.env.episodeLength, config.env.ctrl.ctrl_type) == (64, "gym_default")
    assert tuple(config.env.rl.pos_action_scale) == (0.2, 0.1, 0.1)
    assert tuple(config.env.randomize.nut_pos_xy_noise) == (0.0, 0.0)
    assert config.sim.gravity == [0.0, 0.0, -1.62]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("nutBoltSizes", ["M5"], r"task\.env\.nutBoltSizes=M5: expected one of M4, M8, M12, M16, M20"),
        ("nutBoltSizes", [], r"task\.env\.nutBoltSizes=\[\]: expected one or more of M4"),
        ("rl.num_keypoints", 1, r"task\.env\.rl\.num_keypoints=1: expected 2 or more"),
        ("num_gripper_close_sim_steps", 0, r"task\.env\.num_gripper_close_sim_steps=0: expected"),
    ],
)
def test_wrong_values_are_refused(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        load_config(PICK, {f"task.env.{key}": value})
