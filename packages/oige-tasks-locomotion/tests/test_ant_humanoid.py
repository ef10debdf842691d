"""Ant and Humanoid against numbers computed by hand: what they observe, what is rewarded, how episodes end."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core.envs import VecEnv
from oige_core.errors import CapabilityError
from oige_core.math import heading_roll_up, quat_apply, quat_from_angle_axis, quat_mul
from oige_core.registry import load_config
from oige_core.testing import assert_fills_range, make_env_on
from oige_tasks_locomotion.ant_humanoid.task import LocomotionTask, has_fallen, reward_terms, reward_weights

H = math.sqrt(0.5)
DT = 2 * 0.0083  # s
YAW_90 = (H, 0.0, 0.0, H)
AHEAD, KILOMETRE = torch.tensor([[1000.0, 0.0]]), torch.tensor([1000.0])


def make(task: str, num_envs: int = 1, **env: Any) -> VecEnv:
    made = make_env_on("c", task, num_envs, **env)
    made.reset(seed=0)
    return made


def task_of(env: VecEnv) -> LocomotionTask:
    assert isinstance(env.task, LocomotionTask)
    return env.task


def env_config(task: str) -> Any:
    return load_config(task).task.env


@pytest.fixture(scope="module")
def ants() -> Iterator[VecEnv]:
    env = make("Ant", 2)
    yield env
    env.close()


def turn(axis: str, degrees: float) -> torch.Tensor:
    return quat_from_angle_axis(torch.tensor([math.radians(degrees)]), torch.eye(3)[["xyz".index(axis)]])


# --- posture -------------------------------------------------------------------------------------------------------


def test_upright_robot_facing_the_target_has_neutral_posture() -> None:
    torch.testing.assert_close(
        heading_roll_up(turn("z", 0.0), AHEAD, KILOMETRE), torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]])
    )


def test_robot_turned_left_must_turn_right() -> None:
    expected = torch.tensor([[math.pi / 3, 0.0, -math.pi / 3, 1.0, 0.5]])  # cos 60° = 0.5
    torch.testing.assert_close(heading_roll_up(turn("z", 60.0), AHEAD, KILOMETRE), expected)


def test_angle_to_the_target_takes_the_short_way_round() -> None:
    behind = 100.0 * torch.tensor([[math.cos(math.radians(-170.0)), math.sin(math.radians(-170.0))]])
    yaw, _, angle, _, heading = heading_roll_up(turn("z", 170.0), behind, torch.tensor([100.0]))[0].tolist()
    assert yaw == pytest.approx(math.radians(170.0), abs=1e-5)
    assert angle == pytest.approx(math.radians(20.0), abs=1e-5)  # left, across ±180°
    assert heading == pytest.approx(math.cos(math.radians(20.0)), abs=1e-5)


def test_roll_and_pitch_match_hand_computed_values() -> None:
    rolled = heading_roll_up(turn("x", 30.0), AHEAD, KILOMETRE)[0].tolist()
    assert rolled == pytest.approx([0.0, math.radians(30.0), 0.0, math.cos(math.radians(30.0)), 1.0], abs=1e-6)
    pitched = heading_roll_up(turn("y", 60.0), AHEAD, KILOMETRE)[0].tolist()  # nose down: upright by 0.5, ahead by 0.5
    assert pitched == pytest.approx([0.0, 0.0, 0.0, 0.5, 0.5], abs=1e-6)
    upside_down = heading_roll_up(turn("x", 180.0), AHEAD, KILOMETRE)[0].tolist()
    assert upside_down[3] == pytest.approx(-1.0, abs=1e-6)
    assert abs(upside_down[1]) == pytest.approx(math.pi, abs=1e-5)


# --- observation ---------------------------------------------------------------------------------------------------


def test_ant_observation_matches_hand_computed_values(ants: VecEnv) -> None:
    task, robots = task_of(ants), task_of(ants).robots
    ants.reset(seed=1)
    position, rotation = torch.tensor([[3.0, 4.0, 0.9]] * 2), torch.tensor([YAW_90] * 2)
    robots.set_world_poses(position, rotation)
    robots.set_velocities(torch.tensor([[1.0, 2.0, 3.0, 0.1, 0.2, 0.3]] * 2))
    # Hips: half-way to the upper limit of 40°, at it, in the middle, a quarter towards the lower one. Ankles 1 and 4
    # span 30° to 100°, 2 and 3 the negative of it.
    degrees = torch.tensor([[20.0, 40.0, 0.0, -10.0, 30.0, -100.0, -65.0, 82.5]] * 2)
    rates = torch.tensor([[1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0]] * 2)
    robots.set_joint_positions(torch.deg2rad(degrees))
    robots.set_joint_velocities(rates)
    row = task.get_observations()[0].tolist()
    expected = [0.9]
    # Forward is +y of the world, left is −x: linear and angular velocity along the torso's axes.
    expected += [2.0, -1.0, 3.0, 0.2, -0.1, 0.3]
    # The target lies at (997, −4) from here: 90° and a little to the right.
    to_target = math.atan2(-4.0, 997.0)
    expected += [math.pi / 2, 0.0, to_target - math.pi / 2, 1.0, math.cos(to_target - math.pi / 2)]
    expected += [0.5, 1.0, 0.0, -0.25, -1.0, -1.0, 0.0, 0.5]
    expected += (0.2 * rates[0]).tolist()
    expected += [0.0] * 24  # no physics step since the reset, no forces
    expected += [0.0] * 8  # no action yet
    assert len(row) == 60
    assert row == pytest.approx(expected, abs=2e-5)
    assert robots.dof_names == [f"{joint}_{leg}" for joint in ("hip", "ankle") for leg in range(1, 5)]


def test_humanoid_observation_matches_hand_computed_values() -> None:
    env = make("Humanoid")
    task, robots = task_of(env), task_of(env).robots
    robots.set_world_poses(torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([YAW_90]))
    robots.set_velocities(torch.tensor([[1.0, 2.0, 3.0, 0.4, 0.8, 1.2]]))
    lower, upper = robots.get_dof_limits()[0].unbind(-1)
    share = torch.linspace(-1.0, 1.0, 21)
    robots.set_joint_positions((0.5 * (lower + upper) + 0.5 * share * (upper - lower)).unsqueeze(0))
    robots.set_joint_velocities(torch.arange(21.0).unsqueeze(0))
    row = task.get_observations()[0]
    assert row.shape == (87,)
    assert row[:7].tolist() == pytest.approx([2.0, 2.0, -1.0, 3.0, 0.2, -0.1, 0.3], abs=1e-5)  # angular × 0.25
    torch.testing.assert_close(row[12:33], share, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(row[33:54], 0.1 * torch.arange(21.0))
    assert row[54:].tolist() == [0.0] * 33
    # Wrenches of the feet, then actions.
    action = torch.linspace(-1.0, 1.0, 21).unsqueeze(0)
    row = env.step(action)[0][0]
    feet = [robots.get_link_index(f"{side}_foot") for side in ("left", "right")]
    forces = robots.get_measured_joint_forces(joint_indices=feet)[0]
    torch.testing.assert_close(row[54:66], 0.01 * forces.flatten())
    assert forces.abs().max() > 1.0
    torch.testing.assert_close(row[66:], action[0])
    env.close()


def test_only_foot_wrenches_are_tracked(ants: VecEnv) -> None:
    robots = task_of(ants).robots
    message = (
        r"'Ant': joint forces of link 'torso' are not measured, only those of front_left_foot, .*; add it to track"
    )
    with pytest.raises(CapabilityError, match=message):
        robots.get_measured_joint_forces()


def test_ant_foot_wrenches_carry_its_weight() -> None:
    """At rest, legs stretched, each foot hangs on its joint with its own weight less a quarter of the ant's."""
    env = make("Ant")
    task, robots = task_of(env), task_of(env).robots
    robots.set_joint_positions(task.default_positions.unsqueeze(0))
    robots.set_joint_velocities(torch.zeros(1, 8))
    for _ in range(240):
        observations, *_ = env.step(torch.zeros(1, 8))
    masses = robots.get_body_masses()[0]
    feet = [robots.get_link_index(name) for name in task.feet]
    angles = robots.get_joint_positions()[0]
    vertical = torch.zeros(4)
    for leg, side in enumerate((-1.0, 1.0, -1.0, 1.0)):  # ankles turn about (∓1, 1, 0)
        axis = torch.tensor([[side, 1.0, 0.0]]) * H
        turned = quat_mul(
            quat_from_angle_axis(angles[[leg]], torch.tensor([[0.0, 0.0, 1.0]])),
            quat_from_angle_axis(angles[[4 + leg]], axis),
        )
        along, across, up = 10.0 * observations[0, 28 + 6 * leg : 31 + 6 * leg]  # of the hinge and of the foot's z
        force = (along * axis + across * torch.tensor([[-1.0, side, 0.0]]) * H) + up * torch.tensor([[0.0, 0.0, 1.0]])
        vertical[leg] = quat_apply(quat_mul(robots.get_world_poses()[1], turned), force)[0, 2]
    expected = 9.81 * (masses[feet] - masses.sum() / 4)
    torch.testing.assert_close(vertical, expected, atol=0.02, rtol=0.02)
    env.close()


