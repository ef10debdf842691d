"""Each rule of stages reports a stage that breaks it."""

from collections.abc import Callable

import pytest

pytest.importorskip("pxr")

from oige_core.engines.isaacsim.usd.from_mujoco import describe
from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.robot import write_robot
from oige_core.scene import ArticulationAsset
from pxr import Sdf, Usd, UsdGeom, UsdPhysics
from usd_rules import breaches, validation_errors

PENDULUM = """
<mujoco model="pendulum"><worldbody><body name="base"><geom size=".1"/><body name="rod" pos="0 0 .5">
  <joint name="hinge" axis="0 1 0"/><geom name="rod" type="capsule" size=".02 .2"/></body></body></worldbody>
</mujoco>"""


def pendulum() -> Usd.Stage:
    stage = new_stage()
    write_robot(describe(ArticulationAsset(mjcf=PENDULUM)), stage, "/robot")
    stage.SetDefaultPrim(stage.GetPrimAtPath("/robot"))
    return stage


def nest(stage: Usd.Stage) -> None:
    layer = stage.GetRootLayer()
    Sdf.CopySpec(layer, "/robot/rod", layer, "/robot/base/rod")


def move_root(stage: Usd.Stage) -> None:
    stage.GetPrimAtPath("/robot").RemoveAPI(UsdPhysics.ArticulationRootAPI)
    UsdPhysics.ArticulationRootAPI.Apply(stage.GetPrimAtPath("/robot/base"))
    stage.GetPrimAtPath("/robot/base").CreateAttribute(
        "physxArticulation:enabledSelfCollisions", Sdf.ValueTypeNames.Bool
    ).Set(False)


def clear(path: str, attribute: str) -> Callable[[Usd.Stage], object]:
    return lambda stage: stage.GetPrimAtPath(path).RemoveProperty(attribute)


def put(path: str, attribute: str, value: float) -> Callable[[Usd.Stage], object]:
    return lambda stage: stage.GetPrimAtPath(path).GetAttribute(attribute).Set(value)


def unbind(stage: Usd.Stage) -> None:
    stage.GetPrimAtPath("/robot/rod/rod").RemoveProperty("material:binding:physics")


def test_written_robot_keeps_all_rules() -> None:
    assert list(breaches(pendulum())) == []
    assert validation_errors(pendulum()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda stage: UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y), "z is not up"),
        (lambda stage: UsdGeom.SetStageMetersPerUnit(stage, 0.01), "units are not metres and kilograms"),
        (lambda stage: UsdPhysics.SetStageKilogramsPerUnit(stage, 0.001), "units are not metres and kilograms"),
        (nest, "/robot/base/rod: is below another body, /robot/base"),
        (move_root, "/robot/base: is a root that /robot/joints/root_joint fixes"),
        (
            lambda stage: UsdPhysics.ArticulationRootAPI.Apply(stage.GetPrimAtPath("/robot/joints/hinge")),
            "/robot: has 2 roots",
        ),
        (clear("/robot/rod", "physics:mass"), "/robot/rod: does not state physics:mass"),
        (clear("/robot/rod", "physics:diagonalInertia"), "/robot/rod: does not state physics:diagonalInertia"),
        (put("/robot/rod", "physics:mass", 0.0), "/robot/rod: has no mass or inertia"),
        (clear("/robot/rod", "physxRigidBody:angularDamping"), "/robot/rod: does not state angularDamping"),
        (put("/robot/rod", "physxRigidBody:linearDamping", 0.05), "/robot/rod: linearDamping is not 0"),
        (unbind, "/robot/rod/rod: has no material"),
        (
            clear("/robot/materials/friction_0", "physics:restitution"),
            "/robot/rod/rod: its material does not state all",
        ),
        (
            clear("/robot/materials/friction_0", "physxMaterial:frictionCombineMode"),
            "/robot/rod/rod: its material does not state all",
        ),
        (clear("/robot", "physxArticulation:enabledSelfCollisions"), "/robot: does not state enabledSelfCollisions"),
    ],
)
def test_rule_reports_what_breaks_it(damage: Callable[[Usd.Stage], object], message: str) -> None:
    stage = pendulum()
    damage(stage)
    assert any(line.startswith(message) for line in breaches(stage)), list(breaches(stage))
