"""Single prims: ``Robot``, ``RigidPrim``, ``XFormPrim`` and the primitive shapes of ``omni.isaac.core.objects``.

They write to the stage, from which the worlds are built.
"""

from typing import Any

import numpy as np
import torch
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from oige_compat.errors import CompatError, TellsMissing, caller, refuse_parameters
from oige_compat.materials import VisualMaterial
from oige_compat.poses import get_local_pose, local_pose, pose_on_stage, world_pose
from oige_compat.robots import find_robot
from oige_compat.session import session
from oige_compat.stage import first_world_path, set_pose
from oige_compat.types import ArticulationActions
from oige_compat.values import SHAPE_MASS, as_list

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


_NEUTRAL = {"reset_xform_properties", "visual_material", "articulation_controller", "usd"}
"""Parameters that change nothing here."""


def _device() -> torch.device:
    engine = session().engine
    return torch.device("cpu") if engine is None else engine.device


class XFormPrim(TellsMissing):
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

    Raises:
        CompatError: there are other parameters.
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
        refuse_parameters(type(self), further.keys() - _NEUTRAL)
        self.prim_path, self._name = str(prim_path), name
        self._body_path = self.prim_path
        prim = session().stage.GetPrimAtPath(self.prim_path)
        if not prim.IsValid() and session().engine is not None:  # a copy in another world
            prim = session().stage.GetPrimAtPath(first_world_path(self.prim_path))
        self._is_new = not prim.IsValid()
        self.prim = self._define() if self._is_new else prim
        if position is not None and translation is None:
            self.set_world_pose(position, orientation)
        elif translation is not None or orientation is not None:
            self.set_local_pose(translation, orientation)
        set_pose(self.prim, scale=scale)
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

    def apply_visual_material(self, visual_material: VisualMaterial, weaker_than_descendants: bool = False) -> None:
        """Let the prim have a material that only cameras of Isaac Sim see."""
        UsdShade.MaterialBindingAPI.Apply(self.prim).Bind(visual_material.material)

    def set_local_pose(self, translation: Any = None, orientation: Any = None) -> None:
        """Set the pose in the parent: that at which the worlds begin, or of the body, once it exists."""
        if self._body is None:
            set_pose(self.prim, translation, orientation)
        else:
            self._move(*pose_on_stage(self.prim, translation, orientation), session().offsets[0])

    def set_world_pose(self, position: Any = None, orientation: Any = None) -> None:
        """Set the pose on the stage: of the body, once it exists."""
        if self._body is None:
            set_pose(self.prim, *local_pose(self.prim, position, orientation))
        else:
            self._move(position, orientation, self._offset)

    def _move(self, position: Any, orientation: Any, origin: torch.Tensor) -> None:
        place, turn = (
            None if value is None else torch.tensor([as_list(value)], device=_device())
            for value in (position, orientation)
        )
        self._body.set_world_poses(None if place is None else place - origin, turn, self._world)

    def get_world_pose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return position in m and orientation on the stage: of the body, once it exists."""
        body = self._body
        if body is None:
            return tuple(torch.tensor(part) for part in world_pose(self.prim))  # type: ignore[return-value]
        positions, orientations = body.get_world_poses(self._world)
        return positions[0] + self._offset, orientations[0]

    @property
    def _body(self) -> Any:
        """The view of the engine, with one body per world; None: the worlds do not exist, or the prim is no body."""
        return session().elements.get(first_world_path(self._body_path))

    @property
    def _world(self) -> list[int]:
        """The number of the world of the prim; of prims outside of all worlds, 0."""
        paths = session().env_paths
        return [next((number for number, path in enumerate(paths) if self._body_path.startswith(f"{path}/")), 0)]

    @property
    def _offset(self) -> torch.Tensor:
        return session().offsets[self._world[0]]

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

    def get_local_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Return translation in m and orientation in the parent: of the body, once it exists."""
        if self._body is not None:
            place, turn = self.get_world_pose()
            position, orientation = local_pose(self.prim, place - self._offset + session().offsets[0], turn)
            return np.array(as_list(position)), np.array(as_list(orientation))
        return get_local_pose(str(self.prim.GetPath()))


