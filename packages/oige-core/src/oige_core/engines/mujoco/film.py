"""Pictures of worlds: several as one camera sees them, or each by a camera of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from oige_core.drawing import Camera, robot_radius
from oige_core.engines.mujoco.drawing import MujocoDrawing, kinematics
from oige_core.engines.mujoco.raytrace import RayTracer
from oige_core.look import ChaseTarget, camera_position, middle_world

if TYPE_CHECKING:
    from oige_core.engines.mujoco.engine import MujocoEngine

__all__ = ["MujocoFilm", "MujocoWorldFilms"]


class MujocoFilm:
    """See :class:`~oige_core.drawing.Film`; MuJoCo Warp traces the rays, on the device of the simulation.

    Args:
        engine: a built engine.
        camera: where worlds are seen from.
        offsets: ``(n, 3)`` places of the first n worlds, in metres.
    """

    def __init__(self, engine: "MujocoEngine", camera: Camera, offsets: np.ndarray) -> None:
        self._engine = engine
        self._worlds = range(len(offsets))
        middle = middle_world(offsets)
        self._aim = _Aim(engine, camera, [middle], offsets[[middle]])
        self._tracer = RayTracer(
            engine.compiled.model, offsets, size=camera.size, fov=camera.fov, device=str(engine.device)
        )

    def shoot(self) -> np.ndarray:
        """See :class:`~oige_core.drawing.Film`."""
        positions, rotations = _geom_poses(self._engine, self._worlds)
        return self._tracer.render(positions[None], rotations[None], *self._aim.take())[0]


class MujocoWorldFilms:
    """See :class:`~oige_core.drawing.WorldFilms`; MuJoCo Warp traces the rays, on the device of the simulation.

    Args:
        engine: a built engine.
        camera: where each world is seen from.
    """

    def __init__(self, engine: "MujocoEngine", camera: Camera) -> None:
        self._engine = engine
        self._worlds = range(engine.num_envs)
        self._aim = _Aim(engine, camera, self._worlds, np.zeros((engine.num_envs, 3)))
        self._tracer = RayTracer(
            engine.compiled.model,
            np.zeros((1, 3)),
            pictures=engine.num_envs,
            size=camera.size,
            fov=camera.fov,
            device=str(engine.device),
        )

    def shoot(self) -> np.ndarray:
        """See :class:`~oige_core.drawing.WorldFilms`."""
        positions, rotations = _geom_poses(self._engine, self._worlds)
        return self._tracer.render(positions[:, None], rotations[:, None], *self._aim.take())


class _Aim:
    """Cameras that stand still, or each follow the robot of a world.

    Args:
        engine: a built engine.
        camera: what they all are.
        worlds: which worlds they follow.
        offsets: ``(n, 3)`` places of these worlds, in metres.
    """

    def __init__(self, engine: "MujocoEngine", camera: Camera, worlds: Sequence[int], offsets: np.ndarray) -> None:
        self._camera = camera
        self._worlds = worlds
        self._offsets = offsets
        self._drawing = MujocoDrawing(engine)
        self._chase = ChaseTarget()

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where the cameras are and what they look at, ``(n, 3)`` or ``(3,)``, in metres."""
        if self._camera.position is not None:
            return np.array(self._camera.position), np.array(self._camera.target)
        positions = self._drawing.poses(self._worlds)[0]
        roots = self._offsets.astype(np.float64)
        if self._drawing.robot:
            roots += positions[:, self._drawing.robot[0]]
        targets = self._chase.update(roots)
        radii = np.array([robot_radius(self._drawing, bodies) for bodies in positions])
        return camera_position(targets, radii), targets


def _geom_poses(engine: "MujocoEngine", worlds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return positions ``(n, ngeom, 3)`` in metres and rotations ``(n, ngeom, 3, 3)`` of geoms in their worlds."""
    poses = [(data.geom_xpos.copy(), data.geom_xmat.reshape(-1, 3, 3).copy()) for data in kinematics(engine, worlds)]
    positions, rotations = (np.stack(values) for values in zip(*poses, strict=True))
    return positions, rotations
