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
import numpy as np
import torch
from oige_core import make_env
from oige_core.engines.mujoco.raytrace import RayTracer
from oige_train.config import Run, finish, run_hydra
from picture import SAMPLES, play, save
from PIL import Image

EARTH = (0.62, 0.58, 0.5, 1.0)
LOW_SUN = (0.75, 0.25, -0.55)
ROBOTS = 200  # one for each tile
SECONDS = 3.0


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


def render(model: mujoco.MjModel, qpos: np.ndarray, shot: Shot) -> Image.Image:
    """Return a picture of the ground and the robots of all worlds at ``qpos`` (worlds, nq)."""
    model.geom_rgba[model.geom_type == mujoco.mjtGeom.mjGEOM_HFIELD] = EARTH
    tracer = RayTracer(model, np.zeros((len(qpos), 3)), size=shot.size, fov=shot.fov, samples=SAMPLES, sun=LOW_SUN)
    pose = mujoco.MjData(model)
    positions = np.empty((1, len(qpos), model.ngeom, 3))
    rotations = np.empty((1, len(qpos), model.ngeom, 3, 3))
    for world, state in enumerate(qpos):
        pose.qpos[:] = state
        mujoco.mj_kinematics(model, pose)
        positions[0, world] = pose.geom_xpos
        rotations[0, world] = pose.geom_xmat.reshape(-1, 3, 3)
    return Image.fromarray(tracer.render(positions, rotations, np.array(shot.camera), np.array(shot.look_at))[0])


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
    for shot in SHOTS:
        save(render(model, qpos, shot), Path("docs/images") / f"{shot.name}.png", optimize=True)


if __name__ == "__main__":
    main()
