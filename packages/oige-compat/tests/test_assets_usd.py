"""USD files written by hand, converted, against closed forms and numbers worked out by hand."""

import math
from pathlib import Path

import mujoco
import numpy as np
import pytest
from oige_compat.assets import Report, load_rigid_usd, load_usd
from oige_core.errors import OigeError
from oige_core.scene import ArticulationAsset

# A rod of 2 kg hangs from a hinge about y, 40 cm above its centre; the file is in centimetres.
PENDULUM = """#usda 1.0
(defaultPrim = "pendulum"; metersPerUnit = {meters}; upAxis = "{up}")
def Xform "pendulum" (prepend apiSchemas = ["PhysicsArticulationRootAPI"])
{{
    def Xform "base" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsMassAPI"])
    {{
        float physics:mass = 1
        float3 physics:diagonalInertia = (1, 1, 1)
    }}
    def Xform "rod" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsMassAPI"])
    {{
        double3 xformOp:translate = {translate}
        uniform token[] xformOpOrder = ["xformOp:translate"]
        float physics:mass = 2
        point3f physics:centerOfMass = (0, 0, 0)
        float3 physics:diagonalInertia = {inertia}
    }}
    def PhysicsFixedJoint "root_joint" {{ rel physics:body1 = </pendulum/base>; }}
    def PhysicsRevoluteJoint "hinge" (
        prepend apiSchemas = ["PhysicsDriveAPI:angular", "PhysxJointAPI", "PhysicsJointStateAPI:angular"]
    )
    {{
        rel physics:body0 = </pendulum/base>
        rel physics:body1 = </pendulum/rod>
        point3f physics:localPos1 = {pivot}
        uniform token physics:axis = "{axis}"
        float physics:lowerLimit = -90
        float physics:upperLimit = 45
        float drive:angular:physics:stiffness = 0.1
        float drive:angular:physics:damping = 0.02
        float drive:angular:physics:maxForce = 30000
        float physxJoint:armature = 50
        float state:angular:physics:position = 30
    }}
}}
"""

CENTIMETRES = {
    "meters": 0.01,
    "up": "Z",
    "axis": "Y",
    "translate": "(0, 0, -40)",
    "pivot": "(0, 0, 40)",
    "inertia": "(1000, 1000, 10)",
}


def load(tmp_path: Path, text: str, **options: object) -> tuple[ArticulationAsset, Report]:
    file = tmp_path / "robot.usda"
    file.write_text(text, encoding="utf-8")
    return load_usd(file, **options)  # type: ignore[arg-type]


def compiled(asset: ArticulationAsset) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(str(asset.mjcf))


def robot(
    joints: str, *, links: str = "ab", apis: dict[str, str] | None = None, rest: dict[str, str] | None = None
) -> str:
    """A robot of balls of 1 kg at intervals of 1 m along x; links can have further schemas and attributes."""
    bodies = "".join(
        f"""
    def Xform "{name}" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsMassAPI"{(apis or {}).get(name, "")}])
    {{
        double3 xformOp:translate = ({number}, 0, 0)
        float3 xformOp:scale = (1, 1, 1)
        uniform token[] xformOpOrder = ["xformOp:translate", "xformOp:scale"]
        float physics:mass = 1
        {(rest or {}).get(name, "")}
        def Sphere "ball" (prepend apiSchemas = ["PhysicsCollisionAPI"]) {{ double radius = 0.1; }}
    }}"""
        for number, name in enumerate(links)
    )
    return f"""#usda 1.0
(defaultPrim = "robot"; metersPerUnit = 1; upAxis = "Z")
def Xform "robot" {"" if "Articulation" in str(apis) else '(prepend apiSchemas = ["PhysicsArticulationRootAPI"])'}
{{{bodies}
{joints}
}}
"""


def joint(
    kind: str, name: str = "joint", first: str = "a", second: str = "b", *, apis: str = "", rest: str = ""
) -> str:
    schemas = f"(prepend apiSchemas = [{apis}])" if apis else ""
    return f"""
    def {kind} "{name}" {schemas}
    {{
        rel physics:body0 = </robot/{first}>
        rel physics:body1 = </robot/{second}>
        {rest or "point3f physics:localPos0 = (1, 0, 0)"}
    }}"""


def test_pendulum_in_centimetres_swings_with_its_period(tmp_path: Path) -> None:
    asset, _ = load(tmp_path, PENDULUM.format(**CENTIMETRES))
    model = compiled(asset)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    inertia = 1000e-4 + 2.0 * 0.4**2 + 50e-4  # about the hinge: rod, its distance, armature
    full = np.empty((1, 1))
    mujoco.mj_fullM(model, data, full)
    assert full[0, 0] == pytest.approx(inertia, rel=1e-6)
    data.qpos[0] = 0.3
    mujoco.mj_forward(model, data)
    assert data.qfrc_bias[0] == pytest.approx(2.0 * 9.81 * 0.4 * math.sin(0.3), rel=1e-6)


