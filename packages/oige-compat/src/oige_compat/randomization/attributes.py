"""``omni.replicator.isaac``: names of attributes that scripts randomise."""

__all__ = [
    "ARTICULATION_ATTRIBUTES",
    "RIGID_PRIM_ATTRIBUTES",
    "SIMULATION_CONTEXT_ATTRIBUTES",
    "TENDON_ATTRIBUTES",
]

SIMULATION_CONTEXT_ATTRIBUTES = ["gravity"]

_FRAME = ["position", "orientation", "linear_velocity", "angular_velocity", "velocity"]

RIGID_PRIM_ATTRIBUTES = [
    *_FRAME,
    "force",
    "mass",
    "inertia",
    "material_properties",
    "contact_offset",
    "rest_offset",
]

TENDON_ATTRIBUTES = [
    "tendon_stiffnesses",
    "tendon_dampings",
    "tendon_limit_stiffnesses",
    "tendon_lower_limits",
    "tendon_upper_limits",
    "tendon_rest_lengths",
    "tendon_offsets",
]

ARTICULATION_ATTRIBUTES = [
    "stiffness",
    "damping",
    "joint_friction",
    *_FRAME,
    "joint_positions",
    "joint_velocities",
    "lower_dof_limits",
    "upper_dof_limits",
    "max_efforts",
    "joint_armatures",
    "joint_max_velocities",
    "joint_efforts",
    "body_masses",
    "body_inertias",
    "material_properties",
    *TENDON_ATTRIBUTES,
]