# --- reward --------------------------------------------------------------------------------------------------------


def test_ant_reward_terms_match_hand_computed_values() -> None:
    observations = torch.zeros(3, 60)
    observations[:, 10] = torch.tensor([0.94, 0.92, 1.0])  # up
    observations[:, 11] = torch.tensor([0.81, 0.4, -0.8])  # heading
    observations[0, 20:28] = torch.tensor([1.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5])  # scaled joint velocities
    actions = torch.zeros(3, 8)
    actions[0] = torch.tensor([1.0, 0.5, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0])
    terms = reward_terms(observations, actions, torch.ones(8))
    weights = reward_weights(env_config("Ant"))
    expected = {
        "upright": [0.1, 0.0, 0.1],
        "heading": [0.5, 0.25, -0.5],  # 0.5 · h / 0.8 up to 0.8
        "actions": [-0.005 * 3.25, 0.0, 0.0],
        "energy": [-0.05 * 2.5, 0.0, 0.0],  # |1 · 1| + |0.5 · −2| + |−1 · 0.5|
    }
    assert list(terms) == list(expected)
    for name, values in expected.items():
        assert (weights[name] * terms[name]).tolist() == pytest.approx(values), name
    others = {name: weight for name, weight in weights.items() if name not in terms}
    assert others == pytest.approx({"progress": 60.0, "alive": 0.5, "joint_limits": -0.1})  # of m, 1 and joints