def test_units_of_drive_limits_and_state(tmp_path: Path) -> None:
    asset, _ = load(tmp_path, PENDULUM.format(**CENTIMETRES))
    drive, model = asset.drives["hinge"], compiled(asset)
    per_degree = 180.0 / math.pi
    assert drive.stiffness == pytest.approx(0.1e-4 * per_degree, rel=1e-6)  # kg·cm²/s² per degree
    assert drive.damping == pytest.approx(0.02e-4 * per_degree, rel=1e-6)
    assert drive.max_effort == pytest.approx(3.0, rel=1e-6)
    np.testing.assert_allclose(model.jnt_range[0], [-math.pi / 2, math.pi / 4], rtol=1e-6)
    assert asset.joint_positions == {"hinge": pytest.approx(math.pi / 6)}


def test_pendulum_in_a_stage_with_y_up_is_turned_upright(tmp_path: Path) -> None:
    turned = {"up": "Y", "axis": "Z", "translate": "(0, -40, 0)", "pivot": "(0, 40, 0)", "inertia": "(1000, 10, 1000)"}
    values = {**CENTIMETRES, **turned}
    upright, lying = (compiled(load(tmp_path, PENDULUM.format(**each))[0]) for each in (CENTIMETRES, values))
    for model in (upright, lying):
        data = mujoco.MjData(model)
        data.qpos[0] = 0.3
        mujoco.mj_forward(model, data)
        assert data.qfrc_bias[0] == pytest.approx(2.0 * 9.81 * 0.4 * math.sin(0.3), rel=1e-6)
        assert data.body("rod").xipos[2] == pytest.approx(-0.4 * math.cos(0.3), rel=1e-6)


