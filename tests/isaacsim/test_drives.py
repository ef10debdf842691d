"""What drives of articulations send to a double of ``omni.physics.tensors``: level 1 of docs/isaac_sim.md.

``turn`` has a drive of 40 N·m/rad and 4 N·m·s/rad with at most 10 N·m, beside a spring of 8 N·m/rad at 0.5 rad and a
damper of 2 N·m·s/rad. ``slide`` has no drive, only a damper of 1.5 N·s/m.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from articulation_doubles import ArticulationHost
from articulation_scene import asset
from oige_core.config import SimConfig
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.scene import Drive, Scene

MJCF = """<mujoco><compiler angle="radian"/><worldbody><body name="base">
  <inertial pos="0 0 0" mass="5" diaginertia="1 1 1"/>
  <body name="a"><joint name="turn" axis="0 0 1" range="-1 1" limited="true" stiffness="8" springref=".5" damping="2"/>
    <inertial pos="0 0 0" mass="1" diaginertia=".1 .1 .1"/></body>
  <body name="b"><joint name="slide" type="slide" axis="1 0 0" damping="1.5"/>
    <inertial pos="0 0 0" mass="1" diaginertia=".1 .1 .1"/></body>
</body></worldbody></mujoco>"""
N, TURN, SLIDE = 12, 0, 1


class Machine:
    """Twelve machines, of which number 10 has another row in physics than in OIGE."""

    def __init__(self, *missing: str) -> None:
        self.host = ArticulationHost("110.0", {"machine": MJCF})
        self.host.capabilities -= set(missing)
        self.engine = IsaacSimEngine(N, self.host)
        scene = Scene(self.engine, SimConfig())
        drives = {"turn": Drive(stiffness=40.0, damping=4.0, max_effort=10.0)}
        self.view = scene.add_articulation("machine", asset(MJCF, drives=drives))
        self.engine.build(scene)

    def sent(self, what: str, world: int) -> list[Any]:
        """Return a property of both joints in physics."""
        robot = self.host.robots[f"/World/envs/env_{world}/machine"]
        names = [robot.model.joint(joint).name for joint in robot.joints]
        return [robot.properties[what][names.index(name)].tolist() for name in ("turn", "slide")]


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    machine.view.set_joint_positions(torch.tensor([[0.3, 0.0]]).expand(N, 2))
    machine.view.set_joint_velocities(torch.tensor([[0.1, 0.0]]).expand(N, 2))
    yield machine
    machine.engine.close()


def command(view: Any) -> None:
    view.set_joint_efforts(torch.tensor([[4.0, 9.0]]).expand(N, 2))
    view.set_max_efforts(torch.full((N, 1), 5.0), joint_indices=[SLIDE])
    view.set_joint_position_targets(torch.tensor([[0.7]]), indices=[10], joint_indices=[TURN])
    view.set_encoder_biases(torch.tensor([[0.2]]), indices=[10], joint_indices=[TURN])
    view.set_motor_strengths(torch.tensor([[0.5]]), indices=[10], joint_indices=[TURN])


def test_drives_with_a_limit_take_efforts_as_targets_and_leave_springs_beside_them(machine: Machine) -> None:
    command(machine.view)
    machine.engine.step()
    assert machine.sent("dof_stiffnesses", 3) == [40.0, 0.0]
    assert machine.sent("dof_dampings", 3) == pytest.approx([4.0, 1.5])
    assert machine.sent("dof_max_forces", 3)[TURN] == 10.0
    assert machine.sent("dof_position_targets", 3)[TURN] == pytest.approx(4.0 / 40.0)
    # 8 (0.5 − 0.3); the effort of the other joint, which has no drive, is limited to 5.
    assert machine.sent("dof_actuation_forces", 3) == pytest.approx([1.6, 5.0])
    assert machine.sent("dof_friction_properties", 3) == [[0.0, 0.0, 2.0], [0.0, 0.0, 0.0]]
    assert machine.sent("dof_stiffnesses", 10)[TURN] == 20.0
    assert machine.sent("dof_dampings", 10)[TURN] == 2.0
    assert machine.sent("dof_max_forces", 10)[TURN] == 5.0
    assert machine.sent("dof_position_targets", 10)[TURN] == pytest.approx(0.7 - 0.2 + 2.0 / 20.0)
    assert machine.sent("dof_actuation_forces", 10) == pytest.approx([1.6, 5.0])
    assert machine.sent("dof_friction_properties", 10)[TURN] == [0.0, 0.0, 2.0]
    # 4 + 40 (0.7 − 0.3 − 0.2) − 4 · 0.1 = 11.6, at most 10, of which half acts.
    efforts = machine.view.get_measured_joint_efforts()
    assert efforts[10].tolist() == pytest.approx([5.0, 5.0])
    assert efforts[3, TURN].item() == pytest.approx(4.0 - 40.0 * 0.3 - 0.4)


def test_a_reset_restores_targets_and_efforts_of_its_worlds_only(machine: Machine) -> None:
    command(machine.view)
    machine.engine.step()
    machine.engine.reset(torch.tensor([10]))
    machine.engine.step()
    assert machine.sent("dof_position_targets", 10)[TURN] == pytest.approx(-0.2)
    assert machine.sent("dof_actuation_forces", 10) == pytest.approx([4.0, 0.0])
    assert machine.sent("dof_position_targets", 3)[TURN] == pytest.approx(0.1)
    assert machine.sent("dof_actuation_forces", 3) == pytest.approx([1.6, 5.0])


def test_dampers_beside_limited_drives_are_efforts_without_viscous_friction() -> None:
    """8 (0.5 − 0.3) − 2 · 0.1."""
    machine = Machine("joint_friction_force")
    machine.view.set_joint_positions(torch.tensor([[0.3, 0.0]]).expand(N, 2))
    machine.view.set_joint_velocities(torch.tensor([[0.1, 0.0]]).expand(N, 2))
    machine.engine.step()
    assert machine.sent("dof_actuation_forces", 10)[TURN] == pytest.approx(1.4)
    machine.engine.close()


def test_drives_without_a_limit_contain_springs_and_dampers(machine: Machine) -> None:
    view = machine.view
    view.set_max_efforts(torch.full((N, 1), torch.inf), joint_indices=[TURN])
    view.set_joint_position_targets(torch.full((N, 1), 0.2), joint_indices=[TURN])
    view.set_joint_velocity_targets(torch.full((N, 1), 3.0), joint_indices=[TURN])
    view.set_joint_efforts(torch.full((N, 1), 30.0), joint_indices=[TURN])
    machine.engine.step()
    assert machine.sent("dof_stiffnesses", 10)[TURN] == 48.0
    assert machine.sent("dof_dampings", 10)[TURN] == 6.0
    assert machine.sent("dof_position_targets", 10)[TURN] == pytest.approx((40.0 * 0.2 + 8.0 * 0.5) / 48.0)
    assert machine.sent("dof_velocity_targets", 10)[TURN] == pytest.approx(4.0 * 3.0 / 6.0)
    assert machine.sent("dof_actuation_forces", 10)[TURN] == 30.0
    assert machine.sent("dof_friction_properties", 10)[TURN] == [0.0, 0.0, 0.0]


def test_properties_of_single_joints_and_worlds(machine: Machine) -> None:
    view = machine.view
    view.set_friction_coefficients(torch.tensor([[0.3]]), indices=[10], joint_indices=[SLIDE])
    view.set_armatures(torch.tensor([[0.7]]), indices=[10], joint_indices=[SLIDE])
    view.set_dof_limits(torch.tensor([[[-0.5, 0.25]]]), indices=[10], joint_indices=[TURN])
    assert machine.sent("dof_friction_properties", 10) == [[0.0, 0.0, 2.0], pytest.approx([0.3, 0.3, 0.0])]
    assert machine.sent("dof_armatures", 10) == pytest.approx([0.0, 0.7])
    assert machine.sent("dof_limits", 10)[TURN] == [-0.5, 0.25]
    assert machine.sent("dof_friction_properties", 1) == [[0.0, 0.0, 2.0], [0.0] * 3]
    assert machine.sent("dof_armatures", 1) == [0.0, 0.0]
    assert machine.sent("dof_limits", 1)[TURN] == [-1.0, 1.0]
