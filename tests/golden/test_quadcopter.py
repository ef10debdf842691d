"""Quadcopter against golden vectors of OmniIsaacGymEnvs. Tests of the default mode name its fixes."""

from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_endings, assert_flight_resets, make_env

MODES = ("upstream", "fixed")


@pytest.fixture(scope="module")
def golden():
    return Golden("Quadcopter")


def see(task: Any, golden: Golden) -> None:
    """Let a task observe the golden states."""
    task.vehicles = GoldenView(task.vehicles, golden.view("vehicles"))
    task.obs_buf = task.get_observations()


@pytest.mark.parametrize("compat", MODES)
def test_observations_and_rewards_match(golden, compat):
    with make_env("Quadcopter", len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        see(task, golden)
        assert_columns(task.obs_buf, golden["out/observations"])
        assert_columns(task.calculate_metrics(), golden["out/rewards"])
        assert (golden["out/rewards"] == 0.0).any()
        terms = task.reward_terms_by_name()
        factors = {name: golden[f"out/factors/{name}_reward"] for name in ("pos", "up", "spinnage")}
        assert_columns(terms["position"], factors["pos"])
        assert_columns(terms["upright"] / terms["position"], factors["up"])
        assert_columns(terms["spin"] / terms["position"], factors["spinnage"])


@pytest.mark.parametrize("compat", MODES)
def test_episodes_end_in_the_same_states_but_for_the_last_step(golden, compat):
    """The default mode ends episodes after 500 steps, the original after 499."""
    with make_env("Quadcopter", len(golden["out/rewards"]), compat=compat) as env:
        see(env.task, golden)
        assert_endings(env.task, golden, last=499)


@pytest.mark.parametrize("compat", MODES)
def test_targets_and_forces_match_but_for_worlds_that_are_reset(golden, compat, monkeypatch):
    """Eight steps, one of which resets some worlds and ignores their actions, which the default mode does not."""
    n = len(golden["out/rewards"])
    with make_env("Quadcopter", n, compat=compat, autoresetMode="upstream") as env:
        task: Any = env.task
        see(task, golden)
        forces: list[torch.Tensor] = []
        monkeypatch.setattr(task.rotors, "apply_forces", lambda values, is_global: forces.append(values))
        task.angle_targets, task.thrusts = torch.zeros(n, 8), torch.zeros(n, 4)
        kept = torch.ones(n, dtype=torch.bool)
        for step, actions in enumerate(golden["in/actions"]):
            resets, targets = golden["in/resets"][step], golden["out/joint_position_targets"][step]
            task.ended_buf = resets
            if resets.any():
                task.reset_idx(resets.nonzero().squeeze(-1))
                task.angle_targets = torch.where(resets.unsqueeze(-1), targets, task.angle_targets)
                kept &= ~resets | (compat == "upstream")
            task.pre_physics_step(actions)
            (written,) = task.vehicles.written["set_joint_position_targets"]
            assert_columns(written[kept], targets[kept])
            assert_columns(forces[-1][kept], golden["out/forces"][step][kept])
        assert golden["in/resets"].any()


@pytest.mark.parametrize("compat", MODES)
def test_resets_have_the_same_distribution(golden, compat):
    with make_env("Quadcopter", 4096, compat=compat) as env:
        assert_flight_resets(env.task, golden)
