"""Says which attributes of physics, parameters and settings of the script have no effect."""

import fnmatch
from typing import Any

from pxr import Sdf, Usd, UsdPhysics

from oige_compat.assets.bodies import is_kinematic, is_link
from oige_compat.building.reports import some
from oige_compat.building.world import FirstWorld
from oige_compat.physics_attributes import NEUTRAL_SETTINGS, PARAMETERS, Kind, find_attribute

__all__ = ["PREFIXES", "RELATIONSHIPS", "tell_unused"]

PREFIXES = ("physics:", "physx", "drive:", "limit:", "state:")
"""Of names of attributes of physics."""

RELATIONSHIPS = ("material:binding:physics", "physics:filteredGroups", "physics:filteredPairs")
"""Names of relationships of physics."""

USED = ("dt", "gravity", "sim_device", "default_physics_material", "rendering_dt", "warp")
"""Parameters that act, or that do not concern physics."""

DAMPING = tuple(
    f"physxRigidBody:{name}" for name in ("linearDamping", "angularDamping", "maxLinearVelocity", "maxAngularVelocity")
)
"""Attributes of links for which efforts of the joints stand."""

APPLICATION = (
    *("add_*", "disable_contact_processing", "enable_cameras", "enable_scene_query_support", "enable_viewport"),
    *("gpu_*", "num_threads", "replicate_physics", "use_*", "worker_thread_count"),
)
"""Patterns of parameters that concern the application, threads and buffers, and not the motion of bodies."""


def tell_unused(world: FirstWorld) -> None:
    """Print what has no effect: a note for each setting, and one for attributes or parameters that do the same."""
    alike: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for name, paths in sorted(_unused_attributes(world).items()):
        row = find_attribute(name)
        text = "an attribute of physics that oige-compat does not know" if row is None else row.text
        alike.setdefault((tuple(paths), text), []).append(name)
    for (paths, text), names in alike.items():
        effect = "it has no effect" if len(names) == 1 else "no effect"
        world.session.note(f"{', '.join(names)} of {some(paths)}: {text}; {effect}.")
    by_text: dict[str, list[str]] = {}
    for key, value in world.params.items():
        if key in USED or any(fnmatch.fnmatchcase(key, pattern) for pattern in APPLICATION) or isinstance(value, dict):
            continue
        row = next((row for pattern, row in PARAMETERS.items() if fnmatch.fnmatchcase(key, pattern)), None)
        if row is None or not row.neutral(value):
            text = "a parameter that oige-compat does not know" if row is None else row.text
            by_text.setdefault(text, []).append(key)
    for text, keys in by_text.items():
        world.session.note(f"task.sim: {', '.join(keys)}: {text}; no effect.")
    for path, value in world.session.settings.items():
        if "/physics/" in path and not _is_neutral(path, value):
            world.session.note(f"carb.settings {path}={value}: a setting of PhysX; it has no effect.")


def _unused_attributes(world: FirstWorld) -> dict[str, list[str]]:
    """Return paths of prims by name of an attribute that the script has set and that does not act on them."""
    found: dict[str, list[str]] = {}
    layer = world.session.stage.GetRootLayer()

    def look(path: Sdf.Path) -> None:
        spec = layer.GetObjectAtPath(path)
        if isinstance(spec, Sdf.RelationshipSpec) and spec.name in RELATIONSHIPS:
            value = spec.targetPathList.GetAddedOrExplicitItems()
        elif isinstance(spec, Sdf.AttributeSpec) and spec.name.startswith(PREFIXES):
            value = spec.default
        else:
            return
        row = find_attribute(spec.name)
        if value is None or (row is not None and row.neutral(value)):
            return
        prim = world.session.stage.GetPrimAtPath(path.GetPrimPath())
        if spec.name in DAMPING and world.robot_above(str(prim.GetPath())) in world.damped:
            return
        if prim and (row is None or kind_of(world, prim) not in row.acts):
            found.setdefault(spec.name, []).append(str(prim.GetPath()))

    layer.Traverse(Sdf.Path.absoluteRootPath, look)
    return found


def kind_of(world: FirstWorld, prim: Usd.Prim) -> Kind:
    """Return the kind of a prim of which a script sets an attribute of physics."""
    path = str(prim.GetPath())
    if world.is_part(path):
        return "part"
    root = world.robot_above(path)
    if root is not None and world.robots[root].file is None:
        return "converted"
    spec = world.session.stage.GetRootLayer().GetPrimAtPath(prim.GetPath())
    if root is not None and not (prim.IsA(UsdPhysics.Joint) and spec is not None and spec.typeName):
        return "robot"
    if prim.IsA(UsdPhysics.Scene):
        return "scene"
    if prim.HasAPI(UsdPhysics.MaterialAPI) or prim.GetTypeName() == "Material":
        return "material"
    if prim.IsA(UsdPhysics.Joint):
        return "joint"
    above = prim
    while above and not above.IsPseudoRoot():
        if is_link(above) or is_kinematic(above):
            return "body"
        above = above.GetParent()
    return "collider" if prim.HasAPI(UsdPhysics.CollisionAPI) else "other"


def _is_neutral(path: str, value: Any) -> bool:
    return any(
        fnmatch.fnmatchcase(path, pattern) and neutral in (None, value) for pattern, neutral in NEUTRAL_SETTINGS.items()
    )
