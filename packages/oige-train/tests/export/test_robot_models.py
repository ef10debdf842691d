"""What the contract and the model of an exported policy say about joints, drives and meshes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
import pytest
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.scene import ArticulationAsset, Drive, Scene
from oige_train.export.robots import describe_robots, write_model

CORNERS = [[1.0, 2.0, 3.0], [1.0, 2.0, 6.0], [1.0, 4.0, 3.0], [2.0, 2.0, 3.0]]
ARM = """<mujoco><asset><mesh name="corner" file="corner.obj"/></asset><worldbody><body name="base">
  <geom type="mesh" mesh="corner" mass="1"/>
  <body name="a" pos="0 0 1"><joint name="servo" axis="0 1 0" range="-90 60"/><geom size=".1" mass="1" pos="1 0 0"/>
   <body name="b" pos="0 0 1"><joint name="wheel" axis="0 1 0"/><geom size=".1" mass="1" pos="1 0 0"/>
    <body name="c" pos="0 0 1"><joint name="motor" axis="0 1 0"/><geom size=".1" mass="1" pos="1 0 0"/></body>
   </body></body></body></worldbody></mujoco>"""


@pytest.fixture
def task(tmp_path: Path) -> Any:
    """Return what a task with one arm has for the export."""
    faces = "f 1 3 4\nf 1 4 2\nf 4 3 2\nf 3 1 2\n"
    (tmp_path / "corner.obj").write_text("".join(f"v {x} {y} {z}\n" for x, y, z in CORNERS) + faces)
    (tmp_path / "arm.xml").write_text(ARM)
    drives = {
        "servo": Drive(stiffness=30.0, damping=2.0, max_effort=5.0),
        "wheel": Drive(damping=7.0),
        "motor": Drive(max_effort=4.0),
    }
    engine = MujocoEngine(1, num_threads=1)
    scene = Scene(engine, SimConfig(dt=0.01))
    asset = ArticulationAsset(mjcf=tmp_path / "arm.xml", drives=drives, joint_positions={"servo": 0.3, "wheel": 0.2})
    arm = scene.add_articulation("arm", asset)
    engine.build(scene)
    return SimpleNamespace(arm=arm, engine=engine, device="cpu")


def test_joints_have_the_gains_limits_and_modes_of_their_drives(task: Any) -> None:
    (robot,) = describe_robots(task)
    assert (robot["name"], robot["links"]) == ("arm", ["base", "a", "b", "c"])
    keys = ("name", "mode", "stiffness", "damping", "max_effort", "default_position")
    assert [tuple(joint[key] for key in keys) for joint in robot["joints"]] == [
        ("servo", "position", 30.0, 2.0, 5.0, pytest.approx(0.3)),
        ("wheel", "velocity", 0.0, 7.0, None, pytest.approx(0.2)),
        ("motor", "effort", 0.0, 0.0, 4.0, 0.0),
    ]
    limits = [(joint["lower_limit"], joint["upper_limit"]) for joint in robot["joints"]]
    assert limits == [pytest.approx((-np.pi / 2, np.pi / 3)), (None, None), (None, None)]


def test_model_has_the_drives_and_the_meshes_of_the_task(task: Any, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "policy.xml"
    file.parent.mkdir()
    write_model(task, file)
    (tmp_path / "corner.obj").unlink()
    model = mujoco.MjModel.from_xml_path(str(file))
    servo, wheel, motor = (model.actuator(f"arm/{name}") for name in ("servo", "wheel", "motor"))
    assert [each.gainprm[0] for each in (servo, wheel, motor)] == [30.0, 7.0, 1.0]
    assert [each.biasprm[:3].tolist() for each in (servo, wheel, motor)] == [[0, -30, -2], [0, 0, -7], [0, 0, 0]]
    assert servo.forcerange.tolist() == [-5.0, 5.0]
    assert motor.forcerange.tolist() == [-4.0, 4.0]
    assert model.key("start").qpos.tolist() == pytest.approx([0.3, 0.2, 0.0])
    assert model.key("start").ctrl.tolist() == pytest.approx([0.3, 0.0, 0.0])
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[0])
    corners = model.mesh_vert @ rotation.reshape(3, 3).T + model.mesh_pos[0]
    assert sorted(corners.round(5).tolist()) == CORNERS
