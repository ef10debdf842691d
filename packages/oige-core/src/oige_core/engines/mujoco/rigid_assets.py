"""Reads the MJCF file of a rigid body, ready to be attached to a scene."""

import mujoco

from oige_core.engines.mujoco.assets import apply_density, parse
from oige_core.errors import CapabilityError, OigeError
from oige_core.scene.elements import RigidAssetElement

__all__ = ["read_rigid_asset"]


def read_rigid_asset(element: RigidAssetElement, number: int) -> mujoco.MjSpec:
    """Return an asset of a rigid body as a specification with one body, which has shapes.

    Args:
        element: the body.
        number: number of the asset.

    Raises:
        OigeError: the asset is invalid, or contains something unsupported; the message names the body.
    """
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
