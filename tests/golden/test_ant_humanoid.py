"""Ant, Humanoid and their Warp variants against golden vectors of OmniIsaacGymEnvs.

Fixes in the default mode: episodes last 1000 steps, not 999; the target is 1 km ahead of each world; the angle to it is
that to the left; Ant's limit cost is ``jointsAtLimitCost`` for each joint, at both limits.

The target is 1 km away, where single precision resolves 6e-5 m. Progress, the difference of two distances times 60/s,
is therefore rounded to about 0.004 in the original and in ours. The other terms are not, and agree to 1e-5.
"""

from typing import Any

import pytest
import torch
import warp as wp
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env

MODES = ("upstream", "fixed")
TASKS = ("Ant", "Humanoid")
PROGRESS_ROUNDING = 0.02  # of two potentials of up to 78,000, to 0.008 each, and of two distances times 60
TARGET, ANGLE = 1000.0, 9
LAST_STEP = 999  # of 1000; the original's episodes end here


def place(golden: Golden, compat: str) -> dict[str, Any]:
    """Return the values of the view in each world, whose origin is not that of the stage.

    In the default mode each world has a target of its own. There, robots are placed so that they see the target of the
    original in the same direction and distance.
    """
    values = golden.view("robots")
    places, orientations = values["world_poses"]
    return values | {"world_poses": (places - golden["in/origins"] if compat == "upstream" else places, orientations)}


