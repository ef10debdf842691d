"""Controllers on Factory's Franka in the C engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_core import ConfigError, ControlConfig, load_config
from oige_core.config import SimConfig
from oige_core.config.control_schema import TaskSpaceMotionConfig
from oige_core.control import Controller, ControlState, ControlTarget
from oige_core.math import quat_from_rotation_vector, quat_mul
from oige_core.scene import Scene
from oige_core.testing import make_engine_on
from oige_tasks_manipulation.franka.factory import FACTORY_FRANKA, FINGER_DAMPING, FINGERTIP_LINK

DOCS = Path(__file__).resolve().parents[3] / "docs"
DT = 1e-3


def test_operational_space_motion_is_decoupled() -> None:
    """From rest, the fingertips accelerate by gain × error along and about each axis.

    The fingers are not held. M of the arm is M_aa − M_af (M_ff + dt D)⁻¹ M_fa then, with the damping D of their joints.
    """
    engine = make_engine_on("c", 1)
    scene = Scene(engine, SimConfig(dt=DT))
    robots = scene.add_articulation("franka", FACTORY_FRANKA, disable_gravity=True)
    tips = scene.add_link_view("tips", "franka", FINGERTIP_LINK)
    engine.build(scene)
    gains = [100.0, 110.0, 120.0, 130.0, 140.0, 150.0]
    section = TaskSpaceMotionConfig(task_prop_gains=gains, task_deriv_gains=[20.0] * 6)
    config = ControlConfig(ctrl_type="operational_space_motion", operational_space_motion=section)
    position, orientation = tips.get_world_poses()
    joints = robots.get_joint_positions()
    arm, fingers = slice(0, 7), slice(7, 9)
    mass = robots.get_mass_matrices()
    damped = mass[:, fingers, fingers] + DT * FINGER_DAMPING * torch.eye(2)
    loose = mass[:, arm, fingers] @ torch.linalg.inv(damped) @ mass[:, fingers, arm]
    state = ControlState(
        joint_positions=joints,
        joint_velocities=torch.zeros_like(joints),
        position=position,
        orientation=orientation,
        linear_velocity=torch.zeros(1, 3),
        angular_velocity=torch.zeros(1, 3),
        jacobian=robots.get_jacobians()[:, robots.get_link_index(FINGERTIP_LINK), :, arm],
        mass_matrix=mass[:, arm, arm] - loose,
    )
    error = torch.tensor([[0.01, -0.02, 0.03, 0.02, 0.03, -0.04]])
    target = ControlTarget(
        position=position + error[:, :3],
        orientation=quat_mul(quat_from_rotation_vector(error[:, 3:]), orientation),
        gripper_positions=joints[:, fingers],
    )
    robots.set_joint_efforts(Controller(config, "cpu").compute_efforts(state, target))
    engine.step(1)
    acceleration = tips.get_velocities() / DT
    expected = torch.tensor(gains) * error
    engine.close()
    torch.testing.assert_close(acceleration, expected, atol=1e-4 * expected.abs().max().item(), rtol=1e-4)


def test_overrides_of_another_controller_are_refused() -> None:
    """Pick's controller is joint_space_id; keys of the original, below ``task.ctrl``, are meant by either name."""
    config = load_config("FactoryTaskNutBoltPick", {"task.ctrl.joint_space_id.ik_method": "pinv"})
    assert config.task.env.ctrl.joint_space_id.ik_method == "pinv"  # type: ignore[attr-defined]
    for section in ("task.ctrl", "task.env.ctrl"):
        with pytest.raises(ConfigError, match=r"\Atask\.env\.ctrl\.joint_space_ik\.ik_method: has no effect with "):
            load_config("FactoryTaskNutBoltPick", {f"{section}.joint_space_ik.ik_method": "pinv"})


def test_example_of_the_documentation_reaches_its_target() -> None:
    text = (DOCS / "controllers.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    threads = torch.get_num_threads()
    try:
        exec(code, names)
        distance = names["tips"].get_world_poses()[0] - names["target"].position
    finally:
        torch.set_num_threads(threads)
        names["env"].close()
    assert distance.norm(dim=-1).max() < 1e-3
