"""Elasticity, damping, contact and friction of soft bodies, against closed forms, on the C engine."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oige_core.config import DefaultPhysicsMaterialConfig, MujocoConfig
from oige_core.scene import ArticulationAsset, DeformableAsset, Drive, Material, Scene

DISCRETE = MujocoConfig(integrator="discrete")
HALF = math.sqrt(0.5)
ORIENTATIONS = [(1.0, 0.0, 0.0, 0.0), (HALF, 0.0, 0.0, HALF), (0.5, 0.5, -0.5, 0.5)]
LENGTH = 0.3


def make_tube(**options: Any) -> DeformableAsset:
    given = {"outer_radius": 0.02, "inner_radius": 0.012, "length": LENGTH, "youngs_modulus": 2e5, "cells": (3, 1, 1)}
    return DeformableAsset.tube(**(given | options))


def make_bar(**options: Any) -> DeformableAsset:
    """A bar of one cell that is long along x; without lateral strain it is a spring between two masses."""
    given: dict[str, Any] = {"youngs_modulus": 1e5, "poissons_ratio": 0.0}
    return DeformableAsset.box((LENGTH, 0.04, 0.02), **(given | options))


def corner_forces(world: Any) -> torch.Tensor:
    """Live forces (worlds, x, y, z, 3) on the corners of cells along x, in N, which act until they are changed."""
    return world.engine.executor.field("qfrc_applied").view(1, -1, 2, 2, 3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_tube_stretches_by_force_over_modulus_and_cross_section(
    build: Callable[..., Any], orientation: tuple[float, ...]
) -> None:
    asset = make_tube(damping=0.05)

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        return {"tube": scene.add_deformable("tube", asset, orientation=orientation)}

    world = build(set_up_scene, dt=1 / 120, gravity=(0.0, 0.0, 0.0), mujoco=DISCRETE)
    w, x, y, z = orientation
    axis = torch.tensor([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], dtype=torch.float64)
    force = 2.0
    corner_forces(world)[0, 0] = -force / 4 * axis
    corner_forces(world)[0, -1] = force / 4 * axis
    world.engine.step(360)
    nodes = world.tube.get_simulation_mesh_nodal_positions()[0].double()
    at = nodes @ axis
    section = asset.volume / LENGTH
    strain = force / (2e5 * section)  # 1.5 %
    assert at.max() - at.min() == pytest.approx(LENGTH * (1 + strain), rel=1e-4)
    across = torch.linalg.vector_norm(nodes - at[:, None] * axis, dim=1).max()
    assert across == pytest.approx(0.02 * (1 - 0.3 * strain), rel=1e-4)


def test_bar_hangs_longer_by_its_weight(build: Callable[..., Any]) -> None:
    # Held at its upper end by the weight itself: lumped masses m/6, m/3, m/3, m/6 hang on three springs of E·A / (L/3).
    asset = make_bar(cells=(3, 1, 1), rows=(3, 1, 1), damping=0.05, density=1000.0)

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        return {"bar": scene.add_deformable("bar", asset, orientation=(HALF, 0.0, HALF, 0.0))}  # x points down

    world = build(set_up_scene, dt=1 / 120, mujoco=DISCRETE)
    corner_forces(world)[0, 0, ..., 2] = asset.mass * 9.81 / 4
    world.engine.step(360)
    z = world.bar.get_simulation_mesh_nodal_positions()[0, :, 2]
    sag = asset.mass * 9.81 * LENGTH / (1e5 * 0.04 * 0.02) * (5 / 6 + 1 / 2 + 1 / 6) / 3  # m·g·L / (2·E·A), 4.4 mm
    assert z.max() - z.min() == pytest.approx(LENGTH + sag, rel=1e-5)
    assert sag == pytest.approx(1000 * 9.81 * LENGTH**2 / (2 * 1e5))


@pytest.mark.parametrize("damping", [0.004, 0.016])
def test_damping_makes_vibrations_decay_at_its_rate(build: Callable[..., Any], damping: float) -> None:
    # Two masses m/2 on a spring E·A/L: ω² = 4·E·A / (L·m), and the amplitude decays by exp(−ω²·damping·t / 2).
    asset, dt = make_bar(damping=damping), 1e-4

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        return {"bar": scene.add_deformable("bar", asset)}

    world = build(set_up_scene, dt=dt, gravity=(0.0, 0.0, 0.0), mujoco=DISCRETE)
    omega = math.sqrt(4 * 1e5 * 0.04 * 0.02 / (LENGTH * asset.mass))
    rate = 0.5 * omega**2 * damping
    period = 2 * math.pi / math.sqrt(omega**2 - rate**2)
    rest = world.bar.get_simulation_mesh_nodal_positions()
    stretched = rest * torch.tensor([1.02, 1.0, 1.0])
    world.bar.set_simulation_mesh_nodal_positions(stretched)
    world.engine.step(round(period / dt))
    now = world.bar.get_simulation_mesh_nodal_positions()
    amplitude = float((now - rest)[..., 0].max() / (stretched - rest)[..., 0].max())
    assert amplitude == pytest.approx(math.exp(-rate * period), rel=0.05)  # implicit steps add damping of about dt


def test_friction_decides_whether_a_block_slides_down_a_slope(build: Callable[..., Any]) -> None:
    """Each coefficient below the default of the ground applies, because it is stated."""
    angle, frictions = math.radians(20.0), (0.2, 0.5)

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        asset = DeformableAsset.box((0.1, 0.1, 0.04), youngs_modulus=1e6, rows=(2, 2, 1))
        return {
            str(friction): scene.add_deformable(
                f"block{friction}", asset, position=(0, y, 0.021), material=Material(friction=friction)
            )
            for y, friction in enumerate(frictions)
        }

    gravity = (9.81 * math.sin(angle), 0.0, -9.81 * math.cos(angle))
    world = build(set_up_scene, dt=1e-3, gravity=gravity, mujoco=DISCRETE)
    world.run(0.25)
    speeds = [world.views[str(each)].get_simulation_mesh_nodal_velocities()[0, :, 0].mean() for each in frictions]
    world.run(0.25)
    after = [world.views[str(each)].get_simulation_mesh_nodal_velocities()[0, :, 0].mean() for each in frictions]
    expected = 9.81 * (math.sin(angle) - 0.2 * math.cos(angle))
    assert (after[0] - speeds[0]) / 0.25 == pytest.approx(expected, rel=0.03)
    assert abs(after[1]) < 2e-3


def test_rigid_body_rests_on_a_soft_one_that_carries_its_weight(build: Callable[..., Any]) -> None:
    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        asset = DeformableAsset.box((0.2, 0.2, 0.1), youngs_modulus=5e4, rows=(2, 2, 1), poissons_ratio=0.0)
        return {
            "cushion": scene.add_deformable("cushion", asset, position=(0, 0, 0.051)),
            "box": scene.add_box(
                "box", size=(0.3, 0.3, 0.1), mass=5.0, position=(0, 0, 0.153), track_contact_forces=True
            ),
        }

    world = build(set_up_scene, dt=1 / 120, mujoco=DISCRETE)
    world.run(2.0)
    world.close(world.box.get_net_contact_forces(), [[0.0, 0.0, 5.0 * 9.81]], tol=0.2)
    nodes = world.cushion.get_simulation_mesh_nodal_positions()[0, :, 2]
    squeeze = (5.0 + 0.5 * 4.0) * 9.81 * 0.1 / (5e4 * 0.04)  # its own weight of 4 kg counts half; 3.4 mm
    assert nodes.max() - nodes.min() == pytest.approx(0.1 - squeeze, abs=2e-4)
    assert world.box.get_world_poses()[0][0, 2] - 0.05 - nodes.max() == pytest.approx(0.001, abs=5e-4)


GRIPPER = """<mujoco><worldbody><body name="palm" gravcomp="1">
  <joint name="lift" type="slide" axis="0 0 1"/><geom type="box" size=".02 .1 .01" pos="0 0 .15" mass="1"/>
  <body name="left"><joint name="left" type="slide" axis="0 -1 0"/>
    <geom type="box" size=".02 .01 .015" pos="0 .08 .03" mass=".1"/></body>
  <body name="right"><joint name="right" type="slide" axis="0 1 0"/>
    <geom type="box" size=".02 .01 .015" pos="0 -.08 .03" mass=".1"/></body>
