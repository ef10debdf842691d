"""Crazyflie against golden vectors of OmniIsaacGymEnvs. Tests of the default mode name its fixes."""

from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_endings, assert_flight_resets, make_env

MODES = ("upstream", "fixed")


@pytest.fixture(scope="module")
def golden():
    return Golden("Crazyflie")


def see(task: Any, golden: Golden) -> None:
    """Let a task observe the golden states."""
    task.vehicles = GoldenView(task.vehicles, golden.view("vehicles"))
    task.targets = torch.tensor([0.0, 0.0, 2.0]).expand(task.num_envs, 3).clone()
    task.obs_buf = task.get_observations()


@pytest.mark.parametrize("compat", MODES)
def test_observations_and_rewards_match_but_for_the_sign_of_effort(golden, compat):
    with make_env("Crazyflie", len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        see(task, golden)
        assert_columns(task.obs_buf, golden["out/observations"])
        task.actions = golden["in/actions"][-1]
        rewards = task.calculate_metrics()
        terms = task.reward_terms_by_name()
        factors = {name: golden[f"out/factors/{name}_reward"] for name in ("pos", "up", "spin", "effort")}
        assert_columns(terms["position"], factors["pos"])
        assert_columns(terms["upright"] / terms["position"], factors["up"])
        assert_columns(terms["spin"] / terms["position"], factors["spin"])
        if compat == "upstream":
            assert_columns(terms["effort"], -factors["effort"])
            assert_columns(rewards, golden["out/rewards"])
        else:
            assert_columns(terms["effort"], factors["effort"])
            assert_columns(rewards, golden["out/rewards"] + 2.0 * factors["effort"])


@pytest.mark.parametrize("compat", MODES)
def test_episodes_end_in_the_same_states_but_for_the_last_step(golden, compat):
    """The default mode ends episodes after 700 steps, the original after 699."""
    with make_env("Crazyflie", len(golden["out/rewards"]), compat=compat) as env:
        see(env.task, golden)
        assert_endings(env.task, golden, last=699)


@pytest.mark.parametrize("compat", MODES)
def test_forces_match_but_for_the_direction_of_thrust(golden, compat, monkeypatch):
    """Eight steps with the noise of the original. One of them resets some worlds: nothing pushes there.

    The default mode differs in two points: thrust acts along the z axis of the body, and worlds are pushed in the step
    that resets them.
    """
    n = len(golden["out/rewards"])
    with make_env("Crazyflie", n, compat=compat, autoresetMode="upstream") as env:
        task: Any = env.task
        see(task, golden)
        sent: list[torch.Tensor] = []
        monkeypatch.setattr(task.propellers, "apply_forces", sent.append)
        task.speeds = torch.zeros(n, 4)
        for step, actions in enumerate(golden["in/actions"]):
            noise, resets = golden["in/noise"][step], golden["in/resets"][step]
            monkeypatch.setattr(torch, "randn", lambda rows, _, noise=noise, **__: noise.expand(rows, 4))
            task.ended_buf = resets
            if resets.any():
                task.reset_idx(resets.nonzero().squeeze(-1))
                see(task, golden)
            task.pre_physics_step(actions)
            expected = golden["out/forces"][step]
            (speeds, _), forces = task.vehicles.written["set_joint_velocities"], sent[-1]
            assert_columns(speeds, golden["out/joint_velocities"][step])
            if compat == "fixed":
                forces, up = forces[~resets], golden["out/observations"][~resets, None, 9:12]
                expected = expected[~resets].norm(dim=-1, keepdim=True) * up
            assert_columns(forces, expected)
        assert golden["in/resets"].any()


def test_resets_match_in_upstream_mode(golden):
    """The default mode randomises start and target."""
    with make_env("Crazyflie", 256, compat="upstream") as env:
        assert_flight_resets(env.task, golden)
