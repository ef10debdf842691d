"""Attributes of physics, parameters and settings of a script act, or a note says that they do not."""

from typing import Any

import pytest
from oige_compat.building.attributes import RELATIONSHIPS, tell_unused
from oige_compat.building.world import FirstWorld
from oige_compat.kit import SimulationApp, get_settings
from oige_compat.objects import DynamicSphere, FixedCuboid
from oige_compat.physics_attributes import ATTRIBUTES, Attribute
from oige_compat.physx_schema import PhysxRigidBodyAPI
from oige_compat.session import Session, restart, session
from pxr import Sdf, UsdPhysics

ENV = "/World/envs/env_0"


@pytest.fixture
def current() -> Session:
    restart()
    session().stage.DefinePrim(ENV, "Xform")
    return session()


def notes(current: Session, **params: Any) -> set[str]:
    tell_unused(FirstWorld(current, params, []))
    return current.notes


def test_attribute_without_effect_is_told_once_for_all_prims(current: Session) -> None:
    for number in range(3):
        ball = DynamicSphere(f"{ENV}/ball_{number}")
        PhysxRigidBodyAPI.Apply(ball.prim).CreateMaxLinearVelocityAttr(5.0)
        UsdPhysics.RigidBodyAPI(ball.prim).CreateVelocityAttr((0.0, 0.0, 0.0))
    assert notes(current) == {
        f"physxRigidBody:maxLinearVelocity of {ENV}/ball_0 and 2 more: limits the speed of bodies; it has no effect."
    }


def test_attributes_that_do_the_same_share_a_note(current: Session) -> None:
    for number in range(2):
        api = PhysxRigidBodyAPI.Apply(DynamicSphere(f"{ENV}/ball_{number}").prim)
        api.CreateSleepThresholdAttr(0.01)
        api.CreateStabilizationThresholdAttr(0.01)
    assert notes(current) == {
        f"physxRigidBody:sleepThreshold, physxRigidBody:stabilizationThreshold of {ENV}/ball_0 and 1 more: "
        "lets PhysX skip bodies that hardly move; no effect."
    }


def test_unknown_attribute_is_told(current: Session) -> None:
    ball = DynamicSphere(f"{ENV}/ball")
    ball.prim.CreateAttribute("physxMystery:speed", Sdf.ValueTypeNames.Float).Set(1.0)
    expected = (
        f"physxMystery:speed of {ENV}/ball: an attribute of physics that oige-compat does not know; it has no effect."
    )
    assert notes(current) == {expected}


@pytest.mark.parametrize(("pattern", "row"), ATTRIBUTES.items())
def test_every_attribute_is_told_where_it_does_not_act(current: Session, pattern: str, row: Attribute) -> None:
    """On one prim of each kind that needs no robot."""
    prims = {
        "body": DynamicSphere(f"{ENV}/ball").prim,
        "collider": FixedCuboid(f"{ENV}/box").prim,
        "scene": current.stage.GetPrimAtPath("/physicsScene"),
        "joint": UsdPhysics.FixedJoint.Define(current.stage, f"{ENV}/joint").GetPrim(),
        "other": current.stage.DefinePrim(f"{ENV}/group", "Xform"),
    }
    name = pattern.replace("*", "angular").replace("?", "0")
    flag = name.endswith(("Enabled", "Asleep", "Articulation"))
    value = next(value for value in ((True, False) if flag else (12345.0,)) if not row.neutral(value))
    layer = current.stage.GetRootLayer()
    for kind, prim in prims.items():
        if name in RELATIONSHIPS:
            prim.CreateRelationship(name).SetTargets([ENV])
        spec = layer.GetPropertyAtPath(prim.GetPath().AppendProperty(name)) or Sdf.AttributeSpec(
            layer.GetPrimAtPath(prim.GetPath()), name, Sdf.ValueTypeNames.Bool if flag else Sdf.ValueTypeNames.Double
        )
        if name not in RELATIONSHIPS:
            spec.default = value
        told = any(note.startswith(f"{name} of {prim.GetPath()}") for note in notes(current))
        layer.GetPrimAtPath(prim.GetPath()).RemoveProperty(spec)
        current.notes.clear()
        assert told is (kind not in row.acts), kind


def test_parameters_without_effect_are_told_by_what_they_do(current: Session) -> None:
    params = {"dt": 0.01, "solver_type": 1, "solver_position_iteration_count": 4, "rest_offset": 0.0, "mystery": 2}
    assert notes(current, gpu_heap_capacity=9, **params) == {
        "task.sim: solver_type, solver_position_iteration_count: a setting of PhysX's solver; no effect.",
        "task.sim: mystery: a parameter that oige-compat does not know; no effect.",
    }


def test_settings_of_physics_are_told(current: Session) -> None:
    get_settings().set_bool("/physics/disableContactProcessing", True)
    get_settings().set_bool("/physics/updateToUsd", False)
    get_settings().set("/app/viewport/grid/enabled", False)
    SimulationApp({"headless": True}).set_setting("/physics/numThreads", 8)
    assert notes(current) == {
        "carb.settings /physics/disableContactProcessing=True: a setting of PhysX; it has no effect.",
        "carb.settings /physics/numThreads=8: a setting of PhysX; it has no effect.",
    }
