"""Protocols of rigid bodies, and of the methods that they share with articulations."""

from typing import Protocol

import torch

from oige_core.views.selections import Indices

__all__ = ["FramedView", "RigidPrimView"]


class FramedView(Protocol):
    """Methods for one frame per world: that of a body, or of the root of an articulation.

    Tensors are ``(n, …)``, or ``(n, b, …)`` in a view of ``b`` links.
    """

    name: str
    count: int

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m and orientations ``(n, 4)``."""
        ...

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """Set poses of bodies or roots; links of an articulation raise CapabilityError.

        Args:
            positions: ``(n, 3)`` in m.
            orientations: ``(n, 4)``; they are normalised.
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

        The result equals :meth:`get_velocities` rotated by the inverse orientation, but may be faster.
        """
        ...

    def set_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """Set linear and angular velocities ``(n, 6)``; links and kinematic bodies raise CapabilityError."""
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
            is_global: whether all three are in the world frame. Otherwise they are in the body frame, with its
                orientation at the time of the call.
        """
        ...

    def get_net_contact_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the sums of contact forces on bodies ``(n, 3)`` in N, of the last physics step.

        Raises:
            CapabilityError: the scene does not track contact forces (``track_contact_forces``).
        """
        ...

    def get_masses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return masses ``(n,)`` in kg."""
        ...

    def set_masses(self, masses: torch.Tensor, indices: Indices = None) -> None:
        """Set masses ``(n,)`` in kg; inertias do not change."""
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

    def get_colors(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return red, green and blue ``(n, 3)``, from 0 to 1, of the body's first shape."""
        ...

    def set_colors(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set red, green and blue ``(n, 3)``, from 0 to 1, of all shapes of the body in images of cameras.

        Numbers beyond 0 and 1 are clamped. A reset does not change colours.
        """
        ...

    def get_material_properties(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return static friction, dynamic friction and restitution ``(n, 3)`` of the body's first shape."""
        ...

    def set_material_properties(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set static friction, dynamic friction and restitution ``(n, 3)`` of all shapes of the body.

        The larger friction of two touching shapes acts. To lower friction, set both.

        Raises:
            CapabilityError: the engine does not support restitution, or static friction that differs from dynamic
                friction. Numbers in tensors on a GPU are not checked: there, restitution has no effect, and dynamic
                friction acts.
        """
        ...

    def get_contact_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return distances ``(n,)`` in m from the body's first shape at which contacts are generated."""
        ...

    def set_contact_offsets(self, offsets: torch.Tensor, indices: Indices = None) -> None:
        """Set distances ``(n,)`` in m from all shapes of the body at which contacts are generated.

        Raises:
            CapabilityError: contacts of the engine act only from the rest offset on.
        """
        ...

    def get_rest_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return distances ``(n,)`` in m from the body's first shape at which other bodies rest."""
        ...

    def set_rest_offsets(self, offsets: torch.Tensor, indices: Indices = None) -> None:
        """Set distances ``(n,)`` in m from all shapes of the body at which others rest; those of two shapes add up."""
        ...

    def get_local_scales(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return sizes ``(n, 3)`` relative to the scene's, along the axes of the body; links raise CapabilityError."""
        ...

    def set_local_scales(self, scales: torch.Tensor, indices: Indices = None) -> None:
        """Set sizes ``(n, 3)`` relative to the scene's, along the axes of the body; links raise CapabilityError.

        The density stays, unless the scene states the mass: then the mass stays. The inertia follows size and mass, for
        principal axes along those of the body. Spheres need three equal scales, and capsules and cylinders two equal
        ones along x and y.
        """
        ...

    def get_shapes(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return shapes ``(n,)`` int64: indices of :data:`~oige_core.scene.SHAPES`; links raise CapabilityError."""
        ...

    def set_shapes(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set shapes ``(n,)``: indices of :data:`~oige_core.scene.SHAPES`; links raise CapabilityError.

        A body has its own shape and the ``alternatives`` that the scene names. The mass stays, and the inertia follows.
        A reset does not change shapes.

        Raises:
            OigeError: the body does not have a shape. Numbers in tensors on a GPU are not checked: there, it keeps its
                shape.
        """
        ...

    @property
    def num_variants(self) -> int:
        """Number of variants, which is that of the assets of a body from files; 1 for all others."""
        ...

    def get_variants(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return variants ``(n,)`` int64: numbers of the assets from which worlds have the body."""
        ...

    def set_variants(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set variants ``(n,)``: numbers of the assets that the scene names.

        The body gets the shapes, mass, inertia, surfaces and colours of that asset, also where they were changed
        before. Its pose and velocity stay. A reset does not change variants.

        Raises:
            OigeError: there is no such variant. Numbers in tensors on a GPU are not checked: there, the nearest one
                applies.
            CapabilityError: the body has no variants, or the engine supports none.
        """
        ...

    def get_densities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return densities ``(n,)`` in kg/m³; links raise CapabilityError."""
        ...

    def set_densities(self, densities: torch.Tensor, indices: Indices = None) -> None:
        """Set densities ``(n,)`` in kg/m³; mass and inertia follow. Links raise CapabilityError."""
        ...

    def enable_gravities(self, indices: Indices = None) -> None:
        """Enable gravity on the bodies."""
        ...

    def disable_gravities(self, indices: Indices = None) -> None:
        """Disable gravity on the bodies."""
        ...
