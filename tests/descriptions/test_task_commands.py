"""Descriptions say what actions set: the arguments of the views' setters are compared with them."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from oige_core import load_config, make_vec
from oige_core.description import ActionEntry, describe

SETTERS = {
    "effort": "set_joint_efforts",
    "position_target": "set_joint_position_targets",
    "velocity_target": "set_joint_velocity_targets",
}
DRIVEN = {
    "AllegroHand": "hands",
    "Ant": "robots",
    "AnymalTerrain": "anymals",
    "Cartpole": "cartpoles",
    "Humanoid": "robots",
    "ShadowHand": "hands",
    "TargetFollowing": "carters",
}
"""Tasks whose actions are efforts or targets of joints, with the view of the robot."""

MOVING = {
    "Anymal": "targets",
    "BallBalance": "targets",
    "FrankaCabinet": "targets",
    "FrankaDeformable": "targets",
    "Quadcopter": "angle_targets",
}
"""Tasks whose actions are speeds of position targets, with the attribute of the targets."""

UPSTREAM = {"task.env.compat": "upstream"}
RELATIVE = {"task.env.useRelativeControl": True}
SMALL = {
    "AnymalTerrain": {"task.env.terrain.numTerrains": 5},
    "TargetFollowing": {"task.env.imageSize": 16},
}


def make_task(name: str, overrides: dict[str, Any]) -> Any:
    env = make_vec(name, num_envs=1, overrides=SMALL.get(name, {}) | overrides, sim_device="cpu")
    env.reset(seed=1)
    return env.task


def record(monkeypatch: pytest.MonkeyPatch, view: Any, setter: str) -> list[tuple[torch.Tensor, Sequence[int]]]:
    """Record what a setter of a view gets, with the indices of the joints."""
    calls: list[tuple[torch.Tensor, Sequence[int]]] = []
    everything = range(len(view.dof_names))

    def note(values: torch.Tensor, indices: Any = None, joint_indices: Any = None) -> None:
        calls.append((values, everything if joint_indices is None else joint_indices))

    monkeypatch.setattr(view, setter, note)
    return calls


def in_unit(view: Any, entry: ActionEntry, value: float, joint: int) -> float:
    """Return a value relative to what the entry's is relative to."""
    if entry.relative_to == "limits":
        low, high = view.get_dof_limits()[0, joint].tolist()
        return (2.0 * value - low - high) / (high - low)
    return value


@pytest.mark.parametrize("name", DRIVEN)
def test_actions_are_the_described_efforts_or_targets_of_joints(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(name, {})
    view, entries = getattr(task, DRIVEN[name]), describe(task.config).actions
    calls = record(monkeypatch, view, SETTERS[str(entries[0].kind)])
    actions = torch.linspace(-0.6, 0.7, len(entries)).unsqueeze(0)
    task.pre_physics_step(actions)
    ((values, joints),) = calls
    for column, (entry, joint) in enumerate(zip(entries, joints, strict=True)):
        expected = entry.offset + entry.scale * float(actions[0, column])
        if entry.relative_to == "default_pose":
            expected += float(task.default_positions[joint])
        if name not in ("Cartpole", "TargetFollowing"):  # whose components are not joints
            assert view.dof_names[joint] == entry.component
        assert in_unit(view, entry, float(values[0, column]), joint) == pytest.approx(expected, rel=1e-4, abs=1e-5), (
            entry
        )
    task.engine.close()


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        *((name, {}) for name in MOVING),
        ("Anymal", UPSTREAM),
        ("BallBalance", UPSTREAM | {"task.env.controlFrequencyInv": 2}),
        ("AllegroHand", RELATIVE),
        ("AllegroHand", RELATIVE | UPSTREAM),
        ("ShadowHand", RELATIVE),
    ],
    ids=str,
)
def test_actions_move_position_targets_at_the_described_speeds(name: str, overrides: dict[str, Any]) -> None:
    task = make_task(name, overrides)
    targets = MOVING.get(name, "targets")
    entries = [entry for entry in describe(task.config).actions if entry.kind == "position_target_speed"]
    actions = torch.zeros(1, task.spec.num_actions)
    if name in ("AllegroHand", "ShadowHand"):
        task.targets = task.driven_middles.unsqueeze(0).clone()  # away from limits
    for column, entry in enumerate(entries):
        before = getattr(task, targets).clone()
        actions[0, column] = 0.05
        task.pre_physics_step(actions)
        change = (getattr(task, targets) - before)[0]
        actions[0, column] = -0.05
        task.pre_physics_step(actions)  # and back
        actions[0, column] = 0.0
        expected = 0.05 * entry.scale * task.control_dt
        assert float(change[column]) == pytest.approx(expected, rel=1e-3), entry
        others = [i for i in range(len(change)) if i != column and not (name == "FrankaDeformable" and i >= 7)]
        assert float(change[others].abs().max()) < 1e-6, entry
    task.engine.close()


