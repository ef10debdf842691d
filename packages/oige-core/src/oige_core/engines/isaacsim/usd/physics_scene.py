"""Writes the physics scene of a stage: gravity, solver and the sizes of PhysX's buffers."""

import numpy as np
from pxr import Gf, Sdf, Usd, UsdPhysics

from oige_core.config import SimConfig
from oige_core.engines.isaacsim.usd.stage import apply_schema, set_attribute

__all__ = ["write_physics_scene"]

_TYPES = Sdf.ValueTypeNames

_CAPACITIES = {
    "gpu_max_rigid_contact_count": ("gpuMaxRigidContactCount", _TYPES.UInt),
    "gpu_max_rigid_patch_count": ("gpuMaxRigidPatchCount", _TYPES.UInt),
    "gpu_found_lost_pairs_capacity": ("gpuFoundLostPairsCapacity", _TYPES.UInt),
    "gpu_found_lost_aggregate_pairs_capacity": ("gpuFoundLostAggregatePairsCapacity", _TYPES.UInt),
    "gpu_total_aggregate_pairs_capacity": ("gpuTotalAggregatePairsCapacity", _TYPES.UInt),
    "gpu_max_soft_body_contacts": ("gpuMaxSoftBodyContacts", _TYPES.UInt),
    "gpu_max_particle_contacts": ("gpuMaxParticleContacts", _TYPES.UInt),
    "gpu_heap_capacity": ("gpuHeapCapacity", _TYPES.UInt),
    "gpu_temp_buffer_capacity": ("gpuTempBufferCapacity", _TYPES.UInt64),
    "gpu_max_num_partitions": ("gpuMaxNumPartitions", _TYPES.UInt),
    "gpu_collision_stack_size": ("gpuCollisionStackSize", _TYPES.UInt),
}
"""Attributes of ``PhysxSceneAPI`` by key of ``task.sim.physx``."""


def write_physics_scene(sim: SimConfig, stage: Usd.Stage, path: str) -> None:
    """Write the settings of a simulation that concern the whole scene.

    The engine steps physics with its own ``dt``; ``timeStepsPerSecond`` is the nearest whole number.

    Args:
        sim: the ``task.sim`` section.
        stage: the stage.
        path: of the new physics scene.
    """
    scene = UsdPhysics.Scene.Define(stage, path)
    gravity = np.asarray(sim.gravity, dtype=np.float64)
    strength = float(np.linalg.norm(gravity))
    direction = gravity / strength if strength else np.array([0.0, 0.0, -1.0])
    scene.CreateGravityDirectionAttr(Gf.Vec3f(*direction.tolist()))
    scene.CreateGravityMagnitudeAttr(strength)
    prim, physx = scene.GetPrim(), sim.physx
    apply_schema(prim, "PhysxSceneAPI")
    gpu = physx.use_gpu or sim.use_gpu_pipeline
    for name, kind, value in (
        ("solverType", _TYPES.Token, "TGS" if physx.solver_type == 1 else "PGS"),
        ("broadphaseType", _TYPES.Token, "GPU" if gpu else "MBP"),
        ("enableGPUDynamics", _TYPES.Bool, gpu),
        ("bounceThreshold", _TYPES.Float, physx.bounce_threshold_velocity),
        ("frictionOffsetThreshold", _TYPES.Float, physx.friction_offset_threshold),
        ("frictionCorrelationDistance", _TYPES.Float, physx.friction_correlation_distance),
        ("disableSleeping", _TYPES.Bool, not physx.enable_sleeping),
        ("enableStabilization", _TYPES.Bool, physx.enable_stabilization),
        ("enableSceneQuerySupport", _TYPES.Bool, sim.enable_scene_query_support),
        ("timeStepsPerSecond", _TYPES.UInt, max(round(sim.substeps / sim.dt), 1)),
        *((name, kind, getattr(physx, key)) for key, (name, kind) in _CAPACITIES.items()),
    ):
        set_attribute(prim, f"physxScene:{name}", kind, value)
