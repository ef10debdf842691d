"""Bodies of Isaac Sim's asset folder that tasks of OIGE have, too: nuts, bolts, a beaker and a soft tube.

On the stage, a reference to their USD file leads to prims with the same names, without shapes.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oige_core.scene import DeformableAsset, RigidAsset
from pxr import Sdf

from oige_compat.errors import CompatError

__all__ = ["PARTS", "Part", "find_part", "part_layer"]

PACKAGE = "oige_tasks_manipulation"
"""The package that has these bodies."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A body of Isaac Sim's asset folder.

    Attributes:
        body: name of its prim below the prim that refers to the file.
        create: returns its asset for a coefficient of friction; None: that of the asset.
        task: task of OIGE whose settings of the simulation fit it.
        kinematic: whether forces do not move it.
        density: density in kg/m³ from which its mass follows; None: its mass is stated.
        position: origin of the asset in the frame of the prim, in m.
        orientation: of the asset in the frame of the prim, w, x, y, z.
        nodes: of a soft body, numbers of nodes in Isaac Sim and what they are in OIGE. Tasks read these nodes; the
            others have no counterparts.
    """

    body: str
    create: Callable[[float | None], RigidAsset | DeformableAsset]
    task: str
    kinematic: bool = False
    density: float | None = None
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    orientation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    nodes: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_soft(self) -> bool:
        """Whether it is a soft body."""
        return bool(self.nodes)

    def node_numbers(self) -> dict[int, int]:
        """Return the numbers of nodes in OIGE by those in Isaac Sim."""
        return {number: _named(place) for number, place in self.nodes.items()}


def _named(place: str) -> Any:
    """Return ``module:name`` of the package.

    Raises:
        CompatError: it is not installed.
    """
    module, _, name = place.partition(":")
    try:
        return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
    except ModuleNotFoundError as error:
        raise CompatError(
            f"{PACKAGE}.{module}: not installed, but has a body of the scene; pip install {PACKAGE.replace('_', '-')}."
        ) from error


def _nut_or_bolt(kind: str, size: str) -> Callable[[float | None], RigidAsset]:
    """Return what creates the nut or bolt of a size."""

    def create(friction: float | None) -> RigidAsset:
        dimensions = _named("factory.sizes:SIZES")[size]
        surface = {} if friction is None else {"friction": friction}
        contact_time = _named("factory.base:contact_time")(dimensions)
        return _named(f"factory.threads:{kind}_asset")(dimensions, contact_time=contact_time, **surface)

    return create


def _stated(place: str) -> Callable[[float | None], Any]:
    """Return what gives an asset whose friction is stated."""
    return lambda friction: _named(place)


PARTS: Mapping[str, Part] = {
    **{
        f"Props/Factory/factory_{kind}_{size.lower()}_{fit}/factory_{kind}_{size.lower()}_{fit}.usd": Part(
            body=f"factory_{kind}",
            create=_nut_or_bolt(kind, size),
            task="FactoryTaskNutBoltScrew",
            kinematic=kind == "bolt",
            density=7850.0,
        )
        for kind in ("nut", "bolt")
        for size in ("M4", "M8", "M12", "M16", "M20")
        for fit in ("tight", "loose")
    },
    "Props/Beaker/beaker_500ml.usd": Part(
        body="beaker", create=_stated("franka_deformable.beaker:BEAKER"), task="FrankaDeformable"
    ),
    "Props/DeformableTube/tube.usd": Part(
        body="mesh",
        create=_stated("franka_deformable.task:TUBE"),
        task="FrankaDeformable",
        position=(0.0, 0.0, 0.0085),  # the tube lies on the ground at the height that tasks give it
        orientation=(0.5**0.5, 0.0, 0.0, -(0.5**0.5)),  # Isaac Sim's lies along y
        nodes={200: "franka_deformable.task:FRONT_NODE", -1: "franka_deformable.task:BACK_NODE"},
    ),
}
"""Bodies by the name of the USD file below Isaac Sim's asset root."""


def find_part(usd_path: str) -> Part | None:
    """Return the body whose USD file in Isaac Sim has this path, or None."""
    name = usd_path.replace("\\", "/")
    return next((part for usd, part in PARTS.items() if name.endswith(f"/{usd}")), None)


@functools.cache
def part_layer(body: str, is_soft: bool) -> Sdf.Layer:
    """Return a layer with the prims of a body, whose default prim a reference reaches.

    Args:
        body: name of the prim of the body.
        is_soft: whether it is a mesh that deforms.
    """
    layer = Sdf.Layer.CreateAnonymous(f"{body}.usda")
    holder = Sdf.CreatePrimInLayer(layer, "/part")
    holder.specifier, holder.typeName, layer.defaultPrim = Sdf.SpecifierDef, "Xform", "part"
    kinds = {"": "Mesh"} if is_soft else {"": "Xform", "/collisions": "Xform", "/collisions/mesh_0": "Mesh"}
    for path, kind in kinds.items():
        prim = Sdf.CreatePrimInLayer(layer, f"/part/{body}{path}")
        prim.specifier, prim.typeName = Sdf.SpecifierDef, kind
        schema = {"Xform": "PhysicsRigidBodyAPI" if not path else "", "Mesh": "PhysicsCollisionAPI"}[kind]
        if schema and not is_soft:
            prim.SetInfo("apiSchemas", Sdf.TokenListOp.Create(prependedItems=[schema]))
    return layer
