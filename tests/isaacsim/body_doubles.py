"""A double of ``omni.physics.tensors`` for rigid bodies, and a host for it: no physics engine, but its conventions.

Views have the names and parameters of a release of Kit. Their rows are sorted as text, env_10 before env_2; they take
int32 indices and values of all rows; linear velocities are of centres of mass; quaternions are x, y, z, w; properties
are on the CPU; getters return the same memory in every call; a wrench lasts for one step; a kinematic body moves to its
target during a step. Bodies move freely: there are no contacts, except forces that a test states.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from isaacsim_doubles import API, checked
from oige_core.capabilities import CAPABILITIES, Capability
from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply, quat_from_angle_axis, quat_mul, quat_to_matrix
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

__all__ = ["BodyHost", "DoubleBody", "View"]

GRAVITY = torch.tensor([0.0, 0.0, -9.81])


@dataclass
class DoubleBody:
    """A body: its centre of mass moves, and its origin follows.

    Attributes:
        path: of the prim.
        position: of the centre of mass in the stage.
        orientation: w, x, y, z.
        velocity: of the centre of mass, then angular.
        mass: in kg.
        com: of the centre of mass in the body's frame.
        axes: orientation w, x, y, z of the principal axes.
        moments: about the principal axes.
        kinematic: whether only targets move it.
        shapes: names of the collision shapes, in the order in which physics has them.
        force: on the body, of contacts that a test states.
    """

    path: str
    position: torch.Tensor
    orientation: torch.Tensor
    mass: float
    com: torch.Tensor
    axes: torch.Tensor
    moments: torch.Tensor
    kinematic: bool
    shapes: list[str]
    rest_offsets: torch.Tensor
    contact_offsets: torch.Tensor
    materials: torch.Tensor
    reports_contacts: bool
    gravity_disabled: bool
    velocity: torch.Tensor = field(default_factory=lambda: torch.zeros(6))
    wrench: torch.Tensor = field(default_factory=lambda: torch.zeros(6))
    target: torch.Tensor | None = None
    force: torch.Tensor = field(default_factory=lambda: torch.zeros(3))
    impulse: torch.Tensor = field(default_factory=lambda: torch.zeros(3))

    @property
    def origin(self) -> torch.Tensor:
        """Position of the origin in the stage."""
        return self.position - quat_apply(self.orientation, self.com)

    @property
    def inertia(self) -> torch.Tensor:
        """Inertia matrix about the centre of mass along the body's axes."""
        rotation = quat_to_matrix(self.axes)
        return rotation @ torch.diag(self.moments) @ rotation.T

    def place(self, pose: torch.Tensor) -> None:
        self.orientation = pose[3:].roll(1).clone()
        self.position = pose[:3] + quat_apply(self.orientation, self.com)

    def step(self, dt: float, gravity: torch.Tensor) -> None:
        if self.kinematic:
            self.velocity = torch.zeros(6)
            if self.target is not None:
                self.velocity[:3] = (self.target[:3] - self.origin) / dt
                self.place(self.target)
            self.target = None
        else:
            pull = torch.zeros(3) if self.gravity_disabled else gravity
            self.velocity[:3] += dt * (pull + self.wrench[:3] / self.mass)
            rotation = quat_to_matrix(self.orientation)
            world = rotation @ self.inertia @ rotation.T
            self.velocity[3:] += dt * torch.linalg.solve(world, self.wrench[3:])
            self.position = self.position + dt * self.velocity[:3]
            angle = self.velocity[3:].norm()
            if angle > 0:
                turn = quat_from_angle_axis(dt * angle, self.velocity[3:] / angle)
                self.orientation = quat_mul(turn, self.orientation)
        self.wrench = torch.zeros(6)
        self.impulse = self.force * dt


class Vector(NamedTuple):
    """Kit's vector of three numbers."""

    x: float
    y: float
    z: float


