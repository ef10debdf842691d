"""Images of worlds without a screen: one that shows several worlds, or one for each world."""

from collections.abc import Sequence

import numpy as np

from oige_core.engines.mujoco.render.geom_renderer import GeomRenderer
from oige_core.engines.mujoco.render.geometry import MujocoSceneGeometry
from oige_core.engines.mujoco.render.geoms import geom_poses
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.render.camera import Camera, ChaseTarget, chase_position, middle_world
from oige_core.render.geometry import robot_radius

__all__ = ["MujocoRenderer"]


class MujocoRenderer:
    """See :class:`~oige_core.render.OffscreenRenderer`; MuJoCo Warp traces the rays on the device of the simulation.

    Args:
        worlds: the built worlds.
        camera: the camera of each image.
        offsets: ``(n, 3)`` positions of the first n worlds in the one image that shows them, in metres; None: one image
            for each world.
    """

    def __init__(self, worlds: Worlds, camera: Camera, offsets: np.ndarray | None = None) -> None:
        self._worlds = worlds
        num_images = worlds.num_envs if offsets is None else 1
        if offsets is None:
            self._numbers = followed = range(worlds.num_envs)
            offsets = np.zeros((1, 3))
            positions = np.zeros((worlds.num_envs, 3))
        else:
            self._numbers, followed = range(len(offsets)), [middle_world(offsets)]
            positions = offsets[followed]
        self._aim = _Aim(worlds, camera, followed, positions)
        self._shape = num_images, len(offsets)
        self._renderer = GeomRenderer(
            worlds.compiled.model,
            offsets,
            num_images=num_images,
            size=camera.size,
            fov=camera.fov,
            device=worlds.device,
            meshes=[mesh for each in worlds.compiled.variants.values() for mesh in each.meshes],
        )

    def render(self) -> np.ndarray:
        """See :class:`~oige_core.render.OffscreenRenderer`."""
        positions, rotations, vertices = geom_poses(self._worlds, self._numbers)
        return self._renderer.render(
            positions.reshape(*self._shape, *positions.shape[1:]),
            rotations.reshape(*self._shape, *rotations.shape[1:]),
            *self._aim.update(),
            vertices=vertices.reshape(*self._shape, *vertices.shape[1:]),
            looks=self._worlds.looks().rows(slice(0, len(self._numbers))),
        )


class _Aim:
    """Cameras that stand still, or each follow the robot of a world.

    Args:
        worlds: the built worlds.
        camera: the settings of all cameras.
        followed: numbers of the worlds whose robots are followed.
        offsets: ``(n, 3)`` positions of these worlds in the image, in metres.
    """

    def __init__(self, worlds: Worlds, camera: Camera, followed: Sequence[int], offsets: np.ndarray) -> None:
        self._camera = camera
        self._followed = followed
        self._offsets = offsets
        self._geometry = MujocoSceneGeometry(worlds)
        self._chase = ChaseTarget()

    def update(self) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and targets of the cameras for the next images, ``(n, 3)`` or ``(3,)``, in metres."""
        if self._camera.position is not None:
            return np.array(self._camera.position), np.array(self._camera.target)
        if self._camera.close_up is not None:
            targets = self._offsets + self._camera.close_up.target
            return chase_position(targets, np.full(len(targets), self._camera.close_up.radius)), targets
        positions = self._geometry.poses(self._followed)[0]
        roots = self._offsets.astype(np.float64)
        if self._geometry.robot:
            roots += positions[:, self._geometry.robot[0]]
        targets = self._chase.update(roots)
        radii = np.array([robot_radius(self._geometry, bodies) for bodies in positions])
        return chase_position(targets, radii), targets
