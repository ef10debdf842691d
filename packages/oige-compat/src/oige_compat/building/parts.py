"""Bodies of Isaac Sim's asset folder that OIGE has, too."""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
import torch
from oige_core.scene import Material, Scene
from pxr import Usd, UsdPhysics, UsdShade

from oige_compat.building.world import FirstWorld, last_name
from oige_compat.errors import CompatError
from oige_compat.parts import Part, find_part
from oige_compat.soft_bodies import SoftBody
from oige_compat.stage import matching_prims

__all__ = ["add_parts", "find_parts"]


def find_parts(world: FirstWorld) -> None:
    """Look up such bodies to which prims of the first world refer."""
    for path, usd_path in world.session.references.items():
        part = find_part(usd_path)
        if part is not None and path.startswith(f"{world.session.env_paths[0]}/"):
            world.parts[f"{path}/{part.body}"] = part


def add_parts(world: FirstWorld, scene: Scene) -> list[Callable[[], None]]:
    """Add such bodies to the scene.

    Returns:
        What to do after the worlds are built.

    Raises:
        CompatError: worlds have different bodies, of which one is soft, or some are missing.
    """
    tracking = [view._regex_prim_paths for view in world.session.views if view.track_contact_forces]
    tracked = {path for expression in tracking for path, _ in matching_prims(expression)}
    later: list[Callable[[], None]] = []
    for path, part in world.parts.items():
        prim = world.session.stage.GetPrimAtPath(path)
        position, orientation = _moved(*world.pose(prim), part)
        friction = _surface(world, prim, part)
        options: dict[str, Any] = {"position": position, "orientation": orientation}
        if part.is_soft:
            material = None if friction is None else Material(friction=friction)
            view = scene.add_deformable(world.name_of(path), part.create(None), material=material, **options)  # pyright: ignore
            world.elements[path] = SoftBody(view, part.node_numbers())
            continue
        numbers, kinds = _of_worlds(world, path)
        assets = [kind.create(friction) for kind in kinds]
        kinematic = UsdPhysics.RigidBodyAPI(prim).GetKinematicEnabledAttr().Get()
        options |= {"kinematic": part.kinematic or bool(kinematic), "track_contact_forces": path in tracked}
        view = scene.add_rigid_body(world.name_of(path), assets, **options)  # pyright: ignore[reportArgumentType]
        world.elements[path] = view
        if len(assets) > 1:
            later.append(lambda view=view, numbers=numbers: view.set_variants(torch.tensor(numbers)))
    return later


def _of_worlds(world: FirstWorld, path: str) -> tuple[list[int], list[Part]]:
    """Return which body each world has, and the bodies."""
    first, *others = world.session.env_paths
    holder = path.rpartition("/")[0][len(first) :]
    files = [world.session.references[f"{first}{holder}"]]
    for other in others:
        files.append(world.session.references.get(f"{other}{holder}", files[0]))
    kinds = list(dict.fromkeys(files))
    parts = [find_part(file) for file in kinds]
    found = [part for part in parts if part is not None and part.body == last_name(path)]
    if len(found) < len(kinds):
        raise CompatError(f"{path}: worlds refer to {', '.join(kinds)}; expected bodies of one kind.")
    return [kinds.index(file) for file in files], found


def _moved(
    position: tuple[float, ...], orientation: tuple[float, ...], part: Part
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the pose of the asset where the prim has a pose."""
    placed, turned = np.empty(3), np.empty(4)
    mujoco.mju_rotVecQuat(placed, np.array(part.position), np.array(orientation))
    mujoco.mju_mulQuat(turned, np.array(orientation), np.array(part.orientation))
    return tuple((placed + np.array(position)).tolist()), tuple(turned.tolist())


def _surface(world: FirstWorld, prim: Usd.Prim, part: Part) -> float | None:
    """Return the friction of the physics material that the script has bound to the body, if any."""
    for each in Usd.PrimRange(prim):
        bound = UsdShade.MaterialBindingAPI(each).ComputeBoundMaterial("physics")[0]
        api = UsdPhysics.MaterialAPI(bound.GetPrim()) if bound else None
        if not api:
            continue
        density = api.GetDensityAttr().Get()
        if density and density != part.density:
            expected = "its mass is stated" if part.density is None else f"it has {part.density:g} kg/m³"
            world.session.note(f"{bound.GetPath()}: density={density:g} of {prim.GetPath()} has no effect; {expected}.")
        return float(api.GetDynamicFrictionAttr().Get())
    return None
