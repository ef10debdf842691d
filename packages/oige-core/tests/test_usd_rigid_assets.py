"""Rigid bodies from files as USD prims."""

from typing import Any

import numpy as np
import pytest
from oige_core.errors import CapabilityError
from oige_core.scene import ArticulationAsset, RigidAsset, Scene
from scene_helpers import LINKS, new_scene, raises

pytest.importorskip("pxr", reason="needs oige-core[usd]")

from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.scene import write_scene
from oige_core.engines.isaacsim.usd.stage_map import StageMap
from oige_core.engines.mujoco.compile import compile_scene
from pxr import Usd, UsdGeom, UsdPhysics
from usd_rules import breaches, validation_errors

CORNERS = " ".join(f"{x} {y} {z}" for x in (0, 0.1) for y in (0, 0.1) for z in (0, 0.2))
NUT = f"""<mujoco><asset><mesh name="block" vertex="{CORNERS}"/></asset><worldbody><body name="nut">
  <inertial pos=".01 0 0" mass=".5" fullinertia=".003 .002 .004 .0005 0 0"/>
  <geom name="hull 1" type="box" size=".1 .2 .3" pos=".1 0 0" friction=".3"/>
  <geom name="thread" type="sdf" mesh="block" contype="2" conaffinity="2"/>
  <geom name="cap" type="mesh" mesh="block" pos="0 0 1"/>
  <geom name="paint" size=".3" contype="0" conaffinity="0"/></body></worldbody></mujoco>"""
BOLT = """<mujoco><worldbody><body>
  <geom name="shank" type="cylinder" size=".1 .2" contype="2" conaffinity="0"/>
  <geom name="head" type="box" size=".1 .1 .1" pos="0 0 -1"/></body></worldbody></mujoco>"""


def scene_of_nut_and_bolt() -> Scene:
    _, scene = new_scene()
    scene.add_ground_plane()
    scene.add_rigid_body("nut", RigidAsset(mjcf=NUT), position=(1, 2, 3), orientation=(0.8, 0, 0.6, 0))
    scene.add_rigid_body("bolt", RigidAsset(mjcf=BOLT), kinematic=True)
    scene.add_box("box", size=(1, 1, 1), position=(5, 0, 0))
    scene.add_articulation("robot", ArticulationAsset(mjcf=LINKS))
    return scene


@pytest.fixture(scope="module")
def written() -> tuple[Usd.Stage, StageMap]:
    stage = new_stage()
    return stage, write_scene(scene_of_nut_and_bolt(), stage, gpu=False)


def test_stage_keeps_the_rules(written: tuple[Usd.Stage, StageMap]) -> None:
    assert list(breaches(written[0])) == []
    assert validation_errors(written[0]) == []


def test_body_has_the_inertia_of_its_file(written: tuple[Usd.Stage, StageMap]) -> None:
    stage, stage_map = written
    api = UsdPhysics.MassAPI(stage.GetPrimAtPath(stage_map.rigids["nut"].path))
    assert api.GetMassAttr().Get() == pytest.approx(0.5)
    assert tuple(api.GetCenterOfMassAttr().Get()) == pytest.approx((0.01, 0, 0))
    axes = api.GetPrincipalAxesAttr().Get()
    real, imaginary = axes.GetReal(), np.array(axes.GetImaginary())
    cross = np.array(
        [[0, -imaginary[2], imaginary[1]], [imaginary[2], 0, -imaginary[0]], [-imaginary[1], imaginary[0], 0]]
    )
    rotation = np.eye(3) + 2 * real * cross + 2 * cross @ cross
    inertia = rotation @ np.diag(api.GetDiagonalInertiaAttr().Get()) @ rotation.T
    assert inertia == pytest.approx(np.array([[3e-3, 5e-4, 0], [5e-4, 2e-3, 0], [0, 0, 4e-3]]), abs=1e-9)
    body = UsdPhysics.RigidBodyAPI(stage.GetPrimAtPath(stage_map.rigids["bolt"].path))
    assert body.GetKinematicEnabledAttr().Get()


