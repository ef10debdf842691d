"""Finds for each view of the script what it shows of the engine."""

import re
from typing import Any

from oige_core.scene import Scene
from pxr import Usd, UsdPhysics

from oige_compat.articulation_view import ArticulationView
from oige_compat.building.groups import BodyGroup
from oige_compat.building.world import FirstWorld
from oige_compat.stage import matching_prims
from oige_compat.views import PrimView

__all__ = ["connect"]


def connect(world: FirstWorld, scene: Scene) -> list[tuple[PrimView, Any, int]]:
    """Return for each view of the script the one of the engine, and its number of bodies per world."""
    found = []
    for number, view in enumerate(world.session.views):
        paths = [path for path, _ in matching_prims(view._regex_prim_paths)]
        if isinstance(view, ArticulationView):
            owners = [root for root in world.articulations if _below(root, paths, view)]
            if owners:
                found.append((view, world.elements[owners[0]], 1))
            continue
        bodies = [path for path in paths if path in world.elements and path not in world.articulations]
        if len(bodies) == 1:
            found.append((view, world.elements[bodies[0]], 1))
            continue
        if len(bodies) > 1:
            found.append((view, BodyGroup([world.elements[body] for body in bodies]), len(bodies)))
            continue
        for root, name in world.articulations.items():
            links = _links(world, root, paths, view)
            if links:
                label = f"{view.name}.{number}"
                tracked = view.track_contact_forces
                ours = scene.add_link_view(label, name, links, track_contact_forces=tracked)
                found.append((view, ours, len(links)))
                break
    return found


def _below(root: str, paths: list[str], view: PrimView) -> bool:
    if paths:
        return any(path == root or path.startswith(f"{root}/") for path in paths)
    return _last_name(root, view) is not None


def _last_name(root: str, view: PrimView) -> str | None:
    """Return the last name of an expression that leads below a robot whose prims have other parents."""
    tokens, below = view._regex_prim_paths.strip("/").split("/"), root.strip("/").split("/")
    matches = all(re.fullmatch(token, name) for token, name in zip(tokens, below, strict=False))
    return tokens[-1] if matches and len(tokens) > len(below) else None


def _links(world: FirstWorld, root: str, paths: list[str], view: PrimView) -> list[str]:
    """Return names of links of a robot that a view selects, in the order of the stage."""
    stage = world.session.stage
    inside = [stage.GetPrimAtPath(path) for path in paths if path.startswith(f"{root}/")]
    links = [prim.GetName() for prim in inside if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
    last = _last_name(root, view)
    if links or last is None:
        return links
    prims = Usd.PrimRange(stage.GetPrimAtPath(root), Usd.TraverseInstanceProxies())
    bodies = [prim.GetName() for prim in prims if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
    return [name for name in bodies if re.fullmatch(last, name)]
