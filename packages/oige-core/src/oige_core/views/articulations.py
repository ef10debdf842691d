"""Protocol of articulations."""

from typing import Literal, Protocol

import torch

from oige_core.views.bodies import FramedView
from oige_core.views.selections import Indices

__all__ = ["ArticulationView"]


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
        """Joint names in breadth-first order."""
        ...

    @property
    def body_names(self) -> list[str]:
        """Link names in breadth-first order, starting with the root."""
        ...

    def get_dof_index(self, dof_name: str) -> int:
        """Return the index of a joint."""
        ...

    def get_link_index(self, link_name: str) -> int:
        """Return the index of a link."""
        ...

    def get_dof_limits(self, clone: bool = True) -> torch.Tensor:
        """Return lower and upper position limits ``(n, d, 2)`` in rad or m; infinite for joints without limits."""
        ...

    def set_dof_limits(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set position limits ``(n, d, 2)``, which may be infinite.

        Raises:
            CapabilityError: a limit is finite for a joint without limits in its asset. Numbers in tensors on a GPU are
                not checked: there, such a limit has no effect.
        """
        ...

    def get_joint_positions(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return positions ``(n, d)`` in rad or m, as encoders measure them; see :meth:`set_encoder_biases`."""
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
        """Set the position targets ``(n, d)`` of the drives, until they are set again or reset."""
        ...

    def set_joint_velocity_targets(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """Set the velocity targets ``(n, d)`` of the drives, until they are set again or reset."""
        ...

    def set_joint_efforts(self, efforts: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set efforts ``(n, d)`` in N·m or N, which drives add to their PD terms, until they are set again or reset."""
        ...

    def get_applied_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the efforts ``(n, d)`` that were set."""
        ...

    def get_measured_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the efforts ``(n, d)`` that drives exert at the current state, including PD terms and limits."""
        ...

    def get_measured_joint_forces(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the wrenches that parents exerted on links through their joints in the last physics step.

        Args:
            indices: worlds.
            joint_indices: links whose joints are read; index 0 is the root's attachment to the world.
            clone: see the module ``views``.

        Returns:
            ``(n, b, 6)``: force in N and torque in N·m about the joint's anchor, along the axes of the joint's frame on
            the link, as PhysX reports them. Its x axis is the joint's axis, and it is the link's frame turned by the
            smallest angle. If two or three joints move the link, x is the axis of the first, and y or z that of the
            second. Without a joint, it is the link's frame.

        Raises:
            CapabilityError: the scene does not track the joint forces of these links (``track_joint_forces``).
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
        """Control joints by position (the asset's gains), velocity (only its damping) or effort (no gains)."""
        ...

    def get_max_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the maximum efforts ``(n, d)`` of the drives in N·m or N."""
        ...

    def set_max_efforts(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set the maximum efforts ``(n, d)`` of the drives."""
        ...

    def get_motor_strengths(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the strengths ``(n, d)`` of the drives, 1 initially."""
        ...

    def set_motor_strengths(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set factors ``(n, d)`` of the efforts that drives exert, their PD terms and maximum efforts included.

        Gains and maximum efforts that getters return do not change. A reset does not change strengths.
        """
        ...

    def get_encoder_biases(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the biases ``(n, d)`` of the encoders in rad or m, 0 initially."""
        ...

    def set_encoder_biases(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set by how much encoders measure positions too large, ``(n, d)`` in rad or m.

        :meth:`get_joint_positions` returns true positions plus biases. Drives, too, compare their targets with measured
        positions, so that they hold a joint at its target minus its bias. All other methods are about true positions:
        :meth:`set_joint_positions`, limits, poses of links. A reset does not change biases. Warp arrays have no biases.
        """
        ...

    def get_joint_max_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the maximum velocities ``(n, d)`` in rad/s or m/s; infinite unless they were set."""
        ...

    def set_max_joint_velocities(
        self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """Set maximum velocities ``(n, d)`` in rad/s or m/s, to which each physics step limits the joints.

        The limit takes motion away from a joint, and gives none of it to others: use it like that of a real motor's
        controller, above the velocities of normal operation.
        """
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
        """Return the armatures ``(n, d)``, the rotor inertias that add to the joints, in kg·m² or kg."""
        ...

    def set_armatures(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """Set the armatures ``(n, d)``, the rotor inertias that add to the joints, in kg·m² or kg."""
        ...

    def set_joints_default_state(
        self, positions: torch.Tensor | None = None, velocities: torch.Tensor | None = None
    ) -> None:
        """Set the joint positions and velocities ``(n, d)`` that a reset restores."""
        ...

    def get_jacobians(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the Jacobians of the links ``(n, b, 6, d)``; ``(n, b, 6, 6 + d)`` for a floating base."""
        ...

    def get_mass_matrices(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return mass matrices with armatures ``(n, d, d)``, or ``(n, 6 + d, 6 + d)`` for a floating base."""
        ...

    def get_generalized_gravity_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the generalised forces ``(n, d)`` or ``(n, 6 + d)`` that hold the links against gravity."""
        ...

    def get_coriolis_and_centrifugal_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the generalised forces ``(n, d)`` or ``(n, 6 + d)`` that keep velocities constant, without gravity."""
        ...

    def get_body_masses(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return masses ``(n, b)`` of the links in kg."""
        ...

    def set_body_masses(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """Set masses ``(n, b)`` of the links in kg; inertias do not change."""
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

    def get_body_colors(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return red, green and blue ``(n, num_bodies, 3)``, from 0 to 1, of each link's first shape.

        Links without shapes are grey.
        """
        ...

    def set_body_colors(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set red, green and blue ``(n, num_bodies, 3)``, from 0 to 1, of all shapes of links in images of cameras.

        Numbers beyond 0 and 1 are clamped. A reset does not change colours.
        """
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
            CapabilityError: the scene does not set ``disable_gravity`` for the articulation.
        """
        ...

    def get_material_properties(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return static friction, dynamic friction and restitution ``(n, b, 3)`` of the links' first shapes.

        They are zero for links without shapes.
        """
        ...

    def set_material_properties(
        self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None
    ) -> None:
        """Set static friction, dynamic friction and restitution ``(n, b, 3)`` of all shapes of the links.

        See :meth:`RigidPrimView.set_material_properties`, also for the errors. Links without shapes ignore them.
        """
        ...

    def get_local_scales(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return sizes ``(n, 3)`` relative to the asset's; all three numbers are the same."""
        ...

    def set_local_scales(self, scales: torch.Tensor, indices: Indices = None) -> None:
        """Set sizes ``(n, 3)`` relative to the asset's, the same along x, y and z, at constant density.

        Places of joints, links, shapes, sites and centres of mass change with the scale, masses with its third power,
        and inertias with its fifth power. Limits, gains, armatures, dampings and the pose of the root do not change,
        and neither do meshes, which only links' appearance may use.

        Raises:
            CapabilityError: shapes that collide are meshes, constraints close loops, or there are spatial tendons.
        """
        ...

    def get_fixed_tendon_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return spring stiffnesses ``(n, t)`` in N/m."""
        ...

    def get_fixed_tendon_dampings(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return dampings ``(n, t)`` in N·s/m."""
        ...

    def get_fixed_tendon_limits(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return lower and upper limits ``(n, t, 2)`` of the lengths, in m; infinite for tendons without limits."""
        ...

    def get_fixed_tendon_limit_stiffnesses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return stiffnesses ``(n, t)`` in N/m with which limits of lengths resist, for the masses of the asset."""
        ...

    def get_fixed_tendon_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return offsets ``(n, t)`` in m that add to the lengths."""
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
        limit_stiffnesses: torch.Tensor | None = None,
        offsets: torch.Tensor | None = None,
    ) -> None:
        """Set properties of the fixed tendons, in the shapes that their getters return.

        An offset moves the joints: limits and rest lengths are those of lengths with the offset. Stiffnesses of limits
        must be above zero; the engine limits them to what its time step can integrate.

        Raises:
            CapabilityError: a limit is finite for a tendon without limits in its asset; on a GPU see
                :meth:`set_dof_limits`.
        """
        ...

    def get_fixed_tendon_lengths(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the offsets plus the weighted sums of joint positions, ``(n, t)`` in m."""
        ...
