"""Robots of URDF files that a script imports, against numbers worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.cloner import GridCloner
from oige_compat.errors import CompatError
from oige_compat.gym_interface import BaseTask
from oige_compat.importers import UrdfJointTargetType, execute
from oige_compat.session import restart, session
from oige_compat.stage import add_reference_to_stage
from oige_compat.world import World
from oige_core.errors import OigeError

ENV = "/World/envs/env_0"

INERTIA = '<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>'

SLIDER = """<robot name="slider">
  <link name="base"><inertial><mass value="1"/>{inertia}</inertial></link>
  <link name="car"><inertial><mass value="2"/>{inertia}</inertial></link>
  <link name="arm"><inertial><mass value="3"/>{inertia}</inertial></link>
  <joint name="slide" type="prismatic"><parent link="base"/><child link="car"/><axis xyz="1 0 0"/>
    <limit lower="-2" upper="2" effort="50" velocity="9"/></joint>
  <joint name="turn" type="revolute"><parent link="car"/><child link="arm"/><axis xyz="0 0 1"/>
    <limit lower="-1" upper="1" effort="40" velocity="9"/></joint>
</robot>
"""


@pytest.fixture
def urdf(tmp_path: Path) -> Path:
    restart()
    file = tmp_path / "slider.urdf"
    file.write_text(SLIDER.format(inertia=INERTIA), encoding="utf-8")
    return file


class _Imported(BaseTask):
    def __init__(self, file: Path, target: Path) -> None:
        super().__init__("Imported")
        self.file, self.target = file, target

    def set_up_scene(self, scene: Any) -> None:
        _, config = execute("URDFCreateImportConfig")
        config.fix_base = True
        config.set_import_inertia_tensor(True)
        config.default_drive_type = UrdfJointTargetType.JOINT_DRIVE_POSITION
        config.default_drive_strength, config.default_position_drive_damping = 100.0, 0.01
        done, path = execute(
            "URDFParseAndImportFile", urdf_path=str(self.file), import_config=config, dest_path=str(self.target)
        )
        assert (done, path) == (True, "/slider")
        add_reference_to_stage(str(self.target), f"{ENV}/slider")
        cloner = GridCloner(spacing=4.0)
        cloner.clone(ENV, cloner.generate_paths("/World/envs/env", 2))
        self.robots = ArticulationView("/World/envs/.*/slider", "robots")


def test_imported_robot_moves_into_the_world(urdf: Path) -> None:
    _, path = execute("URDFParseAndImportFile", urdf_path=str(urdf))
    execute("MovePrim", path_from=path, path_to=f"{ENV}/robots/slider")
    stage = session().stage
    assert not stage.GetPrimAtPath("/slider")
    assert stage.GetPrimAtPath(f"{ENV}/robots/slider/car")
    assert list(session().references) == [f"{ENV}/robots/slider"]
    with pytest.raises(CompatError, match=r"MovePrim /slider to /other \(used in .*\): expected a prim\."):
        execute("MovePrim", path_from="/slider", path_to="/other")


def test_imported_robot_has_drives_masses_and_limits(urdf: Path, tmp_path: Path) -> None:
    world = World(backend="torch", sim_params={"dt": 0.01})
    task = _Imported(urdf, tmp_path / "made" / "slider.usd")
    world.add_task(task)
    world.reset()
    robots = task.robots
    assert robots.dof_names == ["slide", "turn"]
    degrees = 180.0 / math.pi
    stiffnesses, dampings = robots.get_gains()
    torch.testing.assert_close(stiffnesses[0], torch.tensor([100.0, 100.0 * degrees]))
    torch.testing.assert_close(dampings[0], torch.tensor([0.01, 0.01 * degrees]))
    torch.testing.assert_close(robots.get_body_masses()[0], torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(robots.get_dof_limits()[0], torch.tensor([[-2.0, 2.0], [-1.0, 1.0]]))
    torch.testing.assert_close(robots.get_max_efforts()[0], torch.tensor([50.0, 40.0]))
    assert not [note for note in session().notes if "import_config" in note]


def test_import_to_the_stage_returns_the_path_of_the_prim(urdf: Path) -> None:
    _, config = execute("URDFCreateImportConfig")
    config.merge_fixed_joints = config.collision_from_visuals = True
    assert execute("URDFParseAndImportFile", urdf_path=str(urdf), import_config=config) == (True, "/slider")
    assert session().stage.GetPrimAtPath("/slider/arm").IsValid()
    assert session().notes == {
        f"{urdf}: import_config.collision_from_visuals=True: a setting that oige-compat does not know; it has no "
        "effect.",
        f"{urdf}: import_config.merge_fixed_joints=True: joins links that a fixed joint holds; they stay apart.",
        f"{urdf}: import_config.import_inertia_tensor=False: lets shapes determine the inertia of links; here those of "
        "the file act.",
        f"lost: {urdf}: velocity limits of joints",
    }


def test_other_scales_and_commands_are_refused(urdf: Path) -> None:
    _, config = execute("URDFCreateImportConfig")
    config.distance_scale = 100.0
    with pytest.raises(OigeError) as caught:
        execute("URDFParseAndImportFile", urdf_path=str(urdf), import_config=config)
    assert str(caught.value) == f"{urdf}: distance_scale=100.0: expected 1, metres."
    with pytest.raises(CompatError) as refused:
        execute("MoveTheMoon")
    assert str(refused.value).startswith("omni.kit.commands.execute('MoveTheMoon') (used in ")
