"""Robots in PhysX move as worked out by hand."""

import numpy as np
import pytest
import torch

pytest.importorskip("pxr")

from oige_core.config import SimConfig
from oige_core.engines.isaacsim.usd.description import Pose
from oige_core.engines.isaacsim.usd.from_mujoco import describe
from oige_core.engines.isaacsim.usd.robot import RobotOptions, RobotPrims, write_robot
from oige_core.scene import ArticulationAsset, Scene
from oige_core.testing import make_engine_on
from oige_core.testing.physx import OvphysxHost, is_ovphysx_installed
from pxr import Gf, UsdPhysics

pytestmark = pytest.mark.skipif(not is_ovphysx_installed(), reason="needs ovphysx: uv sync --group isaacsim")

DT = 1e-3


class InPhysx:
    """A robot on a stage of its own; positions and velocities are those of its joints, in PhysX's order."""

    def __init__(self, mjcf: str, options: RobotOptions | None = None, gravity: float = 0.0) -> None:
        self.host = OvphysxHost()
        stage = self.host.new_stage()
        scene = UsdPhysics.Scene.Define(stage, "/World/physics")
        scene.CreateGravityDirectionAttr(Gf.Vec3f(0, 0, -1))
        scene.CreateGravityMagnitudeAttr(gravity)
        self.prims: RobotPrims = write_robot(describe(ArticulationAsset(mjcf=mjcf)), stage, "/World/robot", options)
        self.host.play()
        self.view = self.host.simulation_view().create_articulation_view(self.prims.articulation)
        self.names = [path.rpartition("/")[2] for path in self.view.dof_paths[0]]

    def start(self, positions: list[float], velocities: list[float]) -> None:
        indices = torch.zeros(1, dtype=torch.int32)
        self.view.set_dof_positions(torch.tensor([positions]), indices)
        self.view.set_dof_velocities(torch.tensor([velocities]), indices)

    def run(self, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        for step in range(round(seconds / DT)):
            self.host.simulate(DT, step * DT)
        assert self.host.errors() == []
        read = self.view.get_dof_positions, self.view.get_dof_velocities
        positions, velocities = (values()[0].double().numpy().copy() for values in read)
        self.host.close()
        return positions, velocities


HINGE = """
<mujoco><worldbody><body name="base"><geom size=".05" mass="1"/><body name="rod">
  <joint name="hinge" axis="0 0 1" armature=".002" {joint}/><geom size=".01" mass="1e-6" contype="0" conaffinity="0"/>
</body></body></worldbody></mujoco>"""


def test_dry_friction_stops_a_joint() -> None:
    robot = InPhysx(HINGE.format(joint='frictionloss=".01"'))
    robot.start([0.0], [1.0])
    positions, velocities = robot.run(0.5)
    assert positions[0] == pytest.approx(0.5 * 1.0**2 * 0.002 / 0.01, rel=0.01)  # v² I / (2 τ)
    assert abs(velocities[0]) < 1e-3


def test_spring_and_damper_of_a_joint_act_beside_its_drive() -> None:
    robot = InPhysx(HINGE.format(joint='stiffness=".2" damping=".004" springref="57.2957795"'))
    robot.start([0.0], [0.0])
    # I q̈ = k (1 − q) − d q̇, with ω = 10 rad/s and a damping ratio of d / (2 I ω) = 0.1.
    positions, _ = robot.run(0.2)
    decay, frequency = 1.0, 10.0 * np.sqrt(1 - 0.1**2)
    wave = np.cos(frequency * 0.2) + decay / frequency * np.sin(frequency * 0.2)
    assert positions[0] == pytest.approx(1.0 - np.exp(-decay * 0.2) * wave, abs=5e-3)


TWO_HINGES = """
<mujoco><worldbody><body name="base"><geom size=".05" mass="1"/>
  <body name="a"><joint name="a" axis="0 0 1" armature=".002"/><geom size=".01" mass="1e-6"/>
    <body name="b"><joint name="b" axis="0 0 1" armature=".001"/><geom size=".01" mass="1e-6"/></body></body>
</body></worldbody><tendon><fixed name="t" stiffness="50" springlength="0.01">
  <joint joint="a" coef=".02"/><joint joint="b" coef="-.01"/></fixed></tendon></mujoco>"""


def test_spring_of_a_tendon_turns_both_of_its_joints() -> None:
    robot = InPhysx(TWO_HINGES)
    robot.start([0.0, 0.0], [0.0, 0.0])
    positions, _ = robot.run(0.1)
    # The length L = 0.02 a − 0.01 b oscillates about 0.01 m with ω² = k (0.02² / I_a + 0.01² / I_b) = 15. Each joint
    # follows by its coefficient and inertia. PhysX applies the spring in the 32 position iterations of a step, and once
    # more in its velocity iteration.
    force = 0.01 * 50.0 * (1.0 - np.cos(np.sqrt(15.0) * 0.1)) / 15.0
    assert robot.names == ["a", "b"]
    np.testing.assert_allclose(positions, [0.02 / 0.002 * force, -0.01 / 0.001 * force], rtol=1 / 32 + 0.01)


LOOP = """
<mujoco><worldbody><body name="base"><freejoint/><geom size=".05" mass="1"/>
  <body name="rod"><joint name="hinge" axis="0 1 0"/><geom size=".01" pos="0 0 -.5" mass="1"/></body></body></worldbody>
  <equality><connect body1="base" anchor=".1 0 0"/></equality></mujoco>"""


def test_loop_to_the_world_holds_a_robot_where_the_scene_puts_it() -> None:
    options = RobotOptions(pose=Pose(position=(3.0, -2.0, 1.0), orientation=(np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))))
    robot = InPhysx(LOOP, options, gravity=9.81)
    robot.start([0.0], [0.0])
    for step in range(300):
        robot.host.simulate(DT, step * DT)
    pose = robot.view.get_root_transforms()[0].double().numpy().copy()
    robot.host.close()
    # 0.1 m along the robot's x axis, which is y of the world here. The base has swung about that point.
    x, y, z, w = pose[3:]
    axis = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)])
    assert np.linalg.norm(pose[:3] - [3.0, -2.0, 1.0]) > 0.02
    np.testing.assert_allclose(pose[:3] + 0.1 * axis, [3.0, -1.9, 1.0], atol=1e-3)


