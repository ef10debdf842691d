"""Reads the MJCF file of a rigid body, ready to be attached to a scene."""

import mujoco

from oige_core.engines.mujoco.asset_files import parse
from oige_core.engines.mujoco.assets import apply_density
from oige_core.engines.mujoco.friction import DEFAULT_FRICTION
from oige_core.errors import CapabilityError, OigeError
from oige_core.scene.elements import RigidAssetElement

__all__ = ["read_rigid_assets"]

_SHARED = ("contype", "conaffinity", "condim", "priority", "group")
"""Attributes of shapes that all worlds share."""


def read_rigid_assets(element: RigidAssetElement) -> list[mujoco.MjSpec]:
    """Return the assets of a rigid body as specifications with one body, which has shapes.

    Raises:
        OigeError: an asset is invalid, or contains something unsupported; the message names the body.
        CapabilityError: assets differ in something that all worlds share.
    """
    specs = [_read(element, number) for number in range(len(element.assets))]
    for number, spec in enumerate(specs[1:], start=1):
        _check_alike(specs[0], spec, f"rigid body '{element.name}': asset {number}")
    return specs


def _read(element: RigidAssetElement, number: int) -> mujoco.MjSpec:
    title = f"rigid body '{element.name}'"
    if len(element.assets) > 1:
        title += f", asset {number}"
    asset, _ = parse(element.assets[number].mjcf, title)
    roots = asset.worldbody.bodies
    if len(roots) != 1:
        raise OigeError(f"{title}: its MJCF has {len(roots)} root bodies, expected one.")
    if roots[0].bodies:
        raise OigeError(
            f"{title}: its MJCF has a child body '{roots[0].bodies[0].name}'; put all shapes into the root body, or "
            "add an articulation."
        )
    if roots[0].joints:
        raise OigeError(f"{title}: its MJCF has a joint; remove it: the scene says whether the body is kinematic.")
    if not roots[0].geoms:
        raise OigeError(f"{title}: its MJCF has no shapes, expected one or more.")
    for kind, parts in (
        ("a contact pair", asset.pairs),
        ("an exclude", asset.excludes),
        ("an equality constraint", asset.equalities),
        ("a tendon", asset.tendons),
        ("an actuator", asset.actuators),
        ("a sensor", asset.sensors),
        ("a flex", asset.flexes),
    ):
        if parts:
            raise CapabilityError(f"{title}: its MJCF has {kind}, which a rigid body cannot have; remove it.")
    roots[0].name = element.name
    apply_density(asset, element.actor, element.name)
    return asset


def _check_alike(first: mujoco.MjSpec, other: mujoco.MjSpec, title: str) -> None:
    """Raise unless the shapes of two assets can be those of one body in different worlds."""
    rule = "all assets of a body have the same number of shapes, of the same types and in the same order"
    shapes, others = list(first.geoms), list(other.geoms)
    if len(shapes) != len(others):
        raise CapabilityError(f"{title}: has {len(others)} shapes, and asset 0 has {len(shapes)}; {rule}.")
    for number, (shape, theirs) in enumerate(zip(shapes, others, strict=True)):
        what = f"shape {number}" + (f" '{theirs.name}'" if theirs.name else "")
        if shape.type != theirs.type:
            kinds = (_kind(each) for each in (theirs, shape))
            raise CapabilityError("{}: {} is a {}, and that of asset 0 a {}; {}.".format(title, what, *kinds, rule))
        for key in _SHARED:
            values = getattr(theirs, key), getattr(shape, key)
            if values[0] != values[1]:
                raise CapabilityError(
                    f"{title}: {what} has {key}={values[0]}, and that of asset 0 {values[1]}; all worlds share it."
                )
        if (shape.friction[0] == DEFAULT_FRICTION) != (theirs.friction[0] == DEFAULT_FRICTION):
            raise CapabilityError(
                f"{title}: only one of {what} and that of asset 0 has a friction coefficient; state one for both."
            )


def _kind(geom: "mujoco.MjsGeom") -> str:
    return mujoco.mjtGeom(geom.type).name.removeprefix("mjGEOM_").lower()
