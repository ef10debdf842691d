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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch
from oige_core import make_env
from oige_core.engines.mujoco.raytrace import RayTracer
from oige_train.checkpoint import load_checkpoint
from oige_train.config import Run, finish, run_hydra
from oige_train.learner.environment import RlGamesEnv
from oige_train.play import Policy
from oige_train.runner import prepare
from PIL import Image

GAP = 4
SAMPLES = 4  # per pixel and axis; a pole is thinner than a pixel at one


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


class Renderer:
    """Renders all worlds of one moment, each in a picture of its own.

    Args:
        model: the simulated model.
        view: where they are seen from.
    """

    def __init__(self, model: mujoco.MjModel, view: View) -> None:
        self._view = view
        self._model = model
        self._pose = mujoco.MjData(model)
        free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
        self._root = int(model.jnt_qposadr[free[0]]) if view.follow and len(free) else None
        self._tracer = RayTracer(
            model,
            np.zeros((1, 3)),
            pictures=view.worlds,
            size=view.tile,
            fov=view.fov,
            samples=SAMPLES,
            ground=view.ground,
        )

    def render(self, moment: Moment) -> Image.Image:
        """Return the grid of the worlds."""
        view, geoms = self._view, self._model.ngeom
        positions = np.empty((view.worlds, 1, geoms, 3))
        rotations = np.empty((view.worlds, 1, geoms, 3, 3))
        robots = np.zeros((view.worlds, 3))
        for world in range(view.worlds):
            self._pose.qpos[:] = moment.qpos[world]
            self._pose.mocap_pos[:] = moment.markers[world]
            mujoco.mj_kinematics(self._model, self._pose)
            positions[world, 0] = self._pose.geom_xpos
            rotations[world, 0] = self._pose.geom_xmat.reshape(-1, 3, 3)
            if self._root is not None:
                robots[world, :2] = moment.qpos[world, self._root : self._root + 2]
        tiles = self._tracer.render(positions, rotations, view.camera + robots, view.look_at + robots)
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
