"""Writes the physics scene of a stage: gravity, solver and the sizes of PhysX's buffers."""

import numpy as np
from pxr import Gf, Sdf, Usd, UsdPhysics

from oige_core.config import SimConfig
from oige_core.engines.isaacsim.usd.prims import set_values

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


def write_physics_scene(sim: SimConfig, stage: Usd.Stage, path: str, *, gpu: bool) -> None:
    """Write the settings of a simulation that concern the whole scene.

    The engine steps physics with its own ``dt``; ``timeStepsPerSecond`` is the nearest whole number.

    Args:
        sim: the ``task.sim`` section.
        stage: the stage.
        path: of the new physics scene.
        gpu: whether physics runs on the GPU.
    """
    scene = UsdPhysics.Scene.Define(stage, path)
    gravity = np.asarray(sim.gravity, dtype=np.float64)
    strength = float(np.linalg.norm(gravity))
    direction = gravity / strength if strength else np.array([0.0, 0.0, -1.0])
    scene.CreateGravityDirectionAttr(Gf.Vec3f(*direction.tolist()))
    scene.CreateGravityMagnitudeAttr(strength)
    prim, physx = scene.GetPrim(), sim.physx
    set_values(
        prim,
        "PhysxSceneAPI",
        {
            "physxScene:solverType": "TGS" if physx.solver_type == 1 else "PGS",
            "physxScene:broadphaseType": "GPU" if gpu else "MBP",
            "physxScene:enableGPUDynamics": gpu,
            "physxScene:bounceThreshold": physx.bounce_threshold_velocity,
            "physxScene:frictionOffsetThreshold": physx.friction_offset_threshold,
            "physxScene:frictionCorrelationDistance": physx.friction_correlation_distance,
            "physxScene:disableSleeping": not physx.enable_sleeping,
            "physxScene:enableStabilization": physx.enable_stabilization,
            "physxScene:enableSceneQuerySupport": sim.enable_scene_query_support,
            # Releases have different defaults. With it, gravity acts in each of TGS's iterations, as other forces do.
            "physxScene:enableExternalForcesEveryIteration": True,
        },
    )
    steps = max(round(sim.substeps / sim.dt), 1)
    prim.CreateAttribute("physxScene:timeStepsPerSecond", _TYPES.UInt, custom=False).Set(steps)
    for key, (name, kind) in _CAPACITIES.items():
        prim.CreateAttribute(f"physxScene:{name}", kind, custom=False).Set(getattr(physx, key))
