"""Rigid bodies and colliders of the first world that belong to no robot."""

from typing import Any
from xml.etree import ElementTree

from oige_core.scene import ArticulationAsset, Scene
from pxr import Usd, UsdGeom

from oige_compat.assets.bodies import collides, is_kinematic, is_link
from oige_compat.assets.shapes import is_geometry
from oige_compat.assets.stages import Frames, prims_below
from oige_compat.assets.usd import rigid_asset, static_asset
from oige_compat.building.reports import some
from oige_compat.building.world import FirstWorld
from oige_compat.errors import CompatError
from oige_compat.shapes import add_shape, is_simple
from oige_compat.stage import matching_prims

__all__ = ["add_bodies", "add_planes", "tell_shared"]

STATIC = "static_colliders"
"""Name of the body of all colliders that neither move nor have a view."""


def add_bodies(world: FirstWorld, scene: Scene) -> None:
    """Add rigid bodies and colliders of the first world to the scene.

    A rigid body is a prim with its shapes. What collides without being a body stands still: all such colliders are one
    body, except those that the script views, which it may place.

    Raises:
        OigeError: a shape is damaged.
    """
    viewed = {path for view in world.session.views for path, _ in matching_prims(view._regex_prim_paths)}
    tracking = [view._regex_prim_paths for view in world.session.views if view.track_contact_forces]
    tracked = {path for expression in tracking for path, _ in matching_prims(expression)}
    links = {root: _link_names(robot.asset) for root, robot in world.robots.items() if robot.file is None}
    frames = Frames(world.session.stage)
    static: dict[str, list[Usd.Prim]] = {}
    drawn: list[str] = []
    for prim in prims_below(world.prim):
        path = str(prim.GetPath())
        if world.is_part(path):
            continue
        root = world.robot_above(path)
        body = _body_above(prim)
        if root is not None and (root not in links or (body is not None and body.GetName() in links[root])):
            continue
        if is_link(prim) or is_kinematic(prim):
            _add_body(world, scene, prim, frames, tracked=path in tracked)
        elif is_geometry(prim) and not prim.IsA(UsdGeom.Plane) and body is None:
            if collides(prim):
                static.setdefault(_viewed_above(world, prim, viewed), []).append(prim)
            elif path in viewed:
                _add_marker(world, scene, prim, frames)
            else:
                drawn.append(path)
    for holder, colliders in static.items():
        _add_static(world, scene, holder, colliders, frames)
    if drawn:
        world.session.note(f"{some(drawn)}: only drawn; left out.")


def _add_body(world: FirstWorld, scene: Scene, prim: Usd.Prim, frames: Frames, *, tracked: bool) -> None:
    path = str(prim.GetPath())
    name, (position, orientation) = world.name_of(path), world.pose(prim)
    gravity = prim.GetAttribute("physxRigidBody:disableGravity")
    options: dict[str, Any] = {
        "position": position,
        "orientation": orientation,
        "kinematic": is_kinematic(prim),
        "track_contact_forces": tracked,
    }
    if (gravity and gravity.Get()) or world.uses("_gravities"):
        options["disable_gravity"] = bool(gravity and gravity.Get())
    if is_simple(prim):
        world.elements[path] = add_shape(scene, name, prim, frames, world.report(), options)
    else:
        asset = rigid_asset(prim, frames, world.report())
        world.elements[path] = scene.add_rigid_body(name, asset, **options)


def _add_static(world: FirstWorld, scene: Scene, holder: str, colliders: list[Usd.Prim], frames: Frames) -> None:
    prim = world.session.stage.GetPrimAtPath(holder) if holder else world.prim
    asset = static_asset(colliders, prim, frames, world.report())
    if asset is not None:
        position, orientation = world.pose(prim)
        name = world.name_of(holder or f"{world.prim.GetPath()}/{STATIC}")
        view = scene.add_rigid_body(name, asset, position=position, orientation=orientation, kinematic=True)  # pyright: ignore
        world.elements[str(prim.GetPath())] = view


def _add_marker(world: FirstWorld, scene: Scene, prim: Usd.Prim, frames: Frames) -> None:
    """Add a shape that is only drawn, but which the script places."""
    position, orientation = world.pose(prim)
    options: dict[str, Any] = {"position": position, "orientation": orientation, "kinematic": True}
    path = str(prim.GetPath())
    if is_simple(prim):
        world.elements[path] = add_shape(scene, world.name_of(path), prim, frames, world.report(), options)


def tell_shared(world: FirstWorld) -> None:
    """Say which colliders outside of the worlds are left out: all but planes and meshes, which are terrain."""
    first = world.session.env_paths[0]
    found = []
    for prim in world.session.stage.Traverse(Usd.TraverseInstanceProxies()):
        known = prim.IsA(UsdGeom.Plane) or prim.IsA(UsdGeom.Mesh) or not is_geometry(prim)
        if not known and not str(prim.GetPath()).startswith(f"{first}/") and collides(prim):
            found.append(str(prim.GetPath()))
    if found:
        world.session.note(f"{some(found)}: colliders outside of the worlds; left out, put them into {first}.")


def add_planes(world: FirstWorld, scene: Scene) -> None:
    """Add level planes that collide: those of the first world, and those that all worlds share.

    Raises:
        CompatError: a plane is inclined.
    """
    first = world.session.env_paths[0]
    for prim in world.session.stage.Traverse(Usd.TraverseInstanceProxies()):
        path = str(prim.GetPath())
        if not prim.IsA(UsdGeom.Plane) or not collides(prim):
            continue
        position, _ = world.pose(prim)
        axes = {"X": 0, "Y": 1, "Z": 2}
        normal = world.matrix(prim).GetRow3(axes[str(UsdGeom.Plane(prim).GetAxisAttr().Get())]).GetNormalized()
        if normal[2] < 1.0 - 1e-6:
            raise CompatError(f"{path}: an inclined plane is not served; use a box, or make it level.")
        scene.add_ground_plane(world.name_of(path), height=position[2])
        if not path.startswith(f"{first}/") and world.session.ground is not None:
            world.session.note(f"{path}: a second plane beside the ground plane; both collide.")


def _body_above(prim: Usd.Prim) -> Usd.Prim | None:
    """Return the rigid body to which geometry belongs."""
    while prim and not prim.IsPseudoRoot():
        if is_link(prim) or is_kinematic(prim):
            return prim
        prim = prim.GetParent()
    return None


def _viewed_above(world: FirstWorld, prim: Usd.Prim, viewed: set[str]) -> str:
    """Return the nearest prim at or above a prim of which the script has a view; empty: there is none."""
    while prim != world.prim:
        if str(prim.GetPath()) in viewed:
            return str(prim.GetPath())
        prim = prim.GetParent()
    return ""


def _link_names(asset: ArticulationAsset) -> set[str]:
    """Return names of links of a converted robot."""
    return {body.get("name", "") for body in ElementTree.fromstring(str(asset.mjcf)).iter("body")}