def test_humanoid_reward_weights_match_hand_computed_values() -> None:
    env = make("Humanoid")
    task = task_of(env)
    observations, actions = torch.zeros(1, 87), torch.zeros(1, 21)
    observations[0, [10, 11]] = 1.0
    names = task.robots.dof_names
    knee, hip = names.index("left_knee"), names.index("right_hip_y")  # gears 90 and 135 of 135
    actions[0, [knee, hip]] = torch.tensor([0.5, -1.0])
    observations[0, [33 + knee, 33 + hip]] = torch.tensor([2.0, 1.0])
    terms, weights = reward_terms(observations, actions, task.gear_ratio), task.reward_weights
    assert weights["alive"] == 2.0
    assert weights["upright"] * terms["upright"].item() == pytest.approx(0.1)
    assert weights["heading"] * terms["heading"].item() == pytest.approx(0.5)
    assert weights["actions"] * terms["actions"].item() == pytest.approx(-0.01 * 1.25)
    assert weights["energy"] * terms["energy"].item() == pytest.approx(-0.05 * (1.0 * 90 / 135 + 1.0))
    assert weights["joint_limits"] == -0.25
    env.close()


def test_humanoid_limit_cost_scales_with_closeness_and_gear() -> None:
    env = make("Humanoid")
    task = task_of(env)
    positions = torch.zeros(1, 21)
    names = task.robots.dof_names
    for name, value in {"left_hip_y": 0.99, "right_knee": -1.0, "left_ankle_x": 0.98, "abdomen_z": 0.5}.items():
        positions[0, names.index(name)] = value
    assert task.limit_cost(positions).item() == pytest.approx(0.5 * 135 / 135 + 1.0 * 90 / 135, rel=1e-4)
    env.close()


def test_step_rewards_progress_and_sums_the_terms(ants: VecEnv) -> None:
    task, robots = task_of(ants), task_of(ants).robots
    ants.reset(seed=1)
    robots.set_world_poses(torch.tensor([[0.0, 0.0, 5.0]] * 2), torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 2))
    robots.set_velocities(torch.tensor([[3.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0, 0.0, 0.0]]))
    robots.set_joint_positions(torch.zeros(2, 8).index_fill_(1, torch.tensor([4, 7]), 1.0))
    robots.set_joint_positions(torch.full((2, 2), -1.0), joint_indices=[5, 6])
    robots.set_joint_velocities(torch.zeros(2, 8))
    observations, rewards, *_ = ants.step(torch.zeros(2, 8))
    # No forces act in x: 3 m/s towards the target for 0.0166 s, of which the reward makes speed with 1/60 s. The
    # distance, close to 1 km, is rounded to 6e-5 m: 0.004 m/s.
    assert rewards[0].item() == pytest.approx(3.0 * DT * 60 + 0.5 + 0.1 + 0.5, abs=0.01)
    assert rewards[1].item() == pytest.approx(0.5 + 0.1 + 0.5, abs=0.01)
    assert observations[0, 1:4].tolist() == pytest.approx([3.0, 0.0, -9.81 * DT], abs=0.01)
    # Another step counts from where this one ended.
    assert ants.step(torch.zeros(2, 8))[1][0].item() == pytest.approx(3.0 * DT * 60 + 1.1, abs=0.01)
    assert task.last_distance[0].item() == pytest.approx(1000.0 - 2 * 3.0 * DT, abs=1e-3)


