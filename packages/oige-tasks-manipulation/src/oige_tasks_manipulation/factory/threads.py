"""Nuts and bolts with threads, as rigid bodies.

Frames: the bolt's origin is in the middle of the bottom of its head, with z along the shank. The nut's origin is where
the bolt's is when the nut is screwed down to the head, so that the nut's base is a head's height above its own origin.
The flats of nut and head have their normals at multiples of 60° from x. A nut whose origin is at height z above the
bolt's follows the thread if its yaw is 2π z / pitch: threads are right-handed.
"""

import math
from collections.abc import Sequence
from typing import Literal

from oige_core import OigeError, RigidAsset

from oige_tasks_manipulation.factory.guards import GUARD_BIT, HOLE_CLEARANCE, nut_guards
from oige_tasks_manipulation.factory.inertia import bolt_inertia, nut_inertia, nut_mass
from oige_tasks_manipulation.factory.ridges import Shapes, bolt_ridge, join, mesh_mjcf, nut_ridge
from oige_tasks_manipulation.factory.sizes import NUT_BOLT_FRICTION, NutBoltSize
from oige_tasks_manipulation.factory.thread_meshes import nut_mesh, shank_mesh

__all__ = ["CONTACT_TIME", "THREADS", "Thread", "bolt_asset", "nut_asset"]

Thread = Literal["capsules", "convex", "sdf"]
"""Shapes of a thread: round ridges of capsules and spheres, convex wedges, or signed distance fields of meshes."""

THREADS: tuple[Thread, ...] = ("capsules", "convex", "sdf")

CONTACT_TIME = 0.001
"""Time constant of contacts in s, which MuJoCo raises to two time steps: as stiff as they can be."""

_TIP_INSET = 1.0
"""By how much the tip of the shank is narrower than its thread, at its end, in pitches."""

_TIP_SIDES = 16

_SEEN = 'contype="0" conaffinity="0" mass="0" group="1"'
_COLLIDES = 'mass="0" group="3"'
_STEEL = 'rgba="0.72 0.73 0.75 1"'
_BRASS = 'rgba="0.78 0.63 0.33 1"'


def bolt_asset(
    size: NutBoltSize,
    thread: Thread = "capsules",
    *,
    friction: float = NUT_BOLT_FRICTION,
    contact_time: float = CONTACT_TIME,
) -> RigidAsset:
    """Return a bolt: a hexagonal head, a shank that stops nuts from outside, and a thread up to its tip.

    Args:
        size: dimensions.
        thread: shapes of the thread.
        friction: coefficient of friction of all surfaces.
        contact_time: time constant of contacts, in s. A gripped nut that is turned and pushed rattles with less than
            0.01 s, and the fingers slide down it.

    Raises:
        OigeError: there is no such kind of thread.
    """
    _check_thread(thread)
    head, core = size.head_height, size.shank_length - size.pitch
    ridge = bolt_ridge(size, thread)
    shapes = Shapes(meshes=[mesh_mjcf("shank", shank_mesh(size)), _tip_mjcf(size), *ridge.meshes])
    for k in range(3):
        sizes = (0.5 * size.width, 0.5 * size.flat_length, 0.5 * head)
        shapes.geoms.append(_geom("box", sizes, (0.0, 0.0, 0.5 * head), f'mass="0" {_STEEL}', yaw=math.pi / 3 * k))
    shank = f'{_COLLIDES} contype="{1 | GUARD_BIT}"'
    shapes.geoms.append(_geom("cylinder", (0.5 * size.diameter, 0.5 * core), (0.0, 0.0, head + 0.5 * core), shank))
    shapes.geoms.append(f'<geom type="mesh" mesh="tip" {_COLLIDES}/>')
    shapes.geoms += ridge.geoms
    shapes.geoms.append(f'<geom type="mesh" mesh="shank" {_SEEN} {_STEEL}/>')
    mass, center, inertia = bolt_inertia(size)
    return _asset("bolt", mass, center, inertia, shapes, friction, contact_time)


