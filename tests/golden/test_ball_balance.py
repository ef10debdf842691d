"""BallBalance against golden vectors of OmniIsaacGymEnvs.

By default, episodes last 600 steps instead of 599, the ball starts 1 m lower, the legs are at rest after a reset, and
the action of the step that resets a world moves its targets.
"""

from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env

MODES = ("upstream", "fixed")


@pytest.mark.parametrize("compat", MODES)
def test_steps_match(compat):
    golden = Golden("BallBalance")
    with make_env("BallBalance", len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        task.tables = GoldenView(task.tables, golden.view("tables"))
        task.balls = GoldenView(task.balls, golden.view("balls"))
        task.obs_buf = task.get_observations()
        assert_columns(task.obs_buf, golden["out/observations"])
        task.progress_buf = golden["in/progress"]
        terminated, resets = task.is_done(), golden["out/resets"].bool()
        one_step_longer = golden["in/progress"] == 599
        assert torch.equal(
            terminated | task.is_cut_short(), resets if compat == "upstream" else resets & ~one_step_longer
        )
        assert 0.1 < terminated.float().mean() < 0.9
        assert_columns(task.calculate_metrics(), golden["out/rewards"])


@pytest.mark.parametrize("compat", MODES)
def test_actions_move_targets(compat):
    golden = Golden("BallBalance")
    with make_env("BallBalance", len(golden["out/rewards"]), compat=compat, autoresetMode="upstream") as env:
        task: Any = env.task
        reset = golden["in/reset_in_last_step"].bool()
        task.tables = view = GoldenView(task.tables, golden.view("tables"))
        for step, actions in enumerate(golden["in/actions"]):
            if step == 2:
                task.ended_buf = reset
                task.reset_idx(reset.nonzero().flatten())
            task.pre_physics_step(actions)
            targets, columns = view.written["set_joint_position_targets"]
            expected = golden["out/targets"][step][:, columns["joint_indices"]]
            if step == 2 and compat == "fixed":
                assert_columns(targets[~reset], expected[~reset])
                assert_columns(targets[reset], 0.2 * actions[reset])
            else:
                assert_columns(targets, expected)


@pytest.mark.parametrize("compat", MODES)
def test_resets_have_the_same_distribution(compat):
    golden = Golden("BallBalance")
    assert not golden["out/reset/joint_velocities_written"]
    with make_env("BallBalance", 4096, compat=compat) as env:
        task: Any = env.task
        task.tables.set_joint_velocities(torch.ones(4096, 6))
        task.reset_idx(torch.arange(4096))
        moving = task.tables.get_joint_velocities()
        assert moving.eq(1.0 if compat == "upstream" else 0.0).all()
        positions, velocities = task.balls.get_world_poses()[0], task.balls.get_velocities()
        if compat == "fixed":
            positions[:, 2] += 1.0
        radius = positions[:, :2].norm(dim=-1, keepdim=True)
        outwards = (velocities[:, :2] * positions[:, :2] / radius).sum(-1, keepdim=True)
        for name, samples in (
            ("ball_position", positions),
            ("ball_velocity", velocities),
            ("ball_radius", radius),
            ("ball_inwards", (-outwards / (radius - 0.001) * 0.399)[radius[:, 0] > 0.05]),
        ):
            assert_distribution(samples, golden, name)
