"""Code that the rendering tools share: worlds at rest or played by a policy, and a camera.

MuJoCo Warp ray traces the frames on the CPU, so no GL library is needed. The first use compiles the ray tracer, which
takes a while.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch
from oige_core import make_env
from oige_core.engines.mujoco.render.geom_renderer import GeomRenderer
from oige_core.render.appearance import SUN
from oige_train.cli.common import checked_run
from oige_train.config import Run
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy
from oige_train.torch_setup import configure_torch
from PIL import Image

__all__ = ["Clip", "Moment", "Renderer", "View", "play", "run_on_cpu", "save", "stand"]

GAP = 4  # pixels between images that are side by side
EARTH = (0.62, 0.58, 0.5, 1.0)  # colour of height fields

Point = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class View:
    """The camera, and the layout of the images of worlds.

    Attributes:
        camera: position of the camera, in m.
        look_at: point that it looks at, in m.
        fov: its vertical field of view, in degrees.
        size: width and height of an image, in pixels.
        columns, rows: numbers of images side by side.
        places: positions in an image of the worlds that it shows, in m.
        follow: fraction of the robot's displacement along x, y and z that the camera follows; with several robots in an
            image, of their mean displacement.
        ground: render ground planes; their horizon is level with the camera.
        sun: direction in which sunlight travels.
        samples: rays along each axis of a pixel; geoms thinner than a pixel need several.
        inset: show the image that the policy observes in a corner.
    """

    camera: Point
    look_at: Point
    fov: float
    size: tuple[int, int]
    columns: int = 1
    rows: int = 1
    places: Sequence[Point] = ((0.0, 0.0, 0.0),)
    follow: Point = (0.0, 0.0, 0.0)
    ground: bool = True
    sun: Point = SUN
    samples: int = 3
    inset: bool = False

    @property
    def num_images(self) -> int:
        return self.columns * self.rows

    @property
    def worlds(self) -> int:
        return self.num_images * len(self.places)


@dataclass(frozen=True)
class Moment:
    """The state of some worlds.

    Attributes:
        qpos: of the worlds (worlds, nq).
        markers: positions and orientations of kinematic bodies (worlds, nmocap, 7), in m and as w, x, y, z.
        observed: images that the policy observes (worlds, rows, columns, 3), 0 to 255; None if it observes none.
    """

    qpos: np.ndarray
    markers: np.ndarray
    observed: np.ndarray | None = None


@dataclass(frozen=True)
class Clip:
    """States of some worlds over time.

    Attributes:
        model: the simulated model.
        moments: one for each frame.
        interval: between two moments, in s.
    """

    model: mujoco.MjModel
    moments: list[Moment]
    interval: float


def run_on_cpu(overrides: Sequence[str], worlds: int) -> Run:
    """Return the validated run of the given overrides and number of worlds, on the CPU."""
    return checked_run([*overrides, f"num_envs={worlds}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"])


@torch.no_grad()
def play(run: Run, *, start: float, seconds: float, fps: float) -> Clip:
    """Return what the policy of a run, without exploration noise, does.

    Args:
        run: the run; ``test=True`` and a checkpoint are among its overrides.
        start: first moment, in s after the reset.
        seconds: length of the clip; 0 gives one moment.
        fps: frames per second, as nearly as control steps allow.
    """
    configure_torch(run)
    env = make_env(run.config)
    adapter = RlGamesEnv(env, run.config.rl_device)
    policy = load_policy(run, adapter)
    control_dt = run.config.task.sim.dt * run.config.task.env.controlFrequencyInv
    every = max(1, round(1.0 / (fps * control_dt)))
    first = round(start / control_dt)
    frames = max(1, round(seconds / (every * control_dt)))
    engine: Any = env.task.engine
    moments = []
    observations = adapter.reset()["obs"]
    for step in range(first + (frames - 1) * every + 1):
        if step >= first and (step - first) % every == 0:
            qpos, position, orientation = (
                engine.executor.field(name).numpy().copy() for name in ("qpos", "mocap_pos", "mocap_quat")
            )
            images = observations[..., -3:].numpy().copy() if run.spec.images else None
            moments.append(Moment(qpos, np.concatenate([position, orientation], axis=-1), images))
        out, _, done, _ = adapter.step(policy.act(observations, deterministic=True))
        observations = out["obs"]
        policy.reset_hidden_state(done)
    model = engine.compiled.model
    env.close()
    return Clip(model, moments, every * control_dt)


def stand(run: Run) -> Clip:
    """Return the default pose of one world; a robot with a floating base is lowered until it touches the ground."""
    env = make_env(run.config)
    engine: Any = env.task.engine
    model = engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = engine.compiled.qpos
    env.close()
    free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    free = [joint for joint in free if "/" in model.body(model.jnt_bodyid[joint]).name]  # links, not objects
    if free and not model.neq:
        height = model.jnt_qposadr[free[0]] + 2
        low, high = 0.0, data.qpos[height] + 1.0
        while high - low > 1e-4:
            data.qpos[height] = 0.5 * (low + high)
            mujoco.mj_forward(model, data)
            grounded = any(model.geom_bodyid[contact.geom].min() == 0 for contact in data.contact)
            low, high = (data.qpos[height], high) if grounded else (low, data.qpos[height])
    markers = np.concatenate([data.mocap_pos, data.mocap_quat], axis=-1)
    return Clip(model, [Moment(data.qpos[None].copy(), markers[None])], math.inf)


class Renderer:
    """Renders the worlds of one moment.

    Args:
        model: the simulated model.
        view: where they are seen from.
    """

    def __init__(self, model: mujoco.MjModel, view: View) -> None:
        self._view = view
        self._model = model
        self._pose = mujoco.MjData(model)
        self._places = np.array(view.places)
        free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
        self._root = int(model.jnt_qposadr[free[0]]) if any(view.follow) and len(free) else None
        model.geom_rgba[model.geom_type == mujoco.mjtGeom.mjGEOM_HFIELD] = EARTH
        self._renderer = GeomRenderer(
            model,
            self._places,
            num_images=view.num_images,
            size=view.size,
            fov=view.fov,
            samples=view.samples,
            ground=view.ground,
            sun=view.sun,
        )

    def render(self, moment: Moment) -> Image.Image:
        """Return the images, side by side."""
        view, shape = self._view, (self._view.num_images, len(self._places))
        positions, rotations, vertices, roots = [], [], [], []
        for qpos, markers in zip(moment.qpos, moment.markers, strict=True):
            self._pose.qpos[:] = qpos
            self._pose.mocap_pos[:], self._pose.mocap_quat[:] = markers[:, :3], markers[:, 3:]
            mujoco.mj_kinematics(self._model, self._pose)
            mujoco.mj_flex(self._model, self._pose)
            positions.append(self._pose.geom_xpos.copy())
            rotations.append(self._pose.geom_xmat.reshape(-1, 3, 3).copy())
            vertices.append(self._pose.flexvert_xpos.copy())
            roots.append(np.zeros(3) if self._root is None else qpos[self._root : self._root + 3])
        way = view.follow * np.reshape(roots, (*shape, 3)).mean(axis=1)
        geoms = self._model.ngeom
        images = self._renderer.render(
            np.reshape(positions, (*shape, geoms, 3)),
            np.reshape(rotations, (*shape, geoms, 3, 3)),
            view.camera + way,
            view.look_at + way,
            vertices=np.reshape(vertices, (*shape, self._model.nflexvert, 3)),
        )
        width, height = view.size
        size = (view.columns * (width + GAP) - GAP, view.rows * (height + GAP) - GAP)
        grid = Image.new("RGB", size, "white")
        for index, pixels in enumerate(images):
            image = Image.fromarray(pixels)
            if view.inset and moment.observed is not None:
                _put_inset(image, moment.observed[index * len(self._places)])
            row, column = divmod(index, view.columns)
            grid.paste(image, (column * (width + GAP), row * (height + GAP)))
        return grid


def _put_inset(image: Image.Image, observed: np.ndarray) -> None:
    """Paste an image (rows, columns, 3) into the upper right corner of another, at a third of its height."""
    height = image.height // 3
    width = round(height * observed.shape[1] / observed.shape[0])
    inset = Image.new("RGB", (width + 4, height + 4), "white")
    inset.paste(Image.fromarray(observed).resize((width, height)), (2, 2))
    image.paste(inset, (image.width - inset.width, 0))


def save(image: Image.Image, file: Path, **options: Any) -> None:
    """Write an image and print its size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **options)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
