"""The attributes that domain randomisation can change: one table, with how each is read and written.

Nothing here imports torch at first, because configurations are validated without it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oige_core.randomization.attribute import TRIGGERS, Attribute, Writer, rows
from oige_core.randomization.sim_to_real import BODY, CAMERAS, JOINTS, LIGHT, LINKS, SIGNAL_ATTRIBUTES

if TYPE_CHECKING:
    import torch

__all__ = ["ATTRIBUTES", "SIGNAL_ATTRIBUTES", "VIEW_GROUPS"]

VIEW_GROUPS = ("rigid_prim_views", "articulation_views", "camera_views")
"""Groups whose attributes belong to a named view; those of ``simulation`` belong to the engine."""

SMALLEST_MASS = 1e-6  # kg; MuJoCo divides by masses
SMALLEST_INERTIA = 1e-9  # kg·m²
SMALLEST_SCALE = 0.01
SMALLEST_DENSITY = 1e-3  # kg/m³
SMALLEST_LIMIT_STIFFNESS = 1e-3  # N/m


def _diagonal(values: "torch.Tensor") -> "torch.Tensor":
    """Return the diagonals ``(…, 3)`` of inertia matrices ``(…, 9)``."""
    return values[..., ::4]


def _with_diagonal(values: "torch.Tensor", diagonal: "torch.Tensor") -> "torch.Tensor":
    values = values.clone()
    values[..., ::4] = diagonal
    return values


def _set_inertias(view: Any, values: "torch.Tensor", worlds: "torch.Tensor | None") -> None:
    view.set_inertias(_with_diagonal(view.get_inertias(worlds), values), worlds)


def _set_body_inertias(view: Any, values: "torch.Tensor", worlds: "torch.Tensor | None") -> None:
    view.set_body_inertias(_with_diagonal(view.get_body_inertias(worlds), values), worlds)


def _set_angles(view: Any, angles: "torch.Tensor", worlds: "torch.Tensor | None") -> None:
    from oige_core.math import quat_from_euler_xyz

    view.set_world_poses(orientations=quat_from_euler_xyz(angles), indices=worlds)


def _angles(view: Any) -> "torch.Tensor":
    from oige_core.math import euler_xyz_from_quat

    return euler_xyz_from_quat(view.get_world_poses()[1])


def _set_dof_limit(side: int) -> Writer:
    """Return the writer of the lower (0) or upper (1) limits, which never pass the other ones."""

    def write(view: Any, values: "torch.Tensor", worlds: "torch.Tensor | None") -> None:
        limits = rows(view.get_dof_limits(), worlds)
        view.set_dof_limits(_with_limit(limits, side, values), worlds)

    return write


def _set_tendon_limit(side: int) -> Writer:
    def write(view: Any, values: "torch.Tensor", worlds: "torch.Tensor | None") -> None:
        limits = view.get_fixed_tendon_limits(worlds)
        view.set_fixed_tendon_properties(limits=_with_limit(limits, side, values), indices=worlds)

    return write


def _with_limit(limits: "torch.Tensor", side: int, values: "torch.Tensor") -> "torch.Tensor":
    other = limits[..., 1 - side]
    limits = limits.clone()
    limits[..., side] = values.minimum(other) if side == 0 else values.maximum(other)
    return limits


def _one_friction(values: "torch.Tensor", base: "torch.Tensor") -> "torch.Tensor":
    """Set both coefficients to the static one, or to the dynamic one if only that was changed."""
    static, dynamic = values[:, ::3], values[:, 1::3]
    values = values.clone()
    values[:, 1::3] = static.where(static != base[:, ::3], dynamic)
    values[:, ::3] = values[:, 1::3]
    return values


_FRAME: dict[str, Attribute] = {
    "position": Attribute(
        unit="m",
        dimension="3",
        meaning="position",
        kind="state",
        read=lambda view: view.get_world_poses()[0],
        write=lambda view, values, worlds: view.set_world_poses(positions=values, indices=worlds),
    ),
    "orientation": Attribute(
        unit="rad",
        dimension="3",
        meaning="roll, pitch and yaw: rotations about the fixed axes x, y and z, one after the other",
        kind="state",
        read=_angles,
        write=_set_angles,
    ),
    "linear_velocity": Attribute(
        unit="m/s",
        dimension="3",
        meaning="linear velocity",
        kind="state",
        read=lambda view: view.get_linear_velocities(),
        write=lambda view, values, worlds: view.set_linear_velocities(values, worlds),
    ),
    "angular_velocity": Attribute(
        unit="rad/s",
        dimension="3",
        meaning="angular velocity",
        kind="state",
        read=lambda view: view.get_angular_velocities(),
        write=lambda view, values, worlds: view.set_angular_velocities(values, worlds),
    ),
    "velocity": Attribute(
        unit="m/s, rad/s",
        dimension="6",
        meaning="linear, then angular velocity",
        kind="state",
        read=lambda view: view.get_velocities(),
        write=lambda view, values, worlds: view.set_velocities(values, worlds),
    ),
}

_RIGID: dict[str, Attribute] = {
    **_FRAME,
    "force": Attribute(
        unit="N",
        dimension="3",
        meaning="force at the centre of mass",
        kind="load",
        is_zero=True,
        read=lambda view: view.get_linear_velocities() * 0.0,
        write=lambda view, values, worlds: view.apply_forces(values, worlds),
    ),
    "mass": Attribute(
        unit="kg",
        dimension="1",
        meaning="mass; the inertia does not change",
        triggers=TRIGGERS,
        lowest=SMALLEST_MASS,
        read=lambda view: view.get_masses(),
        write=lambda view, values, worlds: view.set_masses(values, worlds),
    ),
    "inertia": Attribute(
        unit="kg·m²",
        dimension="3",
        meaning="diagonal of the inertia matrix in the body frame",
        lowest=SMALLEST_INERTIA,
        read=lambda view: _diagonal(view.get_inertias()),
        write=_set_inertias,
    ),
    "material_properties": Attribute(
        unit="1",
        dimension="3",
        meaning="static friction, dynamic friction, restitution",
        lowest=0.0,
        repeats=True,
        one_friction=_one_friction,
        note="MuJoCo: one coefficient of friction, the static one if both are randomised; no restitution",
        read=lambda view: view.get_material_properties(),
        write=lambda view, values, worlds: view.set_material_properties(values, worlds),
    ),
}

_SCALE = Attribute(
    lowest=SMALLEST_SCALE,
    unit="1",
    dimension="1",
    meaning="size relative to that of the asset, the same along x, y and z",
    triggers=("on_startup",),
    note="MuJoCo: shapes of robots that collide must be primitive",
    read=lambda view: view.get_local_scales()[..., :1],
    write=lambda view, values, worlds: view.set_local_scales(values.expand(*values.shape[:-1], 3), worlds),
)

_RIGID |= {
    "scale": replace(_SCALE, triggers=TRIGGERS, note="PhysX: only on_startup"),
    "density": Attribute(
        unit="kg/m³",
        dimension="1",
        meaning="density; mass and inertia follow",
        lowest=SMALLEST_DENSITY,
        triggers=("on_startup",),
        read=lambda view: view.get_densities(),
        write=lambda view, values, worlds: view.set_densities(values, worlds),
    ),
    "contact_offset": Attribute(
        unit="m",
        dimension="1",
        meaning="distance from the surface below which contacts are generated",
        engines=("Isaac Sim",),
        note="MuJoCo: contacts act from the rest offset on",
        read=lambda view: view.get_contact_offsets(),
        write=lambda view, values, worlds: view.set_contact_offsets(values, worlds),
    ),
    "rest_offset": Attribute(
        unit="m",
        dimension="1",
        meaning="distance from the surface at which bodies rest",
        lowest=0.0,
        read=lambda view: view.get_rest_offsets(),
        write=lambda view, values, worlds: view.set_rest_offsets(values, worlds),
    ),
}

_JOINTS: dict[str, Attribute] = {
    "stiffness": Attribute(
        unit="N·m/rad, N/m",
        dimension="dofs",
        meaning="stiffness of the drives",
        lowest=0.0,
        read=lambda view: view.get_gains()[0],
        write=lambda view, values, worlds: view.set_gains(kps=values, indices=worlds),
    ),
    "damping": Attribute(
        unit="N·m·s/rad, N·s/m",
        dimension="dofs",
        meaning="damping of the drives",
        lowest=0.0,
        read=lambda view: view.get_gains()[1],
        write=lambda view, values, worlds: view.set_gains(kds=values, indices=worlds),
    ),
    "joint_friction": Attribute(
        unit="N·m, N",
        dimension="dofs",
        meaning="dry friction of the joints",
        lowest=0.0,
        read=lambda view: view.get_friction_coefficients(),
        write=lambda view, values, worlds: view.set_friction_coefficients(values, worlds),
        note="PhysX: a coefficient without unit, relative to the force in the joint",
    ),
    "joint_positions": Attribute(
        unit="rad, m",
        dimension="dofs",
        meaning="positions of the joints",
        kind="state",
        read=lambda view: view.get_joint_positions() - view.get_encoder_biases(),
        write=lambda view, values, worlds: view.set_joint_positions(values, worlds),
    ),
    "joint_velocities": Attribute(
        unit="rad/s, m/s",
        dimension="dofs",
        meaning="velocities of the joints",
        kind="state",
        read=lambda view: view.get_joint_velocities(),
        write=lambda view, values, worlds: view.set_joint_velocities(values, worlds),
    ),
    "lower_dof_limits": Attribute(
        unit="rad, m",
        dimension="dofs",
        meaning="lower limits of the joints, at most the upper ones",
        read=lambda view: view.get_dof_limits()[..., 0],
        write=_set_dof_limit(0),
    ),
    "upper_dof_limits": Attribute(
        unit="rad, m",
        dimension="dofs",
        meaning="upper limits of the joints, at least the lower ones",
        read=lambda view: view.get_dof_limits()[..., 1],
        write=_set_dof_limit(1),
    ),
    "max_efforts": Attribute(
        unit="N·m, N",
        dimension="dofs",
        meaning="maximum efforts of the drives",
        lowest=0.0,
        read=lambda view: view.get_max_efforts(),
        write=lambda view, values, worlds: view.set_max_efforts(values, worlds),
    ),
    "joint_armatures": Attribute(
        unit="kg·m², kg",
        dimension="dofs",
        meaning="inertias of the rotors, which add to the joints",
        lowest=0.0,
        read=lambda view: view.get_armatures(),
        write=lambda view, values, worlds: view.set_armatures(values, worlds),
    ),
    "joint_max_velocities": Attribute(
        unit="rad/s, m/s",
        dimension="dofs",
        meaning="maximum velocities of the joints; infinite unless an operation is direct",
        lowest=0.0,
        read=lambda view: view.get_joint_max_velocities(),
        write=lambda view, values, worlds: view.set_max_joint_velocities(values, worlds),
    ),
    "joint_efforts": Attribute(
        unit="N·m, N",
        dimension="dofs",
        meaning="efforts of the drives, besides those of the task",
        kind="effort",
        is_zero=True,
        read=lambda view: view.get_applied_joint_efforts(),
        write=lambda view, values, worlds: view.set_joint_efforts(values, worlds),
    ),
}

_LINKS: dict[str, Attribute] = {
    "body_masses": Attribute(
        unit="kg",
        dimension="links",
        meaning="masses of the links; their inertias do not change",
        lowest=SMALLEST_MASS,
        read=lambda view: view.get_body_masses(),
        write=lambda view, values, worlds: view.set_body_masses(values, worlds),
    ),
    "body_inertias": Attribute(
        unit="kg·m²",
        dimension="3 × links",
        meaning="diagonals of the inertia matrices in the link frames",
        lowest=SMALLEST_INERTIA,
        repeats=True,
        read=lambda view: _diagonal(view.get_body_inertias()),
        write=_set_body_inertias,
    ),
}

_LINKS |= {
    "material_properties": Attribute(
        unit="1",
        dimension="3 × links",
        meaning="static friction, dynamic friction and restitution of each link",
        lowest=0.0,
        repeats=True,
        one_friction=_one_friction,
        read=lambda view: view.get_material_properties(),
        write=lambda view, values, worlds: view.set_material_properties(values, worlds),
    ),
    "scale": _SCALE,
}

_TENDONS: dict[str, Attribute] = {
    "tendon_stiffnesses": Attribute(
        unit="N/m",
        dimension="tendons",
        meaning="stiffnesses of the springs of fixed tendons",
        lowest=0.0,
        read=lambda view: view.get_fixed_tendon_stiffnesses(),
        write=lambda view, values, worlds: view.set_fixed_tendon_properties(stiffnesses=values, indices=worlds),
    ),
    "tendon_dampings": Attribute(
        unit="N·s/m",
        dimension="tendons",
        meaning="dampings of fixed tendons",
        lowest=0.0,
        read=lambda view: view.get_fixed_tendon_dampings(),
        write=lambda view, values, worlds: view.set_fixed_tendon_properties(dampings=values, indices=worlds),
    ),
    "tendon_lower_limits": Attribute(
        unit="m",
        dimension="tendons",
        meaning="lower limits of the lengths of fixed tendons, at most the upper ones",
        read=lambda view: view.get_fixed_tendon_limits()[..., 0],
        write=_set_tendon_limit(0),
    ),
    "tendon_upper_limits": Attribute(
        unit="m",
        dimension="tendons",
        meaning="upper limits of the lengths of fixed tendons, at least the lower ones",
        read=lambda view: view.get_fixed_tendon_limits()[..., 1],
        write=_set_tendon_limit(1),
    ),
    "tendon_limit_stiffnesses": Attribute(
        unit="N/m",
        dimension="tendons",
        meaning="stiffnesses of the limits of fixed tendons",
        lowest=SMALLEST_LIMIT_STIFFNESS,
        read=lambda view: view.get_fixed_tendon_limit_stiffnesses(),
        write=lambda view, values, worlds: view.set_fixed_tendon_properties(limit_stiffnesses=values, indices=worlds),
    ),
    "tendon_offsets": Attribute(
        unit="m",
        dimension="tendons",
        meaning="offsets that add to the lengths of fixed tendons",
        is_zero=True,
        read=lambda view: view.get_fixed_tendon_offsets(),
        write=lambda view, values, worlds: view.set_fixed_tendon_properties(offsets=values, indices=worlds),
    ),
    "tendon_rest_lengths": Attribute(
        unit="m",
        dimension="tendons",
        meaning="lengths at which the springs of fixed tendons are at rest",
        read=lambda view: view.get_fixed_tendon_rest_lengths(),
        write=lambda view, values, worlds: view.set_fixed_tendon_properties(rest_lengths=values, indices=worlds),
    ),
}

ATTRIBUTES: Mapping[str, Mapping[str, Attribute]] = {
    "simulation": {
        "gravity": Attribute(
            unit="m/s²",
            dimension="3",
            meaning="acceleration of gravity, in each world",
            read=lambda engine: engine.get_gravity(),
            write=lambda engine, values, worlds: engine.set_gravity(values, worlds),
            note="PhysX: the same in all worlds",
        ),
        **LIGHT,
    },
    "rigid_prim_views": {**_RIGID, **BODY},
    "articulation_views": {**_FRAME, **_JOINTS, **JOINTS, **_LINKS, **LINKS, **_TENDONS},
    "camera_views": CAMERAS,
}
"""Attributes by group, as in ``task.domain_randomization.randomization_params``."""
