"""Elements of a scene, as plain data from which engines build worlds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from oige_core.config import ActorConfig
from oige_core.scene.assets import ArticulationAsset, Color, Material, RigidAsset
from oige_core.scene.deformables import DeformableAsset
from oige_core.scene.primitives import Primitive
from oige_core.scene.values import IDENTITY, Quaternion, Vector3
from oige_core.views import CameraOutput

__all__ = [
    "ArticulationElement",
    "BodyElement",
    "BodyJoint",
    "BodyJointKind",
    "CameraElement",
    "DeformableElement",
    "Element",
    "Frame",
    "GroundPlaneElement",
    "HeightFieldElement",
    "LinkSet",
    "RigidAssetElement",
    "RigidElement",
]


@dataclass(kw_only=True)
class GroundPlaneElement:
    """An infinite horizontal plane at ``height`` metres."""

    name: str
    height: float
    material: Material


@dataclass(kw_only=True)
class HeightFieldElement:
    """Static terrain: ``heights[i, j]`` metres at ``origin + (i, j) · horizontal_scale``."""

    name: str
    heights: np.ndarray
    horizontal_scale: float
    origin: Vector3
    material: Material


@dataclass(kw_only=True)
class ArticulationElement:
    """An articulation and its initial pose."""

    name: str
    asset: ArticulationAsset
    position: Vector3
    orientation: Quaternion
    track_joint_forces: bool | Sequence[str] | str
    disable_gravity: bool | None
    actor: ActorConfig


@dataclass(kw_only=True)
class BodyElement:
    """One rigid body and its initial pose."""

    name: str
    position: Vector3
    orientation: Quaternion
    kinematic: bool
    track_contact_forces: bool
    disable_gravity: bool | None
    actor: ActorConfig


@dataclass(kw_only=True)
class RigidElement(BodyElement):
    """A body with one primitive shape; ``size`` as in ``Scene.add_sphere`` and similar methods.

    ``face_colors``: colours of a box's faces +x, −x, +y, −y, +z, −z; empty: all have that of the material.
    ``alternatives``: sizes of other shapes that worlds may have instead.
    """

    shape: Primitive
    size: tuple[float, ...]
    density: float
    mass: float | None
    collision: bool
    material: Material
    face_colors: tuple[Color, ...] = ()
    alternatives: Mapping[Primitive, tuple[float, ...]] = field(default_factory=dict)


@dataclass(kw_only=True)
class RigidAssetElement(BodyElement):
    """A body with the shapes of one of its assets; each world has one of them."""

    assets: tuple[RigidAsset, ...]


@dataclass(kw_only=True)
class CameraElement:
    """A camera in every world; see :meth:`~oige_core.scene.Scene.add_camera`."""

    name: str
    width: int
    height: int
    horizontal_fov: float
    parent: str | None
    position: Vector3
    orientation: Quaternion
    outputs: tuple[CameraOutput, ...]
    far: float
    samples_per_pixel: int
    hidden: tuple[str, ...]


@dataclass(kw_only=True)
class DeformableElement:
    """A soft body and its initial pose."""

    name: str
    asset: DeformableAsset
    position: Vector3
    orientation: Quaternion
    material: Material


Element = (
    GroundPlaneElement | HeightFieldElement | ArticulationElement | BodyElement | DeformableElement | CameraElement
)


@dataclass(kw_only=True)
class LinkSet:
    """Links of an articulation that a task reads as rigid bodies."""

    name: str
    articulation: str
    links: Sequence[str] | str
    track_contact_forces: bool


BodyJointKind: TypeAlias = Literal["fixed", "spherical", "revolute"]
"""What a joint leaves free: nothing, all rotations, or rotations about x of its frame."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame of a joint in one of its bodies.

    Attributes:
        body: name of a rigid body, or ``"<articulation>/<link>"``; None: the world.
        position: in the body's frame, in metres.
        orientation: in the body's frame, w, x, y, z.
    """

    body: str | None = None
    position: Vector3 = (0.0, 0.0, 0.0)
    orientation: Quaternion = IDENTITY


@dataclass(kw_only=True)
class BodyJoint:
    """A joint that holds two frames together; its bodies do not collide with each other."""

    name: str
    kind: BodyJointKind
    frames: tuple[Frame, Frame] = field(default_factory=lambda: (Frame(), Frame()))