# Joints in the order of observations and actions, with their torques at action 1 in N·m.
TORQUES = {
    "Ant": {f"{joint}_{leg}": 7.5 for joint in ("hip", "ankle") for leg in range(1, 5)},
    "Humanoid": {
        **{"abdomen_z": 67.5, "abdomen_y": 67.5},
        **{"right_shoulder1": 67.5, "right_shoulder2": 67.5, "left_shoulder1": 67.5, "left_shoulder2": 67.5},
        **{"abdomen_x": 67.5, "right_elbow": 45.0, "left_elbow": 45.0},
        **{"right_hip_x": 45.0, "right_hip_y": 135.0, "right_hip_z": 45.0},
        **{"left_hip_x": 45.0, "left_hip_y": 135.0, "left_hip_z": 45.0},
        **{"right_knee": 90.0, "left_knee": 90.0},
        **{"right_ankle_y": 22.5, "right_ankle_x": 22.5, "left_ankle_y": 22.5, "left_ankle_x": 22.5},
    },
}


@pytest.mark.parametrize("task", list(TORQUES))
def test_actions_are_torques_of_joints_in_order(task: str) -> None:
    env = make(task)
    robots = task_of(env).robots
    env.step(torch.full((1, robots.num_dof), -2.0))  # clamped to −1
    assert robots.dof_names == list(TORQUES[task])
    assert (-robots.get_applied_joint_efforts()[0]).tolist() == pytest.approx(list(TORQUES[task].values()))
    env.close()


# --- endings and resets --------------------------------------------------------------------------------------------


def test_torso_below_the_height_terminates() -> None:
    observations = torch.zeros(3, 60)
    observations[:, 0] = torch.tensor([0.309, 0.311, 1.0])
    assert has_fallen(observations, 0.31).tolist() == [True, False, False]
    assert env_config("Ant").terminationHeight == 0.31
    assert env_config("Humanoid").terminationHeight == 0.8


@pytest.mark.parametrize(("task", "low", "high", "death"), [("Ant", 0.29, 0.6, -2.0), ("Humanoid", 0.7, 1.3, -1.0)])
def test_fall_costs_and_starts_a_new_episode(task: str, low: float, high: float, death: float) -> None:
    env = make(task, 2)
    robots = task_of(env).robots
    rotation = turn("x", 180.0).repeat(2, 1)  # on its back, so that no leg holds it up
    robots.set_world_poses(torch.tensor([[0.0, 0.0, low], [0.0, 0.0, high]]), rotation)
    _, rewards, terminated, truncated, info = env.step(torch.zeros(2, robots.num_dof))
    assert terminated.tolist() == [True, False]
    assert not truncated.any()
    assert rewards[0].item() == death
    assert rewards[1].item() != death
    assert info["final_obs"][0, 0].item() < low + 0.1
    position, orientation = robots.get_world_poses()
    torch.testing.assert_close(position[0], torch.tensor([0.0, 0.0, task_of(env).spawn_height]))
    torch.testing.assert_close(orientation[0], torch.tensor([1.0, 0.0, 0.0, 0.0]))
    env.close()


@pytest.mark.parametrize(("task", "height"), [("Ant", 0.5), ("Humanoid", 1.34)])
def test_resets_cover_their_ranges_within_limits(task: str, height: float) -> None:
    env = make(task, 2048)
    robots, default = task_of(env).robots, task_of(env).default_positions
    env.step(torch.ones(2048, robots.num_dof))
    observations, _ = env.reset(seed=1)
    position, rotation = robots.get_world_poses()
    torch.testing.assert_close(position, torch.tensor([0.0, 0.0, height]).expand(2048, 3))
    torch.testing.assert_close(rotation, torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(2048, 4))
    assert (robots.get_velocities() == 0.0).all()
    assert (observations[:, -robots.num_dof :] == 0.0).all()  # actions of the last episode are forgotten
    positions, velocities = robots.get_joint_positions(), robots.get_joint_velocities()
    lower, upper = robots.get_dof_limits()[0].unbind(-1)
    low, high = torch.maximum(default - 0.2, lower), torch.minimum(default + 0.2, upper)
    for values, bottom, top in ((positions, low, high), (velocities, -0.1, 0.1)):
        assert_fills_range(values, bottom, top)
    env.close()


