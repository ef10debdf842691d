"""Anymal against golden vectors of OmniIsaacGymEnvs.

Fixes in the default mode: rewards and actions are scaled by the control step, 0.02 s, not 1/60 s; gravity is turned
into the base's frame; episodes last 2500 steps, 50 s, not 2999.
"""

from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env

MODES = ("upstream", "fixed")
GRAVITY = range(6, 9)
SCALE = {"upstream": 1.0, "fixed": 0.02 * 60}  # of rewards and actions


@pytest.mark.parametrize("compat", MODES)
def test_steps_match(compat: str) -> None:
    golden = Golden("Anymal")
    upstream = compat == "upstream"
    with make_env("Anymal", len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        values = golden.view("anymals")
        torch.testing.assert_close(values.pop("dof_limits")[0], task.anymals.get_dof_limits()[0])
        task.anymals = view = GoldenView(task.anymals, values)
        default = golden["out/reset/joint_position_targets"]
        for i in range(2):
            task.pre_physics_step(golden[f"in/actions/{i}"])
            ours = (view.written["set_joint_position_targets"][0] - default) / SCALE[compat]
            theirs = golden[f"out/joint_position_targets/{i}"] - default
            free = slice(None) if upstream else slice(4, None)  # joints that their limits stop later or earlier
            assert_columns(ours[:, free], theirs[:, free])
        task.commands, task.last_joint_velocities = golden["in/commands"], golden["in/last_dof_vel"]
        task.progress_buf = golden["in/progress"]
        task.obs_buf = task.get_observations()
        assert_columns(task.obs_buf, golden["out/observations"], skip=[] if upstream else GRAVITY)
        task.terminated_buf = task.is_done()
        assert 0.05 < task.terminated_buf.float().mean() < 0.2
        if upstream:
            assert torch.equal(task.terminated_buf | task.is_cut_short(), golden["out/resets"].bool())
        rewards = task.calculate_metrics()
        for name, theirs in golden.terms().items():
            assert_columns(task.reward_terms_by_name()[name] / SCALE[compat], theirs)
        kept = ~task.terminated_buf
        assert_columns(rewards[~kept], golden["out/rewards"][~kept])
        assert_columns(rewards[kept] / SCALE[compat], golden["out/rewards"][kept])
        assert 0.1 < (golden["out/rewards"][kept] == 0.0).float().mean() < 0.9  # clamped


@pytest.mark.parametrize("compat", MODES)
def test_resets_match(compat: str) -> None:
    golden = Golden("Anymal")
    with make_env("Anymal", 4096, compat=compat) as env:
        task: Any = env.task
        assert_distribution(task.anymals.get_joint_velocities(), golden, "joint_velocities")
        assert_distribution(task.commands, golden, "commands")
        assert_columns(task.anymals.get_joint_positions()[:1], golden["out/reset/joint_positions"])
        assert_columns(task.targets[:1], golden["out/reset/joint_position_targets"])
        assert task.anymals.get_velocities()[:1].equal(golden["out/reset/root_velocities"])
        assert task.last_joint_velocities[:1].equal(golden["out/reset/last_dof_vel"])
