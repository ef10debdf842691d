"""Single prims: ``Robot``, ``RigidPrim``, ``XFormPrim`` and the primitive shapes of ``omni.isaac.core.objects``.

They write to the stage, from which the worlds are built.
"""

from typing import Any

import numpy as np
import torch
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from oige_compat.errors import CompatError, ServedNameError, caller, missing
from oige_compat.poses import get_local_pose, local_pose, world_pose
from oige_compat.robots import find_robot
from oige_compat.session import session
from oige_compat.stage import set_pose
from oige_compat.types import ArticulationActions
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

ROOTS_AT_TORSO = ("ant", "humanoid")
"""Robots of OIGE whose articulations have their root below the top prim in Isaac Sim's files, too."""


_FIRST = [0]
"""Indices of the world whose bodies single prims show."""


def _device() -> torch.device:
    engine = session().engine
    return torch.device("cpu") if engine is None else engine.device


def _offset() -> torch.Tensor:
    return session().offsets[0]


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

    Attributes:
        prim_path: path of the prim.
        prim: the prim.
    """

    prim_path: str
    prim: Usd.Prim

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
        self._body_path = self.prim_path
        prim = session().stage.GetPrimAtPath(self.prim_path)
        self.prim = prim if prim.IsValid() else self._define()
        if position is not None and translation is None:
            translation, orientation = local_pose(self.prim, position, orientation)
        set_pose(self.prim, translation, orientation, scale)
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
        """Set the pose on the stage: of the body in the first world, once it exists."""
        body = self._body
        if body is None:
            set_pose(self.prim, *local_pose(self.prim, position, orientation))
            return
        place, turn = (
            None if value is None else torch.tensor([as_list(value)], device=_device())
            for value in (position, orientation)
        )
        body.set_world_poses(None if place is None else place - _offset(), turn, _FIRST)

    def get_world_pose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return position in m and orientation on the stage: of the body in the first world, once it exists."""
        body = self._body
        if body is None:
            return tuple(torch.tensor(part) for part in world_pose(self.prim))  # type: ignore[return-value]
        positions, orientations = body.get_world_poses(_FIRST)
        return positions[0] + _offset(), orientations[0]

    @property
    def _body(self) -> Any:
        """The view of the engine, with one body per world; None: the worlds do not exist, or the prim is no body."""
        return session().elements.get(self._body_path)

    def _moving(self, name: str) -> Any:
        """Return the view of the engine for a method that needs a body."""
        if self._body is None:
            raise CompatError(
                f"{type(self).__name__}.{name} of {self.prim_path} (used in {caller()}): there is no such body; call "
                "it after the worlds were built."
            )
        return self._body

    def is_valid(self) -> bool:
        """Whether there is such a prim."""
        return self.prim.IsValid()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("prim", "prim_path"):
            raise AttributeError(name)
        raise ServedNameError(missing(f"{type(self).__name__}.{name}"))

    def get_local_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Return translation and orientation."""
        return get_local_pose(str(self.prim.GetPath()))


class _Moving(XFormPrim):
    """Something with velocities, in the first world."""

    def get_linear_velocity(self) -> torch.Tensor:
        """Return the linear velocity ``(3,)`` in m/s."""
        return self._moving("get_linear_velocity").get_linear_velocities(_FIRST)[0]

    def get_angular_velocity(self) -> torch.Tensor:
        """Return the angular velocity ``(3,)`` in rad/s."""
        return self._moving("get_angular_velocity").get_angular_velocities(_FIRST)[0]

    def set_linear_velocity(self, velocity: Any) -> None:
        """Set the linear velocity ``(3,)`` in m/s."""
        rows = torch.tensor([as_list(velocity)], device=_device())
        self._moving("set_linear_velocity").set_linear_velocities(rows, _FIRST)

    def set_angular_velocity(self, velocity: Any) -> None:
        """Set the angular velocity ``(3,)`` in rad/s."""
        rows = torch.tensor([as_list(velocity)], device=_device())
        self._moving("set_angular_velocity").set_angular_velocities(rows, _FIRST)


class Articulation(_Moving):
    """An articulation of a USD file to which its prim refers; its joints are those of the first world.

    Its path becomes that of the prim with the root of the articulation, as in Isaac Sim, if the file has it below.

    Args:
        prim_path: path of the prim.
        name: name in the scene.
        further: see :class:`XFormPrim`.
    """

    def __init__(self, prim_path: str, name: str = "articulation", **further: Any) -> None:
        super().__init__(prim_path, name, **further)
        robot = find_robot(session().references.get(self.prim_path, ""))
        if robot is None or robot.file is None or robot.file.stem in ROOTS_AT_TORSO:
            prims = Usd.PrimRange(self.prim, Usd.TraverseInstanceProxies())
            self.prim = next((prim for prim in prims if prim.HasAPI(UsdPhysics.ArticulationRootAPI)), self.prim)
            self.prim_path = str(self.prim.GetPath())

    @property
    def num_dof(self) -> int:
        """Number of degrees of freedom, ``d``."""
        return self._moving("num_dof").num_dof

    @property
    def dof_names(self) -> list[str]:
        """Names of the degrees of freedom."""
        return self._moving("dof_names").dof_names

    def get_dof_index(self, dof_name: str) -> int:
        """Return the index of a joint."""
        return self._moving("get_dof_index").get_dof_index(dof_name)

    def get_joint_positions(self, joint_indices: Any = None) -> torch.Tensor:
        """Return positions ``(d,)`` in rad or m."""
        return self._moving("get_joint_positions").get_joint_positions(_FIRST, joint_indices)[0]

    def get_joint_velocities(self, joint_indices: Any = None) -> torch.Tensor:
        """Return velocities ``(d,)`` in rad/s or m/s."""
        return self._moving("get_joint_velocities").get_joint_velocities(_FIRST, joint_indices)[0]

    def set_joint_positions(self, positions: Any, joint_indices: Any = None) -> None:
        """Set positions ``(d,)`` in rad or m."""
        rows = torch.tensor([as_list(positions)], device=_device())
        self._moving("set_joint_positions").set_joint_positions(rows, _FIRST, joint_indices)

    def set_joint_velocities(self, velocities: Any, joint_indices: Any = None) -> None:
        """Set velocities ``(d,)`` in rad/s or m/s."""
        rows = torch.tensor([as_list(velocities)], device=_device())
        self._moving("set_joint_velocities").set_joint_velocities(rows, _FIRST, joint_indices)

    def set_joint_efforts(self, efforts: Any, joint_indices: Any = None) -> None:
        """Set efforts ``(d,)`` in N·m or N."""
        rows = torch.tensor([as_list(efforts)], device=_device())
        self._moving("set_joint_efforts").set_joint_efforts(rows, _FIRST, joint_indices)

    def apply_action(self, control_actions: ArticulationActions) -> None:
        """Set targets and efforts of the drives; None keeps them."""
        body, joints = self._moving("apply_action"), control_actions.joint_indices
        for name, values in (
            ("set_joint_position_targets", control_actions.joint_positions),
            ("set_joint_velocity_targets", control_actions.joint_velocities),
            ("set_joint_efforts", control_actions.joint_efforts),
        ):
            if values is not None:
                getattr(body, name)(torch.tensor([as_list(values)], device=_device()), _FIRST, joints)

    def initialize(self, physics_sim_view: Any = None) -> None:
        """Do nothing: worlds are built from the stage."""


class Robot(Articulation):
    """A robot."""


class RigidPrim(_Moving):
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

    def get_mass(self) -> float:
        """Return the mass in kg; before the worlds exist, 0 unless it is stated."""
        if self._body is not None:
            return float(self._body.get_masses(_FIRST)[0])
        return float(UsdPhysics.MassAPI(self.prim).GetMassAttr().Get() or 0.0)

    def set_mass(self, mass: float) -> None:
        """Set the mass in kg."""
        if self._body is not None:
            self._body.set_masses(torch.tensor([float(mass)], device=_device()), _FIRST)
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

    def apply_physics_material(self, physics_material: Any, weaker_than_descendants: bool = False) -> None:
        """Give the shapes of the prim a material, of which friction acts."""
        strength = "weakerThanDescendants" if weaker_than_descendants else "strongerThanDescendants"
        UsdShade.MaterialBindingAPI.Apply(self.prim).Bind(physics_material.material, strength, "physics")

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
