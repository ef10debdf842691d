"""Looking up what becomes of names of Isaac Sim."""

import pytest
from oige_compat.served import BASES, SERVED, canonical, find_served, is_of_isaac_sim


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
