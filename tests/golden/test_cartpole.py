"""Cartpole and its Warp variant against golden vectors of OmniIsaacGymEnvs; there are no fixes in the default mode."""

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
        short = golden["in/progress"] <= task.max_episode_length  # others end by their length
        assert torch.equal(wp.to_torch(task.terminated)[short], golden["out/resets"][short].bool())