class BodyHost:
    """Runs a stage of rigid bodies; see :class:`~oige_core.engines.isaacsim.host.Host`.

    Args:
        kit: release of Kit whose names views have.
        reverse_shapes: whether physics lists the shapes of bodies in the reverse order.
    """

    release = "double"
    capabilities: frozenset[Capability] = CAPABILITIES["Isaac Sim"] - {"cameras"}
    exclusive = False

    def __init__(self, kit: str, *, reverse_shapes: bool = False) -> None:
        self.device = torch.device("cpu")
        self.bodies: dict[str, DoubleBody] = {}
        self.steps: list[float] = []
        self.gravity = GRAVITY
        self.kit, self._reverse = kit, reverse_shapes
        self.stage: Usd.Stage = new_stage()

    def new_stage(self) -> Usd.Stage:
        self.stage = new_stage()
        return self.stage

    def clone(self, source_path: str, target_paths: Sequence[str], positions: np.ndarray) -> None:
        layer = self.stage.GetRootLayer()
        for path, position in zip(target_paths, positions.tolist(), strict=True):
            if path != source_path:
                Sdf.CreatePrimInLayer(layer, path)
                Sdf.CopySpec(layer, source_path, layer, path)
            UsdGeom.XformCommonAPI(self.stage.GetPrimAtPath(path)).SetTranslate(Gf.Vec3d(*position))

    def filter_collisions(
        self, physics_scene: str, collision_root: str, world_paths: Sequence[str], shared_paths: Sequence[str]
    ) -> None:
        pass

    def play(self) -> None:
        for prim in self.stage.Traverse():
            if prim.HasAPI(UsdPhysics.RigidBodyAPI):
                self.bodies[str(prim.GetPath())] = _read_body(prim, self._reverse)
        for _ in range(2):
            self._advance(1 / 60)

    def simulate(self, dt: float, time: float) -> None:
        self.steps.append(dt)
        self._advance(dt)

    def _advance(self, dt: float) -> None:
        for body in self.bodies.values():
            body.step(dt, self.gravity)

    def simulation_view(self) -> Any:
        return View("SimulationView", self.kit, self)

    def update_kinematics(self) -> None:
        pass

    def render(self) -> None:
        pass

    def errors(self) -> list[str]:
        return []

    def host_view(self, kind: str, path: str) -> Any:
        raise CapabilityError(f"host_view({kind!r}): this double has no views of a release.")

    def close(self) -> None:
        self.bodies.clear()

    # What views of omni.physics.tensors answer

    def simulationview_get_gravity(self) -> Any:
        return list(self.gravity.tolist()) if self.kit == "110.0" else Vector(*self.gravity.tolist())

    def simulationview_set_gravity(self, gravity: Any) -> None:
        assert isinstance(gravity, list if self.kit == "110.0" else Vector)
        self.gravity = torch.tensor([gravity.x, gravity.y, gravity.z] if isinstance(gravity, Vector) else gravity)

    def simulationview_create_rigid_body_view(self, pattern: Any) -> Any:
        return View("RigidBodyView", self.kit, _Rows(self._find(pattern)))

    def simulationview_create_rigid_contact_view(
        self, pattern: Any, filter_patterns: Any = (), max_contact_data_count: int = 0
    ) -> Any:
        found = [body for body in self._find(pattern) if body.reports_contacts]
        return View("RigidContactView", self.kit, _Rows(found))

    def _find(self, pattern: str) -> list[DoubleBody]:
        return [self.bodies[path] for path in self.matching(pattern, self.bodies)]

    @staticmethod
    def matching(pattern: str, paths: Iterable[str]) -> list[str]:
        """Return the paths that match a pattern, sorted as text."""
        expression = re.compile(re.escape(pattern).replace(r"\*", "[^/]*"))
        return [path for path in sorted(paths) if expression.fullmatch(path)]


