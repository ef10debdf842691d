"""Masses and inertias of links, by the rules of UsdPhysics."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

import mujoco
import numpy as np
from oige_core.errors import OigeError, one_line
from pxr import Usd, UsdPhysics

from oige_compat.assets.mjcf import add_shape
from oige_compat.assets.report import Report
from oige_compat.assets.shapes import Shape, read_surface
from oige_compat.assets.stages import Frames, rotation_of

__all__ = ["MassProperties", "read_mass"]

_WATER = 1000.0
"""Density, in kg/m³, of shapes for which the file states none."""

_LONE_RADIUS = 0.1
"""Radius, in m, of the ball whose inertia a link without colliders has in Isaac Sim."""


@dataclass(frozen=True, kw_only=True)
class MassProperties:
    """Mass and inertia of a link.

    Attributes:
        mass: in kg.
        center: centre of mass ``(3,)`` in the link's frame.
        moments: principal moments ``(3,)`` about it, in kg·m².
        axes: rotation ``(3, 3)`` of the principal axes in the link's frame.
    """

    mass: float
    center: np.ndarray
    moments: np.ndarray
    axes: np.ndarray


def read_mass(link: Usd.Prim, shapes: Sequence[Shape], frames: Frames, report: Report) -> MassProperties:
    """Return the mass of a link: stated masses precede stated densities, and those of links precede those of shapes.

    Args:
        link: a rigid body.
        shapes: of the link.
        frames: of the stage.
        report: gets what differs.

    Raises:
        OigeError: a stated value is impossible.
    """
    api = UsdPhysics.MassAPI(link)
    stated = float(api.GetMassAttr().Get() or 0.0) * frames.kilograms
    density = float(api.GetDensityAttr().Get() or 0.0) * frames.kilograms / frames.meters**3
    if stated < 0.0 or density < 0.0:
        raise OigeError(f"rigid body {link.GetPath()}: its mass or density is negative; expected at least 0.")
    own_center, own_moments = _vector(api.GetCenterOfMassAttr()), _vector(api.GetDiagonalInertiaAttr())
    has_center = own_center is not None and bool(np.isfinite(own_center).all())
    has_moments = own_moments is not None and bool(own_moments.any())
    colliders = [shape for shape in shapes if shape.collides]
    default = density or read_surface(link, frames, report).density or _WATER
    if stated and has_center and has_moments:
        mass, center, inertia = stated, np.zeros(3), np.eye(3)
    elif colliders:
        mass, center, inertia = _mass_of_shapes(colliders, density, default, is_link=str(link.GetPath()))
    else:
        mass, center = stated or 1.0, np.zeros(3)
        inertia = np.eye(3) * 0.4 * mass * _LONE_RADIUS**2
        if not has_moments:
            text = f"a link without colliders has a mass of {mass:g} kg and the inertia of a ball of {_LONE_RADIUS:g} m"
            report.add("approximated", link.GetPath(), f"{text}, as in Isaac Sim")
        elif not stated:
            report.add("approximated", link.GetPath(), "a link without mass and colliders has 1 kg, as in Isaac Sim")
    if stated:
        inertia, mass = inertia * (stated / mass), stated
    if own_center is not None and has_center:
        placed = own_center * frames.scale(link)
        inertia, center = inertia + _shift(mass, placed - center), placed
    if own_moments is not None and has_moments:
        if (own_moments < 0.0).any():
            raise OigeError(f"rigid body {link.GetPath()}: physics:diagonalInertia is negative; expected at least 0.")
        axes = rotation_of(api.GetPrincipalAxesAttr().Get())
        moments = own_moments * frames.kilograms * frames.meters**2
    else:
        moments, axes = np.linalg.eigh(inertia)
        axes[:, 2] *= np.sign(np.linalg.det(axes))
    return MassProperties(mass=mass, center=center, moments=_possible(moments, link, report), axes=axes)


def _mass_of_shapes(
    shapes: Sequence[Shape], density: float, default: float, *, is_link: str
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return mass, centre and inertia ``(3, 3)`` about it of the shapes of one link.

    Args:
        shapes: that collide.
        density: of the link; 0: none is stated.
        default: density if neither the shape nor its material states one.
        is_link: path of the link. Masses of a shape that is the link itself are the link's.
    """
    file = Element("mujoco")
    assets = SubElement(file, "asset")
    body = SubElement(SubElement(file, "worldbody"), "body", name="link")
    for number, shape in enumerate(shapes):
        geom = add_shape(assets, body, shape, f"shape_{number}")
        own = shape.path != is_link
        if shape.mass and own:
            geom.set("mass", repr(shape.mass))
        else:
            geom.set("density", repr((shape.density if own else 0.0) or density or shape.surface.density or default))
    try:
        model = mujoco.MjModel.from_xml_string(tostring(file, "unicode"))
    except ValueError as error:
        raise OigeError(
            f"rigid body {is_link}: the mass of its colliders cannot be computed: {one_line(error)}"
        ) from error
    axes = np.empty(9)
    mujoco.mju_quat2Mat(axes, model.body("link").iquat)
    rotation = axes.reshape(3, 3)
    inertia = rotation @ np.diag(model.body("link").inertia) @ rotation.T
    return float(model.body("link").mass[0]), model.body("link").ipos.copy(), inertia


def _shift(mass: float, offset: np.ndarray) -> np.ndarray:
    """Return what a point off the centre of mass adds to the inertia ``(3, 3)``."""
    return mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))


def _possible(moments: np.ndarray, link: Usd.Prim, report: Report) -> np.ndarray:
    """Return the nearest moments of inertia that a body can have."""
    result = np.array(moments, float)
    tiny = 1e-10 * max(1.0, float(result.max()))
    result = np.maximum(result, tiny)
    largest = int(np.argmax(result))
    rest = float(result.sum() - result[largest])
    if result[largest] > rest:
        result[largest] = rest
    if np.abs(result - moments).max() > 1e-4 * np.abs(moments).max():
        text = (
            f"no body has the moments of inertia {_text(moments)}; the nearest possible ones are {_text(result)} kg·m²"
        )
        report.add("approximated", link.GetPath(), text)
    return result


def _vector(attribute: Usd.Attribute) -> np.ndarray | None:
    value = attribute.Get() if attribute else None
    return None if value is None else np.array(value, float)


def _text(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
