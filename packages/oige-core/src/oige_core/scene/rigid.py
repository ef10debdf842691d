"""Options of rigid bodies, and their elements."""

import typing
from collections.abc import Mapping, Sequence

from oige_core.config import ActorConfig
from oige_core.errors import ConfigError, OigeError, nearest
from oige_core.scene.assets import Color, Material, RigidAsset
from oige_core.scene.elements import RigidAssetElement, RigidElement
from oige_core.scene.primitives import Primitive, check_alternatives, check_size
from oige_core.scene.values import IDENTITY, Quaternion, Vector3, as_flag, as_number, as_quaternion, as_vector

__all__ = ["RigidOptions", "as_material", "asset_element", "primitive_element"]


class RigidOptions(typing.TypedDict, total=False):
    """Options of all primitive bodies.

    Attributes:
        position: initial position of the centre, in metres.
        orientation: initial orientation, w, x, y, z.
        density: density in kg/m³, 1000 by default.
        mass: mass in kg; replaces the density.
        kinematic: only ``set_world_poses`` moves the body; it pushes other bodies, but nothing pushes it.
        collision: whether it collides; False makes a marker.
        track_contact_forces: measure net contact forces.
        alternatives: sizes by name of other shapes that worlds may have instead, as arguments of ``add_sphere`` and
            similar methods in their order: see :meth:`~oige_core.views.RigidPrimView.set_shapes`.
        section: section of ``task.sim`` with the settings of the body, which several may share; by default its name.
        disable_gravity: whether gravity is disabled on the body. Only if this is given, True or False, gravity can be
            changed later.
        material: surface.
    """

    position: Vector3
    orientation: Quaternion
    density: float
    mass: float
    kinematic: bool
    collision: bool
    track_contact_forces: bool
    alternatives: Mapping[str, Sequence[float]]
    section: str
    disable_gravity: bool
    material: Material


def primitive_element(
    name: str,
    shape: Primitive,
    size: tuple[float, ...],
    options: RigidOptions,
    actor: ActorConfig,
    *,
    further: Sequence[str] = (),
    face_colors: Sequence[Color] = (),
) -> RigidElement:
    """Return the element of a body with a primitive shape.

    Args:
        name: name of the element.
        shape: its own shape.
        size: size of its own shape, in metres.
        options: the options that are given.
        actor: its section of ``task.sim``.
        further: shapes of the same volume that it may have besides its own.
        face_colors: colours of the faces of a box.

    Raises:
        OigeError: an option is invalid.
    """
    title = f"{shape} '{name}'"
    for option in options:
        if option not in RigidOptions.__annotations__:
            raise OigeError(f"{title}: unknown option '{option}'. {nearest(option, RigidOptions.__annotations__)}")
    lengths = check_size(title, shape, size)
    density, mass = options.get("density", 1000.0), options.get("mass")
    if actor.density != -1:
        density, mass = actor.density, None
    if actor.mass != -1:
        mass = actor.mass
    for key, value in (("density", density), ("mass", mass)):
        if value is not None and not as_number(value, f"{title}: {key}") > 0:
            raise OigeError(f"{title}: {key}={value}, expected a number above 0.")
    return RigidElement(
        **_body_options(title, name, options, actor),
        shape=shape,
        size=lengths,
        density=float(density),
        mass=None if mass is None else float(mass),
        collision=as_flag(options.get("collision", True), f"{title}: collision"),
        material=as_material(options.get("material"), name),
        alternatives=check_alternatives(title, shape, lengths, options.get("alternatives", {}), further),
        face_colors=tuple(face_colors),
    )


def asset_element(
    name: str, asset: RigidAsset | Sequence[RigidAsset], options: RigidOptions, actor: ActorConfig
) -> RigidAssetElement:
    """Return the element of a body with the shapes of one or more assets.

    Args:
        name: name of the element.
        asset: the asset, or those of which each world has one.
        options: pose, contact forces, gravity, and whether it is kinematic.
        actor: its section of ``task.sim``.

    Raises:
        OigeError: an option is invalid.
        ConfigError: the section has a key without effect on such a body.
    """
    title = f"rigid body '{name}'"
    assets = (asset,) if isinstance(asset, RigidAsset) else tuple(asset) if isinstance(asset, Sequence) else ()
    if not assets or not all(isinstance(each, RigidAsset) for each in assets):
        raise OigeError(f"{title}: its asset is {asset!r}, expected RigidAsset(mjcf=…), or a list of them.")
    if actor.mass != -1:
        raise ConfigError(
            f"task.sim.{name}.mass={actor.mass}: has no effect on a body from a file; its mass is in its asset."
        )
    return RigidAssetElement(**_body_options(title, name, options, actor), assets=assets)


def _body_options(title: str, name: str, options: RigidOptions, actor: ActorConfig) -> dict[str, typing.Any]:
    """Return what all rigid bodies have, as arguments of their elements."""
    disable_gravity = options.get("disable_gravity")
    kinematic = as_flag(options.get("kinematic", False), f"{title}: kinematic")
    return {
        "name": name,
        "position": as_vector(options.get("position", (0.0, 0.0, 0.0)), f"{title}: position"),
        "orientation": as_quaternion(options.get("orientation", IDENTITY), f"{title}: orientation"),
        "kinematic": kinematic if actor.make_kinematic == -1 else bool(actor.make_kinematic),
        "track_contact_forces": as_flag(options.get("track_contact_forces", False), f"{title}: track_contact_forces"),
        "disable_gravity": None if disable_gravity is None else as_flag(disable_gravity, f"{title}: disable_gravity"),
        "actor": actor,
    }


def as_material(material: Material | None, name: str) -> Material:
    """Return the given surface, or the default one.

    Raises:
        OigeError: it is no material.
    """
    if material is not None and not isinstance(material, Material):
        raise OigeError(f"scene element '{name}': material={material!r}, expected Material(friction=…, color=…).")
    return material or Material()