</body></worldbody></mujoco>"""


@pytest.mark.parametrize(("friction", "lifted"), [(1.0, True), (0.1, False)])
def test_gripper_lifts_a_soft_block_by_friction(build: Callable[..., Any], friction: float, lifted: bool) -> None:
    """It needs m·g / 2 = 0.71 N of friction from each finger, which presses with 4 N: a coefficient of 0.18."""

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        drives = {"lift": Drive(stiffness=5e3, damping=300.0), ".*": Drive(stiffness=2e3, damping=50.0, max_effort=4.0)}
        asset = DeformableAsset.box((0.06, 0.08, 0.06), youngs_modulus=1e5, density=500.0, rows=(2, 1, 2))
        return {
            "gripper": scene.add_articulation("gripper", ArticulationAsset(mjcf=GRIPPER, drives=drives)),
            "block": scene.add_deformable("block", asset, position=(0, 0, 0.031), material=Material(friction=friction)),
        }

    material = DefaultPhysicsMaterialConfig(static_friction=friction, dynamic_friction=friction)
    world = build(set_up_scene, dt=1 / 120, mujoco=DISCRETE, default_physics_material=material)
    for step in range(210):  # closes for half a second, rises by 10 cm in a second, and holds
        rise = 0.1 * min(max(0, step - 60) / 120, 1.0)
        world.gripper.set_joint_position_targets(torch.tensor([[rise, 0.05, 0.05]]))
        world.engine.step()
    height = world.block.get_simulation_mesh_nodal_positions()[0, :, 2].min()
    assert height == pytest.approx(0.1 if lifted else 0.001, abs=0.005)


def test_default_friction_of_the_scene_applies_to_soft_bodies(build: Callable[..., Any]) -> None:
    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        asset = DeformableAsset.box((0.1, 0.1, 0.04), youngs_modulus=1e6)
        return {"block": scene.add_deformable("block", asset, position=(0, 0, 0.021))}

    material = DefaultPhysicsMaterialConfig(static_friction=0.3, dynamic_friction=0.3)
    world = build(set_up_scene, dt=1 / 240, mujoco=DISCRETE, default_physics_material=material)
    world.block.set_simulation_mesh_nodal_velocities(torch.tensor([1.0, 0.0, 0.0]).expand(1, 8, 3))
    world.run(0.25)
    speed = world.block.get_simulation_mesh_nodal_velocities()[0, :, 0].mean()
    assert 1.0 - speed == pytest.approx(0.3 * 9.81 * 0.25, rel=0.03)
