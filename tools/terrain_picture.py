"""Make the pictures of AnymalTerrain: the whole map, and robots on it.

    uv run python tools/terrain_picture.py [checkpoint=<file>] [key=value …]

Writes docs/images/terrain.png and docs/images/anymal_terrain.png. With a checkpoint, its policy has walked for three
seconds; without one, robots stand where they start. Frames are ray traced on the CPU by MuJoCo Warp; compiling the ray
tracer takes a while the first time.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp
from oige_core import make_env
from oige_train.config import Run, finish, run_hydra
from picture import BACKGROUND, HIDDEN_GROUP, SAMPLES, add_camera, play, save
from PIL import Image

ROBOTS = 200  # one for each tile
SECONDS = 3.0
EARTH = (0.62, 0.58, 0.5, 1.0)


@dataclass(frozen=True)
class Shot:
    """A picture: its name, its size in pixels, camera, point looked at (m), vertical angle (degrees)."""

    name: str
    size: tuple[int, int]
    camera: tuple[float, float, float]
    look_at: tuple[float, float, float]
    fov: float


# In the first picture, levels rise towards the camera, and types follow from left to right.
SHOTS = (
    Shot("terrain", (1200, 480), (120.0, 0.0, 80.0), (4.0, 0.0, 0.0), 34.0),
    Shot("anymal_terrain", (1200, 560), (-8.0, -19.0, 5.2), (1.0, -9.0, 0.0), 34.0),
)


def still(run: Run) -> tuple[mujoco.MjModel, np.ndarray]:
    """Return the simulated model and ``qpos`` (worlds, nq) of robots that hold their default pose for a second."""
    env = make_env(run.config)
    task: Any = env.task
    env.reset(seed=1)
    positions, _ = task.anymals.get_world_poses()
    positions[:, :2] = task.tile_origins[task.terrain_levels, task.terrain_types, :2]
    task.anymals.set_world_poses(positions)
    task.anymals.set_joint_positions(task.default_positions.repeat(env.num_envs, 1))
    for _ in range(50):
        env.step(torch.zeros(env.num_envs, 12))
    model = task.engine.compiled.model
    qpos = task.engine.executor.field("qpos").numpy().copy()
    env.close()
    return model, qpos


def stage(model: mujoco.MjModel, qpos: np.ndarray, shot: Shot) -> mujoco.MjModel:
    """Return a model of the ground, the robots of all worlds at ``qpos``, a camera and a low sun."""
    spec = mujoco.MjSpec()
    add_camera(spec, shot.camera, shot.look_at, shot.fov)
    spec.worldbody.add_light(
        dir=[0.75, 0.25, -0.55],
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        diffuse=[0.75, 0.72, 0.66],
        specular=[0.05, 0.05, 0.05],
        castshadow=True,
    )
    spec.visual.headlight.ambient = [0.3, 0.31, 0.34]
    spec.visual.headlight.diffuse = [0.15, 0.15, 0.15]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    field = int(np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_HFIELD)[0])
    heights = int(model.geom_dataid[field])
    spec.add_hfield(
        name="ground",
        nrow=model.hfield_nrow[heights],
        ncol=model.hfield_ncol[heights],
        size=model.hfield_size[heights],
        userdata=model.hfield_data,
    )
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=model.geom_pos[field], rgba=EARTH
    )
    pose = mujoco.MjData(model)
    drawn = [geom for geom in range(model.ngeom) if geom != field and model.geom_group[geom] != HIDDEN_GROUP]
    for state in qpos:
        pose.qpos[:] = state
        mujoco.mj_kinematics(model, pose)
        for geom in drawn:
            rotation = np.empty(4)
            mujoco.mju_mat2Quat(rotation, pose.geom_xmat[geom])
            spec.worldbody.add_geom(
                type=mujoco.mjtGeom(int(model.geom_type[geom])),
                size=model.geom_size[geom],
                pos=pose.geom_xpos[geom],
                quat=rotation,
                rgba=model.geom_rgba[geom],
            )
    return spec.compile()


def render(model: mujoco.MjModel, shot: Shot) -> Image.Image:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    on_device = mjw.put_model(model), mjw.put_data(model, data)
    context = mjw.create_render_context(
        model,
        cam_res=shot.size,
        render_rgb=True,
        use_shadows=True,
        samples_per_pixel=SAMPLES,
        background_color=(*BACKGROUND, 1.0),
    )
    rgb: Any = wp.zeros((1, shot.size[1], shot.size[0]), dtype=wp.vec3)
    mjw.refit_bvh(*on_device, context)
    mjw.render(*on_device, context)
    mjw.get_rgb(context, 0, rgb)
    return Image.fromarray(np.rint(rgb.numpy()[0] * 255.0).astype(np.uint8))


def main() -> None:
    words = sys.argv[1:]
    runs: list[Run] = []
    trained = any(word.startswith("checkpoint=") for word in words)
    fixed = [f"num_envs={ROBOTS}", f"test={trained}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    fixed += ["task=AnymalTerrain", "task.env.terrain.maxInitMapLevel=9", "task.env.learn.pushRobots=False"]
    run_hydra([*words, *fixed], lambda cfg, overridden: runs.append(finish(cfg, overridden)))
    if trained:
        with torch.no_grad():
            model, frames = play(runs[0], round(SECONDS / 0.02) + 1, every=round(SECONDS / 0.02))
        qpos = frames[-1].qpos
    else:
        model, qpos = still(runs[0])
    with wp.ScopedDevice("cpu"):
        for shot in SHOTS:
            save(render(stage(model, qpos, shot), shot), Path("docs/images") / f"{shot.name}.png", optimize=True)


if __name__ == "__main__":
    main()