def test_ant_default_pose_is_at_the_ankle_limits() -> None:
    env = make("Ant")
    default = torch.rad2deg(task_of(env).default_positions).tolist()
    assert default == pytest.approx([0.0, 0.0, 0.0, 0.0, 30.0, -30.0, -30.0, 30.0], abs=1e-4)
    env.close()


def test_progress_does_not_jump_at_a_reset(ants: VecEnv) -> None:
    ants.reset(seed=0)
    task = task_of(ants)
    task.robots.set_world_poses(torch.tensor([[50.0, 0.0, 0.2], [50.0, 0.0, 0.6]]))
    ants.step(torch.zeros(2, 8))  # the first falls and starts again, 50 m back
    rewards = ants.step(torch.zeros(2, 8))[1]
    assert rewards.abs().max() < 3.0


# --- what compat=upstream restores ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["Ant", "Humanoid"])
def test_worlds_have_their_own_target_except_in_upstream_mode(task: str) -> None:
    """Upstream, worlds stand 5 m apart on a grid, and all run to the point (1000, 0) of the stage."""
    for compat, origins in (
        ("fixed", [(0.0, 0.0)] * 4),
        ("upstream", [(2.5, -2.5), (2.5, 2.5), (-2.5, -2.5), (-2.5, 2.5)]),
    ):
        env = make(task, 4, compat=compat)
        observations = task_of(env).get_observations()
        angles = [math.atan2(-y, 1000.0 - x) for x, y in origins]
        if compat == "fixed":
            assert observations[:, 9].tolist() == pytest.approx(angles, abs=1e-6)
        assert observations[:, 11].tolist() == pytest.approx([math.cos(angle) for angle in angles], abs=1e-6)
        distances = [math.hypot(1000.0 - x, y) for x, y in origins]
        assert task_of(env).distance.tolist() == pytest.approx(distances, abs=1e-3)
        env.close()


@pytest.mark.parametrize("warp", [False, True])
def test_angle_to_the_target_is_to_the_left_except_in_upstream_mode(warp: bool) -> None:
    """Turned by 60° to the left, 600 m high above the ground, 200 m to the left of the line to the target.

    Upstream, the angle is computed from the height instead: −30.96° from the torso down to the target.
    """
    for compat, degrees in (("fixed", -11.31 - 60.0), ("upstream", -30.96 - 60.0)):
        env = make_env_on("c", "Ant", 1, warp=warp, compat=compat)
        env.reset(seed=0)
        robots: Any = env.task.robots  # type: ignore[attr-defined]
        robots.set_world_poses(torch.tensor([[0.0, 200.0, 600.0]]), turn("z", 60.0))
        row = env.reset(options={"reset_mask": torch.zeros(1, dtype=torch.bool)})[0][0]
        assert math.degrees(row[9]) == pytest.approx(degrees, abs=0.01)
        assert math.degrees(row[7]) == pytest.approx(60.0, abs=0.01)
        assert row[11].item() == pytest.approx(math.cos(math.radians(71.31)), abs=1e-4)
        env.close()


def test_ant_limit_cost_is_configurable_except_in_upstream_mode() -> None:
    positions = torch.zeros(4, 8)
    positions[1, :3] = torch.tensor([0.995, 1.0, 0.98])
    positions[2, :3] = torch.tensor([-0.995, -1.0, -0.98])
    positions[3] = 1.0
    for compat, expected in (("fixed", [0.0, 0.2, 0.2, 0.8]), ("upstream", [0.0, 2.0, 0.0, 8.0])):
        env = make("Ant", compat=compat)
        cost = -task_of(env).reward_weights["joint_limits"] * task_of(env).limit_cost(positions)
        assert cost.tolist() == pytest.approx(expected)
        env.close()


def test_limit_cost_is_part_of_the_reward() -> None:
    for compat, cost in (
        ("fixed", 0.4),
        ("upstream", 2.0),
    ):  # ankles 2 and 3 rest on upper limits, 1 and 4 on lower ones
        env = make("Ant", compat=compat)
        task = task_of(env)
        task.robots.set_world_poses(torch.tensor([[0.0, 0.0, 5.0]]))
        task.robots.set_joint_positions(task.default_positions.unsqueeze(0))
        task.robots.set_joint_velocities(torch.zeros(1, 8))
        assert env.step(torch.zeros(1, 8))[1].item() == pytest.approx(1.1 - cost, abs=0.01)
        env.close()
