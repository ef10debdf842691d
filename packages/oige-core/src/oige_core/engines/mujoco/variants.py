"""Variants of rigid bodies, of which each world has one."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from oige_core.engines.mujoco.attach import attach
from oige_core.engines.mujoco.bodies import prepare_bodies
from oige_core.engines.mujoco.collisions import Masks
from oige_core.engines.mujoco.layout import prefixed
from oige_core.engines.mujoco.render.colors import geom_color
from oige_core.scene.elements import RigidAssetElement

__all__ = ["Variants", "add_further_variants", "read_variants", "remove_further_variants", "with_variant"]

_GEOM_FIELDS = (
    "geom_aabb",
    "geom_dataid",
    "geom_friction",
    "geom_gap",
    "geom_margin",
    "geom_pos",
    "geom_quat",
    "geom_rbound",
    "geom_size",
    "geom_solimp",
    "geom_solmix",
    "geom_solref",
)
_BODY_FIELDS = ("body_inertia", "body_ipos", "body_iquat", "body_mass")
_NAME = "variant "


@dataclass(frozen=True, kw_only=True)
class Variants:
    """What differs between the variants of a body.

    Attributes:
        body: id of the body.
        geoms: ids of its geoms.
        values: by name of a field of the model: ``(variants, geoms, …)``, for fields of bodies ``(variants, 1, …)``.
        colors: red, green, blue and opacity ``(variants, geoms, 4)``.
    """

    body: int
    geoms: range
    values: Mapping[str, np.ndarray]
    colors: np.ndarray

    @property
    def count(self) -> int:
        """Number of variants."""
        return len(self.colors)

    @property
    def meshes(self) -> set[int]:
        """Numbers of the meshes that shapes may have."""
        return set(self.values["geom_dataid"].ravel().tolist()) - {-1}

    @property
    def differing(self) -> dict[str, np.ndarray]:
        """The fields that are not the same for all variants."""
        return {name: values for name, values in self.values.items() if (values != values[:1]).any()}


def add_further_variants(
    spec: mujoco.MjSpec,
    element: RigidAssetElement,
    assets: Sequence[mujoco.MjSpec],
    masks: Mapping[tuple[str, Masks], Masks],
) -> None:
    """Add all variants of a body but the first one as bodies of their own, so that MuJoCo compiles them."""
    for number, asset in enumerate(assets[1:], start=1):
        for geom in asset.geoms:
            geom.contype, geom.conaffinity = masks[element.name, (geom.contype, geom.conaffinity)]
        name = _name(element.name, number)
        body = attach(spec, asset, prefixed(name, ""), element.position, element.orientation)
        body.name = name
        prepare_bodies([body], element.disable_gravity)


def remove_further_variants(spec: mujoco.MjSpec, names: Iterable[str]) -> None:
    """Remove what :func:`add_further_variants` added to a compiled specification, except meshes.

    MuJoCo keeps the convex hulls of meshes that it has compiled; what a shape of type ``sdf`` needs is requested here.
    """
    prefixes = tuple(prefixed(name, _NAME) for name in names)
    for body in spec.bodies[1:]:
        if body.name.startswith(prefixes):
            for geom in body.geoms:
                if geom.type == mujoco.mjtGeom.mjGEOM_SDF:
                    spec.mesh(geom.meshname).needsdf = True
            spec.delete(body)


def read_variants(with_all: mujoco.MjModel, model: mujoco.MjModel, name: str) -> Variants:
    """Return the variants of a body.

    Args:
        with_all: the compiled scene with its further variants.
        model: the same scene without them.
        name: of the body.
    """
    bodies = [with_all.body(name).id]
    names = {with_all.body(body).name: body for body in range(with_all.nbody)}
    while (further := _name(name, len(bodies))) in names:
        bodies.append(names[further])
    geoms = np.stack([np.flatnonzero(with_all.geom_bodyid == body) for body in bodies])
    values = {field: getattr(with_all, field)[geoms] for field in _GEOM_FIELDS}
    values |= {field: getattr(with_all, field)[np.array(bodies)[:, None]] for field in _BODY_FIELDS}
    numbers = {-1: -1} | {mesh: model.mesh(with_all.mesh(mesh).name).id for mesh in range(with_all.nmesh)}
    values["geom_dataid"] = np.vectorize(numbers.__getitem__)(values["geom_dataid"]).astype(np.int32)
    _check_meshes(with_all, model, numbers)
    body = model.body(name)
    first = int(body.geomadr[0])
    return Variants(
        body=body.id,
        geoms=range(first, first + int(body.geomnum[0])),
        values=values,
        colors=np.array([[geom_color(with_all, geom) for geom in row] for row in geoms]),
    )


def with_variant(model: mujoco.MjModel, variants: Iterable[Variants], number: int) -> mujoco.MjModel:
    """Return a copy of a model in which bodies have the variant of a number, or their last one."""
    model = copy.copy(model)
    for each in variants:
        row = min(number, each.count - 1)
        for name, values in each.values.items():
            getattr(model, name)[list(each.geoms) if name.startswith("geom_") else [each.body]] = values[row]
        model.geom_rgba[list(each.geoms)] = each.colors[row]
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def _check_meshes(with_all: mujoco.MjModel, model: mujoco.MjModel, numbers: Mapping[int, int]) -> None:
    """Raise if MuJoCo dropped what contacts of meshes need, which it computes only for meshes in use."""
    for mesh, number in numbers.items():
        for address in ("mesh_graphadr", "mesh_octadr"):
            if mesh >= 0 and getattr(with_all, address)[mesh] >= 0 and getattr(model, address)[number] < 0:
                raise RuntimeError(f"{address} of mesh '{model.mesh(number).name}' is missing in the compiled scene")


def _name(body: str, number: int) -> str:
    return prefixed(body, f"{_NAME}{number}")
