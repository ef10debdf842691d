"""Says which prims a script has added to worlds other than the first, of which all worlds are copies."""

from typing import Any

from pxr import Sdf

from oige_compat.building.attributes import PREFIXES
from oige_compat.building.later import SHAPES
from oige_compat.building.reports import some
from oige_compat.building.world import FirstWorld

__all__ = ["tell_other_worlds"]

OF_PLACES = ("physics:localPos", "physics:localRot")
"""Attributes of joints with the world, which differ because the worlds are at different places."""

DRAWN = ("Camera", "Scope", "Material", "Shader")
"""Types of prims that no body is made of; cameras of all worlds are served."""


def tell_other_worlds(world: FirstWorld) -> None:
    """Print one note for all prims that the first world has not, and one for each attribute that differs from its.

    Bodies of Isaac Sim's asset folder may differ between worlds; they are left out here.
    """
    layer = world.session.stage.GetRootLayer()
    first, *others = world.session.env_paths
    missing: list[str] = []
    different: dict[str, list[str]] = {}
    for other in others:
        spec = layer.GetPrimAtPath(other)
        if spec is not None and spec.nameChildren:
            for child in spec.nameChildren:
                _compare(layer, child, other, first, missing, different)
    references = world.session.references
    missing = [path for path in missing if path not in references]
    if missing:
        world.session.note(f"{some(missing)}: the first world has no such prim; left out, all worlds are its copies.")
    for name, paths in different.items():
        world.session.note(f"{name} of {some(paths)}: differs from that in the first world, which acts in all worlds.")


def _compare(
    layer: Sdf.Layer, spec: Any, other: str, first: str, missing: list[str], different: dict[str, list[str]]
) -> None:
    path = str(spec.path)
    counterpart = layer.GetPrimAtPath(first + path[len(other) :])
    if spec.typeName in DRAWN or spec.hasReferences:
        return
    if counterpart is None and spec.specifier == Sdf.SpecifierDef:
        missing.append(path)
        return
    for attribute in spec.attributes:
        name = attribute.name
        if (not name.startswith((*PREFIXES, "xformOp:")) and name not in SHAPES) or name.startswith(OF_PLACES):
            continue
        own = None if counterpart is None else layer.GetAttributeAtPath(counterpart.path.AppendProperty(name))
        if own is None or own.default != attribute.default:
            different.setdefault(name, []).append(path)
    for child in spec.nameChildren:
        _compare(layer, child, other, first, missing, different)
