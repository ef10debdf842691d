"""Looking up what becomes of names of Isaac Sim."""

import importlib
from typing import Any

import pytest
from oige_compat.errors import Missing
from oige_compat.imports import install, served_modules
from oige_compat.served import BASES, SERVED, canonical, find_served, is_of_isaac_sim


def resolve(name: str) -> Any:
    """Return what a script gets under a dotted name; None: nothing that it can use."""
    parts = name.split(".")
    ends = range(len(parts), 0, -1)
    importable = {*served_modules(), parts[0], *([".".join(parts[:2])] if parts[0] == "pxr" else [])}
    end = next(end for end in ends if ".".join(parts[:end]) in importable)
    try:
        found = importlib.import_module(".".join(parts[:end]))
    except ImportError:
        return None
    for part in parts[end:]:
        declared = part in getattr(found, "__annotations__", {})
        found = getattr(found, part, "set by the constructor" if declared else None)
        if found is None or isinstance(found, Missing):
            return None
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("omni.isaac.core.robots.robot.Robot", "omni.isaac.core.robots.Robot"),
        ("omni.isaac.core.prims.rigid_prim.RigidPrim", "omni.isaac.core.prims.RigidPrim"),
        ("omni.isaac.core.world.World.step", "omni.isaac.core.World.step"),
        ("isaacsim.core.prims.RigidPrim", "omni.isaac.core.prims.RigidPrimView"),
        ("isaacsim.core.prims.SingleRigidPrim", "omni.isaac.core.prims.RigidPrim"),
        ("isaacsim.core.api.tasks.BaseTask", "omni.isaac.core.tasks.BaseTask"),
        ("isaacsim.core.utils.torch.rotations.quat_mul", "omni.isaac.core.utils.torch.quat_mul"),
        ("isaacsim.core.primsX.RigidPrim", "isaacsim.core.primsX.RigidPrim"),
        ("pxr.Gf.Vec3d", "pxr.Gf.Vec3d"),
    ],
)
def test_canonical_name_is_that_of_the_first_releases(name: str, expected: str) -> None:
    assert canonical(name) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("omni.isaac.core.articulations.ArticulationView.get_world_poses", "served"),  # of its base class
        ("isaacsim.core.prims.Articulation.get_joint_positions", "served"),
        ("omni.isaac.core.prims.RigidPrimView.get_contact_force_matrix", "missing"),
        ("omni.isaac.core.prims.RigidPrimView.get_nonsense", "missing"),
        ("omni.isaac.core.objects.DynamicSphere.set_collision_enabled", "served"),
        ("pxr.PhysxSchema.PhysxRigidBodyAPI.Apply", "approximated"),
        ("pxr.PhysxSchema.Unknown.Apply", "missing"),
        ("omni.ui.Window", "missing"),
    ],
)
def test_state_of_a_name(name: str, state: str) -> None:
    found = find_served(name)
    assert found is not None
    assert found.state == state


def test_name_of_another_library_is_unknown() -> None:
    assert find_served("torch.zeros") is None
    assert not is_of_isaac_sim("torch.zeros")
    assert not is_of_isaac_sim("omnipresent.name")
    assert is_of_isaac_sim("omni")


def test_table_has_canonical_names_and_texts() -> None:
    for name, served in SERVED.items():
        assert canonical(name) == name
        assert served.text
        assert not served.text.endswith("."), name
    for name, bases in BASES.items():
        assert canonical(name) == name
        assert all(canonical(base) == base for base in bases)


@pytest.mark.parametrize("name", [name for name in SERVED if not name.endswith("*")])
def test_state_of_a_name_is_what_a_script_gets(name: str) -> None:
    install()
    found = resolve(name)
    if SERVED[name].state != "missing":
        assert found is not None
    elif found is not None:  # a package that can be imported for the sake of others, but has nothing of its own
        assert isinstance(found.undefined, Missing)


def test_later_names_lead_to_the_same_objects() -> None:
    install()
    for name, first in {
        "isaacsim.core.prims.RigidPrim": "omni.isaac.core.prims.RigidPrimView",
        "isaacsim.core.prims.SingleRigidPrim": "omni.isaac.core.prims.RigidPrim",
        "isaacsim.core.prims.Articulation": "omni.isaac.core.articulations.ArticulationView",
        "isaacsim.core.api.World": "omni.isaac.core.World",
        "isaacsim.core.api.objects.DynamicSphere": "omni.isaac.core.objects.DynamicSphere",
        "isaacsim.core.utils.stage.get_current_stage": "omni.isaac.core.utils.stage.get_current_stage",
        "isaacsim.core.utils.torch.rotations.quat_mul": "omni.isaac.core.utils.torch.quat_mul",
        "isaacsim.core.cloner.GridCloner": "omni.isaac.cloner.GridCloner",
        "isaacsim.storage.native.get_assets_root_path": "omni.isaac.nucleus.get_assets_root_path",
        "isaacsim.SimulationApp": "omni.isaac.kit.SimulationApp",
    }.items():
        module, _, member = name.rpartition(".")
        assert getattr(importlib.import_module(module), member) is resolve(first), name


def test_star_import_of_a_later_module_has_its_names() -> None:
    install()
    names: dict[str, Any] = {}
    exec("from isaacsim.core.utils.torch.rotations import *", names)
    assert names["quat_mul"] is resolve("omni.isaac.core.utils.torch.quat_mul")


def test_unknown_later_name_is_not_served() -> None:
    install()
    assert isinstance(importlib.import_module("isaacsim.core.utils.stage").get_nonsense, Missing)
