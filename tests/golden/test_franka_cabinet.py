"""FrankaCabinet against golden vectors of OmniIsaacGymEnvs.

Fixes in the default mode: the right finger is read, not the left one twice; two terms have lower weights, but not here;
episodes last 500 steps, not 499.
"""

from typing import Any

import pytest
import torch
from golden_support import (
    Golden,
    GoldenView,
    assert_columns,
    assert_distribution,
    assert_endings,
    make_env,
)

MODES = ("upstream", "fixed")
TERMS = {  # ours by name of the original
    "dist": "distance",
    "rot": "rotation",
    "around_handle": "around_handle",
    "open": "open",
    "finger_dist": "finger_distance",
    "finger_close": "finger_close",
    "action": "action",
}


@pytest.mark.parametrize("compat", MODES)
def test_steps_match(compat: str) -> None:
    golden = Golden("FrankaCabinet")
    prefix = "out" if compat == "upstream" else "out/with_right_finger"
    weights: dict[str, Any] = {"aroundHandleRewardScale": 10.0, "fingerDistRewardScale": 100.0}  # those of the original
    with make_env("FrankaCabinet", len(golden["out/rewards"]), compat=compat, **weights) as env:
        task: Any = env.task
        values = golden.view("frankas")
        torch.testing.assert_close(values.pop("dof_limits")[0], task.frankas.get_dof_limits()[0])
        task.frankas = frankas = GoldenView(task.frankas, values)
        task.targets = golden["in/previous_targets"]
        for i in range(2):
            task.pre_physics_step(golden["in/actions"][i])
            assert_columns(frankas.written["set_joint_position_targets"][0], golden[f"out/targets/{i}"])
        task.cabinets = GoldenView(task.cabinets, golden.view("cabinets"))
        names = {"hands": "hands", "drawers": "drawers", "left_fingers": "lfingers", "right_fingers": "rfingers"}
        for ours, theirs in names.items():
            setattr(task, ours, GoldenView(getattr(task, ours), golden.view(theirs)))
        task.local_grasp = golden["in/local_grasp/0"], golden["in/local_grasp/1"]
        assert_columns(task.get_observations(), golden["out/observations"])
        rewards = task.calculate_metrics()
        terms = task.reward_terms_by_name()
        for theirs, ours in TERMS.items():
            assert_columns(terms[ours], golden[f"{prefix}/terms/{theirs}"])
        assert_columns(rewards, golden[f"{prefix}/rewards"])
        assert terms["around_handle"].any() == (compat == "fixed")
        assert 0.0 < (terms["finger_close"] > 0.0).float().mean() < 1.0
        assert_endings(task, golden, last=499)


def test_resets_match() -> None:
    golden = Golden("FrankaCabinet")
    with make_env("FrankaCabinet", 2048, compat="fixed") as env:
        task: Any = env.task
        assert_distribution(task.frankas.get_joint_positions(), golden, "joint_positions")
        assert_distribution(task.frankas.get_joint_velocities(), golden, "joint_velocities")
        torch.testing.assert_close(task.targets, task.frankas.get_joint_positions())
