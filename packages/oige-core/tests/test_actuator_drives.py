"""Which actuators of MJCF files become drives, and with which gains."""

import mujoco
import numpy as np
import pytest
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import OigeError
from oige_core.robot_files import with_actuators
from oige_core.scene import ArticulationAsset, Drive, Scene
from scene_helpers import raises


def pendulum(actuators: str) -> str:
    return f"""<mujoco><compiler autolimits="true"/><worldbody><body name="a"><geom size=".1" mass="1"/>
      <body name="b"><joint name="hinge" axis="0 1 0"/><geom size=".1" mass="1" pos="0 0 -1"/></body></body></worldbody>
      <actuator>{actuators}</actuator></mujoco>"""


@pytest.mark.parametrize(
    ("actuators", "drive"),
    [
        # The range of a servo's control limits its targets, not its force.
        ('<position joint="hinge" kp="50" ctrlrange="-.5 .5"/>', Drive(stiffness=50.0)),
        # The larger end of a range that is not symmetric counts.
        ('<motor joint="hinge" gear="-3" forcerange="-4 2"/>', Drive(max_effort=12.0)),
        # Only the smaller one of both limits acts.
        ('<motor joint="hinge" ctrlrange="-9 9" forcerange="-4 4"/>', Drive(max_effort=4.0)),
        ('<general joint="hinge" gainprm="2" ctrlrange="-3 3"/>', Drive(max_effort=6.0)),
        # Two actuators on one joint act together.
        (
            '<position joint="hinge" kp="50" forcerange="-4 4"/><velocity joint="hinge" kv="7" forcerange="-1 1"/>',
            Drive(stiffness=50.0, damping=7.0, max_effort=5.0),
        ),
        # biasprm counts only with biastype affine.
        ('<general joint="hinge" gainprm="1" biastype="none" biasprm="0 -5 -6"/>', Drive()),
        ('<general joint="hinge" dyntype="filter" dynprm=".1" gainprm="1"/>', Drive()),
    ],
)
def test_drive_has_the_gains_and_limits_of_the_actuator(actuators: str, drive: Drive) -> None:
    assert with_actuators(ArticulationAsset(mjcf=pendulum(actuators))).drives == {"hinge": drive}


@pytest.mark.parametrize(
    "actuator",
    [
        '<intvelocity joint="hinge" kp="50" actrange="-1 1"/>',  # its control is a velocity, its gain a stiffness
        '<general joint="hinge" dyntype="integrator" gainprm="1" actlimited="false"/>',
        '<general joint="hinge" gainprm="5" biastype="affine" biasprm="3 -5 0"/>',  # a force without any control
        '<general joint="hinge" gainprm="5" biastype="affine" biasprm="0 5 0"/>',  # pushes away from its target
        '<general joint="hinge" gainprm="5" biastype="affine" biasprm="0 0 5"/>',  # accelerates
        '<general joint="hinge" gaintype="affine" gainprm="5 1 1"/>',
    ],
)
def test_other_actuators_become_no_drives(actuator: str) -> None:
    with raises(OigeError, r"MJCF: has no actuators on joints from which drives follow; give drives=\{…\}\."):
        with_actuators(ArticulationAsset(mjcf=pendulum(actuator)))


def test_two_actuators_on_a_joint_move_it_as_in_mujoco() -> None:
    mjcf = pendulum('<position joint="hinge" kp="50"/><velocity joint="hinge" kv="7"/>')
    engine = MujocoEngine(1, num_threads=1)
    scene = Scene(engine, SimConfig(dt=0.002))
    robot = scene.add_articulation("robot", with_actuators(ArticulationAsset(mjcf=mjcf)))
    engine.build(scene)
    spec = mujoco.MjSpec.from_string(mjcf)
    spec.option.timestep, spec.option.integrator = 0.002, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model = spec.compile()
    data = mujoco.MjData(model)
    data.ctrl[:] = 0.6, 0.0
    robot.set_joint_position_targets(robot.get_joint_positions().new_tensor([[0.6]]))
    mujoco.mj_step(model, data, 100)
    engine.step(100)
    np.testing.assert_allclose(robot.get_joint_positions()[0].numpy(), data.qpos, atol=1e-5)
    assert 0.05 < data.qpos[0] < 0.6
