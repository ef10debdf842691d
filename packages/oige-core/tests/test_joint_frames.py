"""The frames of joints, along whose axes joint wrenches are measured."""

import math

import numpy as np
import pytest
import torch
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.joint_frames import joint_frame
from oige_core.math import quat_to_matrix
from oige_core.scene import ArticulationAsset, Drive, Scene

H = math.sqrt(0.5)
A, B = 2 / math.sqrt(5), 1 / math.sqrt(5)
AXES = {
    "no joint": ([], [(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
    "x": ([(3, 0, 0)], [(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
    "-x: turned about z": ([(-1, 0, 0)], [(-1, 0, 0), (0, -1, 0), (0, 0, 1)]),
    "y: turned about z": ([(0, 1, 0)], [(0, 1, 0), (-1, 0, 0), (0, 0, 1)]),
    "z: turned about y": ([(0, 0, 1)], [(0, 0, 1), (0, 1, 0), (-1, 0, 0)]),
    "ankle of an ant": ([(-1, 1, 0)], [(-H, H, 0), (-H, -H, 0), (0, 0, 1)]),
    "ankle of a humanoid": ([(0, 1, 0), (1, 0, 0.5)], [(0, 1, 0), (A, 0, B), (B, 0, -A)]),
    "right hip": ([(1, 0, 0), (0, 0, 1), (0, 1, 0)], [(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
    "left hip": ([(-1, 0, 0), (0, 0, -1), (0, 1, 0)], [(-1, 0, 0), (0, 1, 0), (0, 0, -1)]),
    "oblique": ([(0, 0, 1), (0, 1, 1)], [(0, 0, 1), (0, 1, 0), (-1, 0, 0)]),
}


@pytest.mark.parametrize(("axes", "expected"), AXES.values(), ids=AXES.keys())
def test_frame_follows_the_axes_of_joints(axes: list, expected: list) -> None:
    frame = torch.from_numpy(joint_frame([np.array(axis, dtype=float) for axis in axes]))
    torch.testing.assert_close(quat_to_matrix(frame).T, torch.tensor(expected, dtype=torch.float64))


ARM = """<mujoco><worldbody><body name="base"><geom size=".01" mass="1"/>
  <body name="arm">{joints}<inertial pos=".2 .1 -.4" mass="2" diaginertia=".01 .02 .03"/></body>
</body></worldbody></mujoco>"""
# With gravity along x, statics give a force of (−20, 0, 0) N, and torques of (0, 8, 2) N·m about the link's origin and
# of (0, 14, 2) N·m about a point 0.3 m above it. Those of the first two are also what PhysX 5 reports.
JOINTS = {
    "welded": ("", (-20, 0, 0, 0, 8, 2)),
    "hinge along y": ('<joint name="j" pos="0 0 .3" axis="0 1 0"/>', (0, 20, 0, 14, 0, 2)),
    "hinge along z": ('<joint name="j" pos="0 0 .3" axis="0 0 1"/>', (0, 0, 20, 2, 14, 0)),
    "two hinges": ('<joint name="a" axis="0 1 0"/><joint name="b" axis="1 0 0"/>', (0, -20, 0, 8, 0, -2)),
    "hinge in a frame": ('<frame pos="0 0 .3"><joint name="j" axis="0 1 0"/></frame>', (0, 20, 0, 14, 0, 2)),
}


@pytest.mark.parametrize(("joints", "expected"), JOINTS.values(), ids=JOINTS.keys())
def test_wrenches_of_a_held_link_match_statics_and_physx(joints: str, expected: tuple[float, ...]) -> None:
    engine = MujocoEngine(1)
    scene = Scene(engine, SimConfig(dt=0.005, gravity=[10.0, 0.0, 0.0]))
    drives = {".*": Drive(stiffness=1e6, damping=1e4)} if joints else {}
    asset = ArticulationAsset(mjcf=ARM.format(joints=joints), drives=drives)
    robot = scene.add_articulation("robot", asset, track_joint_forces=["arm"])
    engine.build(scene)
    engine.step(100)
    wrench = robot.get_measured_joint_forces(joint_indices=[1])[0, 0]
    torch.testing.assert_close(wrench, torch.tensor(expected, dtype=torch.float32), atol=1e-3, rtol=0)
    engine.close()
