"""FrankaDeformable against golden vectors of OmniIsaacGymEnvs, in which node 200 and the last one are front and back.

Fixes in the default mode: the desired height of a tube is that of its world only; episodes last 100 steps, not 99; a
tube in the wall of the beaker ends them, which the recorded places do not respect.
"""

from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, assert_endings, make_env
from oige_tasks_manipulation.franka_deformable import task as task_module

MODES = ("upstream", "fixed")
NODES = [200, -1]  # observed in the original


@pytest.mark.parametrize("compat", MODES)
def test_steps_match(compat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_module, "is_through_wall", lambda nodes: torch.zeros(len(nodes), dtype=torch.bool))
    golden = Golden("FrankaDeformable")
    with make_env("FrankaDeformable", len(golden["out/rewards"]), compat=compat) as env:
        task: Any = env.task
        values = golden.view("frankas")
        torch.testing.assert_close(values.pop("dof_limits")[0], task.frankas.get_dof_limits()[0])
        task.frankas = frankas = GoldenView(task.frankas, values)
        task.targets = golden["in/previous_targets"]
        for i in range(2):
            task.pre_physics_step(golden["in/actions"][i])
            assert_columns(frankas.written["set_joint_position_targets"][0], golden[f"out/targets/{i}"])
        for side, name in (("left", "lfingers"), ("right", "rfingers")):
            view = getattr(task, f"{side}_fingers")
            setattr(task, f"{side}_fingers", GoldenView(view, golden.view(name)))
        nodes = {f"simulation_mesh_{name}": value[:, NODES] for name, value in golden.view("tube").items()}
        task.tubes = GoldenView(task.tubes, nodes)
        task.nodes = task.line_nodes = [0, 1]
        assert_columns(task.get_observations(), golden["out/observations"])
        task.back = golden["out/observations"][:, 33:36]  # rounded: the original's worlds are up to 30 m apart
        rewards = task.calculate_metrics()
        terms = task.reward_terms_by_name()
        assert_columns(terms["goal_distance"], golden["out/terms/goal_distance"])
        if compat == "upstream":
            assert_columns(terms["lift"], golden["out/terms/lift"])
            assert_columns(rewards, golden["out/rewards"])
        assert_endings(task, golden, last=99)


def test_resets_match() -> None:
    golden = Golden("FrankaDeformable")
    with make_env("FrankaDeformable", 16, compat="fixed") as env:
        task: Any = env.task
        assert_distribution(task.frankas.get_joint_positions(), golden, "joint_positions")
        assert_distribution(task.frankas.get_joint_velocities(), golden, "joint_velocities")
        torch.testing.assert_close(task.targets, task.frankas.get_joint_positions())