@pytest.mark.parametrize("compat", MODES)
@pytest.mark.parametrize("name", TASKS)
def test_steps_match(name: str, compat: str) -> None:
    golden = Golden(name)
    with make_env(name, len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        values = place(golden, compat)
        torch.testing.assert_close(values.pop("dof_limits")[0], task.robots.get_dof_limits()[0])
        task.robots = view = GoldenView(task.robots, values)
        task.pre_physics_step(golden["in/actions"])
        assert_columns(view.written["set_joint_efforts"][0], golden["out/joint_efforts"])
        task.progress_buf, task.last_distance = golden["in/progress"], golden["in/potentials"] / -60.0
        task.obs_buf = task.get_observations()
        assert_columns(task.obs_buf, golden["out/observations"], skip=[] if compat == "upstream" else [ANGLE])
        assert_columns(-60.0 * task.distance, golden["out/potentials"])
        task.terminated_buf = task.is_done()
        resets = task.terminated_buf | task.is_cut_short()
        ended = slice(None) if compat == "upstream" else golden["in/progress"] != LAST_STEP
        assert torch.equal(resets[ended], golden["out/resets"][ended].bool())
        rewards = task.calculate_metrics()
        terms = task.reward_terms_by_name()
        fixed = {"joint_limits"} if (compat, name) == ("fixed", "Ant") else set()
        for term, golden_values in golden.terms().items():
            if term not in fixed:
                assert_columns(terms[term], golden_values)
        progress = golden["out/potentials"].double() - golden["in/potentials"]
        assert (terms["progress"] - progress).abs().max() < PROGRESS_ROUNDING
        kept = ~task.terminated_buf
        assert 0.05 < (~kept).float().mean() < 0.2
        assert_columns(rewards[~kept], golden["out/rewards"][~kept])
        if not fixed:
            assert_columns((rewards - terms["progress"])[kept], (golden["out/rewards"] - progress)[kept])


@pytest.mark.parametrize("compat", MODES)
@pytest.mark.parametrize("name", TASKS)
def test_resets_match(name: str, compat: str) -> None:
    golden = Golden(name)
    with make_env(name, 4096, compat=compat) as env:
        task: Any = env.task
        for getter in ("joint_positions", "joint_velocities"):
            assert_distribution(getattr(task.robots, f"get_{getter}")(), golden, getter)
        assert task.robots.get_velocities()[:1].equal(golden["out/reset/velocities"])
        assert task.robots.get_world_poses()[1][:1].equal(golden["out/reset/orientations"])
    with make_env(name, len(golden["out/rewards"]), compat=compat) as env:
        task = env.task
        at_start = golden["out/reset/potentials"] if compat == "upstream" else torch.full((128,), -60.0 * TARGET)
        assert_columns(-60.0 * task.last_distance, at_start)


# --- Warp variants -------------------------------------------------------------------------------------------------


def write_state(robot: Any, golden: Golden, links: list[str]) -> None:
    """Write golden values into the arrays that kernels read."""
    values = golden.view("robots")
    places, orientations = values["world_poses"]
    order = [values["body_names"].index(link) if link in values["body_names"] else 0 for link in links]
    for array, value in (
        (robot.root_positions, places - golden["in/origins"]),
        (robot.root_orientations, orientations.roll(-1, dims=-1)),
        (robot.root_linear_velocities, values["velocities"][:, :3]),
        (robot.root_angular_velocities, values["velocities"][:, 3:]),
        (robot.joint_positions, values["joint_positions"]),
        (robot.joint_velocities, values["joint_velocities"]),
        (robot.joint_forces, values["measured_joint_forces"][:, order]),
    ):
        wp.to_torch(array).copy_(value)


def read(array: wp.array) -> torch.Tensor:
    return wp.to_torch(array).clone()


@pytest.mark.parametrize("compat", MODES)
@pytest.mark.parametrize("name", TASKS)
def test_steps_of_the_warp_variants_match(name: str, compat: str) -> None:
    """Further fixes: Ant sees four feet, and the limit costs of all joints count, with ``jointsAtLimitCost``."""
    golden = Golden(f"{name}Warp")
    n, upstream = len(golden["out/rewards"]), compat == "upstream"
    with make_env(name, n, compat=compat, warp=True) as env:
        task: Any = env.task
        write_state(task.robot, golden, task.robots.body_names)
        wp.to_torch(task.actions).copy_(golden["in/actions"])
        task.pre_physics_step()
        assert_columns(read(task.robot.joint_efforts), golden["out/joint_efforts"])
        wp.to_torch(task.last_distance).copy_(golden["in/potentials"] / -60.0)
        task.get_observations()
        observations, expected = read(task.observations), golden["out/observations"]
        if not upstream and name == "Ant":  # two more feet, and then the actions
            assert_columns(observations[:, 52:], expected[:, 40:48])
            assert not expected[:, 48:].any()
            observations, expected = observations[:, :40], expected[:, :40]
        assert_columns(observations, expected, skip=[] if upstream else [ANGLE])
        assert_columns(-60.0 * read(task.distance), golden["out/potentials"])
        task.is_done()
        low = read(task.terminated)
        resets = low | (golden["in/progress"] >= task.time_limit)
        ended = slice(None) if upstream else golden["in/progress"] != LAST_STEP
        assert torch.equal(resets[ended], golden["out/resets"][ended].bool())
        assert 0.05 < low.float().mean() < 0.2
        task.calculate_metrics()
        rewards = read(task.rewards).double()
        terms = task.reward_terms_by_name()
        progress = golden["out/potentials"].double() - golden["in/potentials"]
        limits = golden.terms()["joint_limits"]
        assert (terms["progress"] - progress).abs().max() < PROGRESS_ROUNDING
        assert_columns(rewards[low], golden["out/rewards"][low])
        if upstream:
            assert_columns(terms["joint_limits"], limits)
            assert 0.01 < (limits != 0).float().mean() < 0.5
        rest = rewards - terms["progress"] - terms["joint_limits"]
        assert_columns(rest[~low], (golden["out/rewards"] - progress - limits)[~low])


@pytest.mark.parametrize("name", TASKS)
def test_resets_of_the_warp_variants_match(name: str) -> None:
    """With the seed of the original's configuration, each reset draws the same numbers, world by world."""
    golden = Golden(f"{name}Warp")
    n = len(golden["out/rewards"])
    with make_env(name, n, compat="upstream", warp=True) as env:
        task: Any = env.task
        task.config.seed = 42
        assert env.task.progress_buf[:2].equal(golden["out/reset/progress"].long())
        assert not golden["out/reset/flags"].any()  # the original's reset of the environment resets no world
        task.restart(torch.arange(n))
        assert env.task.progress_buf[:2].equal(golden["out/reset/progress"].long())
        for which, worlds in (("all", list(range(n))), ("some", golden["in/reset/worlds"].tolist())):
            mask = torch.zeros(n, dtype=torch.bool).index_fill_(0, torch.tensor(worlds), True)
            task.reset_idx(wp.from_torch(mask))
            for array in ("joint_positions", "joint_velocities"):
                ours = read(getattr(task.robot, array))[worlds]
                assert_columns(ours, golden[f"out/reset/{which}/{array}"])
        distance = read(task.last_distance)[worlds]
        assert_columns(-60.0 * distance, golden["out/reset/potentials"])
