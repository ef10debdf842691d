"""The stand-in of Isaac Sim's physics over ovphysx behaves as Isaac Sim where the engine relies on it."""

import gc
import itertools
import math
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.testing.physx import OvphysxHost, is_ovphysx_installed

if not is_ovphysx_installed():
    pytest.skip("needs the dependency group isaacsim", allow_module_level=True)

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

G, DT = 9.81, 0.01
WORLDS = [f"/World/envs/env_{number}" for number in range(12)]
ROWS = ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]


def write_world(stage: Usd.Stage) -> None:
    """Write a scene with 30 steps per second, a ground, and a falling and a lying cube of 2 kg in one world."""
    scene = UsdPhysics.Scene.Define(stage, "/World/scene").GetPrim()
    scene.AddAppliedSchema("PhysxSceneAPI")
    scene.CreateAttribute("physxScene:timeStepsPerSecond", Sdf.ValueTypeNames.UInt).Set(30)
    ground = UsdGeom.Plane.Define(stage, "/World/ground")
    ground.CreateAxisAttr("Z")
    UsdPhysics.CollisionAPI.Apply(ground.GetPrim())
    UsdGeom.Xform.Define(stage, WORLDS[0])
    for name, x, z in (("falling", 0.0, 50.0), ("lying", 3.0, 0.5)):
        cube = UsdGeom.Cube.Define(stage, f"{WORLDS[0]}/{name}")
        cube.CreateSizeAttr(1.0)
        cube.AddTranslateOp().Set(Gf.Vec3d(x, 0.0, z))
        UsdPhysics.RigidBodyAPI.Apply(cube.GetPrim())
        UsdPhysics.CollisionAPI.Apply(cube.GetPrim())
        UsdPhysics.MassAPI.Apply(cube.GetPrim()).CreateMassAttr(2.0)
        cube.GetPrim().AddAppliedSchema("PhysxContactReportAPI")


def start(host: OvphysxHost, spacing: float = 0.0) -> Any:
    """Start twelve worlds and return the simulation view."""
    write_world(host.new_stage())
    positions = np.zeros((12, 3))
    positions[:, 1] = spacing * np.arange(12)
    host.clone(WORLDS[0], WORLDS, positions)
    host.filter_collisions("/World/scene", "/World/collisions", WORLDS, ["/World/ground"])
    host.play()
    return host.simulation_view()


@pytest.fixture
def host() -> Iterator[OvphysxHost]:
    host = OvphysxHost()
    yield host
    host.close()


def test_rows_are_sorted_as_text(host: OvphysxHost) -> None:
    simulation = start(host, spacing=5.0)
    for patterns in ("/World/envs/env_*/falling", [f"{world}/falling" for world in WORLDS]):
        view = simulation.create_rigid_body_view(patterns)
        assert view.prim_paths == [f"/World/envs/env_{row}/falling" for row in ROWS]
        torch.testing.assert_close(view.get_transforms()[:, 1], torch.tensor([5.0 * int(row) for row in ROWS]))


def test_play_advances_two_steps_of_the_stage(host: OvphysxHost) -> None:
    view = start(host).create_rigid_body_view("/World/envs/env_*/falling")
    torch.testing.assert_close(view.get_velocities()[:, 2], torch.full((12,), -2 * G / 30), rtol=1e-5, atol=0)
    host.simulate(0.0083, 0.0)
    torch.testing.assert_close(
        view.get_velocities()[:, 2], torch.full((12,), -G * (2 / 30 + 0.0083)), rtol=1e-5, atol=0
    )


def test_worlds_on_one_spot_do_not_meet_and_stand_on_the_ground(host: OvphysxHost) -> None:
    view = start(host).create_rigid_body_view("/World/envs/env_*/lying")
    for _ in range(50):
        host.simulate(DT, 0.0)
    expected = torch.tensor([3.0, 0.0, 0.5]).expand(12, 3)
    torch.testing.assert_close(view.get_transforms()[:, :3], expected, atol=1e-4, rtol=0)


def test_contact_forces_are_impulses_divided_by_the_given_time(host: OvphysxHost) -> None:
    contacts = start(host).create_rigid_contact_view("/World/envs/env_*/lying")
    assert contacts.sensor_paths == [f"/World/envs/env_{row}/lying" for row in ROWS]
    for _ in range(20):  # later, the cubes sleep
        host.simulate(DT, 0.0)
    expected = torch.tensor([0.0, 0.0, 2.0 * G]).expand(12, 3)
    torch.testing.assert_close(contacts.get_net_contact_forces(DT), expected, atol=0.6, rtol=0)
    torch.testing.assert_close(contacts.get_net_contact_forces(2 * DT), expected / 2, atol=0.3, rtol=0)


