"""Nuts and bolts of the Factory tasks: geometry of threads, and motion of a nut on its bolt."""

import copy
import math
from collections.abc import Callable
from functools import cache
from typing import cast

import mujoco
import numpy as np
import pytest
import torch
from oige_core import OigeError, Scene
from oige_core.config import MujocoConfig, SimConfig
from oige_core.testing import make_engine_on
from oige_tasks_manipulation.factory.inertia import nut_inertia, nut_mass
from oige_tasks_manipulation.factory.sizes import SIZES, NutBoltSize, nut_bolt_size
from oige_tasks_manipulation.factory.thread_meshes import (
    RADIAL_CLEARANCE,
    Mesh,
    nut_mesh,
    shank_mesh,
    thread_depth,
    thread_radius,
)
from oige_tasks_manipulation.factory.threads import Thread, bolt_asset, nut_asset

TIME_STEP = 1 / 480
M16 = SIZES["M16"]


@cache
def nut_on_bolt(size: NutBoltSize, thread: Thread = "capsules", friction: float = 0.3) -> mujoco.MjModel:
    """Return a world with a fixed bolt at the origin and a free nut."""
    spec = mujoco.MjSpec()
    spec.option.timestep = TIME_STEP
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    for name, make in (("bolt", bolt_asset), ("nut", nut_asset)):
        asset = mujoco.MjSpec.from_string(str(make(size, thread, friction=friction).mjcf))
        body = spec.worldbody.add_frame().attach_body(asset.bodies[1], f"{name}/", "")
        if name == "nut":
            body.add_freejoint()
    return spec.compile()


def pose(height: float, yaw: float, x: float = 0.0) -> list[float]:
    """Return the position and orientation of a nut, in m and rad."""
    return [x, 0.0, height, math.cos(0.5 * yaw), 0.0, 0.0, math.sin(0.5 * yaw)]


