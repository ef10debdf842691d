"""Tables of docs/coming_from/omniisaacgymenvs.md agree with the code."""

import re
from pathlib import Path

import pytest
from oige_core import make_vec, math
from oige_core.registry import installed_specs, installed_tasks

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "coming_from" / "omniisaacgymenvs.md").read_text()
JOINTS = {
    task: re.findall(r"`(\w+)`", joints)
    for tasks, joints in re.findall(r"^\| ([\w, ]+) \| ((?:`\w+`(?:, )?)+) \|$", PAGE, re.MULTILINE)
    for task in tasks.split(", ")
}


def test_page_has_the_joints_of_each_task() -> None:
    assert JOINTS.keys() == installed_tasks().keys()


@pytest.mark.parametrize("task", JOINTS)
def test_joints_are_in_the_order_of_the_page(task: str) -> None:
    flat = {"task.env.terrain.numLevels": 1, "task.env.terrain.numTerrains": 1} if task == "AnymalTerrain" else {}
    env = make_vec(task, 1, {**flat, "num_threads": 1, "sim_device": "cpu"})
    try:
        robots = [view.dof_names for view in vars(env.task).values() if hasattr(view, "dof_names")]
    finally:
        env.close()
    assert JOINTS[task] in robots


def test_page_names_members_that_tasks_have() -> None:
    _, _, section = PAGE.partition("\n## A task of your own\n")
    here = " ".join(re.findall(r"^\| .* \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE))
    names = set(re.findall(r"self\.(\w+)", here)) - {"targets"}  # of an example
    assert {"assign", "cfg", "num_envs", "uniform"} <= names
    env = make_vec("Cartpole", 1, {"num_threads": 1, "sim_device": "cpu"})
    try:
        assert not [name for name in names if not hasattr(env.task, name)]
        assert isinstance(env.task.engine.physics_dt, float)
    finally:
        env.close()
    assert {"quat_apply", "quat_apply_inverse"} <= set(re.findall(r"quat_\w+", here)) <= set(math.__all__)


def test_page_has_the_keys_of_upstream_with_another_name() -> None:
    _, _, table = PAGE.partition("These keys below `task` have another name here.")
    rows = re.findall(r"^\| ([\w, ]+) \| (`[^|]*) \| (`[^|]*) \|$", table.partition("\n## ")[0], re.MULTILINE)
    named = {
        (task, old, re.findall(r"`([\w.]+)`", here)[0])
        for tasks, upstream, here in rows
        for task in tasks.split(", ")
        for old in re.findall(r"`([\w.]+)`", upstream)
    }
    renamed = {
        (task, old, re.sub(r"\.\d$", "", new.key))  # an index of a list
        for task, spec in installed_specs().items()
        for old, new in spec.renamed.items()
    }
    assert named == renamed
