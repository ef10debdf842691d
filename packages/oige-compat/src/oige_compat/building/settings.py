"""Settings of the simulation from the parameters of a script."""

import math

from oige_core.config import ActorConfig, DefaultPhysicsMaterialConfig, MujocoConfig, SimConfig
from oige_core.registry import installed_tasks, load_config

from oige_compat.building.world import FirstWorld

__all__ = ["sim_config"]

SOLVER_STEP = 0.005
"""Longest solver step in s of scenes without a robot of OIGE."""


def sim_config(world: FirstWorld) -> SimConfig:
    """Return settings of the simulation: those of the script, and solver settings that fit its robots."""
    dt = float(world.params["dt"])
    names = [name for robot in world.robots.values() for name in robot.tasks]
    packages = {_package(name) for name in names}
    names += [part.task for part in world.parts.values()]
    own = [task.name for task in world.tasks if _package(task.name) in packages]
    solver, step = MujocoConfig(integrator="discrete"), SOLVER_STEP
    if names:
        ours = load_config((own or names)[0]).task.sim
        solver, step = ours.mujoco, ours.dt / ours.substeps
    material = world.params.get("default_physics_material", {})
    static, dynamic, restitution = (
        float(material.get(key, default))
        for key, default in (("static_friction", 1.0), ("dynamic_friction", 1.0), ("restitution", 0.0))
    )
    if static != dynamic or restitution:
        world.session.note(
            f"static_friction={static}, dynamic_friction={dynamic}, restitution={restitution}: the engine has one "
            "friction, the dynamic one, and no restitution."
        )
    actors = {}
    for path, robot in world.robots.items():
        name = "physxArticulation:enabledSelfCollisions"
        found = world.authored(path, name) if robot.file is not None else world.values(path, name)
        collides = any(found.values()) if found or robot.file is not None else True  # the default of PhysX
        actors[world.name_of(path)] = ActorConfig(enable_self_collisions=int(collides))
    return SimConfig(
        dt=dt,
        substeps=max(1, math.ceil(dt / step - 1e-6)),
        gravity=[float(part) for part in world.params["gravity"]],
        default_physics_material=DefaultPhysicsMaterialConfig(static_friction=dynamic, dynamic_friction=dynamic),
        mujoco=solver,
        actors=actors,
    )


def _package(name: str) -> str | None:
    """Return the package of OIGE that has a task, or None."""
    installed = installed_tasks().get(name)
    return None if installed is None else installed.entry_point.module.partition(".")[0]