def distance(model: mujoco.MjModel, qpos: list[float]) -> float:
    """Return the smallest distance between nut and bolt where they touch, in m; infinite if they do not."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    return float(data.contact.dist.min()) if data.ncon else math.inf


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_nut_fits_the_thread_at_every_angle(size: NutBoltSize) -> None:
    model = nut_on_bolt(size)
    middle = 0.5 * size.shank_length // size.pitch * size.pitch
    for k in range(24):
        turn = k / 24
        height = middle + size.pitch * turn
        assert distance(model, pose(height, 2 * math.pi * turn)) > -1e-9
        for displaced in (height - 0.1 * size.pitch, height + 0.1 * size.pitch):
            assert distance(model, pose(displaced, 2 * math.pi * turn)) < -0.01 * size.pitch
        assert distance(model, pose(height, 2 * math.pi * turn, x=0.2 * size.pitch)) < -0.01 * size.pitch


@pytest.mark.parametrize("thread", ["convex", pytest.param("sdf", marks=pytest.mark.slow)])
def test_nut_fits_other_threads_at_every_angle(thread: Thread) -> None:
    """Signed distances are interpolated, so that meshes that are 0.1 mm apart may seem to touch by micrometres."""
    model = nut_on_bolt(M16, thread)
    for k in range(24):
        height, yaw = 0.012 + M16.pitch * k / 24, 2 * math.pi * k / 24
        assert distance(model, pose(height, yaw)) > -1e-5
        for displaced in (height - 0.2 * M16.pitch, height + 0.2 * M16.pitch):
            assert distance(model, pose(displaced, yaw)) < -0.01 * M16.pitch


@pytest.mark.slow
@pytest.mark.parametrize("thread", ["convex", "sdf"])
def test_nut_moves_by_the_pitch_in_a_turn_on_other_threads(thread: Thread) -> None:
    turns, descent = screw(M16, torque=-0.02, seconds=1.0, thread=thread)
    assert turns < -0.5
    assert descent == pytest.approx(-turns * M16.pitch, abs=0.15 * M16.pitch)


def test_unknown_thread_is_refused() -> None:
    for make in (nut_asset, bolt_asset):
        with pytest.raises(OigeError, match=r"thread='welded': expected one of capsules, convex, sdf"):
            make(M16, cast(Thread, "welded"))


def test_profile_is_that_of_iso_metric_threads() -> None:
    """M16 has a minor diameter of 13.835 mm; crests are pitch / 8 wide, roots pitch / 4, and flanks at 30°."""
    turn = np.array([0.0, 0.0624, 0.0626, 0.2188, 0.3749, 0.3751, 0.5])
    radii = 1e3 * thread_radius(M16, np.zeros(7), turn * M16.pitch)
    flank = np.tan(np.radians(60)) * 2.0 * np.array([0.0001, 0.1563])
    np.testing.assert_allclose(radii, [8, 8, 8 - flank[0], 8 - flank[1], 6.9177, 6.9175, 6.9175], atol=1e-3)
    np.testing.assert_allclose(thread_radius(M16, np.array([math.pi / 2]), np.array([M16.pitch / 4])), 8e-3)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("make", [shank_mesh, nut_mesh])
def test_meshes_of_threads_are_closed(make: Callable[[NutBoltSize], Mesh], size: NutBoltSize) -> None:
    """Every edge belongs to two triangles, once in each direction; the volume is that of the smooth body.

    Between crests and roots, r² has the mean R² − R h + h² / 3. Chamfers and the 48 corners of a section change a few
    percent.
    """
    vertices, faces = make(size)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert {tuple(edge) for edge in edges} == {(b, a) for a, b in edges}
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    volume = np.sum(a * np.cross(b, c)) / 6
    outer, depth = 0.5 * size.diameter, thread_depth(size)
    outer += RADIAL_CLEARANCE * size.pitch * (make is nut_mesh)
    hole = math.pi * (outer**2 / 8 + (outer - depth) ** 2 / 4 + 5 / 8 * (outer**2 - outer * depth + depth**2 / 3))
    expected = hole * size.shank_length
    if make is nut_mesh:
        expected = (math.sqrt(3) / 2 * size.width**2 - hole) * size.nut_height
    assert volume == pytest.approx(expected, rel=0.04)


def test_meshes_of_nut_and_bolt_are_apart_by_the_clearance() -> None:
    vertices, _ = nut_mesh(M16)
    radii = np.hypot(vertices[:, 0], vertices[:, 1])
    inside = radii < 0.5 * M16.diameter + 2 * RADIAL_CLEARANCE * M16.pitch
    angles = np.arctan2(vertices[:, 1], vertices[:, 0])
    gap = radii - thread_radius(M16, angles, vertices[:, 2] - M16.head_height)
    assert gap[inside].min() == pytest.approx(RADIAL_CLEARANCE * M16.pitch, rel=1e-6)


def test_thread_is_right_handed() -> None:
    assert distance(nut_on_bolt(M16), pose(0.012 + 0.25 * M16.pitch, 0.5 * math.pi)) > -1e-9
    assert distance(nut_on_bolt(M16), pose(0.012 - 0.25 * M16.pitch, 0.5 * math.pi)) < -0.2 * M16.pitch


def test_nut_stands_on_the_head_at_height_zero() -> None:
    model = nut_on_bolt(M16)
    assert distance(model, pose(1e-5, 1e-5 / M16.pitch * 2 * math.pi)) > -1e-9
    assert distance(model, pose(-1e-4, -1e-4 / M16.pitch * 2 * math.pi)) == pytest.approx(-1e-4, rel=0.01)


def test_mass_of_the_nut_is_that_of_steel() -> None:
    # A hexagon of 24 mm across flats, with a hole of 14.701 mm, the pitch diameter of M16: 329.1 mm², 13 mm high.
    assert nut_mass(M16) == pytest.approx(7850 * 13e-3 * 329.1e-6, rel=2e-4)
    lateral, _, axial = nut_inertia(M16)
    assert axial == pytest.approx(0.5 * nut_mass(M16) * (0.5 * (12.6e-3**2 + 7.35e-3**2) * 2), rel=0.05)
    assert lateral == pytest.approx(0.5 * axial + nut_mass(M16) * 0.013**2 / 12, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "width", "corners", "nut", "diameter", "head", "shank", "pitch"),
    [
        ("M4", 7.0, 8.0829, 3.2, 4.0, 4.0, 16.0, 0.7),
        ("M8", 13.0, 15.01111, 6.5, 8.0, 8.0, 18.0, 1.25),
        ("M12", 19.0, 21.93931, 10.0, 12.0, 12.0, 20.0, 1.75),
        ("M16", 24.0, 27.71281, 13.0, 16.0, 16.0, 25.0, 2.0),
        ("M20", 30.0, 34.64102, 16.0, 20.0, 20.0, 45.0, 2.5),
    ],
)
def test_dimensions_are_those_of_the_original(
    name: str, width: float, corners: float, nut: float, diameter: float, head: float, shank: float, pitch: float
) -> None:
    """In mm."""
    size = nut_bolt_size(name)
    sizes = size.width, size.width_across_corners, size.nut_height, size.diameter, size.head_height
    assert sizes == pytest.approx([1e-3 * value for value in (width, corners, nut, diameter, head)], rel=1e-5)
    assert (size.shank_length, size.pitch) == pytest.approx((1e-3 * shank, 1e-3 * pitch))


def test_unknown_size_is_refused() -> None:
    with pytest.raises(OigeError, match=r"size 'M17': expected one of M4, M8, M12, M16, M20"):
        nut_bolt_size("M17")


def screw(size: NutBoltSize, torque: float, seconds: float, thread: Thread = "capsules") -> tuple[float, float]:
    """Return the turns and the descent in m of a nut that a torque in N·m turns at up to 6 rad/s."""
    model = nut_on_bolt(size, thread)
    data = mujoco.MjData(model)
    start = 0.7 * size.shank_length // size.pitch * size.pitch
    data.qpos[:] = pose(start, 0.0)
    nut = model.body("nut/nut").id
    turned = 0.0
    for _ in range(round(seconds / TIME_STEP)):
        data.xfrc_applied[nut, 5] = torque if abs(data.qvel[5]) < 6.0 else 0.0
        mujoco.mj_step(model, data)
        turned += TIME_STEP * data.qvel[5]
    return turned / (2 * math.pi), start - data.qpos[2]


def test_nut_moves_by_the_pitch_in_a_turn() -> None:
    turns, descent = screw(M16, torque=-0.02, seconds=2.0)
    assert turns < -1.5
    assert descent == pytest.approx(-turns * M16.pitch, abs=0.1 * M16.pitch)
    turns, descent = screw(M16, torque=0.02, seconds=1.0)
    assert turns > 0.5
    assert descent == pytest.approx(-turns * M16.pitch, abs=0.1 * M16.pitch)


def test_thread_holds_a_push() -> None:
    model = nut_on_bolt(M16)
    data = mujoco.MjData(model)
    data.qpos[:] = pose(0.012, 0.0)
    for step in range(480):
        data.xfrc_applied[model.body("nut/nut").id, 2] = -50.0 * min(1.0, step / 240)
        mujoco.mj_step(model, data)
    assert data.qpos[2] == pytest.approx(0.012, abs=0.1 * M16.pitch)
    assert np.abs(data.qvel).max() < 0.05


@pytest.mark.parametrize("yaw", [0.0, 2.0, 4.0])
def test_nut_beside_the_axis_finds_the_thread(yaw: float) -> None:
    """A hand of 0.5 kg, 1.5 mm beside the axis and yielding by 1 mm for 0.3 N, presses the nut down and turns it by 1.4
    turns. The cone of the tip centres it at first.
    """
    model = copy.copy(nut_on_bolt(M16))
    body = model.body("nut/nut")
    body.mass += 0.5
    body.inertia += 1e-3
    mujoco.mj_setConst(model, mujoco.MjData(model))
    data = mujoco.MjData(model)
    data.qpos[:] = pose(M16.shank_length + 0.2 * M16.pitch, yaw, x=1.5e-3)
    for _ in range(1440):
        rotation, center = data.xmat[body.id].reshape(3, 3), data.xipos[body.id]
        spin = rotation @ data.qvel[3:]
        velocity = data.qvel[:3] + np.cross(spin, center - data.xpos[body.id])
        force = -300.0 * (center - [1.5e-3, 0.0, 0.0]) - 17.0 * velocity
        force[2] = body.mass[0] * 9.81 - 3.0 - 20.0 * velocity[2]
        torque = 3.0 * np.cross(rotation[:, 2], [0.0, 0.0, 1.0]) - 0.08 * spin
        torque[2] = np.clip(0.1 * (-3.0 - spin[2]), -1.0, 1.0)
        data.xfrc_applied[body.id] = [*force, *torque]
        mujoco.mj_step(model, data)
    assert data.time == pytest.approx(1440 * TIME_STEP)  # it has not diverged, after which it would start again
    assert -3.0 < (data.qpos[2] - M16.shank_length) / M16.pitch < -1.7
    assert np.hypot(*data.xipos[body.id][:2]) < 0.2e-3


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
def test_nuts_of_all_sizes_follow_their_threads_on_both_executors(executor: str) -> None:
    """Each world has another size; nuts are turned at 6 rad/s for a sixth of a second, M8 and M16 up."""
    sizes, directions = list(SIZES.values()), torch.tensor([-1.0, 1.0, -1.0, 1.0, -1.0])
    engine = make_engine_on(executor, len(sizes))
    scene = Scene(engine, SimConfig(dt=1 / 960, substeps=1, mujoco=MujocoConfig(max_contacts=80)))
    nut = scene.add_rigid_body("nut", [nut_asset(size) for size in sizes], disable_gravity=True)
    scene.add_rigid_body("bolt", [bolt_asset(size) for size in sizes], kinematic=True)
    engine.build(scene)
    pitches = torch.tensor([size.pitch for size in sizes])
    start = torch.tensor([0.5 * size.shank_length // size.pitch * size.pitch for size in sizes])
    nut.set_world_poses(torch.stack([torch.zeros(5), torch.zeros(5), start], dim=1))
    inertias = nut.get_inertias()[:, 8]
    for _ in range(160):
        torques = torch.zeros(5, 3)
        torques[:, 2] = 300.0 * inertias * (6.0 * directions - nut.get_angular_velocities()[:, 2])
        nut.apply_forces_and_torques_at_pos(torques=torques, is_global=True)
        engine.step(1)
    position, orientation = nut.get_world_poses()
    yaw = 2 * torch.atan2(orientation[:, 3], orientation[:, 0])
    assert (yaw * directions > 0.6).all()
    off = (position[:, 2] - start) / pitches - yaw / (2 * math.pi)
    assert off.abs().max() < 0.03
    assert (engine.deepest_penetration("nut", "bolt") < 0.05 * pitches).all()
    assert not any(engine.problems().values())