def test_setters_take_all_rows_and_write_those_of_indices(host: OvphysxHost) -> None:
    view = start(host).create_rigid_body_view("/World/envs/env_*/falling")
    before = view.get_masses().clone()
    view.set_masses(torch.arange(1.0, 13.0).unsqueeze(1), torch.tensor([2, 5]))
    expected = before.clone()
    expected[[2, 5], 0] = torch.tensor([3.0, 6.0])
    assert torch.equal(view.get_masses(), expected)
    with pytest.raises(RuntimeError, match=r"RIGID_BODY_MASS takes values of all rows, \(12,\); got \(2,\)"):
        view.set_masses(torch.ones(2), torch.tensor([2, 5]))


def test_views_of_nothing_cannot_be_used(host: OvphysxHost) -> None:
    simulation = start(host)
    view = simulation.create_rigid_body_view("/World/envs/env_*/missing")
    with pytest.raises(AttributeError, match="the view has matched no object"):
        view.get_masses()
    assert host.errors() == ["Provided pattern list did not match any rigid bodies"]
    assert host.errors() == []
    assert not simulation.create_rigid_contact_view("/World/ground").check()
    with pytest.raises(AttributeError):
        simulation.create_particle_cloth_view("/World")


def test_gravity_can_be_changed(host: OvphysxHost) -> None:
    simulation = start(host)
    view = simulation.create_rigid_body_view("/World/envs/env_*/falling")
    gravity = simulation.get_gravity()
    assert (gravity.x, gravity.y) == (0.0, 0.0)
    assert gravity.z == pytest.approx(-G)
    before = view.get_velocities().clone()
    simulation.set_gravity(type(gravity)(1.0, -2.0, 3.0))
    host.simulate(DT, 0.0)
    change = (view.get_velocities() - before)[:, :3]
    torch.testing.assert_close(change, DT * torch.tensor([[1.0, -2.0, 3.0]]).expand(12, 3), atol=1e-5, rtol=0)
    assert tuple(simulation.get_gravity()) == (1.0, -2.0, 3.0)


def test_kinematic_targets_turn_and_move(host: OvphysxHost) -> None:
    stage = host.new_stage()
    write_world(stage)
    UsdPhysics.RigidBodyAPI(stage.GetPrimAtPath(f"{WORLDS[0]}/falling")).CreateKinematicEnabledAttr(True)
    host.clone(WORLDS[0], WORLDS[:3], np.zeros((3, 3)))
    host.play()
    view = host.simulation_view().create_rigid_body_view("/World/envs/env_*/falling")
    targets = view.get_transforms().clone()
    targets[1] = torch.tensor([0.1, 0.0, 50.0, 0.0, 0.0, math.sin(0.1), math.cos(0.1)])
    targets[2, 0] = 7.0
    view.set_kinematic_targets(targets, torch.tensor([1]))
    host.simulate(DT, 0.0)
    expected = targets.clone()
    expected[2, 0] = 0.0
    torch.testing.assert_close(view.get_transforms(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(view.get_velocities()[1], torch.tensor([10.0, 0, 0, 0, 0, 20.0]), atol=1e-2, rtol=0)


def test_closed_hosts_free_physics_and_the_stage() -> None:
    host = OvphysxHost()
    view = start(host).create_rigid_body_view("/World/envs/env_*/falling")
    view.get_transforms()
    runtime = weakref.ref(host._running())
    host.close()
    del view
    gc.collect()
    assert runtime() is None


def test_hosts_live_side_by_side_and_one_after_the_other() -> None:
    first, others = OvphysxHost(), []
    view = start(first).create_rigid_body_view("/World/envs/env_0/falling")
    for steps in range(3):
        other = OvphysxHost()
        moved = start(other).create_rigid_body_view("/World/envs/env_0/falling")
        for _ in range(steps):
            other.simulate(DT, 0.0)
        others.append(moved.get_velocities()[0, 2].item())
        other.close()
        with pytest.raises(RuntimeError):
            moved.get_velocities()
    for one, next_one in itertools.pairwise(others):
        assert next_one - one == pytest.approx(-G * DT, rel=1e-4)
    assert view.get_velocities()[0, 2].item() == pytest.approx(-2 * G / 30, rel=1e-5)
    first.close()