def nut_asset(
    size: NutBoltSize,
    thread: Thread = "capsules",
    *,
    friction: float = NUT_BOLT_FRICTION,
    contact_time: float = CONTACT_TIME,
) -> RigidAsset:
    """Return a hexagonal nut: six boxes around an open hole, a thread, and the guards of one of ``capsules``.

    Args:
        size: dimensions.
        thread: shapes of the thread.
        friction: coefficient of friction of all surfaces.
        contact_time: time constant of contacts, in s. A gripped nut that is turned and pushed rattles with less than
            0.01 s, and the fingers slide down it.

    Raises:
        OigeError: there is no such kind of thread.
    """
    _check_thread(thread)
    outer, inner = 0.5 * size.width, 0.5 * size.diameter + HOLE_CLEARANCE * size.pitch
    middle, center = 0.5 * (outer + inner), size.head_height + 0.5 * size.nut_height
    ridge = nut_ridge(size, thread)
    shapes = Shapes(meshes=[mesh_mjcf("nut", nut_mesh(size)), *ridge.meshes])
    for k in range(6):
        yaw = math.pi / 3 * k
        sizes = (0.5 * (outer - inner), 0.5 * size.flat_length, 0.5 * size.nut_height)
        position = (middle * math.cos(yaw), middle * math.sin(yaw), center)
        shapes.geoms.append(_geom("box", sizes, position, _COLLIDES, yaw=yaw))
    shapes.geoms += ridge.geoms
    if thread == "capsules":
        shapes.geoms += nut_guards(size).geoms
    shapes.geoms.append(f'<geom type="mesh" mesh="nut" {_SEEN} {_BRASS}/>')
    return _asset("nut", nut_mass(size), center, nut_inertia(size), shapes, friction, contact_time)


def _tip_mjcf(size: NutBoltSize) -> str:
    """Return the cone at the end of the shank, which centres a nut, as an MJCF element."""
    angles = [2 * math.pi * k / _TIP_SIDES for k in range(_TIP_SIDES)]
    points: list[float] = []
    for height, inset in ((size.bolt_height - size.pitch, 0.0), (size.bolt_height, _TIP_INSET * size.pitch)):
        radius = 0.5 * size.diameter - inset
        for angle in angles:
            points += [radius * math.cos(angle), radius * math.sin(angle), height]
    return f'<mesh name="tip" vertex="{join(points)}"/>'


def _check_thread(thread: str) -> None:
    if thread not in THREADS:
        raise OigeError(f"thread='{thread}': expected one of {', '.join(THREADS)}.")


def _geom(kind: str, size: Sequence[float], position: Sequence[float], attributes: str, yaw: float = 0.0) -> str:
    quaternion = math.cos(0.5 * yaw), 0.0, 0.0, math.sin(0.5 * yaw)
    return f'<geom type="{kind}" size="{join(size)}" pos="{join(position)}" quat="{join(quaternion)}" {attributes}/>'


def _asset(
    name: str,
    mass: float,
    center: float,
    inertia: Sequence[float],
    shapes: Shapes,
    friction: float,
    contact_time: float,
) -> RigidAsset:
    """Return a body whose centre of mass is at a height on its axis.

    Contacts are overdamped, because a nut that bounces between the flanks is sooner pushed over the thread.
    """
    contact = f'condim="3" solref="{contact_time:.9g} 2" solimp="0.99 0.999 0.0002"'
    return RigidAsset(
        mjcf=f'<mujoco model="{name}"><default><geom friction="{friction:.9g}" {contact}/></default>'
        f"<asset>{''.join(shapes.meshes)}</asset><worldbody>"
        f'<body name="{name}"><inertial mass="{mass:.9g}" pos="0 0 {center:.9g}" diaginertia="{join(inertia)}"/>'
        f"{''.join(shapes.geoms)}</body></worldbody></mujoco>"
    )
