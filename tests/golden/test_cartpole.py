"""Cartpole and its Warp variant against golden vectors of OmniIsaacGymEnvs.

By default, the Warp variant ends episodes after 500 steps as the torch task does, instead of 501, and draws new numbers
at each reset.
"""

from typing import Any

import pytest
import torch
import warp as wp
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env

MODES = ("upstream", "fixed")


@pytest.mark.parametrize("compat", MODES)
def test_steps_match(compat):
    golden = Golden("Cartpole")
    with make_env("Cartpole", len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        task.cartpoles = view = GoldenView(task.cartpoles, golden.view("cartpoles"))
        task.progress_buf = golden["in/progress"]
        task.obs_buf = task.get_observations()
        assert_columns(task.obs_buf, golden["out/observations"])
        task.terminated_buf = task.is_done()
        resets = task.terminated_buf | task.is_cut_short()
        assert torch.equal(resets, golden["out/resets"].bool())
        assert 0.1 < resets.float().mean() < 0.9
        assert_columns(task.calculate_metrics(), golden["out/rewards"])
        kept = ~task.terminated_buf  # the reward of a failure replaces the terms
        for name, values in task.reward_terms_by_name().items():
            assert_columns(values[kept], golden.terms()[name][kept])
        task.pre_physics_step(golden["in/actions"])
        efforts, columns = view.written["set_joint_efforts"]
        assert_columns(efforts, golden["out/joint_efforts"][:, columns["joint_indices"]])


@pytest.mark.parametrize("compat", MODES)
@pytest.mark.parametrize(("warp", "file"), [(False, "Cartpole"), (True, "CartpoleWarp")])
def test_resets_have_the_same_distribution(compat, warp, file):
    with make_env("Cartpole", 4096, compat=compat, warp=warp) as env:
        task: Any = env.task
        for name in ("joint_positions", "joint_velocities"):
            assert_distribution(getattr(task.cartpoles, f"get_{name}")(), Golden(file), name)


@pytest.mark.parametrize("compat", MODES)
def test_steps_of_the_warp_variant_match(compat):
    golden = Golden("CartpoleWarp")
    n = len(golden["out/rewards"])
    with make_env("Cartpole", n, compat=compat, warp=True, clipObservations=10.0) as env:
        task: Any = env.task
        task.cartpoles.set_joint_positions(golden["in/cartpoles/joint_positions"])
        task.cartpoles.set_joint_velocities(golden["in/cartpoles/joint_velocities"])
        observations, _ = env.reset(options={"reset_mask": torch.zeros(n, dtype=torch.bool)})
        assert_columns(observations, golden["out/observations"])
        task.is_done()
        task.calculate_metrics()
        assert_columns(wp.to_torch(task.rewards), golden["out/rewards"])
        limit = task.time_limit if compat == "upstream" else task.time_limit + 1
        assert limit == 501
        resets = wp.to_torch(task.terminated) | (golden["in/progress"] >= limit)
        assert torch.equal(resets, golden["out/resets"].bool())


def test_resets_of_the_warp_variant_draw_the_numbers_of_the_original():
    golden = Golden("CartpoleWarp")
    first = golden["out/reset/first"]
    n, seed = len(first), int(golden["out/reset/seed"])
    with make_env("Cartpole", n, compat="upstream", warp=True, seed=seed) as env:
        task: Any = env.task
        for mask in (torch.ones(n, dtype=torch.bool), torch.arange(n) % 3 == 2):
            task.reset_idx(wp.from_torch(mask))
            joints = task.cartpole.joint_positions, task.cartpole.joint_velocities
            motion = torch.cat([wp.to_torch(values) for values in joints], dim=-1)
            assert_columns(motion[mask], first[: mask.sum()])