NEIGHBOURS = """
<mujoco><worldbody><body name="base"><geom type="box" size=".1 .1 .1" mass="1"/>
  <body name="slider" pos="0 0 .25"><joint name="slide" type="slide" axis="0 0 1"/>
    <geom type="box" size=".1 .1 .1" mass="1"/></body></body></worldbody></mujoco>"""


def test_links_that_a_joint_joins_do_not_collide() -> None:
    robot = InPhysx(NEIGHBOURS, RobotOptions(self_collisions=True), gravity=9.81)
    robot.start([0.0], [0.0])
    positions, _ = robot.run(0.2)
    assert positions[0] == pytest.approx(-0.5 * 9.81 * 0.2**2, rel=0.02)  # through the base, 5 cm below


TWO_TENDONS = """
<mujoco><worldbody><body name="base"><geom size=".05" mass="1"/>
  <body name="left" pos="0 1 0"><joint name="left" axis="0 0 1" armature=".002"/><geom size=".01" mass="1e-6"/></body>
  <body name="right" pos="0 -1 0"><joint name="right" axis="0 0 1" armature=".002"/>
    <geom size=".01" mass="1e-6"/></body>
</body></worldbody><tendon>
  <fixed name="z"><joint joint="right" coef=".02"/></fixed><fixed name="a"><joint joint="left" coef=".02"/></fixed>
</tendon></mujoco>"""


def test_engine_tells_tendons_apart_by_more_than_their_order() -> None:
    engine = make_engine_on("physx", 1)
    scene = Scene(engine, SimConfig(dt=DT, gravity=[0.0, 0.0, 0.0]))
    view = scene.add_articulation("robot", ArticulationAsset(mjcf=TWO_TENDONS))
    engine.build(scene)
    assert view.get_fixed_tendon_offsets().tolist() == [[0.0, 0.0]]
    view.set_fixed_tendon_properties(stiffnesses=torch.tensor([[50.0, 0.0]]), rest_lengths=torch.tensor([[0.01, 0.0]]))
    engine.step(50)
    moved = dict(zip(view.dof_names, view.get_joint_positions()[0].tolist(), strict=True))
    engine.close()
    # Tendon z, the first in the file and the last in the alphabet, pulls the right joint: q = ½ (k L₀ c / I) t².
    assert moved["right"] == pytest.approx(0.5 * 50.0 * 0.01 * 0.02 / 0.002 * 0.05**2, rel=0.05)
    assert moved["left"] == pytest.approx(0.0, abs=1e-6)
