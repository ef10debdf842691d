"""The protocols through which tasks read and write the simulation, the same on every engine.

Method and argument names are those of the views of ``omni.isaac.core``. Everywhere:

* tensors are float32 on the simulation's device, the world first; ``indices`` selects worlds, ``joint_indices`` joints,
  ``body_indices`` links; each is a list, array or tensor of whole numbers, none twice in a setter, or None for all;
* setters take a tensor on that device or, slower, on the CPU, an array or lists, of the shape that the getter returns;
  one row, or one number, stands for all worlds, and where columns are joints or links, ``(n, 1)`` for all of them;
* joints and links are in breadth-first order of the kinematic tree, links beginning with the root;
* quaternions are w, x, y, z; poses are relative to the world's own origin; velocities and forces are in the world
  frame where a method does not say otherwise; the velocity of a body is that of its frame's origin; units are SI;
* ``clone=False`` may return a live buffer: valid until the next step, not to be written;
* what a setter writes, a getter returns at once;
* mistakes raise an OigeError before anything is written; it names method, element, what was given and what is expected.
  On a GPU numbers are not looked at, as that would wait for it: indices have to exist, and properties be in range;
* a position, velocity, target, effort or force that is not finite makes its world diverge in the next step, which ends
  its episode; a property that is not finite, or is out of range, as a negative mass, raises on the CPU.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import torch

__all__ = ["ArticulationView", "CameraOutput", "CameraView", "FramedView", "Indices", "RigidPrimView"]

Indices = torch.Tensor | np.ndarray | Sequence[int] | None

CameraOutput = Literal["rgb", "depth", "segmentation"]


class FramedView(Protocol):
    """What bodies and articulations share: a frame per world, that of the body, or of the articulation's root.

    Tensors are ``(n, …)``; of a view of ``b`` links ``(n, b, …)``.
    """

    name: str
    count: int

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m and orientations ``(n, 4)``."""
        ...

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """Place bodies or roots; links of an articulation cannot be placed (CapabilityError).

        Args:
            positions: ``(n, 3)`` in m.
            orientations: ``(n, 4)``; they are brought to length 1.
            indices: the worlds.
        """
        ...

    def get_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return linear and angular velocities ``(n, 6)`` in m/s and rad/s."""
        ...

    def get_linear_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return linear velocities ``(n, 3)`` in m/s."""
        ...

    def get_angular_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return angular velocities ``(n, 3)`` in rad/s."""
        ...

    def get_body_frame_velocities(self, indices: Indices = None) -> torch.Tensor:
        """Return linear and angular velocities ``(n, 6)`` in m/s and rad/s along the axes of the frame itself.

        Engines keep some of them like this; to turn :meth:`get_velocities` by the orientation gives the same.
        """
        ...

    def set_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """Set linear and angular velocities ``(n, 6)``; links and kinematic bodies have none (CapabilityError)."""
        ...

    def set_linear_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """Set linear velocities ``(n, 3)`` in m/s."""
        ...

    def set_angular_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """Set angular velocities ``(n, 3)`` in rad/s."""
        ...


class RigidPrimView(FramedView, Protocol):
    """One body per world, tensors ``(n, …)``; or ``b`` links of an articulation, tensors ``(n, b, …)``.

    Shapes below are written for one body.
    """

    def apply_forces(self, forces: torch.Tensor, indices: Indices = None, is_global: bool = True) -> None:
        """Add forces ``(n, 3)`` in N at the centres of mass, for the whole of the next control step."""
        ...

    def apply_forces_and_torques_at_pos(
        self,
        forces: torch.Tensor | None = None,
        torques: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        indices: Indices = None,
        is_global: bool = True,
    ) -> None:
        """Add wrenches to the next control step; several calls add up.

        Args:
            forces: ``(n, 3)`` in N.
            torques: ``(n, 3)`` in N·m.
            positions: ``(n, 3)`` points at which the forces act, in m; by default the centres of mass.
            indices: worlds.
            is_global: whether all three are in the world frame; if not, they are in the body frame, whose orientation
                at the time of the call is kept during the step.
        """
        ...

    def get_net_contact_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the sums of contact forces on bodies ``(n, 3)`` in N, of the last physics step.

        Raises:
            CapabilityError: the scene did not ask for it with ``track_contact_forces``.
        """
        ...

    def get_masses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return masses ``(n,)`` in kg."""
        ...

    def set_masses(self, masses: torch.Tensor, indices: Indices = None) -> None:
        """Set masses ``(n,)`` in kg; inertias stay."""
        ...

    def get_inertias(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return inertia matrices about the centres of mass in the body frame, ``(n, 9)`` row by row, in kg·m²."""
        ...

    def set_inertias(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set symmetric, positive definite inertia matrices ``(n, 9)`` in kg·m²."""
        ...

    def get_coms(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return centres of mass in the body frame ``(n, 3)`` in m."""
        ...

    def set_coms(self, positions: torch.Tensor, indices: Indices = None) -> None:
        """Set centres of mass in the body frame ``(n, 3)`` in m."""
        ...

    def get_material_properties(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return static friction, dynamic friction and restitution ``(n, 3)`` of the body's first shape."""
        ...

    def set_material_properties(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set static friction, dynamic friction and restitution ``(n, 3)`` of all shapes of the body.

        Between two shapes the larger friction acts, so that it is lowered by setting both.

        Raises:
            CapabilityError: the engine has no restitution, or one friction only, and these are two.
        """
        ...

    def enable_gravities(self, indices: Indices = None) -> None:
        """Let gravity act on the bodies."""
        ...

    def disable_gravities(self, indices: Indices = None) -> None:
        """Compensate gravity on the bodies."""
        ...


class ArticulationView(FramedView, Protocol):
    """One articulation per world: ``d`` degrees of freedom and ``b`` links.

    Floating bases: where a quantity has one entry per degree of freedom of motion (Jacobians, mass matrices,
    generalised forces), six come first, linear then angular velocity of the root in the world frame.
    """

    @property
    def num_dof(self) -> int:
        """Number of degrees of freedom of the joints, ``d``."""
        ...

    @property
    def num_bodies(self) -> int:
        """Number of links, ``b``."""
        ...

    @property
    def num_fixed_tendons(self) -> int:
        """Number of fixed tendons, ``t``."""
        ...

    @property
    def dof_names(self) -> list[str]:
        """Joint names, breadth first."""
        ...

    @property
    def body_names(self) -> list[str]:
        """Link names, breadth first, beginning with the root."""
        ...

    def get_dof_index(self, dof_name: str) -> int:
        """Return the index of a joint."""
        ...

    def get_link_index(self, link_name: str) -> int:
        """Return the index of a link."""
        ...

    def get_dof_limits(self, clone: bool = True) -> torch.Tensor:
        """Return lower and upper position limits ``(n, d, 2)`` in rad or m; infinite where there is none."""
        ...

    def set_dof_limits(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set position limits ``(n, d, 2)``, which may be infinite.

        Raises:
            CapabilityError: finite limits for a joint that its asset gives none.
        """
        ...

    def get_joint_positions(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return positions ``(n, d)`` in rad or m."""
        ...

    def set_joint_positions(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """Set positions ``(n, d)``."""
        ...

    def get_joint_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return velocities ``(n, d)`` in rad/s or m/s."""
        ...

    def set_joint_velocities(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """Set velocities ``(n, d)``."""
        ...

    def set_joint_position_targets(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """Set the position targets ``(n, d)`` of the drives; they stay until set again or reset."""
        ...

    def set_joint_velocity_targets(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """Set the velocity targets ``(n, d)`` of the drives; they stay until set again or reset."""
        ...

    def set_joint_efforts(self, efforts: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set efforts ``(n, d)`` in N·m or N that drives add to their PD terms; they stay until set again or reset."""
        ...

    def get_applied_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the efforts ``(n, d)`` that were set."""
        ...

    def get_measured_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return what the drives exert ``(n, d)`` at the current state, PD terms and bounds included."""
        ...

    def get_measured_joint_forces(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the wrenches that parents exert on links through their joints, in the last physics step.

        Args:
            indices: worlds.
            joint_indices: which links' joints; index 0 is the root's attachment to the world. Where the scene asked for
                some links alone, a list is looked up sooner than a tensor.
            clone: see the module.

        Returns:
            ``(n, b, 6)``: force in N and torque in N·m about the joint's anchor, along the axes of the link.

        Raises:
            CapabilityError: the scene did not ask for them, or for those of these links, with ``track_joint_forces``.
        """
        ...

    def get_gains(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return stiffnesses and dampings ``(n, d)`` of the drives, in N·m/rad and N·m·s/rad, or N/m and N·s/m."""
        ...

    def set_gains(
        self,
        kps: torch.Tensor | None = None,
        kds: torch.Tensor | None = None,
        indices: Indices = None,
        joint_indices: Indices = None,
    ) -> None:
        """Set stiffnesses and dampings ``(n, d)`` of the drives."""
        ...

    def switch_control_mode(
        self, mode: Literal["position", "velocity", "effort"], joint_indices: Indices = None
    ) -> None:
        """Drive joints by position (the asset's gains), velocity (its damping alone) or effort (no gains)."""
        ...

    def get_max_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the bounds ``(n, d)`` of the drives in N·m or N."""
        ...

    def set_max_efforts(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set the bounds ``(n, d)`` of the drives."""
        ...

    def get_friction_coefficients(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the dry friction ``(n, d)`` of the joints in N·m or N."""
        ...

    def set_friction_coefficients(
        self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """Set the dry friction ``(n, d)`` of the joints in N·m or N."""
        ...

    def get_armatures(self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the inertias ``(n, d)`` that rotors add to the joints, in kg·m² or kg."""
        ...

    def set_armatures(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set the inertias ``(n, d)`` that rotors add to the joints, in kg·m² or kg."""
        ...

    def set_joints_default_state(
        self, positions: torch.Tensor | None = None, velocities: torch.Tensor | None = None
    ) -> None:
        """Set the joint positions and velocities ``(n, d)`` that a reset restores."""
        ...

    def get_jacobians(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return links' velocities per unit of motion ``(n, b, 6, d)``; ``(n, b, 6, 6 + d)`` for a floating base."""
        ...

    def get_mass_matrices(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return inertias with armatures ``(n, d, d)``, or ``(n, 6 + d, 6 + d)`` for a floating base."""
        ...

    def get_generalized_gravity_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the generalised forces ``(n, d)`` or ``(n, 6 + d)`` that hold the links against gravity."""
        ...

    def get_coriolis_and_centrifugal_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the generalised forces ``(n, d)`` or ``(n, 6 + d)`` that keep velocities constant, gravity apart."""
        ...

    def get_body_masses(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return masses ``(n, b)`` of the links in kg."""
        ...

    def set_body_masses(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """Set masses ``(n, b)`` of the links in kg; inertias stay."""
        ...

    def get_body_inertias(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return inertia matrices ``(n, b, 9)`` about the centres of mass in the link frames, in kg·m²."""
        ...

    def set_body_inertias(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """Set symmetric, positive definite inertia matrices ``(n, b, 9)`` in kg·m²."""
        ...

    def get_body_coms(self, indices: Indices = None, body_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return centres of mass ``(n, b, 3)`` in the link frames, in m."""
        ...

    def set_body_coms(self, positions: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """Set centres of mass ``(n, b, 3)`` in the link frames, in m."""
        ...

    def get_body_disable_gravity(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return whether gravity is compensated on the links, ``(n, b)`` bool."""
        ...

    def set_body_disable_gravity(
        self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None
    ) -> None:
        """Set whether gravity is compensated on the links, ``(n, b)`` bool.

        Raises:
            CapabilityError: the scene did not prepare for it with ``disable_gravity``.
        """
        ...

    def get_fixed_tendon_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return spring stiffnesses ``(n, t)`` in N/m."""
        ...

    def get_fixed_tendon_dampings(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return dampings ``(n, t)`` in N·s/m."""
        ...

    def get_fixed_tendon_limits(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return lower and upper limits ``(n, t, 2)`` of the lengths, in m; infinite where there is none."""
        ...

    def get_fixed_tendon_rest_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return rest lengths ``(n, t)`` of the springs, in m."""
        ...

    def set_fixed_tendon_properties(
        self,
        stiffnesses: torch.Tensor | None = None,
        dampings: torch.Tensor | None = None,
        limits: torch.Tensor | None = None,
        rest_lengths: torch.Tensor | None = None,
        indices: Indices = None,
    ) -> None:
        """Set properties of the fixed tendons, shaped as their getters return them."""
        ...

    def get_fixed_tendon_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the weighted sums of joint positions ``(n, t)`` in m."""
        ...


class CameraView(Protocol):
    """A camera of every world, which sees what is in its own world and nothing else.

    Images ``(n, height, width, channels)`` show the present state, rows from top to bottom and columns from left to
    right. A world is rendered when an image of it is read after its state has changed, and at no other time. Reading
    an output that the camera does not have is an error.
    """

    name: str
    count: int

    @property
    def resolution(self) -> tuple[int, int]:
        """Width and height of images, in pixels."""
        ...

    @property
    def horizontal_fov(self) -> float:
        """Angle between the left and the right edge of images, in rad."""
        ...

    @property
    def segmentation_ids(self) -> dict[str, int]:
        """Number in segmented images of each element of the scene and each link ``<articulation>/<link>``.

        0 stands for nothing.
        """
        ...

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m and orientations ``(n, 4)``: x is forward, y to the left, z up."""
        ...

    def get_rgb(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return red, green and blue ``(n, height, width, 3)``, uint8."""
        ...

    def get_depth(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return distances along the camera's axis ``(n, height, width, 1)`` in m; infinite where nothing is seen."""
        ...

    def get_segmentation(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return what each pixel shows, ``(n, height, width, 1)`` int32, numbered as in :attr:`segmentation_ids`."""
        ...
