"""Loops, tendons, exclusions and shapes of robots as USD, against numbers worked out by hand."""

import re

import mujoco
import numpy as np
import pytest

pytest.importorskip("pxr")

from oige_core.engines.isaacsim.usd.from_mujoco import describe
from oige_core.engines.isaacsim.usd.prims import ellipsoid_mesh, new_stage
from oige_core.engines.isaacsim.usd.robot import RobotOptions, RobotPrims, write_robot
from oige_core.errors import CapabilityError
from oige_core.scene import ArticulationAsset
from pxr import Usd, UsdGeom, UsdPhysics

MJCF = """
<mujoco model="parts">{options}
  <default><geom size=".01" mass="1"/></default>
  <worldbody>
    <body name="base"><geom/>
      <body name="a" pos="1 0 0">
        <joint name="a" axis="0 0 1"/><geom/>
        <geom name="egg" type="ellipsoid" size=".3 .2 .1" mass="0"/>
        <geom name="shell" type="ellipsoid" size=".3 .2 .1" mass="0" contype="0" conaffinity="0"/>
        <geom name="bumper" group="3" mass="0"/>
        <body name="b" pos="0 1 0">
          <joint name="b" axis="{axis_b}"/><geom/>
          <body name="c" pos="0 0 1"><joint name="c" axis="0 0 1"/><geom/></body>
          <body name="stub" pos="0 0 2"><geom/><body name="d"><joint name="d" axis="0 0 1"/><geom/></body></body>
        </body>
      </body>
      <body name="e"><joint name="e" axis="0 0 1"/><geom/></body>
    </body>
  </worldbody>
  {more}
</mujoco>"""


def parts(more: str = "", axis_b: str = "0 0 1", options: str = "") -> ArticulationAsset:
    return ArticulationAsset(mjcf=MJCF.format(more=more, axis_b=axis_b, options=options))


def written(asset: ArticulationAsset, options: RobotOptions | None = None) -> tuple[Usd.Stage, RobotPrims]:
    stage = new_stage()
    return stage, write_robot(describe(asset), stage, "/robot", options)


def world_matrix(stage: Usd.Stage, path: object) -> np.ndarray:
    return np.array(UsdGeom.Xformable(stage.GetPrimAtPath(path)).ComputeLocalToWorldTransform(0)).T


@pytest.mark.parametrize(
    ("equality", "kind", "ends", "point"),
    [
        # The anchor is in the frame of body1, here at x = 1 m.
        ('<connect name="loop" body1="a" anchor=".1 .2 .3"/>', "SphericalJoint", ("anchor", "a"), (1.1, 0.2, 0.3)),
        ('<connect name="loop" body1="e" body2="c" anchor="0 0 1"/>', "SphericalJoint", ("e", "c"), (0, 0, 1)),
        ('<weld name="loop" body1="e" body2="d"/>', "FixedJoint", ("e", "d"), (1, 1, 2)),
    ],
)  # fmt: skip
def test_loops_are_joints_outside_the_articulation(
    equality: str, kind: str, ends: tuple[str, str], point: tuple[float, ...]
) -> None:
    stage, prims = written(parts(f"<equality>{equality}</equality>"))
    prim = stage.GetPrimAtPath(prims.joints["loop"])
    joint = UsdPhysics.Joint(prim)
    assert prim.GetTypeName() == f"Physics{kind}"
    assert joint.GetExcludeFromArticulationAttr().Get() is True
    bodies = [str(joint.GetBody0Rel().GetTargets()[0]), str(joint.GetBody1Rel().GetTargets()[0])]
    assert [body.rpartition("/")[2] for body in bodies] == list(ends)
    for body, local in zip(bodies, (joint.GetLocalPos0Attr(), joint.GetLocalPos1Attr()), strict=True):
        position = world_matrix(stage, body) @ [*local.Get(), 1.0]
        np.testing.assert_allclose(position[:3], point, atol=1e-6)


