"""Stand-in of the view of articulations in ``omni.physics.tensors``."""

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cached_property

import torch
from pxr import Usd, UsdPhysics

from oige_core.testing.physx.bodies import add_wrenches
from oige_core.testing.physx.runtime import PhysxRuntime
from oige_core.testing.physx.tensors import TensorView, find_prims, reads, writes

__all__ = ["ArticulationView", "Metatype"]


class JointType(IntEnum):
    """Types of joints."""

    Invalid = 0
    Fixed = 1
    Revolute = 2
    Prismatic = 3
    Spherical = 4


class DofType(IntEnum):
    """Types of degrees of freedom."""

    Invalid = 0
    Rotation = 1
    Translation = 2


_JOINT_TYPES = {
    "PhysicsFixedJoint": JointType.Fixed,
    "PhysicsRevoluteJoint": JointType.Revolute,
    "PhysicsPrismaticJoint": JointType.Prismatic,
    "PhysicsSphericalJoint": JointType.Spherical,
}


class ArticulationView(TensorView):
    """Articulations of one kind, by paths or patterns of their root prims.

    Poses are x, y, z and the quaternion x, y, z, w; velocities are linear ones of centres of mass, and angular ones.
    """

    def __init__(self, runtime: PhysxRuntime, patterns: str | Sequence[str]) -> None:
        super().__init__(runtime, find_prims(runtime.usd_stage, patterns, _is_root), "articulations")
        self._stage = runtime.usd_stage

    @cached_property
    def shared_metatype(self) -> "Metatype":
        """Names and types of links, joints and degrees of freedom."""
        return Metatype(self, self._stage)

    def get_metatype(self, arti_idx: int) -> "Metatype":
        """Return the names and types of one articulation; all are of one kind here."""
        return self.shared_metatype

    @property
    def is_homogeneous(self) -> bool:
        """Whether all articulations are of one kind."""
        return True

    @property
    def max_links(self) -> int:
        """Number of links."""
        return self.backend.shape("ARTICULATION_LINK_POSE")[1]

    @property
    def max_dofs(self) -> int:
        """Number of degrees of freedom of joints."""
        return self.backend.shape("ARTICULATION_DOF_POSITION")[1]

    @property
    def max_shapes(self) -> int:
        """Number of collision shapes of all links together."""
        return self.backend.shape("ARTICULATION_SHAPE_FRICTION_AND_RESTITUTION")[1]

    @property
    def max_fixed_tendons(self) -> int:
        """Number of fixed tendons."""
        return self.backend.binding("ARTICULATION_DOF_POSITION").fixed_tendon_count

    @property
    def max_spatial_tendons(self) -> int:
        """Number of spatial tendons."""
        return self.backend.binding("ARTICULATION_DOF_POSITION").spatial_tendon_count

    @property
    def jacobian_shape(self) -> tuple[int, ...]:
        """Rows and columns of a Jacobian: 6 per link, without a fixed root; 6 of a floating base, then joints."""
        return self.backend.shape("ARTICULATION_JACOBIAN")[1:]

    @property
    def generalized_mass_matrix_shape(self) -> tuple[int, ...]:
        """Rows and columns of a mass matrix."""
        return self.backend.shape("ARTICULATION_MASS_MATRIX")[1:]

    @property
    def link_paths(self) -> list[list[str]]:
        """For each articulation, the paths of its links in their order."""
        return [_paths_of(prims, self.shared_metatype.link_names) for prims in self._prims(_is_body)]

    @property
    def dof_paths(self) -> list[list[str]]:
        """For each articulation, the paths of the joints of its degrees of freedom in their order."""
        return [_paths_of(prims, self.shared_metatype.dof_names) for prims in self._prims(_is_joint)]

    def _prims(self, wanted: Callable[[Usd.Prim], bool]) -> list[dict[str, str]]:
        """Return, for each articulation, the paths of its prims of a kind by their names."""
        return [
            {prim.GetName(): str(prim.GetPath()) for prim in Usd.PrimRange(_base(self._stage, path)) if wanted(prim)}
            for path in self.prim_paths
        ]

    get_root_transforms = reads("ARTICULATION_ROOT_POSE")
    set_root_transforms = writes("ARTICULATION_ROOT_POSE")
    get_root_velocities = reads("ARTICULATION_ROOT_VELOCITY")
    set_root_velocities = writes("ARTICULATION_ROOT_VELOCITY")
    get_link_transforms = reads("ARTICULATION_LINK_POSE")
    get_link_velocities = reads("ARTICULATION_LINK_VELOCITY")
    get_link_accelerations = reads("ARTICULATION_LINK_ACCELERATION")
    get_link_incoming_joint_force = reads("ARTICULATION_LINK_INCOMING_JOINT_FORCE")

    get_dof_positions = reads("ARTICULATION_DOF_POSITION")
    set_dof_positions = writes("ARTICULATION_DOF_POSITION")
    get_dof_velocities = reads("ARTICULATION_DOF_VELOCITY")
    set_dof_velocities = writes("ARTICULATION_DOF_VELOCITY")
    get_dof_position_targets = reads("ARTICULATION_DOF_POSITION_TARGET")
    set_dof_position_targets = writes("ARTICULATION_DOF_POSITION_TARGET")
    get_dof_velocity_targets = reads("ARTICULATION_DOF_VELOCITY_TARGET")
    set_dof_velocity_targets = writes("ARTICULATION_DOF_VELOCITY_TARGET")
    get_dof_actuation_forces = reads("ARTICULATION_DOF_ACTUATION_FORCE")
    set_dof_actuation_forces = writes("ARTICULATION_DOF_ACTUATION_FORCE")
    get_dof_projected_joint_forces = reads("ARTICULATION_DOF_PROJECTED_JOINT_FORCE")

    get_drive_types = reads("ARTICULATION_DOF_DRIVE_TYPE")
    get_dof_stiffnesses = reads("ARTICULATION_DOF_STIFFNESS")
    set_dof_stiffnesses = writes("ARTICULATION_DOF_STIFFNESS")
    get_dof_dampings = reads("ARTICULATION_DOF_DAMPING")
    set_dof_dampings = writes("ARTICULATION_DOF_DAMPING")
    get_dof_limits = reads("ARTICULATION_DOF_LIMIT")
    set_dof_limits = writes("ARTICULATION_DOF_LIMIT")
    get_dof_max_forces = reads("ARTICULATION_DOF_MAX_FORCE")
    set_dof_max_forces = writes("ARTICULATION_DOF_MAX_FORCE")
    get_dof_max_velocities = reads("ARTICULATION_DOF_MAX_VELOCITY")
    set_dof_max_velocities = writes("ARTICULATION_DOF_MAX_VELOCITY")
    get_dof_armatures = reads("ARTICULATION_DOF_ARMATURE")
    set_dof_armatures = writes("ARTICULATION_DOF_ARMATURE")
    get_dof_friction_properties = reads("ARTICULATION_DOF_FRICTION_PROPERTIES")
    set_dof_friction_properties = writes("ARTICULATION_DOF_FRICTION_PROPERTIES")
    get_dof_drive_model_properties = reads("ARTICULATION_DOF_DRIVE_MODEL")
    set_dof_drive_model_properties = writes("ARTICULATION_DOF_DRIVE_MODEL")

    get_generalized_mass_matrices = reads("ARTICULATION_MASS_MATRIX")
    get_gravity_compensation_forces = reads("ARTICULATION_GRAVITY_FORCE")
    get_coriolis_and_centrifugal_compensation_forces = reads("ARTICULATION_CORIOLIS_AND_CENTRIFUGAL_FORCE")

    get_masses = reads("ARTICULATION_BODY_MASS")
    set_masses = writes("ARTICULATION_BODY_MASS")
    get_inv_masses = reads("ARTICULATION_BODY_INV_MASS")
    get_coms = reads("ARTICULATION_BODY_COM_POSE")
    set_coms = writes("ARTICULATION_BODY_COM_POSE")
    get_inertias = reads("ARTICULATION_BODY_INERTIA")
    set_inertias = writes("ARTICULATION_BODY_INERTIA")
    get_inv_inertias = reads("ARTICULATION_BODY_INV_INERTIA")
    get_disable_gravities = reads("ARTICULATION_BODY_DISABLE_GRAVITY")
    set_disable_gravities = writes("ARTICULATION_BODY_DISABLE_GRAVITY")
    get_material_properties = reads("ARTICULATION_SHAPE_FRICTION_AND_RESTITUTION")
    set_material_properties = writes("ARTICULATION_SHAPE_FRICTION_AND_RESTITUTION")
    get_contact_offsets = reads("ARTICULATION_CONTACT_OFFSET")
    set_contact_offsets = writes("ARTICULATION_CONTACT_OFFSET")
    get_rest_offsets = reads("ARTICULATION_REST_OFFSET")
    set_rest_offsets = writes("ARTICULATION_REST_OFFSET")

    get_fixed_tendon_stiffnesses = reads("ARTICULATION_FIXED_TENDON_STIFFNESS")
    get_fixed_tendon_dampings = reads("ARTICULATION_FIXED_TENDON_DAMPING")
    get_fixed_tendon_limit_stiffnesses = reads("ARTICULATION_FIXED_TENDON_LIMIT_STIFFNESS")
    get_fixed_tendon_limits = reads("ARTICULATION_FIXED_TENDON_LIMIT")
    get_fixed_tendon_rest_lengths = reads("ARTICULATION_FIXED_TENDON_REST_LENGTH")
    get_fixed_tendon_offsets = reads("ARTICULATION_FIXED_TENDON_OFFSET")

    def get_jacobians(self) -> torch.Tensor:
        """Return the Jacobians of links ``(count, links, 6, columns)``; a fixed root has no row."""
        rows, columns = self.jacobian_shape
        return self.backend.read("ARTICULATION_JACOBIAN").view(self.count, rows // 6, 6, columns)

    def get_dof_types(self) -> torch.Tensor:
        """Return the types of degrees of freedom ``(count, max_dofs)`` uint8."""
        types = torch.tensor([int(kind) for kind in self.shared_metatype.dof_types], dtype=torch.uint8)
        return types.repeat(self.count, 1)

    def get_dof_motions(self) -> torch.Tensor:
        """Return whether degrees of freedom are free (1), limited (2) or locked (3), ``(count, max_dofs)`` uint8."""
        low, high = self.get_dof_limits().unbind(dim=-1)
        motions = torch.where((low.abs() > 1e30) & (high.abs() > 1e30), 1, 2)
        return torch.where(low == high, 3, motions).to(torch.uint8)

    def set_fixed_tendon_properties(
        self,
        stiffnesses: torch.Tensor,
        dampings: torch.Tensor,
        limit_stiffnesses: torch.Tensor,
        limits: torch.Tensor,
        rest_lengths: torch.Tensor,
        offsets: torch.Tensor,
        indices: torch.Tensor,
    ) -> None:
        """Set the properties of fixed tendons ``(count, max_fixed_tendons)``; limits have two columns more."""
        given = {
            "STIFFNESS": stiffnesses,
            "DAMPING": dampings,
            "LIMIT_STIFFNESS": limit_stiffnesses,
            "LIMIT": limits,
            "REST_LENGTH": rest_lengths,
            "OFFSET": offsets,
        }
        for name, values in given.items():
            self.backend.write(f"ARTICULATION_FIXED_TENDON_{name}", values, indices)

    def apply_forces_and_torques_at_position(
        self,
        force_data: torch.Tensor | None,
        torque_data: torch.Tensor | None,
        position_data: torch.Tensor | None,
        indices: torch.Tensor,
        is_global: bool,
    ) -> bool:
        """Add forces and torques ``(count, max_links, 3)`` to the next step; see :func:`add_wrenches`."""
        poses, coms = self.get_link_transforms(), self.get_coms()
        wrenches = add_wrenches(poses, coms, force_data, torque_data, position_data, is_global)
        self.backend.write("ARTICULATION_LINK_WRENCH", wrenches, indices)
        return True


class Metatype:
    """Names and types of the links, joints and degrees of freedom of an articulation."""

    def __init__(self, view: ArticulationView, stage: Usd.Stage) -> None:
        binding = view.backend.binding("ARTICULATION_DOF_POSITION")
        self.link_names: list[str] = list(binding.body_names)
        self.joint_names: list[str] = list(binding.joint_names)
        self.dof_names: list[str] = list(binding.dof_names)
        self.link_count, self.joint_count, self.dof_count = (
            len(names) for names in (self.link_names, self.joint_names, self.dof_names)
        )
        self.fixed_base: bool = binding.is_fixed_base
        self.link_indices = {name: i for i, name in enumerate(self.link_names)}
        self.joint_indices = {name: i for i, name in enumerate(self.joint_names)}
        self.dof_indices = {name: i for i, name in enumerate(self.dof_names)}
        joints = {
            prim.GetName(): _JOINT_TYPES.get(prim.GetTypeName(), JointType.Invalid)
            for prim in Usd.PrimRange(_base(stage, view.prim_paths[0]))
            if _is_joint(prim)
        }
        self.joint_types = [joints.get(name, JointType.Invalid) for name in self.joint_names]
        self.joint_dof_counts = [int(name in self.dof_indices) for name in self.joint_names]
        self.joint_dof_offsets = [self.dof_indices.get(name, 0) for name in self.joint_names]
        self.dof_types = [
            DofType.Translation if joints.get(name) == JointType.Prismatic else DofType.Rotation
            for name in self.dof_names
        ]


def _paths_of(paths: dict[str, str], names: Sequence[str]) -> list[str]:
    """Return paths in the order of names; a name without a prim raises KeyError."""
    return [paths[name] for name in names]


def _base(stage: Usd.Stage, root: str) -> Usd.Prim:
    """Return the prim that holds an articulation, given the one with its root schema."""
    prim = stage.GetPrimAtPath(root)
    while _is_body(prim) or _is_joint(prim) or prim.GetTypeName() == "Scope":
        prim = prim.GetParent()
    return prim


def _is_root(prim: Usd.Prim) -> bool:
    return prim.HasAPI(UsdPhysics.ArticulationRootAPI)


def _is_body(prim: Usd.Prim) -> bool:
    return prim.HasAPI(UsdPhysics.RigidBodyAPI)


def _is_joint(prim: Usd.Prim) -> bool:
    return prim.IsA(UsdPhysics.Joint)
