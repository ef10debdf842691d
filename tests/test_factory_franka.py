"""Factory's Franka against the Panda, from which it is made, and against closed forms."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mujoco
import numpy as np
import pytest
from oige_tasks_manipulation.franka.factory import (
    FACTORY_FRANKA,
    FINGERTIP_LINK,
    MAX_ANGULAR_VELOCITY,
    SCREW_JOINT_POSITIONS,
)
from oige_tasks_manipulation.franka.robot import FRANKA

# Link 7 and the hand with its fingers about the axis of joint 7: mass in kg, distance of the centre of mass in m from
# that axis, and moment of inertia about a parallel to it through the centre of mass, in kg·m². Fingers are closed.
ABOUT_JOINT_7 = [
    (0.735522, np.hypot(0.010517, -0.004252), 0.004815),
    (0.6544, np.hypot(-0.0000376, 0.0119128), 0.00174),
    (0.0291, 0.015285, 0.00000177),
    (0.0291, 0.015285, 0.00000177),
]


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(FACTORY_FRANKA.mjcf))


@pytest.fixture(scope="module")
def panda() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(FRANKA.mjcf))


def test_model_is_up_to_date(tmp_path: Path, import_tool: Callable[[str], ModuleType]) -> None:
    """If it is not, run tools/factory_franka.py."""
    made = tmp_path / "factory_franka.xml"
    import_tool("factory_franka").write_model(FRANKA.mjcf, made)
    assert made.read_text() == FACTORY_FRANKA.mjcf.read_text()


def test_links_are_those_of_the_panda(model: mujoco.MjModel, panda: mujoco.MjModel) -> None:
    for body in range(panda.nbody):
        name = panda.body(body).name
        assert model.body(name).mass == panda.body_mass[body]
        assert model.body(name).inertia == pytest.approx(panda.body_inertia[body], rel=1e-12)
    assert model.body(FINGERTIP_LINK).mass == 0.0
    assert model.njnt == panda.njnt
    assert np.delete(model.jnt_range, 6, axis=0).tolist() == np.delete(panda.jnt_range, 6, axis=0).tolist()
    assert model.jnt_limited.tolist() == [True] * 6 + [False, True, True]
    assert not model.dof_armature.any()


def test_pads_end_at_the_fingertip(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    data.qpos[:7] = SCREW_JOINT_POSITIONS
    data.qpos[7:] = 0.012
    mujoco.mj_forward(model, data)
    tip = data.body(FINGERTIP_LINK)
    lowest = []
    for side in ("left", "right"):
        pad, finger = data.geom(f"{side}finger_pad"), data.body(f"panda_{side}finger")
        assert finger.xmat == pytest.approx(tip.xmat)
        along = tip.xmat.reshape(3, 3).T @ (pad.xpos - tip.xpos)
        half = model.geom(f"{side}finger_pad").size
        lowest.append(along[2] + half[2])
        assert abs(along[1]) - half[1] == pytest.approx(0.012)
        assert half[2] == pytest.approx(0.5 * 0.017608)
    assert lowest == pytest.approx([0.0, 0.0], abs=1e-9)
    assert tip.xpos == pytest.approx(0.5 * sum(data.body(f"panda_{side}finger").xpos for side in ("left", "right"))
                                     + 0.053671 * tip.xmat.reshape(3, 3)[:, 2])  # fmt: skip


def test_damping_of_the_wrist_is_that_of_its_links(model: mujoco.MjModel) -> None:
    """With 1/s of their linear and 5/s of their angular momentum; 80 rad/s² cannot turn it faster than 2 rad/s."""
    linear = sum(mass * distance**2 for mass, distance, _ in ABOUT_JOINT_7)
    angular = sum(inertia for _, _, inertia in ABOUT_JOINT_7)
    damping, cubic = model.dof_damping[6], model.dof_dampingpoly[6, 1]
    assert damping == pytest.approx(1.0 * linear + 5.0 * angular, rel=1e-3)
    torque = 80.0 * (linear + angular)
    assert damping * MAX_ANGULAR_VELOCITY + cubic * MAX_ANGULAR_VELOCITY**3 == pytest.approx(torque, rel=0.01)


def test_wrist_settles_at_the_speed_limit(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    data.qpos[:7] = SCREW_JOINT_POSITIONS
    mujoco.mj_forward(model, data)
    inertia = np.zeros((9, 9))
    mujoco.mj_fullM(model, data, inertia)
    held = copy.copy(model)
    held.dof_armature[np.arange(9) != 6] = 1e6
    held.opt.gravity[:] = 0.0
    held.opt.timestep = 0.002
    held.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    data.qfrc_applied[6] = 80.0 * inertia[6, 6]
    mujoco.mj_step(held, data, 1500)
    assert data.qvel[6] == pytest.approx(MAX_ANGULAR_VELOCITY, rel=0.02)
    assert data.qpos[6] > 5.0