def test_anchor_of_loops_is_a_body_that_does_not_move() -> None:
    stage, _ = written(parts('<equality><connect body1="a" anchor="0 0 0"/></equality>'))
    anchor = UsdPhysics.RigidBodyAPI(stage.GetPrimAtPath("/robot/anchor"))
    assert anchor.GetKinematicEnabledAttr().Get() is True
    np.testing.assert_array_equal(world_matrix(stage, "/robot/anchor"), np.eye(4))
    assert not written(parts())[0].GetPrimAtPath("/robot/anchor")


def tendon(*joints: tuple[str, float], attributes: str = "") -> str:
    inner = "".join(f'<joint joint="{name}" coef="{coefficient}"/>' for name, coefficient in joints)
    return f'<tendon><fixed name="t" {attributes}>{inner}</fixed></tendon>'


@pytest.mark.parametrize(
    ("joints", "axis_b", "forces"),
    [
        # Parallel axes: a torque on b also acts on a. 2 joints: all forces are doubled.
        ([("b", -1.0), ("a", 2.0)], "0 0 1", {"a": 2 * (2.0 + 1.0), "b": 2 * -1.0}),
        # Perpendicular axes: it does not.
        ([("b", -1.0), ("a", 2.0)], "1 0 0", {"a": 2 * 2.0, "b": 2 * -1.0}),
        # Opposite axes.
        ([("b", -1.0), ("a", 2.0)], "0 0 -1", {"a": 2 * (2.0 - 1.0), "b": 2 * -1.0}),
        # b, between a and c, is not part of the tendon: the torque of c on b is taken back there.
        ([("c", 0.5), ("a", 2.0)], "0 0 1", {"a": 3 * 2.0, "b": 3 * -0.5, "c": 3 * 0.5}),
    ],
)
def test_tendons_act_on_joints_by_their_coefficients(
    joints: list[tuple[str, float]], axis_b: str, forces: dict[str, float]
) -> None:
    stage, prims = written(parts(tendon(*joints), axis_b))
    coefficients = dict(joints)
    for name in "abcd":
        prim = stage.GetPrimAtPath(prims.joints[name])
        gearing = prim.GetAttribute("physxTendon:t:gearing")
        if name not in forces:
            assert not gearing
            continue
        degree = np.pi / 180
        assert gearing.Get()[0] == pytest.approx(coefficients.get(name, 0.0) * degree)
        assert prim.GetAttribute("physxTendon:t:forceCoefficient").Get()[0] == pytest.approx(forces[name])
        schema = "PhysxTendonAxisRootAPI:t" if name == "a" else "PhysxTendonAxisAPI:t"
        listed = prim.GetMetadata("apiSchemas").GetAddedOrExplicitItems()
        assert [item for item in listed if "Tendon" in item] == [schema]


def test_properties_of_tendons_are_on_the_first_joint() -> None:
    attributes = 'range="-.1 .2" stiffness="3" damping=".4" springlength=".05" solreflimit="-700 -1"'
    attributes += ' solimplimit="0 0.5 0.001"'
    stage, prims = written(parts(tendon(("a", 2.0), attributes=attributes)))
    prim = stage.GetPrimAtPath(prims.joints["a"])
    expected = {"lowerLimit": -0.1, "upperLimit": 0.2, "stiffness": 3.0, "damping": 0.4, "restLength": 0.05}
    for name, value in expected.items():
        assert prim.GetAttribute(f"physxTendon:t:{name}").Get() == pytest.approx(value), name
    # A violation r accelerates the tendon by −700 r, at impedance 0.5 of what holds: k = 700 / (w · (1 − 0.5)).
    inertia = mass_of_tendon(parts(tendon(("a", 2.0), attributes=attributes)))
    assert prim.GetAttribute("physxTendon:t:limitStiffness").Get() == pytest.approx(1400.0 * inertia, rel=1e-5)


def mass_of_tendon(asset: ArticulationAsset) -> float:
    model = mujoco.MjModel.from_xml_string(str(asset.mjcf))
    return 1.0 / float(model.tendon_invweight0[0])


