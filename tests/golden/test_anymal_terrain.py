"""AnymalTerrain against golden vectors of OmniIsaacGymEnvs. Tests of the default mode name its fixes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env
from oige_core.terrain import HeightSampler, curriculum_map

MODES = ("upstream", "fixed")
N = 192
PROPORTIONS = (0.1, 0.1, 0.35, 0.25, 0.2)
SHIFT = torch.tensor([-40.0, -80.0, 0.0])  # our map is centred at 0, the original's first tile is at 0
COMMANDS, YAW_RATE, JOINTS, HEIGHTS = slice(9, 11), 11, slice(12, 24), slice(36, 176)
WEIGHTS = {
    "learn__orientationRewardScale": -0.5,
    "learn__baseHeightRewardScale": -2.0,
    "learn__hipRewardScale": -0.3,
    "learn__terminalReward": -10.0,
    "learn__addNoise": False,
}


@pytest.fixture(scope="module")
def golden():
    return Golden("AnymalTerrain")


@pytest.fixture(scope="module", params=MODES)
def task(request):
    with make_env("AnymalTerrain", N, compat=request.param, **WEIGHTS) as env:
        yield env.task


class Forces:
    """The view of the base and the knees."""

    def __init__(self, golden: Golden) -> None:
        base, knees = (golden[f"in/{name}/net_contact_forces"] for name in ("base", "knees"))
        self.values = torch.cat((base.view(N, 1, 3), knees.view(N, 4, 3)), dim=1)

    def get_net_contact_forces(self, *, clone: bool) -> torch.Tensor:
        return self.values


def see(task: Any, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Let the task be in the golden states on the original's map; return its observations."""
    options: dict[str, Any] = {"levels": 10, "types": 20, "length": 8.0, "width": 8.0, "border": 20.0}
    ground = curriculum_map(proportions=PROPORTIONS, horizontal_scale=0.1, rng=np.random.RandomState(7), **options)
    points = torch.stack((task.ground._ahead, task.ground._left)) / 10.0
    positions, orientations = golden.view("anymals")["world_poses"]
    values: dict[str, Any] = golden.view("anymals") | {"world_poses": (positions + SHIFT, orientations)}
    values["measured_joint_efforts"] = golden["in/torques"]
    settings = {
        "terrain_map": ground,
        "ground": HeightSampler(ground.heights, 0.1, ground.origin, "cpu", points),
        "tile_origins": torch.tensor(ground.tile_origins, dtype=torch.float32),
        "anymals": GoldenView(task.anymals, values),
        "base_and_knees": Forces(golden),
        "progress_buf": golden["in/progress"] + 1,
        "skipped_buf": torch.zeros(N, dtype=torch.int64),
        "terrain_levels": golden["in/terrain_levels"],
        "terrain_types": golden["in/terrain_types"],
        "commands": golden["in/commands"][:, :3],
        "headings": golden["in/commands"][:, 3],
        "actions": golden["in/actions"],
        "last_actions": golden["in/last_actions"],
        "last_joint_velocities": golden["in/last_dof_vel"],
        "noise": torch.zeros(N, 188),
    }
    for name, value in settings.items():
        monkeypatch.setattr(task, name, value)
    return task.get_observations()


def upright(golden: Golden) -> torch.Tensor:
    return golden.view("anymals")["world_poses"][1][:, 1:3].abs().amax(dim=-1) == 0.0


def wrapped(golden: Golden) -> torch.Tensor:
    """Worlds whose heading error is not below −π, so that the original turns them the short way."""
    w, x, y, z = golden.view("anymals")["world_poses"][1].double().unbind(-1)
    heading = torch.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
    return golden["in/commands"][:, 3] - heading >= -math.pi


def inside_cells(golden: Golden) -> torch.Tensor:
    """Whether points of heights ``(N, 140)`` are so far from the edges of cells that rounding does not matter."""
    positions, orientations = golden.view("anymals")["world_poses"]
    w, z = orientations[:, 0].double(), orientations[:, 3].double()
    yaw = 2.0 * torch.atan2(z, w).unsqueeze(-1)
    x = 0.1 * torch.tensor([*range(-8, -1), *range(2, 9)], dtype=torch.float64)
    y = 0.1 * torch.tensor([*range(-5, 0), *range(1, 6)], dtype=torch.float64)
    ahead, left = torch.cartesian_prod(x, y).unbind(-1)
    along_x = positions[:, :1] + yaw.cos() * ahead - yaw.sin() * left
    along_y = positions[:, 1:2] + yaw.sin() * ahead + yaw.cos() * left
    cells = torch.stack((along_x, along_y)) * 10.0
    return ((cells - cells.round()).abs() > 2e-4).all(dim=0)


