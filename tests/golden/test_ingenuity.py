"""Ingenuity against golden vectors of OmniIsaacGymEnvs.

By default, episodes last 2000 steps instead of 1999, forces act along the axes of the helicopter, actions apply in the
step that resets a world, and the speed of the blades is set only at resets.
"""

from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env
from oige_core.math import quat_apply

MODES = ("upstream", "fixed")


@pytest.mark.parametrize("compat", MODES)
def test_steps_match(compat):
    golden = Golden("Ingenuity")
    with make_env("Ingenuity", len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        task.vehicles = GoldenView(task.vehicles, golden.view("vehicles"))
        task.targets = golden["in/targets"]
        task.obs_buf = task.get_observations()
        assert_columns(task.obs_buf, golden["out/observations"])
        task.progress_buf = golden["in/progress"]
        terminated, resets = task.is_done(), golden["out/resets"].bool()
        one_step_longer = (golden["in/progress"] == 1999) & ~terminated
        assert one_step_longer.any()
        assert torch.equal(
            terminated | task.is_cut_short(), resets if compat == "upstream" else resets & ~one_step_longer
        )
        assert 0.1 < terminated.float().mean() < 0.9
        assert_columns(task.calculate_metrics(), golden["out/rewards"])
        for name, values in task.reward_terms_by_name().items():
            assert_columns(values, golden.terms()[name])


@pytest.mark.parametrize("compat", MODES)
def test_actions_become_forces(compat):
    golden = Golden("Ingenuity")
    n = len(golden["out/rewards"])
    with make_env("Ingenuity", n, compat=compat, autoresetMode="upstream") as env:
        task: Any = env.task
        reset = golden["in/reset_in_step"].bool()
        task.vehicles = view = GoldenView(task.vehicles, golden.view("vehicles"))
        task.rotors = GoldenView(task.rotors, {})
        task.ended_buf = reset
        task.progress_buf = torch.full((n,), 7)
        task.pre_physics_step(golden["in/actions"])
        (forces,) = task.rotors.written["apply_forces"]
        expected = golden["out/forces"]
        if compat == "upstream":
            assert_columns(forces, expected)
            (speeds,) = view.written["set_joint_velocities"]
            assert_columns(speeds.expand(n, 4), golden["out/joint_velocities"])
        else:
            _, orientations = golden.view("vehicles")["world_poses"]
            assert_columns(forces[~reset], quat_apply(orientations.unsqueeze(1), expected)[~reset])
            assert forces[reset].abs().max() > 10.0
            assert "set_joint_velocities" not in view.written


@pytest.mark.parametrize("compat", MODES)
def test_targets_move_at_the_same_steps(compat):
    golden = Golden("Ingenuity")
    progress = golden["in/progress_for_targets"]
    with make_env("Ingenuity", len(progress), compat=compat) as env:
        task: Any = env.task
        task.progress_buf = progress
        before = task.targets
        task.pre_physics_step(torch.zeros(len(progress), 6))
        moved = (task.targets != before).any(dim=-1)
        assert torch.equal(moved | (progress == 0), golden["out/has_new_target"])  # at 0, the reset draws them
        assert 0.1 < moved.float().mean() < 0.9


@pytest.mark.parametrize("compat", MODES)
def test_resets_have_the_same_distribution(compat):
    golden = Golden("Ingenuity")
    with make_env("Ingenuity", 4096, compat=compat) as env:
        task: Any = env.task
        positions, orientations = task.vehicles.get_world_poses()
        assert_distribution(positions, golden, "position")
        assert orientations.unique(dim=0).tolist() == [[1.0, 0.0, 0.0, 0.0]]
        assert_distribution(task.targets, golden, "targets")
        assert_distribution(task.vehicles.get_joint_positions(), golden, "joint_positions")
        assert not task.vehicles.get_velocities().any()