@pytest.mark.parametrize(
    ("more", "options", "message"),
    [
        (tendon(("a", 1.0), ("e", 1.0)), "", "tendon 't' has joints of branches that no joint moves together"),
        (tendon(("b", 1.0), ("d", 1.0)), "", "tendon 't' has joints on both sides of link 'stub'"),
        (tendon(("a", 1.0), attributes='frictionloss="1"'), "", "tendon 't' has frictionloss, which PhysX lacks"),
        ("", '<option density="1.2"/>', "<option density=1.2>, but PhysX has no fluid around bodies"),
        ('<contact><pair geom1="egg" geom2="bumper"/></contact>', "", "its MJCF has contact pairs, which PhysX lacks"),
        ('<equality><joint joint1="a" joint2="e"/></equality>', "", "the constraint 'loop_0' of type joint"),
    ],
)  # fmt: skip
def test_what_physx_lacks_is_refused(more: str, options: str, message: str) -> None:
    with pytest.raises(CapabilityError, match=re.escape(message)):
        written(parts(more, options=options))


def test_links_that_mujoco_keeps_apart_do_not_collide_in_physx() -> None:
    exclude = '<contact><exclude body1="c" body2="base"/></contact>'
    stage, prims = written(parts(exclude), RobotOptions(self_collisions=True))
    names = {path: name for name, path in prims.links.items()}
    apart = set()
    for path, name in names.items():
        prim = stage.GetPrimAtPath(path)
        if prim.HasAPI(UsdPhysics.FilteredPairsAPI):
            targets = UsdPhysics.FilteredPairsAPI(prim).GetFilteredPairsRel().GetTargets()
            apart |= {frozenset((name, names[str(target)])) for target in targets}
    # Neighbours, where the stub and b count as one link, and the excluded pair. A fixed base meets its children.
    expected = [("a", "b"), ("a", "stub"), ("b", "stub"), ("b", "c"), ("stub", "c"), ("b", "d"), ("stub", "d")]
    assert apart == {frozenset(pair) for pair in [*expected, ("c", "base")]}
    stage, prims = written(parts(exclude))
    assert not any(prim.HasAPI(UsdPhysics.FilteredPairsAPI) for prim in stage.Traverse())


def test_shapes_collide_or_are_drawn_as_in_the_asset() -> None:
    stage, prims = written(parts())
    egg, shell, bumper = (stage.GetPrimAtPath(prims.shapes[name]) for name in ("egg", "shell", "bumper"))
    assert egg.IsA(UsdGeom.Mesh)
    assert UsdPhysics.MeshCollisionAPI(egg).GetApproximationAttr().Get() == "convexHull"
    assert shell.IsA(UsdGeom.Sphere)
    assert not shell.HasAPI(UsdPhysics.CollisionAPI)
    assert bumper.HasAPI(UsdPhysics.CollisionAPI)
    purposes = [UsdGeom.Imageable(prim).GetPurposeAttr().Get() for prim in (egg, shell, bumper)]
    assert purposes == ["default", "default", "guide"]


def test_ellipsoid_mesh_is_closed_and_faces_outwards() -> None:
    mesh = ellipsoid_mesh((0.3, 0.2, 0.1))
    points, faces = np.array(mesh.points), np.array(mesh.faces)
    np.testing.assert_allclose(np.sum((points / [0.3, 0.2, 0.1]) ** 2, axis=1), 1.0, atol=1e-12)
    assert len(points) <= 64  # corners of a hull in PhysX
    edges = {(int(face[i]), int(face[(i + 1) % 3])) for face in faces for i in range(3)}
    assert len(edges) == 3 * len(faces)
    assert {(b, a) for a, b in edges} == edges
    corners = points[faces]
    volume = np.sum(np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))) / 6.0
    assert 0.85 < volume / (4 / 3 * np.pi * 0.3 * 0.2 * 0.1) < 1.0