def ends(golden: Golden) -> torch.Tensor:
    return golden["out/resets"].bool()


def test_map_of_upstream_is_that_of_the_seed(task, golden):
    ground = curriculum_map(
        proportions=PROPORTIONS,
        levels=10,
        types=20,
        length=8.0,
        width=8.0,
        border=20.0,
        horizontal_scale=0.1,
        rng=np.random.RandomState(7),
    )
    assert np.array_equal(task.terrain_map.heights, ground.heights) == task.upstream


def test_observations_match(task, golden, monkeypatch):
    """By default, joint positions are relative to the default pose, robots turn the short way, and heights are measured
    along the x axis of a tilted base. Observations of worlds that are reset are compared below."""
    observations = see(task, golden, monkeypatch)
    expected, kept = golden["out/observations"], ~ends(golden)
    apart = [*range(JOINTS.start, JOINTS.stop), YAW_RATE, *range(HEIGHTS.start, HEIGHTS.stop)]
    assert_columns(observations[kept], expected[kept], skip=apart)
    offset = 0.0 if task.upstream else task.default_positions
    assert_columns(observations[kept][:, JOINTS] + offset, expected[kept][:, JOINTS])
    same = kept & (wrapped(golden) | task.upstream)
    assert same.sum() < kept.sum() or task.upstream
    assert_columns(observations[same][:, YAW_RATE], expected[same][:, YAW_RATE])
    same = kept & (upright(golden) | task.upstream)
    sure = inside_cells(golden)
    assert sure.float().mean() > 0.998
    heights = [values.masked_fill(~sure, 0.0)[same] for values in (observations[:, HEIGHTS], expected[:, HEIGHTS])]
    assert_columns(*heights)
    assert (heights[1].abs() < 5.0).float().mean() > 0.5
    if not task.upstream:
        tilted = kept & ~upright(golden)
        assert not torch.equal(observations[tilted][:, HEIGHTS], expected[tilted][:, HEIGHTS])


def test_endings_and_rewards_match(task, golden, monkeypatch):
    """By default, episodes end a step later, and beyond the map; ``base_height`` is above the ground, the yaw rate is
    the short way, and only falls have the terminal reward."""
    see(task, golden, monkeypatch)
    task.terminated_buf = task.is_done()
    cut_short = task.is_cut_short()
    ended = task.terminated_buf | cut_short
    last = golden["in/progress"] + 1 == 999
    beyond = (golden.view("anymals")["world_poses"][0] + SHIFT)[:, 1] > 99.9
    assert last.sum() == 2
    assert beyond.any()
    assert torch.equal(ended, ends(golden)) == task.upstream
    if not task.upstream:
        assert cut_short[beyond].all()
        assert torch.equal(ended[~last & ~beyond], ends(golden)[~last & ~beyond])
    rewards = task.calculate_metrics()
    terms = task.reward_terms_by_name()
    for name, values in golden.terms().items():
        same = wrapped(golden) | task.upstream if name == "angular_velocity_z" else torch.ones(N, dtype=torch.bool)
        if name == "base_height" and not task.upstream:
            assert torch.isclose(terms[name], values).float().mean() < 0.1
        else:
            assert_columns(terms[name][same], values[same])
    fallen, late = task.terminated_buf, golden["in/progress"] + 1 >= 999
    assert (fallen & late).any()
    assert (fallen & ~late).any()
    if task.upstream:
        assert_columns(rewards, golden["out/rewards"])
        expected = 0.2 * (fallen & ~late) + 0.4 * late
    else:
        expected = -0.2 * fallen
    assert_columns(terms["termination"], expected.float())