class _Moving(XFormPrim):
    """Something with velocities, in the first world."""

    def get_linear_velocity(self) -> torch.Tensor:
        """Return the linear velocity ``(3,)`` in m/s."""
        return self._moving("get_linear_velocity").get_linear_velocities(self._world)[0]

    def get_angular_velocity(self) -> torch.Tensor:
        """Return the angular velocity ``(3,)`` in rad/s."""
        return self._moving("get_angular_velocity").get_angular_velocities(self._world)[0]

    def set_linear_velocity(self, velocity: Any) -> None:
        """Set the linear velocity ``(3,)`` in m/s."""
        rows = torch.tensor([as_list(velocity)], device=_device())
        self._moving("set_linear_velocity").set_linear_velocities(rows, self._world)

    def set_angular_velocity(self, velocity: Any) -> None:
        """Set the angular velocity ``(3,)`` in rad/s."""
        rows = torch.tensor([as_list(velocity)], device=_device())
        self._moving("set_angular_velocity").set_angular_velocities(rows, self._world)


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
        return self._moving("get_joint_positions").get_joint_positions(self._world, joint_indices)[0]

    def get_joint_velocities(self, joint_indices: Any = None) -> torch.Tensor:
        """Return velocities ``(d,)`` in rad/s or m/s."""
        return self._moving("get_joint_velocities").get_joint_velocities(self._world, joint_indices)[0]

    def set_joint_positions(self, positions: Any, joint_indices: Any = None) -> None:
        """Set positions ``(d,)`` in rad or m, and the targets of the drives, as Isaac Sim does."""
        self._set_joints("set_joint_positions", "set_joint_position_targets", positions, joint_indices)

    def set_joint_velocities(self, velocities: Any, joint_indices: Any = None) -> None:
        """Set velocities ``(d,)`` in rad/s or m/s, and the targets of the drives, as Isaac Sim does."""
        self._set_joints("set_joint_velocities", "set_joint_velocity_targets", velocities, joint_indices)

    def _set_joints(self, name: str, name_of_targets: str, values: Any, joint_indices: Any) -> None:
        rows = torch.tensor([as_list(values)], device=_device())
        body = self._moving(name)
        getattr(body, name)(rows, self._world, joint_indices)
        if any(bool(gains.any()) for gains in body.get_gains()):
            getattr(body, name_of_targets)(rows, self._world, joint_indices)

    def set_joint_efforts(self, efforts: Any, joint_indices: Any = None) -> None:
        """Set efforts ``(d,)`` in N·m or N."""
        rows = torch.tensor([as_list(efforts)], device=_device())
        self._moving("set_joint_efforts").set_joint_efforts(rows, self._world, joint_indices)

    def apply_action(self, control_actions: ArticulationActions) -> None:
        """Set targets and efforts of the drives; None keeps them."""
        body, joints = self._moving("apply_action"), control_actions.joint_indices
        for name, values in (
            ("set_joint_position_targets", control_actions.joint_positions),
            ("set_joint_velocity_targets", control_actions.joint_velocities),
            ("set_joint_efforts", control_actions.joint_efforts),
        ):
            if values is not None:
                getattr(body, name)(torch.tensor([as_list(values)], device=_device()), self._world, joints)

    def initialize(self, physics_sim_view: Any = None) -> None:
        """Do nothing: worlds are built from the stage."""


class Robot(Articulation):
    """A robot."""


