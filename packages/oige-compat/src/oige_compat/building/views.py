"""Finds for each view of the script what it shows of the engine."""

import itertools
import re
from typing import Any

import torch
from oige_core.scene import Scene
from pxr import Usd, UsdPhysics

from oige_compat.articulation_view import ArticulationView
from oige_compat.building.groups import BodyGroup, PrimPoses
from oige_compat.building.world import FirstWorld, last_name
from oige_compat.errors import CompatError
from oige_compat.stage import matching_prims
from oige_compat.views import PrimView, RigidPrimView

__all__ = ["connect"]


def connect(world: FirstWorld, scene: Scene) -> list[tuple[PrimView, Any, int]]:
    """Return for each view of the script the one of the engine, and its number of bodies per world.

    Raises:
        CompatError: a view has prims of some worlds only, or several articulations per world.
    """
    found = []
    for number, view in enumerate(world.session.views):
        _check_worlds(world, view)
        paths = [path for path, _ in matching_prims(view._regex_prim_paths)]
        if isinstance(view, ArticulationView):
            owners = [root for root in world.articulations if _below(root, paths, view)]
            if len(owners) > 1:
                raise CompatError(
                    f"view '{view.name}' of {view._regex_prim_paths}: it has {len(owners)} articulations in each "
                    f"world, {', '.join(owners)}; expected one. Use a view for each."
                )
            if owners:
                view.keeps_tendons = world.robots[owners[0]].file is not None
                found.append((view, world.elements[owners[0]], 1))
            continue
        parts = _parts(world, scene, f"{view.name}.{number}", paths, view)
        if len(parts) == 1:
            found.append((view, *parts[0]))
        elif parts:
            found.append((view, BodyGroup(parts), sum(count for _, count in parts)))
        elif paths and not isinstance(view, RigidPrimView):
            found.append((view, _poses(world, paths), len(paths)))
    return found


def _check_worlds(world: FirstWorld, view: PrimView) -> None:
    first = world.session.env_paths[0]
    holder, tokens = first.strip("/").split("/")[:-1], view._regex_prim_paths.strip("/").split("/")
    if tokens[: len(holder)] != holder or len(tokens) <= len(holder):
        return
    token = tokens[len(holder)]
    names = [last_name(path) for path in world.session.env_paths]
    selected = sum(re.fullmatch(token, name) is not None for name in names)
    if 0 < selected < len(names):
        raise CompatError(
            f"view '{view.name}' of {view._regex_prim_paths}: it has prims of {selected} of the {len(names)} worlds; "
            f"expected all of them, as of {'/'.join(['', *holder, '.*', *tokens[len(holder) + 1 :]])}."
        )


def _parts(world: FirstWorld, scene: Scene, label: str, paths: list[str], view: PrimView) -> list[tuple[Any, int]]:
    """Return views of the engine of bodies that a view selects, and the number of bodies of each.

    Raises:
        CompatError: other bodies are between links of a robot.
    """
    parts: list[tuple[Any, int]] = []
    robots: dict[str, list[str]] = {}
    for path in paths:
        root = world.robot_above(path)
        if path in world.elements and path not in world.articulations:
            parts.append((world.elements[path], 1))
        elif root is not None and root not in robots:
            robots[root] = links = _links(world, root, paths, view)
            if links:
                parts.append(_link_view(world, scene, label, root, links, view))
    bodies = [path for path in paths if world.session.stage.GetPrimAtPath(path).HasAPI(UsdPhysics.RigidBodyAPI)]
    owners = [path if path in world.elements else world.robot_above(path) for path in bodies]
    if len(list(itertools.groupby(owners))) > len(set(owners)):
        raise CompatError(
            f"view '{view.name}' of {view._regex_prim_paths}: on the stage, other bodies are between links of a robot; "
            "use a view for each."
        )
    if paths:
        return parts
    for root in world.articulations:
        links = _links(world, root, paths, view)
        if links:
            return [_link_view(world, scene, label, root, links, view)]
    return []


def _link_view(
    world: FirstWorld, scene: Scene, label: str, root: str, links: list[str], view: PrimView
) -> tuple[Any, int]:
    name = world.articulations[root]
    ours = scene.add_link_view(f"{label}.{name}", name, links, track_contact_forces=view.track_contact_forces)
    return ours, len(links)


def _poses(world: FirstWorld, paths: list[str]) -> PrimPoses:
    """Return poses of prims that are no bodies."""
    moving = [*world.elements, *world.robots]
    below = next((each for path in paths for each in moving if each.startswith(f"{path}/")), None)
    poses = [world.pose(world.session.stage.GetPrimAtPath(path)) for path in paths]
    count = len(world.session.env_paths)
    device = str(world.params.get("sim_device", "cpu"))
    positions, orientations = (torch.tensor([[pose[part] for pose in poses]] * count, device=device) for part in (0, 1))
    return PrimPoses(positions, orientations, below)


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
    inside = [stage.GetPrimAtPath(path) for path in paths if path.startswith(f"{root}/") and path not in world.elements]
    links = [prim.GetName() for prim in inside if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
    last = _last_name(root, view)
    if links or last is None:
        return links
    prims = Usd.PrimRange(stage.GetPrimAtPath(root), Usd.TraverseInstanceProxies())
    bodies = [prim.GetName() for prim in prims if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
    return [name for name in bodies if re.fullmatch(last, name)]
