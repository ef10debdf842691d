"""Pictures of several worlds as one camera sees them."""

from typing import TYPE_CHECKING

import numpy as np

from oige_core.drawing import CAMERA_DIRECTION, Camera, robot_radius
from oige_core.engines.mujoco.drawing import MujocoDrawing, kinematics
from oige_core.engines.mujoco.raytrace import RayTracer

if TYPE_CHECKING:
    from oige_core.engines.mujoco.engine import MujocoEngine

__all__ = ["MujocoFilm"]

DISTANCE = 4.0  # of a camera that follows a robot, in radii of the robot
CALM = 0.1  # of the way to the robot's height that the camera rises or sinks between two pictures
JUMP = 1.0  # m; a robot that rises or sinks by more was moved, and the camera with it


class MujocoFilm:
    """See :class:`~oige_core.drawing.Film`; MuJoCo Warp traces the rays, on the device of the simulation.

    Args:
        engine: a built engine.
        camera: where worlds are seen from.
        offsets: ``(n, 3)`` places of the first n worlds, in metres.
    """

    def __init__(self, engine: "MujocoEngine", camera: Camera, offsets: np.ndarray) -> None:
        self._engine = engine
        self._offsets = offsets
        self._camera = camera
        self._drawing = MujocoDrawing(engine)
        self._middle = int(np.linalg.norm(offsets - offsets.mean(axis=0), axis=1).argmin())
        self._height: float | None = None
        self._tracer = RayTracer(
            engine.compiled.model, offsets, size=camera.size, fov=camera.fov, device=str(engine.device)
        )

    def shoot(self) -> np.ndarray:
        """See :class:`~oige_core.drawing.Film`."""
        poses = [
            (data.geom_xpos.copy(), data.geom_xmat.reshape(-1, 3, 3).copy())
            for data in kinematics(self._engine, range(len(self._offsets)))
        ]
        positions, rotations = (np.stack(values)[None] for values in zip(*poses, strict=True))
        return self._tracer.render(positions, rotations, *self._aim())[0]

    def _aim(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where the camera is and what it looks at, in metres."""
        if self._camera.position is not None:
            return np.array(self._camera.position), np.array(self._camera.target)
        positions = self._drawing.poses([self._middle])[0][0]
        target = self._offsets[self._middle].astype(np.float64)
        if self._drawing.robot:
            target += positions[self._drawing.robot[0]]
        if self._height is not None and abs(target[2] - self._height) < JUMP:
            target[2] = self._height + CALM * (target[2] - self._height)
        self._height = float(target[2])
        return target + DISTANCE * robot_radius(self._drawing, positions) * CAMERA_DIRECTION, target