class RigidPrim(_Moving):
    """A rigid body.

    Args:
        prim_path: path of the prim.
        name: name in the scene.
        placing: as named ones, in the order of :class:`XFormPrim`.
        mass: in kg.
        density: in kg/m³, of a body without a mass.
        linear_velocity: without effect, which a note says.
        angular_velocity: without effect, which a note says.
        further: see :class:`XFormPrim`.
    """

    def __init__(
        self,
        prim_path: str,
        name: str = "rigid_prim",
        *placing: Any,
        mass: float | None = None,
        density: float | None = None,
        linear_velocity: Any = None,
        angular_velocity: Any = None,
        **further: Any,
    ) -> None:
        super().__init__(prim_path, name, *placing, **further)
        self._make_rigid(mass, density, linear_velocity, angular_velocity)

    def _make_rigid(self, mass: Any, density: Any, linear_velocity: Any, angular_velocity: Any) -> None:
        body = UsdPhysics.RigidBodyAPI.Apply(self.prim)
        if linear_velocity is not None:
            body.CreateVelocityAttr(Gf.Vec3f(*as_list(linear_velocity)))
        if angular_velocity is not None:
            body.CreateAngularVelocityAttr(Gf.Vec3f(*np.degrees(as_list(angular_velocity)).tolist()))
        api = UsdPhysics.MassAPI.Apply(self.prim)
        if mass is not None:
            api.CreateMassAttr(float(mass))
        if density is not None:
            api.CreateDensityAttr(float(density))

    def get_mass(self) -> float:
        """Return the mass in kg; before the worlds exist, 0 unless it is stated."""
        if self._body is not None:
            return float(self._body.get_masses(self._world)[0])
        return float(UsdPhysics.MassAPI(self.prim).GetMassAttr().Get() or 0.0)

    def set_mass(self, mass: float) -> None:
        """Set the mass in kg."""
        if self._body is not None:
            self._body.set_masses(torch.tensor([float(mass)], device=_device()), self._world)
        else:
            UsdPhysics.MassAPI(self.prim).CreateMassAttr(float(mass))

    def set_density(self, density: float) -> None:
        """Set the density in kg/m³ of a body without a mass."""
        UsdPhysics.MassAPI(self.prim).CreateDensityAttr(float(density))


class GeometryPrim(XFormPrim):
    """A shape, which collides if ``collision`` is set.

    Args:
        prim_path: path of the prim.
        name: name in the scene.
        placing: as named ones, in the order of :class:`XFormPrim`.
        collision: whether it collides.
        further: see :class:`XFormPrim`.
    """

    def __init__(
        self, prim_path: str, name: str = "geometry_prim", *placing: Any, collision: bool = False, **further: Any
    ) -> None:
        super().__init__(prim_path, name, *placing, **further)
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


_LENGTHS = {"Sphere": ("radius",), "Cube": ("size",), "Cylinder": ("radius", "height"), "Capsule": ("radius", "height")}
"""Lengths in m of a shape."""


class _Shape(RigidPrim, GeometryPrim):
    """A primitive shape: dynamic, fixed or only visible; parameters are those of its base classes."""

    kind = "Sphere"
    dynamic = True

    def __init__(
        self,
        prim_path: str,
        name: str = "shape",
        *placing: Any,
        color: Any = None,
        physics_material: Any = None,
        mass: Any = None,
        density: Any = None,
        linear_velocity: Any = None,
        angular_velocity: Any = None,
        **further: Any,
    ) -> None:
        lengths = {key: further.pop(key) for key in _LENGTHS[self.kind] if key in further}
        XFormPrim.__init__(self, prim_path, name, *placing, **further)
        for key, value in lengths.items():
            if value is not None:
                self.prim.GetAttribute(key).Set(float(value))
        if color is not None:
            kind = Sdf.ValueTypeNames.Color3fArray
            self.prim.CreateAttribute("primvars:displayColor", kind).Set([Gf.Vec3f(*as_list(color))])
        if self.dynamic is not None:
            UsdPhysics.CollisionAPI.Apply(self.prim)
        if physics_material is not None:
            self.apply_physics_material(physics_material)
        if not self.dynamic:
            given = {"mass": mass, "density": density, "linear_velocity": linear_velocity}
            refuse_parameters(type(self), [key for key, value in given.items() if value is not None])
        else:
            mass = SHAPE_MASS if mass is None and self._is_new else mass
            self._make_rigid(mass, density, linear_velocity, angular_velocity)

    def _define(self) -> Usd.Prim:
        prim = session().stage.DefinePrim(self.prim_path, self.kind)
        for key in _LENGTHS[self.kind]:
            prim.GetAttribute(key).Set(1.0)  # Isaac Sim's default, which is not always that of USD
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
