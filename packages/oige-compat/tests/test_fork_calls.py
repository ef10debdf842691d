"""Calls of public forks on stages without an engine, compared with poses and paths worked out by hand."""

from pathlib import Path

import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.errors import CompatError
from oige_compat.joint_paths import find_joint
from oige_compat.local_files import search_in
from oige_compat.objects import Robot
from oige_compat.physics_view import PhysicsView
from oige_compat.session import Session, restart
from oige_compat.stage import add_reference_to_stage, find_unique_string_name, get_stage_next_free_path
from oige_compat.views import XFormPrimView
from pxr import Gf, Usd, UsdGeom, UsdPhysics

ZERO = "/World/envs/env_0"


@pytest.fixture
def session() -> Session:
    """A stage with two worlds, of which the first is at x = 3."""
    current = restart()
    UsdGeom.Xform.Define(current.stage, ZERO).AddTranslateOp().Set(Gf.Vec3d(3.0, 0.0, 0.0))
    current.env_paths = [ZERO, "/World/envs/env_1"]
    current.offsets = torch.tensor([[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0]])
    return current


def test_poses_before_the_worlds_exist_are_those_of_the_stage(session: Session) -> None:
    for name, height in (("left", 1.0), ("right", 2.0)):
        UsdGeom.Xform.Define(session.stage, f"{ZERO}/{name}").AddTranslateOp().Set(Gf.Vec3d(0.0, 0.5, height))
    view = XFormPrimView("/World/envs/.*/(left|right)", "doors")
    positions, orientations = view.get_world_poses()
    expected = [[3.0, 0.5, 1.0], [3.0, 0.5, 2.0], [-3.0, 0.5, 1.0], [-3.0, 0.5, 2.0]]
    torch.testing.assert_close(positions, torch.tensor(expected))
    torch.testing.assert_close(orientations, torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(4, 1))
    torch.testing.assert_close(view.get_world_poses(indices=[2])[0], positions[2:3])


def test_view_without_prims_says_so_before_the_worlds_exist(session: Session) -> None:
    with pytest.raises(CompatError, match=r"^view 'doors' \(used in .*\): no prim matches /World/envs/\.\*/door\.$"):
        XFormPrimView("/World/envs/.*/door", "doors").get_world_poses()


def test_path_of_a_robot_is_that_of_its_articulation_root(session: Session) -> None:
    torso = UsdGeom.Xform.Define(session.stage, f"{ZERO}/Walker/torso").GetPrim()
    UsdPhysics.ArticulationRootAPI.Apply(torso)
    robot = Robot(f"{ZERO}/Walker", "walker", translation=[0.0, 0.0, 1.0])
    assert robot.prim_path == f"{ZERO}/Walker/torso"
    assert session.stage.GetPrimAtPath(f"{ZERO}/Walker").GetAttribute("xformOp:translate").Get() == (0.0, 0.0, 1.0)


def test_joint_in_a_folder_is_found_by_the_link_that_it_moves(session: Session) -> None:
    session.references[f"{ZERO}/Walker"] = "walker.usd"
    joint = UsdPhysics.RevoluteJoint.Define(session.stage, f"{ZERO}/Walker/torso/hip_1")
    joint.CreateBody1Rel().SetTargets([f"{ZERO}/Walker/leg"])
    assert find_joint(f"{ZERO}/Walker/joints/leg") == joint.GetPrim()
    assert find_joint(f"{ZERO}/Walker/torso/leg") is None


def test_next_free_path_has_a_number(session: Session) -> None:
    path = f"{ZERO}/pin"
    assert get_stage_next_free_path(session.stage, path, False) == path
    session.stage.DefinePrim(path)
    assert get_stage_next_free_path(session.stage, path, False) == f"{path}_01"
    session.stage.DefinePrim(f"{path}_01")
    assert get_stage_next_free_path(session.stage, f"{path}_01", False) == f"{path}_02"
    assert get_stage_next_free_path(session.stage, "/pin", True) == "/World/pin"
    taken = {"arrow", "arrow_1"}
    assert find_unique_string_name("arrow", lambda name: name not in taken) == "arrow_2"
    assert find_unique_string_name("pin", lambda name: name not in taken) == "pin"


def test_reference_inside_a_file_leads_to_the_checkout(session: Session, tmp_path: Path) -> None:
    (tmp_path / "flags").mkdir()
    (tmp_path / "flags/flag.usda").write_text('#usda 1.0\n(\n    defaultPrim = "F"\n)\ndef Cube "F" { }\n')
    car = tmp_path / "car.usda"
    car.write_text(
        '#usda 1.0\n(\n    defaultPrim = "C"\n)\ndef Xform "C"\n{\n'
        '    def "flag" (\n        references = @/data/author/flags/flag.usda@\n    )\n    {\n    }\n}\n'
    )
    written = car.read_text()
    search_in(tmp_path)
    add_reference_to_stage(str(car), f"{ZERO}/Car")
    search_in(None)
    assert session.stage.GetPrimAtPath(f"{ZERO}/Car/flag").GetTypeName() == "Cube"
    assert car.read_text() == written
    assert not Usd.Stage.Open(str(car)).GetCompositionErrors()


class _Ant:
    """A view of the ant whose wrenches are the numbers of the links."""

    body_names = ("torso", "right_back_foot", "front_right_foot", "left_back_foot", "front_left_foot")

    def get_measured_joint_forces(self, joint_indices: list[int]) -> torch.Tensor:
        return torch.tensor(joint_indices, dtype=torch.float32)[None, :, None].expand(2, -1, 6)


def test_force_sensors_are_those_of_the_feet_in_isaac_sims_order() -> None:
    view = _Ant()
    view.body_names = list(view.body_names)  # pyright: ignore[reportAttributeAccessIssue]
    forces = PhysicsView(view).get_force_sensor_forces()
    assert forces[1, :, 0].tolist() == [4.0, 2.0, 3.0, 1.0]


def test_force_sensors_of_other_robots_are_refused() -> None:
    class Other:
        body_names = ("base",)

    expected = (
        r"^get_force_sensor_forces \(used in .*\): the links of this robot with force sensors are not known; call "
        r"get_measured_joint_forces\.$"
    )
    with pytest.raises(CompatError, match=expected):
        PhysicsView(Other()).get_force_sensor_forces()


def test_fields_of_views_have_the_values_of_their_properties(session: Session) -> None:
    session.stage.DefinePrim(f"{ZERO}/Walker")
    assert XFormPrimView("/World/envs/.*/Walker", "walkers")._count == 2
    assert set(ArticulationView.inner_names) >= {"_num_dof", "_dof_names", "_count"}