def test_worlds_that_are_reset_match(task, golden, monkeypatch):
    """By default, the curriculum judges each robot by its own command, and the first observations of episodes are those
    of robots at rest that have not acted yet."""
    see(task, golden, monkeypatch)
    task.ended_buf = ends(golden)
    worlds = task.ended_buf.nonzero().squeeze(-1)
    commands = golden["out/commands"][worlds]
    drawn = (commands[:, [0, 1, 3]] / torch.tensor([1.0, 1.0, 3.14]) + 1.0) / 2.0
    real = task.uniform
    monkeypatch.setattr(task, "uniform", lambda *args: drawn if args == (0.0, 1.0, len(worlds), 3) else real(*args))
    task.reset_idx(worlds)
    levels = golden["out/terrain_levels"]
    assert set((levels - golden["in/terrain_levels"])[worlds].tolist()) >= {
        -9,
        -1,
        0,
        1,
    }  # after the highest level comes the lowest
    assert torch.equal(task.terrain_levels, levels) == task.upstream
    put_new_states(task, golden, worlds)
    observations, expected = task.get_observations(worlds), golden["out/observations"][worlds]
    at_edges = (observations[:, HEIGHTS] - expected[:, HEIGHTS]).abs() > 1e-4
    assert at_edges.float().mean() < 0.002  # of cells
    assert_columns(observations[:, COMMANDS], expected[:, COMMANDS])
    offset = 0.0 if task.upstream else task.default_positions
    assert_columns(observations[:, JOINTS] + offset, expected[:, JOINTS])
    assert_columns(observations[:, JOINTS.stop : HEIGHTS.start], expected[:, JOINTS.stop : HEIGHTS.start])
    if task.upstream:
        assert_columns(observations, expected, skip=range(HEIGHTS.start, HEIGHTS.stop))
        assert_columns(task.commands, golden["out/commands"][:, :3])
    else:
        at_rest = torch.tensor([0.0] * 6 + [0.0, 0.0, -1.0]).expand(len(worlds), -1)
        assert_columns(observations[:, : COMMANDS.start], at_rest)
        assert_columns(observations[:, YAW_RATE], 0.25 * (0.5 * commands[:, 3]).clamp(-1.0, 1.0))
        assert not observations[:, HEIGHTS.stop :].any()


def put_new_states(task: Any, golden: Golden, worlds: torch.Tensor) -> None:
    """Put the states that the original wrote into the worlds that it reset into the view of the robots."""
    view = golden.view("anymals")
    positions, orientations = view["world_poses"]
    values = {
        "positions": (positions + SHIFT, golden["out/written/world_poses/positions"] + SHIFT),
        "orientations": (orientations, golden["out/written/world_poses/orientations"]),
        "joint_positions": (view["joint_positions"], golden["out/written/joint_positions/positions"]),
        "joint_velocities": (view["joint_velocities"], golden["out/written/joint_velocities/velocities"]),
    }
    new = {name: before.index_copy(0, worlds, after) for name, (before, after) in values.items()}
    assert not golden["out/written/velocities/velocities"].any()
    velocities = view["velocities"].index_fill(0, worlds, 0.0)
    poses = new.pop("positions"), new.pop("orientations")
    task.anymals.replace(world_poses=poses, velocities=velocities, **new)


def test_torques_match(task, golden, monkeypatch):
    """By default, drives exert them; the physics step after those of upstream is tested with the task."""
    see(task, golden, monkeypatch)
    control = {name: golden[f"in/control/{name}"] for name in ("joint_positions", "joint_velocities", "actions")}
    task.anymals.replace(joint_positions=control["joint_positions"], joint_velocities=control["joint_velocities"])
    task.pre_physics_step(control["actions"])
    expected = golden["out/joint_efforts"]
    assert 0.05 < (expected.abs() == 80.0).float().mean() < 0.5
    if task.upstream:
        assert_columns(task.anymals.written["set_joint_efforts"][0], expected)
    else:
        (targets,) = task.anymals.written["set_joint_position_targets"]
        drives = 80.0 * (targets - control["joint_positions"]) - 2.0 * control["joint_velocities"]
        assert_columns(drives.clamp(-80.0, 80.0), expected)
    assert task.steps_between_pushes == golden["out/push_interval"]


@pytest.mark.parametrize("compat", MODES)
def test_resets_noise_and_pushes_have_the_same_distribution(golden, compat):
    with make_env("AnymalTerrain", 4096, compat=compat, learn__pushInterval_s=0.02) as env:
        task: Any = env.task
        assert_columns(task.noise_scale.unsqueeze(0), golden["out/noise_scale"].unsqueeze(0))
        positions, orientations = task.anymals.get_world_poses()
        assert_distribution(positions - task.tile_origins[task.terrain_levels, task.terrain_types], golden, "offsets")
        assert_distribution(orientations, golden, "orientations")
        assert_distribution(task.anymals.get_velocities(), golden, "velocities")
        assert_distribution(task.anymals.get_joint_positions(), golden, "joint_positions")
        assert_distribution(task.anymals.get_joint_velocities(), golden, "joint_velocities")
        commands = torch.cat((task.commands[:, :2], task.headings.unsqueeze(-1)), dim=-1)
        assert_distribution(commands, golden, "commands")
        for name in ("terrain_levels", "terrain_types"):
            assert_distribution(getattr(task, name).float().unsqueeze(-1), golden, name)
        task._push_if_due()
        assert_distribution(task.anymals.get_velocities(), golden, "pushed_velocities")
