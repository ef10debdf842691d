"""What the contract of an exported policy says about robots: joints, limits, gains; and their model as MJCF."""

from pathlib import Path
from typing import Any

import torch
from oige_core.errors import OigeError
from oige_core.tasks import Task

__all__ = ["MODES", "articulation_views", "describe_robots", "finite", "write_model"]

#: What a joint's drive does, depending on its gains.
MODES = {(True, True): "position", (True, False): "position", (False, True): "velocity", (False, False): "effort"}

#: Effort limit, in N·m or N, that stands for zero, which MuJoCo's compiler does not accept.
NO_EFFORT = 1e-6


def articulation_views(task: Task[Any]) -> list[Any]:
    """Return the views of a task's articulations, in the order in which its scene has them."""
    views = {id(view): view for view in vars(task).values() if hasattr(view, "get_gains")}
    return list(views.values())


def _embed_mesh(model: Any, mesh: Any) -> None:
    """Replace the file of a mesh by its vertices, which the compiled model has relative to the centre of mass."""
    import mujoco
    import numpy as np

    compiled = model.mesh(mesh.name)
    first, count = int(compiled.vertadr[0]), int(compiled.vertnum[0])
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[compiled.id])
    vertices = model.mesh_vert[first : first + count] @ rotation.reshape(3, 3).T + model.mesh_pos[compiled.id]
    first, count = int(compiled.faceadr[0]), int(compiled.facenum[0])
    mesh.file = ""
    mesh.scale = [1.0, 1.0, 1.0]
    mesh.uservert = vertices.flatten()
    mesh.userface = model.mesh_face[first : first + count].flatten()


def finite(value: float) -> float | None:
    """Return a number, or None if it is infinite or stands for it, which JSON does not have."""
    return float(value) if abs(value) < 1e20 else None


def describe_robots(task: Task[Any]) -> list[dict[str, Any]]:
    """Return each articulation of a task as plain values, from the first world after a reset.

    Joints have their name, the default position (rad or m), limits, stiffness (N·m/rad or N/m), damping (N·m·s/rad or
    N·s/m), the largest effort (N·m or N) and velocity of their drives, and ``mode``: whether the task drives them
    by position, velocity or effort.
    """
    robots = []
    for view in articulation_views(task):
        world = torch.zeros(1, dtype=torch.int64, device=task.device)
        stiffness, damping = (gains[0] for gains in view.get_gains(world))
        limits = view.get_dof_limits()[0]
        position, orientation = (pose[0].tolist() for pose in view.get_world_poses(world))
        joints = [
            {
                "name": name,
                "default_position": float(view.get_joint_positions(world)[0, index]),
                "lower_limit": finite(limits[index, 0].item()),
                "upper_limit": finite(limits[index, 1].item()),
                "mode": MODES[bool(stiffness[index] > 0), bool(damping[index] > 0)],
                "stiffness": float(stiffness[index]),
                "damping": float(damping[index]),
                "max_effort": finite(view.get_max_efforts(world)[0, index].item()),
                "max_velocity": finite(view.get_joint_max_velocities(world)[0, index].item()),
                "armature": float(view.get_armatures(world)[0, index]),
            }
            for index, name in enumerate(view.dof_names)
        ]
        robots.append(
            {
                "name": view.name,
                "links": list(view.body_names),
                "start_position": position,
                "start_orientation": orientation,
                "joints": joints,
            }
        )
    return robots


def write_model(task: Task[Any], file: Path) -> None:
    """Write the world of a task as one MJCF file, which plain MuJoCo loads.

    Actuators are named as the joints, with the articulation's name before, and have the drives' gains: ``ctrl`` is the
    position target of a joint with stiffness, the velocity target of one with only damping, and else the effort. The
    keyframe ``start`` is the state after a reset without noise.

    Args:
        task: a task on the embedded engine.
        file: the file.

    Raises:
        OigeError: the engine has no MJCF, or MuJoCo cannot write the scene.
    """
    import mujoco
    import numpy as np

    compiled = getattr(task.engine, "compiled", None)
    if compiled is None:
        raise OigeError(f"model: {task.engine.name} has no MJCF; leave the model out with model=False.")
    spec = compiled.spec.copy()
    model = compiled.model
    for actuator in spec.actuators:
        index = model.actuator(actuator.name).id
        _, stiffness, damping = -model.actuator_biasprm[index, :3]
        actuator.gainprm[0] = stiffness or damping or 1.0
        limit = max(float(model.actuator_forcerange[index, 1]), NO_EFFORT)
        actuator.forcerange = [-limit, limit]
    for mesh in spec.meshes:
        if mesh.file:
            _embed_mesh(model, mesh)
    qpos = compiled.qpos
    ctrl = np.zeros(model.nu)
    for index in range(model.nu):
        if model.actuator_biasprm[index, 1] < 0:
            ctrl[index] = qpos[model.jnt_qposadr[model.actuator_trnid[index, 0]]]
    spec.add_key(name="start", qpos=qpos, ctrl=ctrl)
    try:
        spec.compile()
        file.write_text(spec.to_xml(), encoding="utf-8")
        again = mujoco.MjModel.from_xml_path(str(file))
    except ValueError as error:
        raise OigeError(
            f"model: MuJoCo cannot write the scene as one MJCF file ({str(error).splitlines()[0]}); leave it out with "
            "model=False."
        ) from error
    for name in ("nq", "nv", "nu", "nbody", "ngeom"):
        found, expected = getattr(again, name), getattr(model, name)
        if found != expected:
            raise OigeError(
                f"model: the MJCF file has {name} = {found}, and the scene {expected}; leave it out with model=False."
            )
