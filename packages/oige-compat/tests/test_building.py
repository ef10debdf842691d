"""Robots, bodies and colliders of a fork's own files and prims, against numbers worked out by hand."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.errors import CompatError
from oige_compat.materials import PhysicsMaterial, PreviewSurface
from oige_compat.objects import DynamicCuboid, DynamicSphere, FixedCuboid, RigidPrim, Robot, VisualSphere, XFormPrim
from oige_compat.session import session
from oige_compat.stage import add_reference_to_stage
from oige_compat.types import ArticulationAction
from oige_compat.views import RigidPrimView, XFormPrimView
from pxr import Gf, UsdGeom, UsdPhysics, UsdShade
from small_scene import DT, ENV, NUM_ENVS, build, in_worlds, step

# A rod of 2 kg and 0.1 kg·m² hangs from a hinge about y, 0.4 m above its centre; a cube lies beside, and a wall stands.
ARM = """#usda 1.0
(defaultPrim = "arm"; metersPerUnit = 1; upAxis = "Z")
def Xform "arm" (
    variants = { string load = "light" }
    prepend variantSets = "load"
)
{
    def Xform "base" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsMassAPI"])
    {
        float physics:mass = 1
        float3 physics:diagonalInertia = (1, 1, 1)
    }
    def Xform "rod" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsMassAPI"])
    {
        double3 xformOp:translate = (0, 0, -0.4)
        uniform token[] xformOpOrder = ["xformOp:translate"]
        point3f physics:centerOfMass = (0, 0, 0)
        float3 physics:diagonalInertia = (0.1, 0.1, 0.001)
    }
    def Cube "loose" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsCollisionAPI", "PhysicsMassAPI"])
    {
        double size = 0.1
        float physics:mass = 0.5
        double3 xformOp:translate = (1, 0, 0)
        uniform token[] xformOpOrder = ["xformOp:translate"]
    }
    def PhysicsFixedJoint "root_joint" (prepend apiSchemas = ["PhysicsArticulationRootAPI"])
    {
        rel physics:body1 = </arm/base>
    }
    def PhysicsRevoluteJoint "hinge" (prepend apiSchemas = ["PhysicsDriveAPI:angular"])
    {
        rel physics:body0 = </arm/base>
        rel physics:body1 = </arm/rod>
        point3f physics:localPos1 = (0, 0, 0.4)
        uniform token physics:axis = "Y"
        float drive:angular:physics:damping = 0.02
    }
    variantSet "load" = {
        "light" {
            over "rod"
            {
                float physics:mass = 2
            }
        }
        "heavy" {
            over "rod"
            {
                float physics:mass = 4
            }
        }
    }
}
"""


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    file = tmp_path / "arm.usda"
    file.write_text(ARM, encoding="utf-8")
    return file


def with_arm(file: Path, change: Callable[[Any], None] = lambda stage: None) -> Callable[[Any], dict[str, Any]]:
    def fill(stage: Any) -> dict[str, Any]:
        add_reference_to_stage(str(file), f"{ENV}/robots/arm")
        XFormPrim(f"{ENV}/robots/arm", translation=[0.0, 0.0, 2.0], orientation=[math.sqrt(0.5), 0, 0, math.sqrt(0.5)])
        change(stage)
        return {
            "arms": ArticulationView("/World/envs/.*/robots/arm", "arms"),
            "rods": RigidPrimView("/World/envs/.*/robots/arm/rod", "rods"),
            "cubes": RigidPrimView("/World/envs/.*/robots/arm/loose", "cubes"),
        }

    return fill


def test_robot_of_a_local_file_hangs_from_its_hinge(arm: Path) -> None:
    views = build(with_arm(arm))
    assert views["arms"].dof_names == ["hinge"]
    positions, _ = in_worlds(views["rods"])
    torch.testing.assert_close(positions, torch.tensor([[0.0, 0.0, 1.6]] * NUM_ENVS))
    views["arms"].set_joint_positions(torch.full((NUM_ENVS, 1), math.pi / 2))
    positions, _ = in_worlds(views["rods"])  # the robot is turned by 90° about z: the rod swings towards -y
    torch.testing.assert_close(positions, torch.tensor([[0.0, -0.4, 2.0]] * NUM_ENVS), atol=1e-6, rtol=0.0)
    step()
    # Gravity turns it back: m·g·l / (I + m·l²), with the damping of the drive, 0.02 N·m·s/° = 1.146 N·m·s/rad.
    inertia, damping = 0.1 + 2.0 * 0.4**2, 0.02 * 180.0 / math.pi
    half = DT / 2  # two solver steps
    velocity = 0.0
    for _ in range(2):
        velocity = (velocity * inertia - 2.0 * 9.81 * 0.4 * half) / (inertia + damping * half)
    expected = torch.full((NUM_ENVS, 1), velocity)
    torch.testing.assert_close(views["arms"].get_joint_velocities(), expected, rtol=2e-3, atol=0.0)


def test_damaged_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "arm.usda"
    file.write_text("#usda 1.0\ndef Xform {", encoding="utf-8")
    with pytest.raises(CompatError) as caught:
        build(lambda stage: {"arm": add_reference_to_stage(str(file), f"{ENV}/arm")})
    message = str(caught.value)
    assert message.startswith(f"{ENV}/arm: its file cannot be read: Could not open asset @{file}@")
    assert "\n" not in message


def test_missing_part_of_a_file_is_told(arm: Path) -> None:
    arm.write_text(
        ARM.replace('def Cube "loose" (', 'def Cube "loose" (prepend references = @flag.usda@; '), encoding="utf-8"
    )
    views = build(with_arm(arm))
    assert views["cubes"].count == NUM_ENVS
    start = f"{ENV}/robots/arm/loose: lost: this part is missing, as in Isaac Sim: Could not open asset @"
    assert len([note for note in session().notes if note.startswith(start)]) == 1


def test_loose_body_of_a_robots_file_falls(arm: Path) -> None:
    views = build(with_arm(arm))
    torch.testing.assert_close(in_worlds(views["cubes"])[0], torch.tensor([[0.0, 1.0, 2.0]] * NUM_ENVS))
    step()
    torch.testing.assert_close(views["cubes"].get_linear_velocities()[:, 2], torch.full((NUM_ENVS,), -9.81 * DT))
    assert not [note for note in session().notes if "no joint connects" in note]


def test_script_changes_a_local_robot_on_the_stage(arm: Path) -> None:
    def change(stage: Any) -> None:
        drive = UsdPhysics.DriveAPI.Apply(stage.GetPrimAtPath(f"{ENV}/robots/arm/hinge"), "angular")
        drive.CreateStiffnessAttr(0.5)
        drive.CreateMaxForceAttr(3.0)
        joint = UsdPhysics.RevoluteJoint(stage.GetPrimAtPath(f"{ENV}/robots/arm/hinge"))
        joint.CreateLowerLimitAttr(-45.0)
        joint.CreateUpperLimitAttr(90.0)
        stage.GetPrimAtPath(f"{ENV}/robots/arm").GetVariantSet("load").SetVariantSelection("heavy")

    views = build(with_arm(arm, change))
    stiffnesses, dampings = views["arms"].get_gains()
    torch.testing.assert_close(stiffnesses, torch.full((NUM_ENVS, 1), 0.5 * 180 / math.pi))
    torch.testing.assert_close(dampings, torch.full((NUM_ENVS, 1), 0.02 * 180 / math.pi))
    torch.testing.assert_close(views["arms"].get_max_efforts(), torch.full((NUM_ENVS, 1), 3.0))
    torch.testing.assert_close(views["arms"].get_dof_limits()[0], torch.tensor([[-math.pi / 4, math.pi / 2]]))
    torch.testing.assert_close(views["arms"].get_body_masses()[0], torch.tensor([1.0, 4.0]))


def test_walls_and_tables_stand_still_and_hold_bodies() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        FixedCuboid(f"{ENV}/table/top", translation=[0.0, 0.0, 1.0], scale=[1.0, 1.0, 0.2])
        FixedCuboid(f"{ENV}/table/rim", translation=[0.5, 0.0, 1.2], scale=[0.1, 1.0, 0.4])
        FixedCuboid(f"{ENV}/shelf", translation=[9.0, 0.0, 2.0], scale=[1.0, 1.0, 0.2])
        DynamicSphere(f"{ENV}/ball", radius=0.1, mass=1.0, translation=[0.0, 0.0, 1.2])
        DynamicSphere(f"{ENV}/other", radius=0.1, mass=1.0, translation=[9.0, 0.0, 2.2])
        return {
            "balls": RigidPrimView("/World/envs/.*/(ball|other)", "balls"),
            "shelves": XFormPrimView("/World/envs/.*/shelf", "shelves"),
        }

    views = build(fill)
    step(100)
    heights = views["balls"].get_local_poses()[0][:, 2]
    torch.testing.assert_close(heights, torch.tensor([1.2, 2.2] * NUM_ENVS), atol=2e-3, rtol=0.0)
    assert views["shelves"].get_local_poses()[0].tolist() == [[9.0, 0.0, 2.0]] * NUM_ENVS
    views["shelves"].set_local_poses(torch.tensor([[9.0, 5.0, 2.0]]), indices=torch.tensor([1]))
    step(10)
    heights = views["balls"].get_local_poses()[0][:, 2]
    assert heights[3] < 2.17  # its shelf is gone: it fell for 0.1 s
    torch.testing.assert_close(heights[:3], torch.tensor([1.2, 2.2, 1.2]), atol=2e-3, rtol=0.0)


def test_body_of_several_shapes_has_their_masses() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        RigidPrim(f"{ENV}/tool", translation=[0.0, 0.0, 5.0])
        for number, offset in enumerate((-1.0, 1.0)):
            cube = UsdGeom.Cube.Define(stage, f"{ENV}/tool/cube_{number}")
            cube.CreateSizeAttr(0.1)
            cube.AddTranslateOp().Set(Gf.Vec3d(offset, 0.0, 0.0))
            UsdPhysics.CollisionAPI.Apply(cube.GetPrim())
            UsdPhysics.MassAPI.Apply(cube.GetPrim()).CreateMassAttr(3.0)
        return {"tools": RigidPrimView("/World/envs/.*/tool", "tools")}

    views = build(fill)
    torch.testing.assert_close(views["tools"].get_masses(), torch.full((NUM_ENVS,), 6.0))
    inertia = 6.0 * 0.1**2 / 6.0
    expected = torch.diag(torch.tensor([inertia, inertia + 6.0, inertia + 6.0])).flatten()
    torch.testing.assert_close(views["tools"].get_inertias()[0], expected, rtol=1e-4, atol=1e-6)


def test_friction_of_a_material_acts_on_the_shape_that_has_it() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        material = UsdShade.Material.Define(stage, "/World/ice")
        api = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
        api.CreateDynamicFrictionAttr(0.125)
        api.CreateStaticFrictionAttr(0.5)
        api.CreateRestitutionAttr(0.25)
        ball = DynamicSphere(f"{ENV}/ball", radius=0.1, translation=[0.0, 0.0, 5.0])
        DynamicSphere(f"{ENV}/other", radius=0.1, translation=[1.0, 0.0, 5.0])
        UsdShade.MaterialBindingAPI.Apply(ball.prim).Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")
        return {"balls": RigidPrimView("/World/envs/.*/(ball|other)", "balls")}

    views = build(fill)
    frictions = [view.get_material_properties()[0, 1].item() for view in views["balls"]._engine_view._views]
    assert frictions == [0.125, 1.0]
    assert "/World/ice: approximated: static friction 0.5 is the dynamic friction 0.125." in session().notes
    restitution = "/World/ice: lost: restitution 0.25; contacts of the engine have none."
    assert restitution in session().notes


def test_visual_material_keeps_the_friction_of_a_shape() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        material = PhysicsMaterial("/World/rubber", static_friction=0.8, dynamic_friction=0.8)
        cube = DynamicCuboid(f"{ENV}/cube", size=0.1, physics_material=material)
        cube.apply_visual_material(PreviewSurface("/World/Looks/red", color=torch.tensor([1.0, 0.0, 0.0])))
        bound = UsdShade.MaterialBindingAPI(cube.prim).ComputeBoundMaterial()[0]
        assert str(bound.GetPath()) == "/World/Looks/red"
        return {"cubes": RigidPrimView("/World/envs/.*/cube", "cubes")}

    properties = build(fill)["cubes"]._engine_view.get_material_properties()
    assert properties[:, 1].tolist() == pytest.approx([0.8] * NUM_ENVS)


def test_gravity_is_disabled_on_one_body() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        from oige_compat.physx_schema import PhysxRigidBodyAPI

        floating = DynamicSphere(f"{ENV}/floating", translation=[0.0, 0.0, 5.0])
        PhysxRigidBodyAPI.Apply(floating.prim).CreateDisableGravityAttr(True)
        DynamicSphere(f"{ENV}/falling", translation=[0.0, 3.0, 5.0])
        return {"balls": RigidPrimView("/World/envs/.*/f.*", "balls")}

    views = build(fill)
    step()
    torch.testing.assert_close(views["balls"].get_linear_velocities()[:2, 2], torch.tensor([0.0, -9.81 * DT]))


def test_prims_without_physics_are_placed_and_read() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        XFormPrim(f"{ENV}/goal", translation=[1.0, 2.0, 3.0])
        VisualSphere(f"{ENV}/marker", radius=0.1, translation=[4.0, 0.0, 1.0])
        VisualSphere(f"{ENV}/decoration", radius=0.1)
        DynamicSphere(f"{ENV}/group/ball", translation=[0.0, 0.0, 5.0])
        return {name: XFormPrimView(f"/World/envs/.*/{name}", name) for name in ("goal", "marker", "group")}

    views = build(fill)
    for name, start in (("goal", [1.0, 2.0, 3.0]), ("marker", [4.0, 0.0, 1.0])):
        assert views[name].get_local_poses()[0].tolist() == [start] * NUM_ENVS
        views[name].set_local_poses(torch.tensor([[0.0, 1.0, 2.0]]), indices=torch.tensor([1]))
        assert views[name].get_local_poses()[0].tolist() == [start, [0.0, 1.0, 2.0]]
    assert f"{ENV}/decoration: only drawn; left out." in session().notes
    with pytest.raises(CompatError) as caught:
        views["group"].set_local_poses(torch.zeros(2, 3))
    expected = f"set_world_poses: {ENV}/group/ball is below a prim of the view; view it, and place it."
    assert str(caught.value) == expected


def test_level_plane_of_a_world_holds_bodies_and_an_inclined_one_is_refused() -> None:
    def fill(stage: Any, tilt: float = 0.0) -> dict[str, Any]:
        plane = UsdGeom.Plane.Define(stage, f"{ENV}/floor")
        plane.AddTranslateOp().Set(Gf.Vec3d(0.0, 0.0, 1.0))
        plane.AddRotateXOp().Set(tilt)
        UsdPhysics.CollisionAPI.Apply(plane.GetPrim())
        DynamicSphere(f"{ENV}/ball", radius=0.1, translation=[0.0, 0.0, 1.1])
        return {"balls": RigidPrimView("/World/envs/.*/ball", "balls")}

    views = build(fill)
    step(100)
    heights = views["balls"].get_local_poses()[0][:, 2]
    torch.testing.assert_close(heights, torch.full((NUM_ENVS,), 1.1), atol=2e-3, rtol=0.0)
    with pytest.raises(CompatError) as caught:
        build(lambda stage: fill(stage, tilt=5.0))
    assert str(caught.value) == f"{ENV}/floor: an inclined plane is not served; use a box, or make it level."


def test_single_prims_show_the_first_world() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        parent = XFormPrim(f"{ENV}/shelf", translation=[1.0, 0.0, 0.0], orientation=[0.0, 0.0, 0.0, 1.0])
        ball = DynamicSphere(f"{ENV}/shelf/ball", position=[2.0, 3.0, 5.0], mass=2.0)
        return {"ball": ball, "parent": parent, "balls": RigidPrimView("/World/envs/.*/shelf/ball", "balls")}

    views = build(fill)
    ball = views["ball"]
    origin = torch.tensor([2.0, 0.0, 0.0])  # of the first world
    torch.testing.assert_close(ball.get_world_pose()[0], origin + torch.tensor([2.0, 3.0, 5.0]))
    ball.set_world_pose(position=[2.0, 0.0, 7.0])
    torch.testing.assert_close(in_worlds(views["balls"])[0], torch.tensor([[0.0, 0.0, 7.0], [2.0, 3.0, 5.0]]))
    ball.set_linear_velocity([0.5, 0.0, 0.0])
    assert views["balls"].get_linear_velocities()[:, 0].tolist() == [0.5, 0.0]
    assert ball.get_mass() == 2.0
    with pytest.raises(CompatError) as caught:
        ball.get_density()
    assert str(caught.value).startswith("DynamicSphere.get_density (used in ")


def test_joints_of_one_robot_take_an_action(arm: Path) -> None:
    robots = {}

    def fill(stage: Any) -> dict[str, Any]:
        add_reference_to_stage(str(arm), f"{ENV}/arm")
        robots["arm"] = Robot(f"{ENV}/arm", "arm", translation=[0.0, 0.0, 2.0])
        return {"arms": ArticulationView("/World/envs/.*/arm", "arms")}

    arms = build(fill)["arms"]
    robots["arm"].apply_action(ArticulationAction(joint_efforts=[0.5]))
    assert arms.get_applied_joint_efforts().tolist() == [[0.5], [0.0]]
    robots["arm"].set_joint_positions([0.25])
    assert arms.get_joint_positions().tolist() == [[0.25], [0.0]]
    arms.set_sleep_thresholds(torch.zeros(2))
    text = "lets PhysX skip bodies that hardly move; it has no effect."
    assert f"set_sleep_thresholds of 'arms': {text}" in session().notes


def test_self_collisions_follow_the_view() -> None:
    """Two links that overlap, not connected directly, push each other apart if links collide."""

    def fill(stage: Any, collides: bool) -> dict[str, Any]:
        UsdPhysics.ArticulationRootAPI.Apply(stage.DefinePrim(f"{ENV}/rail", "Xform"))
        for name in ("base", "left", "right"):
            body = DynamicSphere(
                f"{ENV}/rail/{name}", radius=0.1, mass=1.0, translation=[0.0, 0.05 * (name == "left"), 5]
            )
            body.set_collision_enabled(name != "base")
        fixed = UsdPhysics.FixedJoint.Define(stage, f"{ENV}/rail/fixed")
        fixed.CreateBody1Rel().SetTargets([f"{ENV}/rail/base"])
        for name in ("left", "right"):
            joint = UsdPhysics.PrismaticJoint.Define(stage, f"{ENV}/rail/{name}_joint")
            joint.CreateAxisAttr("Y")
            joint.CreateBody0Rel().SetTargets([f"{ENV}/rail/base"])
            joint.CreateBody1Rel().SetTargets([f"{ENV}/rail/{name}"])
        view = ArticulationView("/World/envs/.*/rail", "rails")
        view.set_enabled_self_collisions(torch.full((NUM_ENVS,), collides))
        return {"rails": view}

    for collides in (False, True):
        rails = build(lambda stage, value=collides: fill(stage, value))["rails"]
        step(5)
        assert bool((rails.get_joint_velocities().abs() > 1e-3).all()) is collides


def define_joint(stage: Any, kind: str, path: str, bodies: tuple[str, str], places: Any) -> Any:
    joint = getattr(UsdPhysics, f"{kind}Joint").Define(stage, path)
    for relation, body in zip((joint.GetBody0Rel(), joint.GetBody1Rel()), bodies, strict=True):
        relation.SetTargets([body])
    joint.CreateLocalPos0Attr(Gf.Vec3f(*places[0]))
    joint.CreateLocalPos1Attr(Gf.Vec3f(*places[1]))
    return joint


def test_fixed_joint_of_a_script_holds_a_body_on_a_link(arm: Path) -> None:
    def fill(stage: Any) -> dict[str, Any]:
        add_reference_to_stage(str(arm), f"{ENV}/arm")
        DynamicSphere(f"{ENV}/tool", radius=0.1, mass=1.0, translation=[0.0, 0.0, -0.8])
        define_joint(
            stage, "Fixed", f"{ENV}/grip", (f"{ENV}/arm/rod", f"{ENV}/tool"), ((0.0, 0.0, -0.4), (0.0, 0.0, 0.0))
        )
        return {
            "arms": ArticulationView("/World/envs/.*/arm", "arms"),
            "tools": RigidPrimView("/World/envs/.*/tool", "tools"),
        }

    views = build(fill)
    views["arms"].set_joint_velocities(torch.full((NUM_ENVS, 1), 0.5))
    step(20)
    angle = views["arms"].get_joint_positions()[:, 0]
    assert (angle > 0.02).all()
    expected = torch.stack([-0.8 * angle.sin(), torch.zeros(NUM_ENVS), -0.8 * angle.cos()], dim=-1)
    torch.testing.assert_close(in_worlds(views["tools"])[0], expected, atol=3e-3, rtol=0.0)


def test_revolute_joint_of_a_script_holds_a_door_at_the_world() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        door = DynamicCuboid(f"{ENV}/door", translation=[0.5, 0.0, 3.0], scale=[1.0, 0.1, 2.0], mass=1.0)
        joint = define_joint(stage, "Revolute", f"{ENV}/hinge", (ENV, door.prim_path), ((0, 0, 3.0), (-0.5, 0, 0)))
        joint.CreateAxisAttr("Z")
        return {"doors": RigidPrimView("/World/envs/.*/door", "doors")}

    doors = build(fill)["doors"]
    doors.set_velocities(torch.tensor([[0.0, 0.5, 0.0, 0.0, 0.0, 1.0]] * NUM_ENVS))
    step(20)
    expected = torch.tensor([[0.5 * math.cos(0.2), 0.5 * math.sin(0.2), 3.0]] * NUM_ENVS)
    torch.testing.assert_close(doors.get_local_poses()[0], expected, atol=5e-3, rtol=0.0)


def test_body_with_a_fixed_base_moves_only_by_its_view() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        DynamicCuboid(f"{ENV}/goal", translation=[0.0, 0.0, 1.0], size=0.1)
        joint = UsdPhysics.Joint.Define(stage, f"{ENV}/goal_fixedBaseRootJoint")
        joint.CreateBody1Rel().SetTargets([f"{ENV}/goal"])
        UsdPhysics.ArticulationRootAPI.Apply(joint.GetPrim())
        DynamicCuboid(f"{ENV}/cube", translation=[1.0, 0.0, 1.0], size=0.1)
        return {name: RigidPrimView(f"/World/envs/.*/{name}", name) for name in ("goal", "cube")}

    views = build(fill)
    views["goal"].set_local_poses(torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 3.0]]))
    step(5)
    heights = views["goal"].get_local_poses()[0][:, 2]
    torch.testing.assert_close(heights, torch.tensor([2.0, 3.0]))
    assert (views["cube"].get_local_poses()[0][:, 2] < 1.0).all()
    note = f"{ENV}/goal: held by goal_fixedBaseRootJoint; the body moves only where a view puts it."
    assert note in session().notes


def test_joint_that_cannot_be_expressed_is_refused_by_name() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        ball = DynamicSphere(f"{ENV}/ball", translation=[0.0, 0.0, 3.0])
        define_joint(stage, "Prismatic", f"{ENV}/slide", (ENV, ball.prim_path), ((0, 0, 3.0), (0, 0, 0)))
        return {}

    with pytest.raises(CompatError) as caught:
        build(fill)
    assert str(caught.value) == (
        f"{ENV}/slide: a PhysicsPrismaticJoint between the world and {ENV}/ball: only fixed joints, and spherical and "
        "revolute ones without limits and drives, hold bodies of which not both are links of one articulation; apply "
        "PhysicsArticulationRootAPI above both."
    )


def test_collider_outside_of_the_worlds_is_told() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        FixedCuboid("/World/wall", translation=[0.0, 0.0, 1.0])
        DynamicSphere(f"{ENV}/ball", translation=[0.0, 0.0, 5.0])
        return {}

    build(fill)
    assert f"/World/wall: colliders outside of the worlds; left out, put them into {ENV}." in session().notes
