"""What is drawn on the page: the shapes of all worlds, each at its place on the grid."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import viser

from oige_core.drawing import CAMERA_DIRECTION, Drawing, Shape, robot_radius

__all__ = ["Stage"]

SCENE = "/worlds"
GROUND_COLOR = (214, 218, 224)
GROUND_LIGHT = 0.35
LINE_COLOR = (178, 185, 196)
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
FOV = 0.8  # rad
DISTANCE = 3.0  # of the camera, in radii of what is looked at
WIDEST = 12.0  # m; more of a large scene is not looked at at first


class Stage:
    """Draws worlds on the page of a server.

    Everything hangs on one frame; following a robot moves that frame the other way, so that cameras stay free to turn
    around it.

    Args:
        server: the server of the page.
        drawing: what the worlds look like.
        offsets: ``(n, 3)`` places of the first n worlds on the grid, in metres.

    Attributes:
        followed: number of the world that is followed, or None.
        on_click: called with the number of a world when its robot is clicked on.
        shift: ``(3,)`` by which everything is moved for the sake of the robot that is followed, in metres.
        roots: ``(n, 3)`` where the robots were at the last update, in the coordinates of the grid, in metres.
        turns: ``(n, 4)`` orientations of the robots' roots at the last update, w, x, y, z.
        radius: of a robot around its root, in metres.
    """

    def __init__(self, server: viser.ViserServer, drawing: Drawing, offsets: np.ndarray) -> None:
        self._server = server
        self._drawing = drawing
        self._offsets = offsets.astype(np.float32)
        self._worlds = range(len(offsets))
        self._lock = threading.Lock()
        server.initial_camera.fov = FOV
        self._frame = server.scene.add_frame(SCENE, show_axes=False)
        self.followed: int | None = None
        self.on_click: Callable[[int], None] = lambda _: None
        positions, orientations = self._read()
        self.shift = np.zeros(3)
        self._keep_roots(positions, orientations)
        self.radius = robot_radius(drawing, positions[0])
        if drawing.ground is not None:
            server.scene.add_grid(
                f"{SCENE}/ground",
                infinite_grid=True,
                plane="xy",
                cell_size=1.0,
                section_size=5.0,
                cell_color=LINE_COLOR,
                section_color=LINE_COLOR,
                plane_color=GROUND_COLOR,
                plane_opacity=1.0,
                position=(0.0, 0.0, drawing.ground),
            )
        self._moving: list[tuple[viser.BatchedMeshHandle, int]] = []
        for number, shape in enumerate(drawing.shapes):
            self._add(f"{SCENE}/{number}", shape, positions, orientations)

    def update(self) -> None:
        """Draw the worlds as they are at present; on a GPU this waits for it."""
        positions, orientations = self._read()
        with self._lock, self._server.atomic():
            self._keep_roots(positions, orientations)
            self._place_frame()
            for handle, body in self._moving:
                handle.batched_positions = positions[:, body]
                handle.batched_wxyzs = orientations[:, body]

    def follow(self, world: int | None) -> None:
        """Keep the robot of a world in the middle of the picture, or, with None, leave the picture where it is."""
        with self._lock, self._server.atomic():
            before = self.followed
            self.followed = world
            self._place_frame()
        if world != before:
            for client in self._server.get_clients().values():
                self.aim(client)

    def aim(self, client: viser.ClientHandle) -> None:
        """Point the camera of a page at the robot that is followed, or at the middle of all worlds."""
        with self._lock:
            if self.followed is not None:
                target, radius = self.roots[self.followed], self.radius
            else:
                middle = self.roots.mean(axis=0)
                distances = np.linalg.norm(self.roots[:, :2] - middle[:2], axis=1)
                target = self.roots[distances.argmin()]
                radius = min(self.radius + distances.max(), max(WIDEST, self.radius))
            target = target + self.shift
        with client.atomic():
            client.camera.position = target + DISTANCE * radius * CAMERA_DIRECTION
            client.camera.look_at = target

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where bodies are, in the coordinates of the grid, and their orientations."""
        positions, orientations = self._drawing.poses(self._worlds)
        return positions + self._offsets[:, None], orientations

    def _keep_roots(self, positions: np.ndarray, orientations: np.ndarray) -> None:
        if self._drawing.robot:
            root = self._drawing.robot[0]
            self.roots, self.turns = positions[:, root], orientations[:, root]
        else:
            self.roots, self.turns = self._offsets, np.tile(UPRIGHT, (len(self._offsets), 1))

    def _place_frame(self) -> None:
        if self.followed is None:
            self.shift = np.zeros(3)
        else:
            self.shift = self.roots[self.followed] * (-1.0, -1.0, 0.0)
        self._frame.position = self.shift

    def _add(self, name: str, shape: Shape, positions: np.ndarray, orientations: np.ndarray) -> None:
        if shape.body is None:  # what is fixed to the world may be the same for all
            places = np.unique(self._offsets, axis=0)
            turns = np.tile(UPRIGHT, (len(places), 1))
        else:
            places, turns = positions[:, shape.body], orientations[:, shape.body]
        *color, opacity = shape.color
        # The page is bright; on ground as light as robots, slopes would not be seen.
        light = 255 if shape.body is not None else 255 * GROUND_LIGHT
        red, green, blue = (round(light * part) for part in color)
        handle = self._server.scene.add_batched_meshes_simple(
            name,
            shape.vertices,
            shape.faces,
            batched_wxyzs=turns,
            batched_positions=places,
            batched_colors=(red, green, blue),
            opacity=None if opacity == 1.0 else opacity,
            flat_shading=not shape.smooth,
            lod="off",
            cast_shadow=shape.body is not None,  # a terrain would be drawn several times for its own
        )
        if shape.body is not None:
            self._moving.append((handle, shape.body))
            handle.on_click(self._clicked)

    def _clicked(self, event: Any) -> None:
        if event.instance_index is not None:
            self.on_click(event.instance_index)
