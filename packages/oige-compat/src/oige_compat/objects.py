"""Single prims: ``Robot``, ``RigidPrim``, ``XFormPrim`` and the primitive shapes of ``omni.isaac.core.objects``.

They write to the stage, from which the worlds are built.
"""

from typing import Any

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from oige_compat.session import session
from oige_compat.stage import set_pose
from oige_compat.values import as_list

__all__ = [
    "Articulation",
    "DynamicCapsule",
    "DynamicCuboid",
    "DynamicCylinder",
    "DynamicSphere",
    "FixedCuboid",
    "FixedSphere",
    "GeometryPrim",
    "RigidPrim",
    "Robot",
    "VisualCuboid",
    "VisualSphere",
    "XFormPrim",
]


class XFormPrim:
    """A prim with a pose.

    Args:
        prim_path: path of the prim, which is created if there is none.
        name: name in the scene.
        position: position in the world, in m; worlds are placed later, so that it is one in the world's own frame.
        translation: the same.
        orientation: quaternion w, x, y, z.
        scale: size along x, y, z.
        visible: whether images show it.
        further: options that only concern images and articulation controllers.
    """

    def __init__(
        self,
        prim_path: str,
        name: str = "xform_prim",
        position: Any = None,
        translation: Any = None,
        orientation: Any = None,
        scale: Any = None,
        visible: bool | None = None,
        **further: Any,
    ) -> None:
        self.prim_path, self._name = str(prim_path), name
        prim = session().stage.GetPrimAtPath(self.prim_path)
        self.prim: Usd.Prim = prim if prim.IsValid() else self._define()
        set_pose(self.prim, position if translation is None else translation, orientation, scale)
        if visible is not None:
            self.set_visibility(visible)

    def _define(self) -> Usd.Prim:
        return session().stage.DefinePrim(self.prim_path, "Xform")

    @property
    def name(self) -> str:
        """Name in the scene."""
        return self._name

    def set_visibility(self, visible: bool) -> None:
        """Show or hide the prim in images."""
        image = UsdGeom.Imageable(self.prim)
        image.MakeVisible() if visible else image.MakeInvisible()

    def set_local_pose(self, translation: Any = None, orientation: Any = None) -> None:
        """Set the pose at which the worlds begin."""
        set_pose(self.prim, translation, orientation)

    def set_world_pose(self, position: Any = None, orientation: Any = None) -> None:
        """Set the pose at which the worlds begin, in the frame of the world."""
        set_pose(self.prim, position, orientation)

    def get_local_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Return translation and orientation."""
        matrix = UsdGeom.Xformable(self.prim).GetLocalTransformation()
        rotation = matrix.ExtractRotationQuat()
        return np.array(matrix.ExtractTranslation()), np.array([rotation.GetReal(), *rotation.GetImaginary()])


class Articulation(XFormPrim):
    """An articulation of a USD file to which its prim refers."""

    def initialize(self, physics_sim_view: Any = None) -> None:
        """Do nothing: worlds are built from the stage."""


class Robot(Articulation):
    """A robot."""


class RigidPrim(XFormPrim):
    """A rigid body.

    Args:
        prim_path: path of the prim.
        name: name in the scene.
        mass: in kg.
        density: in kg/m³.
        further: see :class:`XFormPrim`.
    """

    def __init__(
        self,
        prim_path: str,
        name: str = "rigid_prim",
        mass: float | None = None,
        density: float | None = None,
        **further: Any,
    ) -> None:
        super().__init__(prim_path, name, **further)
        UsdPhysics.RigidBodyAPI.Apply(self.prim)
        api = UsdPhysics.MassAPI.Apply(self.prim)
        if mass is not None:
            api.CreateMassAttr(float(mass))
        if density is not None:
            api.CreateDensityAttr(float(density))

    def set_mass(self, mass: float) -> None:
        """Set the mass in kg."""
        UsdPhysics.MassAPI(self.prim).CreateMassAttr(float(mass))

    def set_density(self, density: float) -> None:
        """Set the density in kg/m³."""
        UsdPhysics.MassAPI(self.prim).CreateDensityAttr(float(density))


class GeometryPrim(XFormPrim):
    """A shape, which collides if ``collision`` is set.

    Args:
        prim_path: path of the prim.
        name: name in the scene.
        collision: whether it collides.
        further: see :class:`XFormPrim`.
    """

    def __init__(self, prim_path: str, name: str = "geometry_prim", collision: bool = False, **further: Any) -> None:
        super().__init__(prim_path, name, **further)
        if collision:
            UsdPhysics.CollisionAPI.Apply(self.prim)

    def set_collision_enabled(self, enabled: bool) -> None:
        """Let the shape collide, or not."""
        UsdPhysics.CollisionAPI.Apply(self.prim).CreateCollisionEnabledAttr(bool(enabled))

    def get_collision_enabled(self) -> bool:
        """Whether the shape collides."""
        return bool(UsdPhysics.CollisionAPI(self.prim).GetCollisionEnabledAttr().Get())


class _Shape(RigidPrim, GeometryPrim):
    """A primitive shape: dynamic, fixed or only visible."""

    kind = "Sphere"
    dynamic = True

    def __init__(
        self,
        prim_path: str,
        name: str = "shape",
        mass: Any = None,
        density: Any = None,
        color: Any = None,
        **further: Any,
    ) -> None:
        own = {key: further.pop(key) for key in ("radius", "height", "size") if key in further}
        XFormPrim.__init__(self, prim_path, name, **further)
        for key, value in own.items():
            if value is not None:
                self.prim.GetAttribute(key).Set(float(value))
        if color is not None:
            kind = Sdf.ValueTypeNames.Color3fArray
            self.prim.CreateAttribute("primvars:displayColor", kind).Set([Gf.Vec3f(*as_list(color))])
        if self.dynamic is not None:
            UsdPhysics.CollisionAPI.Apply(self.prim)
        if self.dynamic:
            UsdPhysics.RigidBodyAPI.Apply(self.prim)
            api = UsdPhysics.MassAPI.Apply(self.prim)
            if mass is not None:
                api.CreateMassAttr(float(mass))
            elif density is not None:
                api.CreateDensityAttr(float(density))

    def _define(self) -> Usd.Prim:
        prim = session().stage.DefinePrim(self.prim_path, self.kind)
        if self.kind == "Cube":
            prim.GetAttribute("size").Set(1.0)
        return prim


class DynamicSphere(_Shape):
    """A ball that forces move."""


class DynamicCuboid(_Shape):
    """A box that forces move."""

    kind = "Cube"


class DynamicCylinder(_Shape):
    """A cylinder that forces move."""

    kind = "Cylinder"


class DynamicCapsule(_Shape):
    """A capsule that forces move."""

    kind = "Capsule"


class FixedSphere(_Shape):
    """A ball that stands still."""

    dynamic = False


class FixedCuboid(FixedSphere):
    """A box that stands still."""

    kind = "Cube"


class VisualSphere(_Shape):
    """A ball without collisions."""

    dynamic = None


class VisualCuboid(VisualSphere):
    """A box without collisions."""

    kind = "Cube"