class View:
    """A view with the members of a release, which another object answers."""

    def __init__(self, name: str, kit: str, answers: Any) -> None:
        self._name, self._answers = name, answers
        self._members = API["tensors"][kit]["classes"][name]
        self._buffers: dict[str, torch.Tensor] = {}

    def __getattr__(self, member: str) -> Any:
        if member.startswith("_") or member not in self._members:
            raise AttributeError(f"{self._name} has no {member}")
        answer = getattr(self._answers, f"{self._name.lower()}_{member}")
        parameters = self._members[member]
        if parameters is None:
            return answer()
        function = checked(f"{self._name}.{member}", parameters, [], answer)
        return function if not member.startswith("get_") else self._into_buffer(member, function)

    def _into_buffer(self, member: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def read(*arguments: Any) -> Any:
            values = function(*arguments)
            if not isinstance(values, torch.Tensor):
                return values
            return self._buffers.setdefault(member, torch.empty_like(values)).copy_(values)

        return read


class _Rows:
    """Reads and writes bodies, in the order of rows."""

    def __init__(self, bodies: list[DoubleBody]) -> None:
        self.bodies = bodies

    def rigidbodyview_count(self) -> int:
        return len(self.bodies)

    def rigidbodyview_prim_paths(self) -> list[str]:
        return [body.path for body in self.bodies]

    rigidcontactview_sensor_paths = rigidbodyview_prim_paths

    def _stack(self, read: Callable[[DoubleBody], Any]) -> torch.Tensor:
        return torch.stack([torch.as_tensor(read(body), dtype=torch.float32) for body in self.bodies])

    def _rows(self, data: torch.Tensor, indices: torch.Tensor, *shape: int) -> list[tuple[DoubleBody, torch.Tensor]]:
        assert indices.dtype == torch.int32, indices.dtype
        assert data.dtype in (torch.float32, torch.uint8), data.dtype
        assert tuple(data.shape) == (len(self.bodies), *shape), tuple(data.shape)
        return [(self.bodies[row], data[row].clone()) for row in indices.tolist()]

    def rigidbodyview_get_transforms(self) -> torch.Tensor:
        return self._stack(lambda body: torch.cat((body.origin, body.orientation.roll(-1))))

    def rigidbodyview_set_transforms(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, pose in self._rows(data, indices, 7):
            body.place(pose)

    def rigidbodyview_set_kinematic_targets(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, pose in self._rows(data, indices, 7):
            assert body.kinematic
            body.target = pose

    def rigidbodyview_get_velocities(self) -> torch.Tensor:
        return self._stack(lambda body: body.velocity)

    def rigidbodyview_set_velocities(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, velocity in self._rows(data, indices, 6):
            assert not body.kinematic
            body.velocity = velocity

    def rigidbodyview_apply_forces_and_torques_at_position(
        self, force_data: Any, torque_data: Any, position_data: Any, indices: torch.Tensor, is_global: bool
    ) -> bool:
        for row in indices.tolist():
            body = self.bodies[row]
            force = torch.zeros(3) if force_data is None else force_data[row]
            torque = torch.zeros(3) if torque_data is None else torque_data[row]
            assert is_global, "the double knows the world frame only"
            if position_data is not None:
                torque = torque + torch.linalg.cross(position_data[row] - body.position, force)
            body.wrench = body.wrench + torch.cat((force, torque))
        return True

    def rigidbodyview_get_masses(self) -> torch.Tensor:
        return self._stack(lambda body: [body.mass])

    def rigidbodyview_set_masses(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, mass in self._rows(data, indices, 1):
            body.mass = mass.item()

    def rigidbodyview_get_coms(self) -> torch.Tensor:
        return self._stack(lambda body: torch.cat((body.com, body.axes.roll(-1))))

    def rigidbodyview_set_coms(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, pose in self._rows(data, indices, 7):
            origin = body.origin
            body.com, body.axes = pose[:3], pose[3:].roll(1)
            body.position = origin + quat_apply(body.orientation, body.com)

    def rigidbodyview_get_inertias(self) -> torch.Tensor:
        return self._stack(lambda body: body.inertia.flatten())

    def rigidbodyview_set_inertias(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, values in self._rows(data, indices, 9):
            body.moments, axes = torch.linalg.eigh(values.view(3, 3))
            axes = axes * torch.linalg.det(axes).sign()
            rotation = Gf.Matrix3d(*axes.T.double().flatten().tolist()).ExtractRotation().GetQuat()
            body.axes = torch.tensor([rotation.GetReal(), *rotation.GetImaginary()], dtype=torch.float32)

    def rigidbodyview_get_disable_gravities(self) -> torch.Tensor:
        return self._stack(lambda body: [float(body.gravity_disabled)]).to(torch.uint8)

    def rigidbodyview_set_disable_gravities(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, disabled in self._rows(data, indices, 1):
            body.gravity_disabled = bool(disabled.item())

    def rigidbodyview_max_shapes(self) -> int:
        return max(len(body.shapes) for body in self.bodies)

    def rigidbodyview_get_rest_offsets(self) -> torch.Tensor:
        return self._stack(lambda body: body.rest_offsets)

    def rigidbodyview_set_rest_offsets(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, offsets in self._rows(data, indices, len(self.bodies[0].shapes)):
            assert (offsets < body.contact_offsets).all(), "PhysX refuses rest offsets that are not below"
            body.rest_offsets = offsets

    def rigidbodyview_get_contact_offsets(self) -> torch.Tensor:
        return self._stack(lambda body: body.contact_offsets)

    def rigidbodyview_set_contact_offsets(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, offsets in self._rows(data, indices, len(self.bodies[0].shapes)):
            assert (body.rest_offsets < offsets).all(), "PhysX refuses contact offsets that are not above"
            body.contact_offsets = offsets

    def rigidbodyview_get_material_properties(self) -> torch.Tensor:
        return self._stack(lambda body: body.materials)

    def rigidbodyview_set_material_properties(self, data: torch.Tensor, indices: torch.Tensor) -> None:
        for body, materials in self._rows(data, indices, len(self.bodies[0].shapes), 3):
            body.materials = materials

    def rigidcontactview_get_net_contact_forces(self, dt: float) -> torch.Tensor:
        return self._stack(lambda body: body.impulse / dt)


def _read_body(prim: Usd.Prim, reverse_shapes: bool) -> DoubleBody:
    """Return a body of the stage, which must state its mass."""
    pose = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    rotation = pose.ExtractRotationQuat()
    orientation = torch.tensor([rotation.GetReal(), *rotation.GetImaginary()], dtype=torch.float32)
    mass = UsdPhysics.MassAPI(prim)
    axes = mass.GetPrincipalAxesAttr().Get()
    com = torch.tensor(list(mass.GetCenterOfMassAttr().Get()))
    colliders = [each for each in prim.GetChildren() if each.HasAPI(UsdPhysics.CollisionAPI)]
    colliders.sort(key=Usd.Prim.GetName, reverse=reverse_shapes)
    offset = lambda each: each.GetAttribute("physxCollision:restOffset").Get() or 0.0  # noqa: E731
    return DoubleBody(
        path=str(prim.GetPath()),
        position=torch.tensor(list(pose.ExtractTranslation()), dtype=torch.float32) + quat_apply(orientation, com),
        orientation=orientation,
        mass=mass.GetMassAttr().Get(),
        com=com,
        axes=torch.tensor([axes.GetReal(), *axes.GetImaginary()]),
        moments=torch.tensor(list(mass.GetDiagonalInertiaAttr().Get())),
        kinematic=UsdPhysics.RigidBodyAPI(prim).GetKinematicEnabledAttr().Get(),
        shapes=[each.GetName() for each in colliders],
        rest_offsets=torch.tensor([offset(each) for each in colliders]),
        contact_offsets=torch.full((len(colliders),), 0.02),
        materials=torch.full((len(colliders), 3), 0.5),
        reports_contacts="PhysxContactReportAPI" in prim.GetPrimTypeInfo().GetAppliedAPISchemas(),
        gravity_disabled=bool(prim.GetAttribute("physxRigidBody:disableGravity").Get()),
    )
