"""AnymalTerrain against numbers computed by hand; what ``compat=upstream`` restores, one error at a time."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from anymal_terrain_worlds import BORDER, DEFAULT, YAWED, close, configuration, make, put
from oige_core import VecEnv
from oige_core.errors import ConfigError
from oige_core.testing import set_root_pose
from oige_tasks_locomotion.anymal_terrain.symmetry import reflections
from oige_tasks_locomotion.anymal_terrain.task import has_fallen, touches_ground, yaw_rate_towards


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make()
    yield env
    env.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[VecEnv]:
    env = make(compat="upstream")
    yield env
    env.close()


# Observations


@pytest.mark.parametrize("name", ["env", "upstream"])
def test_observation_matches_hand_computed_values(name: str, request: pytest.FixtureRequest) -> None:
    task = put(request.getfixturevalue(name), *BORDER, 0.6, YAWED)
    steps = torch.arange(12.0)
    task.anymals.set_velocities(torch.tensor([[1.0, 2.0, 3.0, 0.4, 0.8, -1.2]]).repeat(4, 1))
    task.anymals.set_joint_positions((DEFAULT + 0.01 * steps).repeat(4, 1))
    task.anymals.set_joint_velocities((0.5 * steps).repeat(4, 1))
    task.commands[:] = torch.tensor([0.6, -0.5, 9.0])
    task.headings[:] = 2.0
    task.actions = (0.1 * steps - 0.5).repeat(4, 1)
    observation = task.get_observations()[2]
    assert observation.shape == (188,)
    close(observation[0:3], [2.0 * 2.0, 2.0 * -1.0, 2.0 * 3.0])  # y of the world is ahead, −x to the left
    close(observation[3:6], [0.25 * 0.8, 0.25 * -0.4, 0.25 * -1.2])
    close(observation[6:9], [0.0, 0.0, -1.0])
    close(observation[9:12], [2.0 * 0.6, 2.0 * -0.5, 0.25 * 0.5 * (2.0 - math.pi / 2)])
    # An error of upstream: joint positions are not relative to the default pose.
    close(observation[12:24], 0.01 * steps + (DEFAULT if name == "upstream" else 0.0))
    close(observation[24:36], 0.05 * 0.5 * steps)
    close(observation[36:176], torch.full((140,), 5.0 * (0.6 - 0.5)))
    close(observation[176:188], 0.1 * steps - 0.5)


def test_gravity_is_in_the_base_frame(env: VecEnv) -> None:
    """Rolled by 30° to the right: the y axis, to the left, points up by half."""
    task = put(env, *BORDER, 1.0, (math.cos(math.pi / 12), math.sin(math.pi / 12), 0.0, 0.0))
    close(task.get_observations()[0, 6:9], [0.0, -0.5, -math.sqrt(0.75)])


def test_heights_match_the_terrain_around_the_robot(env: VecEnv) -> None:
    task = put(env, 0.0, 0.0, 0.0)
    terrain = task.terrain_map
    centre = terrain.tile_origins[2, 1]  # stairs up, the hardest
    x, y, z = centre[0] + 1.63, centre[1] - 0.42, centre[2] + 0.9
    set_root_pose(task.anymals, (x, y, z), YAWED)
    heights = task.get_observations()[0, 36:176].reshape(14, 10)
    along = [-0.8, -0.7, -0.6, -0.5, -0.4, -0.3, -0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    left = [-0.5, -0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4, 0.5]
    different = set()
    for i, ahead in enumerate(along):
        for j, aside in enumerate(left):
            row = int((x - aside - terrain.origin[0]) / 0.1 + 1e-4)
            column = int((y + ahead - terrain.origin[1]) / 0.1 + 1e-4)
            ground = min(terrain.heights[row, column], terrain.heights[row + 1, column + 1])
            assert heights[i, j].item() == pytest.approx(5.0 * np.clip(z - 0.5 - ground, -1.0, 1.0), abs=1e-4), (i, j)
            different.add(round(float(ground), 6))
    assert len(different) >= 3  # it stood on the stairs


def test_heights_are_clamped_to_one_metre(env: VecEnv) -> None:
    assert put(env, *BORDER, 9.0).get_observations()[0, 36:176].tolist() == [5.0] * 140
    assert put(env, *BORDER, -9.0).get_observations()[0, 36:176].tolist() == [-5.0] * 140


def test_noise_is_drawn_once_per_step_and_again_after_a_reset() -> None:
    env = make(4, learn__addNoise=True)
    actions, ended = torch.zeros(4, 12), torch.tensor([False, True, False, False])
    first = env.reset(seed=1)[0]
    task: Any = env.task
    noise = task.noise.clone()
    env.task.progress_buf[1] = env.task.max_episode_length - 1
    observations, *_, info = env.step(actions)
    assert info["_final_obs"].equal(ended)
    # Observed once more because of the reset, the others look the same.
    assert observations[~ended].equal(info["final_obs"][~ended])
    assert not torch.isclose(task.noise[:, :9], noise[:, :9]).any()
    assert env.reset(seed=1)[0].equal(first)
    env.close()


def test_noise_is_uniform_between_its_bounds() -> None:
    env = make(8, learn__addNoise=True)
    env.reset(seed=1)
    task: Any = env.task
    noise = torch.stack([task.uniform_noise(task.noise_scale, 8) for _ in range(400)]).flatten(0, 1)
    noisy = task.noise_scale > 0
    assert noise[:, ~noisy].eq(0.0).all()
    share = (noise[:, noisy] / task.noise_scale[noisy]).flatten()  # of 173 columns
    assert share.min() >= -1.0
    assert share.max() <= 1.0
    # Each tenth of the range has a tenth of the numbers, within four standard deviations, and neighbours have no part
    # in each other.
    counts = torch.histc(share, 10, -1.0, 1.0)
    expected = share.numel() / 10
    assert (counts - expected).abs().max() < 4 * math.sqrt(expected)
    neighbours = torch.corrcoef(torch.stack((share[:-1], share[1:])))[0, 1]
    assert neighbours.abs() < 4 / math.sqrt(share.numel())
    env.close()


@pytest.mark.parametrize("compat", ["fixed", "upstream"])
def test_noise_reaches_its_bounds(compat: str) -> None:
    env = make(64, compat=compat, learn__addNoise=True)
    task = put(env, *BORDER, 1.55)  # heights are then 5 · 1.05, so limited to 5
    observed = []
    for _ in range(20):
        task.noise = task.uniform_noise(task.noise_scale, 64)
        observed.append(task.get_observations().clone())
    noise = torch.cat(observed)
    task.noise_scale, task.noise = None, torch.zeros(64, 188)
    noise -= task.get_observations().repeat(20, 1)
    bounds = {(0, 3): 0.2, (3, 6): 0.05, (6, 9): 0.05, (9, 12): 0.0, (12, 24): 0.01, (24, 36): 0.075, (176, 188): 0.0}
    for (first, last), bound in bounds.items():
        part = noise[:, first:last]
        assert part.max().item() == pytest.approx(bound, rel=0.02, abs=1e-6)
        assert part.min().item() == pytest.approx(-bound, rel=0.02, abs=1e-6)
        assert part.mean().abs() <= 0.05 * bound + 1e-6
    heights = noise[:, 36:176]
    assert heights.min().item() == pytest.approx(-0.3, rel=0.02)
    # An error of upstream: noise leads out of the range of heights.
    assert heights.max().item() == pytest.approx(0.3 if compat == "upstream" else 0.0, rel=0.02)
    env.close()


def test_upstream_mode_observes_the_motion_before_a_reset() -> None:
    """Velocities, gravity, yaw rate and action are those of the last step, the rest is that of the new episode."""
    for compat in ("upstream", "fixed"):
        env = make(compat=compat)
        task = put(env, *BORDER, 0.6, (math.cos(0.1), math.sin(0.1), 0.0, 0.0))
        task.headings[:], task.commands[:, :2] = 1.0, 0.5
        task.progress_buf[:] = torch.tensor([task.time_limit - 1, 5, 5, 5])
        observations, *_, info = env.step(torch.full((4, 12), 0.4))
        assert info["_final_obs"].tolist() == [True, False, False, False]
        old, new = info["final_obs"][0], observations[0]
        moves = bool((task.commands[0, :2] != 0.0).any())
        first = [0.0] * 6 + [0.0, 0.0, -1.0]
        if compat == "upstream":
            assert old[:9].abs().min() > 1e-4
            first = old[:9].tolist()
            assert new[11].item() == pytest.approx(old[11].item() if moves else 0.0)
            assert new[176:].tolist() == pytest.approx([0.4] * 12)
        else:
            assert new[11].item() == pytest.approx(0.25 * min(max(0.5 * task.headings[0].item(), -1.0), 1.0))
            assert not new[176:].any()
        close(new[:9], first)
        close(new[9:11], 2.0 * task.commands[0, :2])
        offset = DEFAULT if compat == "upstream" else torch.zeros(12)
        close(new[12:24], task.anymals.get_joint_positions()[0] - DEFAULT + offset)
        assert not torch.isclose(new[12:24], old[12:24]).all()
        # Between episodes that a caller starts, no motion is left.
        close(env.reset(seed=1)[0][:, :9], [[0.0] * 6 + [0.0, 0.0, -1.0]] * 4)
        assert not task.get_observations()[:, 176:].any()
        env.close()


def test_upstream_mode_measures_heights_along_the_yaw_of_the_quaternion() -> None:
    """A quaternion (w, 0, 0, z) of a tilted base does not turn like the horizontal part of its x axis."""
    env = make(compat="upstream")
    quaternion = torch.nn.functional.normalize(torch.tensor([0.7, 0.4, 0.5, 0.3]), dim=0)
    task = put(env, 0.0, 0.0, 1.0, tuple(quaternion.tolist()))
    seen = {}
    task.ground.sample_around = lambda positions, ahead: seen.update(ahead=ahead) or torch.zeros(4, 140)
    task.get_observations()
    w, z = 0.7 / math.hypot(0.7, 0.3), 0.3 / math.hypot(0.7, 0.3)
    close(seen["ahead"], [[w * w - z * z, 2 * w * z]] * 4)
    env.close()


# Commands


def test_yaw_rate_turns_the_short_way_and_is_clamped() -> None:
    angles = torch.tensor([0.0, 0.5, 3.0, -3.0, 0.3])
    forward = 0.7 * torch.stack((angles.cos(), angles.sin()), dim=-1)
    rates = yaw_rate_towards(torch.tensor([1.0, -0.5, -3.0, 0.0, 0.3]), forward)
    # From 3 to −3 it is 2π − 6 = 0.283 rad to the left; from −3 to 0 it is 3 rad, which is more than 2.
    close(rates, [0.5, -0.5, 0.5 * (2 * math.pi - 6), 1.0, 0.0])


def test_upstream_mode_turns_the_long_way_from_errors_below_minus_pi() -> None:
    angles = torch.tensor([0.5, 3.0, 2.0, -3.0])
    forward = torch.stack((angles.cos(), angles.sin()), dim=-1)
    rates = yaw_rate_towards(torch.tensor([-0.5, -3.0, -1.5, 3.0]), forward, wrap_up=False)
    # −6 and −3.5 rad are not wrapped; 6 rad is −0.283 rad.
    close(rates, [-0.5, -1.0, -1.0, 0.5 * (6 - 2 * math.pi)])


def test_commands_can_be_set(env: VecEnv) -> None:
    task = put(env, *BORDER, 0.6)
    task.commands[:] = torch.tensor([-0.5, 0.25, 0.75])
    task.headings[:] = 1.0
    task.manual_control[:] = torch.tensor([True, False, False, False])
    observations = task.get_observations()
    close(observations[0, 9:12], [-1.0, 0.5, 0.25 * 0.75])
    close(observations[1, 9:12], [-1.0, 0.5, 0.25 * 0.5])
    task.manual_control[:] = False


# Endings


def test_fallen_matches_hand_computed_values() -> None:
    forces = torch.zeros(6, 5, 3)
    forces[1, 0] = torch.tensor([0.8, 0.0, 0.8])  # base, 1.13 N
    forces[2, 0] = torch.tensor([0.0, 0.9, 0.0])
    forces[3, 2] = torch.tensor([0.0, 0.0, 50.0])  # one knee
    forces[4, 1:3, 2] = 1.1  # two knees
    forces[5, 1:, 0] = 0.9
    touches = touches_ground(forces)
    assert has_fallen(touches[:, 0], touches[:, 1:].sum(dim=-1)).tolist() == [False, True, False, False, True, False]


def test_lying_robot_terminates_and_standing_robot_does_not(env: VecEnv) -> None:
    task = put(env, *BORDER, 0.0)
    positions = torch.tensor([[*BORDER, 0.55], [*BORDER, 0.25], [*BORDER, 0.55], [*BORDER, 0.55]])
    orientations = torch.tensor([[1.0, 0, 0, 0], [0.0, 1.0, 0, 0], [1.0, 0, 0, 0], [1.0, 0, 0, 0]])  # one upside down
    task.anymals.set_world_poses(positions, orientations)
    fallen, knees = torch.zeros(4, dtype=torch.bool), torch.zeros(4, dtype=torch.int64)
    for _ in range(10):
        _, _, terminated, truncated, _ = env.step(torch.zeros(4, 12))
        fallen |= terminated
        knees += task.knees_down
        assert not truncated.any()
    assert fallen.tolist() == [False, True, False, False]
    assert knees[[0, 2, 3]].tolist() == [0, 0, 0]


def test_episode_is_truncated_after_1000_steps_and_beyond_the_map(env: VecEnv) -> None:
    task = put(env, *BORDER, 0.55)
    task.progress_buf[:] = torch.tensor([998, 997, 0, 0])
    positions, _ = task.anymals.get_world_poses()
    positions[2, 0] = -17.01  # the map reaches to 12 + 5 m
    positions[3, 0] = -16.9
    task.anymals.set_world_poses(positions)
    _, _, terminated, truncated, _ = env.step(torch.zeros(4, 12))
    assert not terminated.any()
    assert truncated.tolist() == [False, False, True, False]
    _, _, _, truncated, _ = env.step(torch.zeros(4, 12))
    assert truncated.tolist() == [True, False, False, False]


# Resets, pushes, control


def test_resets_cover_exactly_their_ranges() -> None:
    env = make(2048)
    env.reset(seed=5)
    task: Any = env.task
    ratios = task.anymals.get_joint_positions() / DEFAULT
    assert 0.5 - 1e-5 <= ratios.min() < 0.505
    assert 1.495 < ratios.max() <= 1.5 + 1e-5
    velocities = task.anymals.get_joint_velocities()
    assert 0.099 < velocities.abs().max() <= 0.1
    assert not task.anymals.get_velocities().any()
    commands = torch.cat((task.commands[:, :2], task.headings[:, None]), dim=-1)
    stands = (commands == 0).all(dim=-1)
    assert (commands[~stands, :2].norm(dim=-1) > 0.25).all()
    assert 0.03 < stands.float().mean() < 0.07  # π · 0.25² / 4 = 4.9 %
    for column, bound in enumerate((1.0, 1.0, 3.14)):
        assert 0.99 * bound < commands[:, column].max() <= bound
        assert -bound <= commands[:, column].min() < -0.99 * bound
    env.close()


def test_pushes_are_on_time_and_change_only_horizontal_velocity() -> None:
    env = make(64, learn__pushRobots=True, learn__pushInterval_s=0.06)
    task = put(env, *BORDER, 5.0)
    velocities = torch.tensor([[3.0, -3.0, 0.7, 0.1, 0.2, 0.3]]).repeat(64, 1)
    pushed = []
    for _ in range(7):
        task.anymals.set_velocities(velocities)
        task.pre_physics_step(torch.zeros(64, 12))
        after = task.anymals.get_velocities()
        pushed.append(not torch.equal(after, velocities))
        if pushed[-1]:
            assert 0.9 < after[:, :2].abs().max() <= 1.0
            assert after[:, :2].std() > 0.4
            close(after[:, 2:], velocities[:, 2:])
    assert pushed == [False, False, True, False, False, True, False]
    env.close()


def test_upstream_mode_pushes_after_physics() -> None:
    """And the robots observe it in the same step; upstream has no end of the map, either."""
    env = make(compat="upstream", learn__pushRobots=True, learn__pushInterval_s=0.06)
    task = put(env, *BORDER, 5.0)
    task.control_steps.zero_()
    positions = task.anymals.get_world_poses()[0]
    positions[0, 0] = -30.0
    task.anymals.set_world_poses(positions)
    pushed = []
    for _ in range(6):
        task.anymals.set_velocities(torch.zeros(4, 6))
        observations, _, terminated, truncated, _ = env.step(torch.zeros(4, 12))
        pushed.append(bool(observations[:, :2].abs().max() > 0.4))
        assert not (terminated | truncated).any()
    assert pushed == [False, False, True, False, False, True]
    env.close()


def test_default_push_interval_is_15_seconds(env: VecEnv, upstream: VecEnv) -> None:
    assert [wrapped.task.steps_between_pushes for wrapped in (env, upstream)] == [750, 750]  # type: ignore[attr-defined]


def test_action_is_a_position_target_with_the_published_gains(env: VecEnv) -> None:
    task = put(env, *BORDER, 1.0)
    actions = torch.zeros(4, 12)
    actions[:, 0], actions[:, 5], actions[:, 11] = 0.5, -1.0, 10.0
    task.anymals.set_joint_velocities(torch.full((4, 12), 0.5))
    task.pre_physics_step(actions)
    efforts = task.anymals.get_measured_joint_efforts()[0]
    expected = torch.full((12,), -2.0 * 0.5)
    expected[0], expected[5], expected[11] = 80.0 * 0.25 - 1.0, -80.0 * 0.5 - 1.0, 80.0
    close(efforts, expected, atol=1e-4)


def test_upstream_mode_makes_five_physics_steps_and_repeats_the_last_torque(
    env: VecEnv, upstream: VecEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: Any = env.task.engine.executor.field("time")  # type: ignore[attr-defined]
    put(env, *BORDER, 1.0)
    before = times.clone()
    env.step(torch.zeros(4, 12))
    close((times - before).float(), torch.full((4,), 0.02))

    task = put(upstream, *BORDER, 1.0)
    actions = torch.linspace(-1.5, 3.0, 12).repeat(4, 1)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    step = task.engine.step

    def record(n: int = 1) -> None:
        q, v = task.anymals.get_joint_positions(), task.anymals.get_joint_velocities()
        wanted = (80.0 * (DEFAULT + 0.5 * actions - q) - 2.0 * v).clamp(-80.0, 80.0)
        seen.extend([(task.anymals.get_applied_joint_efforts(), wanted)] * n)
        step(n)

    monkeypatch.setattr(task.engine, "step", record)
    upstream.step(actions)
    assert len(seen) == 5
    for applied, wanted in seen[:4]:
        close(applied, wanted, atol=1e-3)
    close(seen[4][0], seen[3][0])
    assert (seen[4][0] - seen[4][1]).abs().max() > 0.1


@pytest.mark.parametrize(("compat", "friction"), [("fixed", 0.3), ("upstream", 1.0)])
def test_upstream_mode_ignores_terrain_friction(compat: str, friction: float) -> None:
    env = make(1, compat=compat, terrain__dynamicFriction=0.3)
    engine: Any = env.task.engine
    assert engine.compiled.model.geom("terrain").friction[0] == pytest.approx(friction)
    env.close()


def test_restored_state_has_the_time_of_the_next_push() -> None:
    env = make(3, learn__pushRobots=True, learn__pushInterval_s=0.1, learn__addNoise=True)
    env.reset(seed=1)
    actions = torch.rand(12, 3, 12, generator=torch.Generator().manual_seed(0)) - 0.5
    for step in range(3):
        env.step(actions[step])
    state = env.state_dict()
    runs = []
    for _ in range(2):
        env.load_state_dict(state)
        runs.append(torch.stack([env.step(actions[step])[0] for step in range(3, 12)]))
    assert torch.equal(*runs)
    env.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("terrain.maxInitMapLevel", 10),
        ("terrain.numLevels", 0),
        ("terrain.mapWidth", -3.0),
        ("terrain.borderSize", -1.0),
        ("randomCommandVelocityRanges.linear_x", [1.0]),
        ("learn.pushInterval_s", 0.0),
        ("terrain.steepness", 1.0),
        ("compat", "old"),
    ],
)
def test_invalid_configuration_raises(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration(**{key: value})
    assert f"task.env.{key}" in str(caught.value)


@pytest.mark.parametrize(("number", "tolerance"), [(0, 0.08), (1, 0.2), (2, 0.2)], ids=["sides", "ends", "both"])
def test_mirrored_robots_move_like_mirror_images(env: VecEnv, number: int, tolerance: float) -> None:
    """And their rewards are the same. For 0.2 s on flat ground: front and rear differ a little in mass."""
    task: Any = env.task
    n, mirror = env.num_envs, task.symmetries[number]
    random = torch.Generator().manual_seed(3)
    velocities, joint_velocities = 0.3 * torch.randn(n, 6, generator=random), torch.randn(n, 12, generator=random)
    offsets = 0.1 * torch.randn(n, 12, generator=random)
    actions, commands = 0.5 * torch.randn(10, n, 12, generator=random), torch.randn(n, 3, generator=random)

    def play(*, mirrored: bool) -> tuple[torch.Tensor, torch.Tensor]:
        turn = mirror.actions if mirrored else torch.clone
        signs = mirror.observations.signs if mirrored else torch.ones(188)
        put(env, *BORDER, 0.6)
        task.anymals.set_velocities(velocities * signs[:6])
        task.anymals.set_joint_positions(task.default_positions + turn(offsets))
        task.anymals.set_joint_velocities(turn(joint_velocities))
        task.commands[:], task.manual_control[:] = commands * signs[9:12], True
        task.actions[:] = 0.0
        for action in turn(actions):
            observations, *_ = env.step(action)
        return observations, torch.stack(list(task.reward_terms_by_name().values()))

    try:
        (observations, rewards), (images, rewards_of_images) = play(mirrored=False), play(mirrored=True)
    finally:
        task.manual_control[:] = False
    torch.testing.assert_close(rewards_of_images, rewards, atol=1e-3, rtol=0.1)
    difference = (images - mirror.observations(observations)).abs().max()
    assert difference < tolerance
    assert (images - observations).abs().max() > 5 * tolerance, "they must move for it to matter"


def test_symmetries_swap_legs_and_heights() -> None:
    points = torch.tensor([[0.2, 0.1], [0.2, -0.1], [-0.2, 0.1], [-0.2, -0.1]])
    joints = ["LF_HAA", "LH_HAA", "RF_HAA", "RH_HAA", "LF_KFE", "LH_KFE", "RF_KFE", "RH_KFE"]
    sides, ends, both = reflections(joints, points)
    legs = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    assert sides.actions(legs).tolist() == [-3, -4, -1, -2, 7, 8, 5, 6]
    assert ends.actions(legs).tolist() == [2, 1, 4, 3, -6, -5, -8, -7]
    assert both.actions(legs).tolist() == [-4, -3, -2, -1, -8, -7, -6, -5]
    vectors = torch.arange(1.0, 13.0)  # velocity, rate of turning, gravity, command
    heights = torch.tensor([10.0, 20.0, 30.0, 40.0])
    observation = torch.cat((vectors, legs, legs, heights, legs))
    assert sides.observations(observation)[:12].tolist() == [1, -2, 3, -4, 5, -6, 7, -8, 9, 10, -11, -12]
    assert ends.observations(observation)[:12].tolist() == [-1, 2, 3, 4, -5, -6, -7, 8, 9, -10, 11, -12]
    assert sides.observations(observation)[28:32].tolist() == [20, 10, 40, 30]
    assert ends.observations(observation)[28:32].tolist() == [30, 40, 10, 20]
    assert both.observations(observation)[32:].tolist() == both.actions(legs).tolist()