@pytest.mark.parametrize("overrides", [{}, UPSTREAM], ids=["fixed", "upstream"])
def test_rotors_push_with_the_described_forces(overrides: dict[str, Any]) -> None:
    ingenuity = make_task("Ingenuity", overrides | {"task.sim.dt": 0.005})
    x, y, thrust = describe(ingenuity.config).actions[:3]
    from oige_tasks_classic.ingenuity.task import rotor_forces

    forces = rotor_forces(torch.tensor([[0.5, -1.0, 0.5, 0.0, 0.0, 0.0]]), ingenuity.max_thrust)[0, 0]
    up = 0.5 * thrust.scale
    assert forces.tolist() == pytest.approx([0.5 * x.scale * up, -y.scale * up, up])
    ingenuity.engine.close()


def test_propellers_reach_the_described_thrusts(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task("Crazyflie", {"task.sim.gravity": [0.0, 0.0, -5.0]})
    monkeypatch.setattr("oige_tasks_classic.crazyflie.task.THRUST_NOISE", 0.0)
    pushed: list[torch.Tensor] = []
    monkeypatch.setattr(task.propellers, "apply_forces", pushed.append)
    actions = torch.tensor([[-1.0, -0.5, 0.0, 1.0]])
    for _ in range(100):  # 1 s, many time constants
        task.pre_physics_step(actions)
    expected = [
        entry.offset + entry.scale * action
        for entry, action in zip(describe(task.config).actions, actions[0].tolist(), strict=True)
    ]
    assert pushed[-1][0].norm(dim=-1).tolist() == pytest.approx(expected, abs=1e-4)
    assert expected == pytest.approx([0.0, 0.25 * 0.0665, 0.5 * 0.0665, 0.0665])  # 1.9 · 28 g · 5 m/s² / 4
    task.engine.close()


def test_thrusts_of_the_quadcopter_change_at_the_described_rates() -> None:
    task = make_task("Quadcopter", {})
    entries = describe(task.config).actions
    actions = torch.zeros(1, 12)
    for column, entry in enumerate(entries):
        if entry.kind == "force_rate":
            before = task.thrusts.clone()
            actions[0, column] = 0.3
            task.pre_physics_step(actions)
            actions[0, column] = 0.0
            expected = torch.zeros(1, 4)
            expected[0, column - 8] = 0.3 * entry.scale * task.control_dt
            torch.testing.assert_close(task.thrusts - before, expected)
    task.engine.close()


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("FactoryTaskNutBoltPick", {}),
        ("FactoryTaskNutBoltPick", {"task.env.ctrl.ctrl_type": "hybrid_force_motion"}),
        ("FactoryTaskNutBoltPlace", {"task.env.rl.pos_action_scale": [0.01, 0.02, 0.03]}),
        ("FactoryTaskNutBoltScrew", {}),
    ],
    ids=str,
)
def test_actions_of_factory_tasks_are_the_described_displacements(
    name: str, overrides: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oige_core.math import quat_conjugate, quat_mul, rotation_vector_from_quat

    task = make_task(name, overrides)
    entries = describe(task.config).actions
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(task, "control", lambda *arguments: calls.append(arguments))
    actions = torch.linspace(-0.9, 0.8, 12).unsqueeze(0)
    task.pre_physics_step(actions)
    tips, position, orientation, _, wrench = calls[0]
    turn = rotation_vector_from_quat(quat_mul(orientation, quat_conjugate(tips.orientation)))
    commanded = torch.cat((position - tips.position, turn, torch.zeros(1, 6) if wrench is None else wrench), dim=-1)
    assert [entry.kind for entry in entries] == ["position_target"] * 6 + ["none" if wrench is None else "force"] * 6
    for column, entry in enumerate(entries):
        expected = 0.0 if entry.kind == "none" else entry.offset + entry.scale * float(actions[0, column])
        assert float(commanded[0, column]) == pytest.approx(expected, abs=2e-6), entry
    task.engine.close()


def test_the_description_of_smoothed_targets_says_so() -> None:
    entries = describe(load_config("ShadowHandOpenAI_FF")).actions
    assert {(entry.kind, entry.relative_to, entry.scale, entry.offset) for entry in entries} == {
        ("position_target", "limits", 1.0, 0.0)
    }
    assert "averaged: 30 % new, 70 % old target" in entries[0].text
