"""Make the pictures of the documentation: a trained policy that plays a task, or a robot in its default pose.

    uv run python tools/picture.py task=Cartpole checkpoint=<file> [key=value …] [--out docs/images/cartpole.png]
    uv run python tools/picture.py task=Ant --default-pose --out docs/images/ant.png --look-at 0 0 0.25

With a checkpoint, writes a still of a few worlds side by side to ``--out`` and an animation next to it, as WebP; the
policy acts deterministically, and ``--follow`` keeps running robots in the picture. With ``--default-pose``, writes a
still of one robot that stands on the ground. Frames are ray traced on the CPU by MuJoCo Warp, so no GL library is
needed; compiling the ray tracer takes a while the first time.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp
from oige_core import make_env
from oige_train.checkpoint import load_checkpoint
from oige_train.config import Run, finish, run_hydra
from oige_train.learner.environment import RlGamesEnv
from oige_train.play import Policy
from oige_train.runner import prepare
from PIL import Image

GAP = 4
SAMPLES = 4  # per pixel and axis; a pole is thinner than a pixel at one

BACKGROUND = (0.93, 0.95, 0.98)
HIDDEN_GROUP = 3  # of geoms; not drawn


@dataclass(frozen=True)
class View:
    """Where worlds are seen from, and how their pictures are laid out.

    Attributes:
        camera: where the camera is, in m.
        look_at: what it looks at, in m.
        fov: its vertical angle, in degrees.
        follow: both move horizontally with the robot.
        ground: draw the ground; its horizon is level with the camera.
        columns, rows: pictures of worlds side by side.
        tile: width and height of each, in pixels.
    """

    camera: tuple[float, float, float]
    look_at: tuple[float, float, float]
    fov: float
    follow: bool
    ground: bool
    columns: int
    rows: int
    tile: tuple[int, int]

    @property
    def worlds(self) -> int:
        return self.columns * self.rows


@dataclass(frozen=True)
class Moment:
    """Where everything is.

    Attributes:
        qpos: of the worlds (worlds, nq).
        markers: positions of kinematic bodies (worlds, nmocap, 3), in m.
    """

    qpos: np.ndarray
    markers: np.ndarray


def play(run: Run, steps: int, every: int) -> tuple[mujoco.MjModel, list[Moment]]:
    """Return the simulated model and every ``every``-th step from the reset on."""
    prepare(run)
    env = make_env(run.config)
    adapter = RlGamesEnv(env, run.config.rl_device)
    policy = Policy(run, adapter.get_env_info(), run.config.rl_device, env.num_envs)
    assert run.checkpoint is not None
    policy.load(load_checkpoint(run.checkpoint, run.config.rl_device))
    engine: Any = env.task.engine
    frames = []
    observations = adapter.reset()["obs"]
    for step in range(steps):
        if step % every == 0:
            qpos, markers = (engine.executor.field(name).cpu().numpy().copy() for name in ("qpos", "mocap_pos"))
            frames.append(Moment(qpos, markers))
        out, _, done, _ = adapter.step(policy.act(observations, deterministic=True))
        observations = out["obs"]
        policy.forget(done)
    model = engine.compiled.model
    env.close()
    return model, frames


def stand(run: Run) -> tuple[mujoco.MjModel, list[Moment]]:
    """Return the simulated model and its default pose; what nothing holds is lowered until it touches the ground."""
    env = make_env(run.config)
    engine: Any = env.task.engine
    model = engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = engine.compiled.qpos
    env.close()
    free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    if len(free) and not model.neq:
        height = model.jnt_qposadr[free[0]] + 2
        low, high = 0.0, data.qpos[height] + 1.0
        while high - low > 1e-4:
            data.qpos[height] = 0.5 * (low + high)
            mujoco.mj_forward(model, data)
            grounded = any(model.geom_bodyid[contact.geom].min() == 0 for contact in data.contact)
            low, high = (data.qpos[height], high) if grounded else (low, data.qpos[height])
    return model, [Moment(data.qpos[None].copy(), data.mocap_pos[None].copy())]


def add_camera(spec: mujoco.MjSpec, position: Sequence[float], look_at: Sequence[float], fov: float) -> None:
    """Add a camera at ``position`` (m) that looks at a point (m), upright; ``fov`` is its vertical angle in degrees."""
    back = np.subtract(position, look_at)
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    orientation = np.empty(4)
    mujoco.mju_mat2Quat(orientation, np.stack([right, np.cross(back, right), back], axis=1).ravel())
    spec.worldbody.add_camera(name="picture", pos=position, quat=orientation, fovy=fov)


def stage(model: mujoco.MjModel, view: View) -> mujoco.MjModel:
    """Return a model of the same geoms, in the same order, with a camera and lights.

    A compiled model takes no camera; where the geoms are is written into the data of this one instead.
    """
    spec = mujoco.MjSpec()
    add_camera(spec, view.camera, view.look_at, view.fov)
    spec.worldbody.add_light(
        pos=[4.0, -2.0, 8.0],
        dir=[-0.5, 0.25, -0.8],
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        diffuse=[0.45, 0.45, 0.45],
        specular=[0.1, 0.1, 0.1],
        castshadow=True,
    )
    spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
    spec.visual.headlight.diffuse = [0.4, 0.4, 0.4]
    spec.visual.headlight.specular = [0.05, 0.05, 0.05]
    for geom in range(model.ngeom):
        kind = mujoco.mjtGeom(int(model.geom_type[geom]))
        if kind in (mujoco.mjtGeom.mjGEOM_MESH, mujoco.mjtGeom.mjGEOM_HFIELD):
            sys.exit(f"geom {geom}: {kind.name} is not drawn; only primitive shapes are.")
        drawn = spec.worldbody.add_body().add_geom(
            type=kind, size=model.geom_size[geom], rgba=model.geom_rgba[geom], mass=1.0
        )
        # Shapes of this group and above only collide. The horizon of a plane would cut through a pole.
        is_plane = kind == mujoco.mjtGeom.mjGEOM_PLANE
        if model.geom_group[geom] >= HIDDEN_GROUP or (is_plane and not view.ground):
            drawn.group = HIDDEN_GROUP
    return spec.compile()


class Renderer:
    """Renders all worlds of one moment.

    Args:
        model: the simulated model.
        view: where they are seen from.
    """

    def __init__(self, model: mujoco.MjModel, view: View) -> None:
        self._view = view
        self._simulated = model
        self._pose = mujoco.MjData(model)
        self._moving = model.geom_bodyid > 0
        free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
        self._root = int(model.jnt_qposadr[free[0]]) if view.follow and len(free) else None
        staged = stage(model, view)
        data = mujoco.MjData(staged)
        mujoco.mj_forward(staged, data)
        self._model = mjw.put_model(staged)
        self._data = mjw.put_data(staged, data, nworld=view.worlds)
        self._context = mjw.create_render_context(
            staged,
            nworld=view.worlds,
            cam_res=view.tile,
            render_rgb=True,
            use_shadows=True,
            samples_per_pixel=SAMPLES,
            background_color=(*BACKGROUND, 1.0),
        )
        self._rgb: Any = wp.zeros((view.worlds, view.tile[1], view.tile[0]), dtype=wp.vec3)

    def render(self, moment: Moment) -> Image.Image:
        """Return the grid of the worlds."""
        view, geoms = self._view, self._simulated.ngeom
        positions = np.empty((view.worlds, geoms, 3), np.float32)
        rotations = np.empty((view.worlds, geoms, 3, 3), np.float32)
        for world in range(view.worlds):
            self._pose.qpos[:] = moment.qpos[world]
            self._pose.mocap_pos[:] = moment.markers[world]
            mujoco.mj_kinematics(self._simulated, self._pose)
            positions[world] = self._pose.geom_xpos
            rotations[world] = self._pose.geom_xmat.reshape(-1, 3, 3)
            if self._root is not None:  # the world moves in place of the camera
                positions[world, self._moving, :2] -= moment.qpos[world, self._root : self._root + 2].astype(np.float32)
        self._data.geom_xpos.assign(positions)
        self._data.geom_xmat.assign(rotations)
        mjw.refit_bvh(self._model, self._data, self._context)
        mjw.render(self._model, self._data, self._context)
        mjw.get_rgb(self._context, 0, self._rgb)
        tiles = np.rint(self._rgb.numpy() * 255.0).astype(np.uint8)
        width, height = view.tile
        size = (view.columns * (width + GAP) - GAP, view.rows * (height + GAP) - GAP)
        grid = Image.new("RGB", size, "white")
        for world, tile in enumerate(tiles):
            row, column = divmod(world, view.columns)
            grid.paste(Image.fromarray(tile), (column * (width + GAP), row * (height + GAP)))
        return grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/cartpole.png"), help="the still")
    parser.add_argument("--default-pose", action="store_true", help="a robot as it starts, in place of a policy")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of the animation")
    parser.add_argument("--fps", type=float, default=20.0, help="frames per second of the animation")
    parser.add_argument("--still", type=float, default=0.1, help="moment of the still, in seconds")
    parser.add_argument("--still-only", action="store_true", help="make no animation")
    # The defaults show Cartpole, from the side of the cart where the pole hangs.
    parser.add_argument("--camera", type=float, nargs=3, default=(6.0, 0.8, 3.0), help="position, in m")
    parser.add_argument("--look-at", type=float, nargs=3, default=(0.0, 0.0, 2.4), help="point looked at, in m")
    parser.add_argument("--fov", type=float, default=17.5, help="vertical angle of the camera, in degrees")
    parser.add_argument("--follow", action="store_true", help="move the camera with the robot")
    parser.add_argument("--ground", action="store_true", help="draw the ground")
    parser.add_argument("--grid", type=int, nargs=2, default=(3, 2), help="columns and rows of worlds")
    parser.add_argument("--tile", type=int, nargs=2, default=(300, 180), help="size of each picture, in pixels")
    options, words = parser.parse_known_args()
    if not options.default_pose and not any(word.startswith("checkpoint=") for word in words):
        parser.error("a policy is needed; add checkpoint=<file>, or --default-pose")
    view = View(
        camera=tuple(options.camera),
        look_at=tuple(options.look_at),
        fov=options.fov,
        follow=options.follow,
        ground=options.ground or options.default_pose,
        columns=1 if options.default_pose else options.grid[0],
        rows=1 if options.default_pose else options.grid[1],
        tile=tuple(options.tile),
    )

    runs: list[Run] = []
    fixed = [f"num_envs={view.worlds}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    fixed += [] if options.default_pose else ["test=True"]
    run_hydra([*words, *fixed], lambda cfg, overridden: runs.append(finish(cfg, overridden)))
    run = runs[0]

    task = run.config.task
    control_dt = task.sim.dt * task.env.controlFrequencyInv
    every = max(1, round(1.0 / (options.fps * control_dt)))
    if options.default_pose:
        model, frames = stand(run)
    else:
        with torch.no_grad():
            model, frames = play(run, math.ceil(options.seconds / control_dt), every)

    options.out.parent.mkdir(parents=True, exist_ok=True)
    with wp.ScopedDevice("cpu"):
        renderer = Renderer(model, view)
        chosen = min(len(frames) - 1, round(options.still / (every * control_dt)))
        save(renderer.render(frames[chosen]), options.out, optimize=True)
        if len(frames) > 1 and not options.still_only:
            images = [renderer.render(moment) for moment in frames]
            save(
                images[0],
                options.out.with_suffix(".webp"),
                save_all=True,
                append_images=images[1:],
                duration=round(1000 * every * control_dt),
                loop=0,
                quality=70,
                method=6,
            )


def save(image: Image.Image, file: Path, **options: Any) -> None:
    image.save(file, **options)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