def test_frames_of_both_sides_and_scales_place_a_link(tmp_path: Path) -> None:
    rest = """point3f physics:localPos0 = (1, 0, 0)
        point3f physics:localPos1 = (-0.5, 0, 0)
        quatf physics:localRot0 = (0.70710678, 0, 0, 0.70710678)
        uniform token physics:axis = "X" """
    text = robot(joint("PhysicsRevoluteJoint", rest=rest))
    head, tail = text.split('def Xform "b"')
    text = head + 'def Xform "b"' + tail.replace("(1, 1, 1)", "(2, 2, 2)", 1)
    model = compiled(load(tmp_path, text)[0])
    # The joint is at (1, 0, 0) of a, turned by 90° about z: its x axis is the y axis of a. In b it is at (-1, 0, 0),
    # because b is twice as large, and b is turned like the joint: the origin of b lies 1 m along y from the joint.
    np.testing.assert_allclose(model.body("b").pos, [1.0, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(np.abs(model.body("b").quat), [math.sqrt(0.5), 0, 0, math.sqrt(0.5)], atol=1e-6)
    np.testing.assert_allclose(model.joint("joint").axis, [1.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(model.joint("joint").pos, [-1.0, 0.0, 0.0], atol=1e-6)
    assert max(model.geom_size[:, 0]) == pytest.approx(0.2)


def test_joint_whose_first_body_is_the_child_keeps_its_sign(tmp_path: Path) -> None:
    rest = "point3f physics:localPos1 = (1, 0, 0)\n float physics:lowerLimit = -10"
    joints = joint("PhysicsRevoluteJoint", first="b", second="a", rest=rest)
    model = compiled(load(tmp_path, robot(joints, apis={"a": ', "PhysicsArticulationRootAPI"'}))[0])
    assert [model.body(index).name for index in (1, 2)] == ["a", "b"]
    np.testing.assert_allclose(model.joint("joint").axis, [-1.0, 0.0, 0.0], atol=1e-9)
    assert model.joint("joint").range[0] == pytest.approx(math.radians(-10.0))


AT = "point3f physics:localPos0 = (1, 0, 0)\n        "
D6 = """float limit:transX:physics:low = 1
        float limit:transX:physics:high = -1
        float limit:transY:physics:low = 1
        float limit:transY:physics:high = -1
        float limit:transZ:physics:low = 1
        float limit:transZ:physics:high = -1
        float limit:rotX:physics:low = 1
        float limit:rotX:physics:high = -1
        float limit:rotY:physics:low = -20
        float limit:rotY:physics:high = 40
        """
LIMITS = ", ".join(f'"PhysicsLimitAPI:{name}"' for name in ("transX", "transY", "transZ", "rotX", "rotY", "rotZ"))


def test_generic_joint_with_one_free_axis_is_a_hinge(tmp_path: Path) -> None:
    rest = (
        AT
        + D6
        + "float limit:rotZ:physics:low = 1\n float limit:rotZ:physics:high = -1\n"
        + ("float drive:rotY:physics:stiffness = 2\n float physxJointAxis:rotY:armature = 0.25")
    )
    apis = f'{LIMITS}, "PhysicsDriveAPI:rotY"'
    asset, report = load(tmp_path, robot(joint("PhysicsJoint", apis=apis, rest=rest)))
    model = compiled(asset)
    hinge = model.joint("joint")
    np.testing.assert_allclose(hinge.axis, [0.0, 1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(hinge.range, np.radians([-20.0, 40.0]), rtol=1e-6)
    assert model.dof_armature[hinge.dofadr] == pytest.approx(0.25)
    assert asset.drives["joint"].stiffness == pytest.approx(math.degrees(2.0))
    assert not [line for line in report.lines() if line.startswith("approximated")]


def test_generic_joint_with_two_free_axes_is_a_noted_chain(tmp_path: Path) -> None:
    rest = AT + D6 + "float limit:rotZ:physics:low = -5\n float limit:rotZ:physics:high = 5\n"
    asset, report = load(tmp_path, robot(joint("PhysicsJoint", apis=LIMITS, rest=rest)))
    model = compiled(asset)
    assert [model.joint(index).name for index in (1, 2)] == ["joint:0", "joint:1"]
    np.testing.assert_allclose(model.jnt_axis[1:3], [[0, 1, 0], [0, 0, 1]], atol=1e-9)
    assert report.lines() == (
        "approximated: /robot/joint: the joint is a chain of 2 joints (rotY, rotZ), whose positions agree with those "
        "of Isaac Sim at small angles",
    )


def test_generic_joint_to_the_stage_without_limits_fixes_the_base(tmp_path: Path) -> None:
    text = PENDULUM.format(**CENTIMETRES).replace("PhysicsFixedJoint", "PhysicsJoint")
    asset, report = load(tmp_path, text)
    model = compiled(asset)
    assert [model.joint(index).name for index in range(model.njnt)] == ["hinge"]
    note = "the joint to the stage leaves all axes free; it holds the articulation's base, which does not move"
    assert f"approximated: /pendulum/root_joint: {note}" in report.lines()
    schemas = '(prepend apiSchemas = ["PhysicsDriveAPI:transX"])'
    driven = text.replace('PhysicsJoint "root_joint"', f'PhysicsJoint "root_joint" {schemas}')
    with pytest.raises(OigeError, match="all six axes are free, so that it holds nothing; remove it"):
        load(tmp_path, driven)


def test_acceleration_drive_gets_gains_for_the_inertia_of_its_joint(tmp_path: Path) -> None:
    rest = AT + 'uniform token physics:axis = "Z"\n uniform token drive:linear:physics:type = "acceleration"\n'
    rest += "float drive:linear:physics:stiffness = 10\n float drive:linear:physics:damping = 3"
    text = robot(joint("PhysicsPrismaticJoint", apis='"PhysicsDriveAPI:linear"', rest=rest))
    drive = load(tmp_path, text)[0].drives["joint"]
    # Two free balls of 1 kg: their distance has the reduced mass, changed by the lever of 1 m and the balls' inertia.
    inertia = 0.4 * 1.0 * 0.1**2
    reduced = 1.0 / (1.0 + 1.0 + 0.0)
    lever = 1.0**2 / (2 * inertia)  # the force on b turns both balls, as a rigid bar with a slide at its end
    assert drive.stiffness / 10.0 == pytest.approx(drive.damping / 3.0)
    assert 1.0 / (1.0 / reduced + lever) == pytest.approx(drive.stiffness / 10.0, rel=1e-4)


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (
            joint("PhysicsDistanceJoint"),
            "joint /robot/joint: PhysicsDistanceJoint cannot be expressed; expected a revolute, prismatic, spherical, "
            "fixed or generic joint.",
        ),
        (
            joint("PhysicsRevoluteJoint", rest="float physics:lowerLimit = 5\n float physics:upperLimit = -5"),
            "joint /robot/joint: physics:lowerLimit=5 exceeds physics:upperLimit=-5.",
        ),
        (joint("PhysicsJoint"), "joint /robot/joint: all six axes are free, so that it holds nothing; remove it."),
        (
            joint("PhysicsFixedJoint") + joint("PhysicsFixedJoint", name="second"),
            "{file}: joint /robot/second closes a loop between /robot/a and /robot/b; set its "
            "physics:excludeFromArticulation to true.",
        ),
        (
            joint("PhysicsFixedJoint")
            + joint("PhysicsPrismaticJoint", name="loop", rest="bool physics:excludeFromArticulation = 1"),
            "joint /robot/loop: a PhysicsPrismaticJoint outside the articulation cannot be expressed; expected a "
            "fixed, revolute or spherical joint.",
        ),
        (
            joint("PhysicsFixedJoint", second="c"),
            "joint /robot/joint: physics:body1 is /robot/c, and there is no such prim.",
        ),
    ],
)
def test_joint_that_cannot_be_expressed_raises(tmp_path: Path, joints: str, message: str) -> None:
    with pytest.raises(OigeError) as error:
        load(tmp_path, robot(joints))
    assert str(error.value) == message.replace("{file}", str(tmp_path / "robot.usda"))


def test_missing_reference_is_named(tmp_path: Path) -> None:
    rest = {"a": 'def "arm" (references = @arm.usd@) {}'}
    with pytest.raises(OigeError, match=r"robot.usda: a part of it cannot be read: .*arm\.usd"):
        load(tmp_path, robot(joint("PhysicsFixedJoint"), rest=rest))


def test_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "robot.usda"
    with pytest.raises(OigeError) as error:
        load(tmp_path, "#usda 1.0\ndef Xform {")
    assert str(error.value).startswith(f"{file}: USD cannot read it: 2:1: ")


def test_link_that_no_joint_holds_is_reported(tmp_path: Path) -> None:
    _, report = load(tmp_path, robot(joint("PhysicsFixedJoint"), links="abc"))
    assert report.lines() == ("lost: /robot/c: a rigid body that no joint connects with /robot/a",)


def test_filtered_pairs_are_excludes(tmp_path: Path) -> None:
    joints = joint("PhysicsFixedJoint") + joint("PhysicsFixedJoint", name="next", first="b", second="c")
    apis, rest = {"a": ', "PhysicsFilteredPairsAPI"'}, {"a": "rel physics:filteredPairs = </robot/c>"}
    asset, _ = load(tmp_path, robot(joints, links="abc", apis=apis, rest=rest))
    assert str(asset.mjcf).count("<exclude ") == 1
    assert '<exclude body1="a" body2="c" />' in str(asset.mjcf)


def test_colliders_of_filtered_groups_are_excludes(tmp_path: Path) -> None:
    joints = joint("PhysicsFixedJoint") + joint("PhysicsFixedJoint", name="next", first="b", second="c")
    groups = "".join(
        f'def PhysicsCollisionGroup "{name}" {{ rel collection:colliders:includes = </robot/{link}>; {rest}; }}\n'
        for name, link, rest in (
            ("one", "a", "rel physics:filteredGroups = </robot/two>"),
            ("two", "c", "bool unused = 1"),
        )
    )
    asset, _ = load(tmp_path, robot(f"{joints}\n{groups}", links="abc"))
    assert str(asset.mjcf).count("<exclude ") == 1
    assert '<exclude body1="a" body2="c" />' in str(asset.mjcf)


def test_masses_follow_from_densities_of_shapes_links_and_materials(tmp_path: Path) -> None:
    text = """#usda 1.0
(defaultPrim = "box"; metersPerUnit = 1; upAxis = "Z")
def Xform "box" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsMassAPI"])
{
    float physics:density = 100
    def Cube "by_link" (prepend apiSchemas = ["PhysicsCollisionAPI"]) { double size = 1; }
    def Cube "by_mass" (prepend apiSchemas = ["PhysicsCollisionAPI", "PhysicsMassAPI"])
    {
        double size = 1
        float physics:mass = 7
        double3 xformOp:translate = (2, 0, 0)
        uniform token[] xformOpOrder = ["xformOp:translate"]
    }
    def Cube "by_density" (prepend apiSchemas = ["PhysicsCollisionAPI", "PhysicsMassAPI"])
    {
        double size = 1
        float physics:density = 50
        float3 xformOp:scale = (1, 2, 1)
        uniform token[] xformOpOrder = ["xformOp:scale"]
    }
}
"""
    file = tmp_path / "box.usda"
    file.write_text(text)
    asset, _ = load_rigid_usd(file)
    model = mujoco.MjModel.from_xml_string(str(asset.mjcf))
    assert model.body_mass[1] == pytest.approx(100.0 + 7.0 + 2.0 * 50.0)
    assert model.body_ipos[1] == pytest.approx([7.0 * 2.0 / 207.0, 0.0, 0.0])