def test_shapes_are_where_the_embedded_engine_has_them(written: tuple[Usd.Stage, StageMap]) -> None:
    stage, stage_map = written
    model = compile_scene(scene_of_nut_and_bolt()).model
    for name, path in stage_map.rigids["nut"].shape_paths.items():
        local = UsdGeom.Xformable(stage.GetPrimAtPath(path)).GetLocalTransformation()
        assert tuple(local.ExtractTranslation()) == pytest.approx(model.geom(f"nut/{name}").pos)


def test_meshes_collide_as_hulls_and_signed_distance_fields_as_they_are(written: tuple[Usd.Stage, StageMap]) -> None:
    stage, stage_map = written
    prims = {name: stage.GetPrimAtPath(path) for name, path in stage_map.rigids["nut"].shape_paths.items()}
    approximations = {
        name: UsdPhysics.MeshCollisionAPI(prim).GetApproximationAttr().Get()
        for name, prim in prims.items()
        if prim.HasAPI(UsdPhysics.MeshCollisionAPI)
    }
    assert approximations == {"thread": "sdf", "cap": "convexHull"}
    assert prims["thread"].GetAttribute("physxSDFMeshCollision:sdfResolution").Get() == 256
    assert not prims["paint"].HasAPI(UsdPhysics.CollisionAPI)
    points = np.array(UsdGeom.Mesh(prims["cap"]).GetPointsAttr().Get())
    assert np.ptp(points, axis=0) == pytest.approx([0.1, 0.1, 0.2])


def test_pairs_that_masks_keep_apart_are_filtered(written: tuple[Usd.Stage, StageMap]) -> None:
    stage, stage_map = written
    nut, bolt = (stage_map.rigids[name].shape_paths for name in ("nut", "bolt"))
    links = stage_map.articulations["robot"].link_paths.values()
    ground = [f"{path}/collider" for path in stage_map.shared_paths]
    everything_else = {*ground, *links, stage_map.rigids["box"].path}

    def filtered(path: str) -> set[str]:
        api = UsdPhysics.FilteredPairsAPI(stage.GetPrimAtPath(path))
        return {str(target) for target in api.GetFilteredPairsRel().GetTargets()} if api else set()

    assert filtered(nut["thread"]) == {*everything_else, bolt["head"]}
    assert filtered(nut["hull 1"]) == filtered(nut["cap"]) == {bolt["shank"]}
    assert filtered(bolt["shank"]) == everything_else
    assert filtered(nut["paint"]) == filtered(bolt["head"]) == set()


def test_friction_of_shapes_is_that_of_the_file() -> None:
    scene = scene_of_nut_and_bolt()
    scene.sim.default_physics_material.dynamic_friction = scene.sim.default_physics_material.static_friction = 0.2
    stage = new_stage()
    stage_map = write_scene(scene, stage, gpu=False)

    def friction(path: str) -> float:
        material: Any = stage.GetPrimAtPath(path).GetRelationship("material:binding:physics").GetTargets()[0]
        return UsdPhysics.MaterialAPI(stage.GetPrimAtPath(material)).GetDynamicFrictionAttr().Get()

    paths = stage_map.rigids["nut"].shape_paths
    assert friction(paths["hull 1"]) == pytest.approx(0.3)
    assert friction(paths["cap"]) == pytest.approx(0.2)


def test_signed_distance_fields_of_robots_are_refused() -> None:
    _, scene = new_scene()
    robot = NUT.replace('<body name="nut">', '<body name="nut"><freejoint/>')
    scene.add_articulation("robot", ArticulationAsset(mjcf=robot))
    message = "articulation 'robot': shape 'thread' of link 'nut' is an sdf, which Isaac Sim cannot simulate as .*"
    with raises(CapabilityError, message):
        write_scene(scene, new_stage(), gpu=False)
