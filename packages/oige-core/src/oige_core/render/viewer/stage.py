"""What is drawn on the page: the shapes of all worlds, each at its place on the grid."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import trimesh
import viser
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from oige_core.render.appearance import (
    AMBIENT,
    HEADLIGHT,
    SHADE,
    SKY,
    SUN,
    SUNLIGHT,
    TILE,
)
from oige_core.render.camera import CAMERA_DIRECTION, FOV, ChaseTarget, chase_position, middle_world
from oige_core.render.geometry import Ground, SceneGeometry, Shape, robot_radius
from oige_core.render.viewer.tones import (
    AMBIENT_INTENSITY,
    FILL_INTENSITY,
    SUN_INTENSITY,
    lit,
    mesh_color,
    shadow_opacity,
    texture_color,
)

__all__ = ["Stage"]

FIXED, MOVING = "/fixed", "/moving"
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
FIT = 1.0 / np.sin(0.5 * np.radians(FOV))  # distance from which a ball fills the picture, in its radii
CLEARANCE = 0.05  # m; of the camera above the ground


class Stage:
    """Draws worlds on the page of a server.

    Colours, lights and the camera are those of videos. Following a robot moves everything the other way, so that
    cameras stay free to turn around it. Cameras stay above the ground.

    Args:
        server: the server of the page.
        geometry: the geometry of the worlds.
        offsets: ``(n, 3)`` places of the first n worlds on the grid, in metres.

    Attributes:
        followed: number of the world that is followed, or None; at first the one in the middle.
        on_click: called with the number of a world when its robot is clicked on.
        shift: ``(3,)`` by which everything is moved for the sake of the robot that is followed, in metres.
        roots: ``(n, 3)`` where the robots were at the last update, in the coordinates of the grid, in metres.
        turns: ``(n, 4)`` orientations of the robots' roots at the last update, w, x, y, z.
        radius: of a robot around its root, in metres.
    """

    def __init__(self, server: viser.ViserServer, geometry: SceneGeometry, offsets: np.ndarray) -> None:
        self._server = server
        self._geometry = geometry
        self._offsets = offsets.astype(np.float32)
        self._worlds = range(len(offsets))
        self._lock = threading.Lock()
        server.initial_camera.fov = np.radians(FOV)
        self._frame = server.scene.add_frame(FIXED, show_axes=False)
        self.followed: int | None = middle_world(offsets)
        self._chase = ChaseTarget()
        self.on_click: Callable[[int], None] = lambda _: None
        positions, orientations = self._read()
        self.shift = np.zeros(3)
        self._keep_roots(positions, orientations)
        self._follow_robot()
        self.radius = robot_radius(geometry, positions[0])
        self._places = np.unique(self._offsets, axis=0)
        self._add_lights()
        if geometry.ground is not None:
            self._add_ground(geometry.ground)
        self._moving: list[tuple[viser.BatchedMeshHandle, int]] = []
        for number, shape in enumerate(geometry.shapes):
            self._add(str(number), shape)
        self._place_all()

    def update(self) -> None:
        """Draw the worlds as they are at present; on a GPU this waits for it."""
        positions, orientations = self._read()
        with self._lock, self._server.atomic():
            self._keep_roots(positions, orientations)
            self._follow_robot()
            self._place_all()

        for client in self._server.get_clients().values():
            self.lift(client)

    def follow(self, world: int | None) -> None:
        """Keep the robot of a world in the middle of the picture, or, with None, leave the picture where it is."""
        with self._lock, self._server.atomic():
            before = self.followed
            self.followed = world
            if world != before:
                self._chase = ChaseTarget()
                self._follow_robot()
                self._place_all()
        if world is not None and world != before:
            for client in self._server.get_clients().values():
                self.aim(client)

    def aim(self, client: viser.ClientHandle) -> None:
        """Point the camera of a page at the robot that is followed, or, if none is, at all worlds."""
        if self.followed is None:
            self.show_all(client)
            return
        with self._lock:
            target = self.roots[self.followed] + self.shift
        _look(client, chase_position(target, self.radius), target)

    def show_all(self, client: viser.ClientHandle) -> None:
        """Point the camera of a page at all worlds."""
        with self._lock:
            low, high = self.roots.min(axis=0), self.roots.max(axis=0)
            middle = 0.5 * (low + high)
            radius = self.radius + np.linalg.norm(self.roots - middle, axis=1).max()
            target = middle + self.shift
        direction = CAMERA_DIRECTION / np.linalg.norm(CAMERA_DIRECTION)
        _look(client, target + FIT * radius * direction, target)

    def lift(self, client: viser.ClientHandle) -> None:
        """Bring the camera of a page back above the ground."""
        camera = client.camera
        x, y, z = camera.position - self.shift
        floor = max(self._geometry.floor(x - place[0], y - place[1]) for place in self._places) + CLEARANCE
        if z < floor:
            _look(client, camera.position + np.array([0.0, 0.0, floor - z]), camera.look_at)

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where bodies are, in the coordinates of the grid, and their orientations."""
        positions, orientations = self._geometry.poses(self._worlds)
        return positions + self._offsets[:, None], orientations

    def _keep_roots(self, positions: np.ndarray, orientations: np.ndarray) -> None:
        self._positions, self._orientations = positions, orientations
        if self._geometry.robot:
            root = self._geometry.robot[0]
            self.roots, self.turns = positions[:, root], orientations[:, root]
        else:
            self.roots, self.turns = self._offsets, np.tile(UPRIGHT, (len(self._offsets), 1))

    def _follow_robot(self) -> None:
        if self.followed is not None:
            self.shift = -self._chase.update(self.roots[self.followed])

    def _place_all(self) -> None:
        self._frame.position = self.shift
        shift = self.shift.astype(np.float32)
        for handle, body in self._moving:
            handle.batched_positions = self._positions[:, body] + shift
            handle.batched_wxyzs = self._orientations[:, body]

    def _add_lights(self) -> None:
        """Light the scene as videos are, with a light from where the camera is at first in place of a headlight."""
        scene = self._server.scene
        scene.configure_default_lights(enabled=False)
        scene.configure_environment_map(None)
        scene.set_background_image(np.full((2, 2, 3), lit(SKY, 1.0), np.uint8), format="png")
        scene.add_light_ambient("/lights/ambient", intensity=AMBIENT_INTENSITY)
        # They shine from where they are to the origin.
        sun, fill = -np.array(SUN), CAMERA_DIRECTION
        scene.add_light_directional("/lights/sun", intensity=SUN_INTENSITY, cast_shadow=True, position=tuple(sun))
        scene.add_light_directional("/lights/fill", intensity=FILL_INTENSITY, position=tuple(fill))

    def _add_ground(self, ground: Ground) -> None:
        facing = CAMERA_DIRECTION[2] / np.linalg.norm(CAMERA_DIRECTION)
        shadow = AMBIENT + HEADLIGHT * facing
        light = shadow + SUNLIGHT * -SUN[2] / np.linalg.norm(SUN)
        lines = lit(ground.color, SHADE * SHADE * light)
        self._server.scene.add_grid(
            f"{FIXED}/ground",
            infinite_grid=True,
            plane="xy",
            cell_size=TILE,
            section_size=5.0 * TILE,
            cell_color=lines,
            section_color=lines,
            plane_color=lit(ground.color, light),
            plane_opacity=1.0,
            shadow_opacity=shadow_opacity(shadow, light),
            position=(0.0, 0.0, ground.height),
        )

    def _add(self, name: str, shape: Shape) -> None:
        scene = self._server.scene
        if shape.body is None:  # what is fixed to the world may be the same for all
            name, places, turns = f"{FIXED}/{name}", self._places, np.tile(UPRIGHT, (len(self._places), 1))
        else:
            name, places, turns = f"{MOVING}/{name}", self._positions[:, shape.body], self._orientations[:, shape.body]
        if shape.texture is not None:  # a terrain's shadows on itself would have it drawn several times
            scene.add_batched_meshes_trimesh(name, _textured(shape), turns, places, lod="off", cast_shadow=False)
            return
        opacity = shape.color[3]
        red, green, blue = map(int, mesh_color(shape.color[:3]))
        handle = scene.add_batched_meshes_simple(
            name,
            shape.vertices,
            shape.faces,
            batched_wxyzs=turns,
            batched_positions=places,
            batched_colors=(red, green, blue),
            opacity=None if opacity == 1.0 else opacity,
            flat_shading=not shape.smooth,
            lod="off",
        )
        if shape.body is not None:
            self._moving.append((handle, shape.body))
            handle.on_click(self._clicked)

    def _clicked(self, event: Any) -> None:
        if event.instance_index is not None:
            self.on_click(event.instance_index)


def _look(client: viser.ClientHandle, position: np.ndarray, target: np.ndarray) -> None:
    with client.atomic():
        client.camera.position, client.camera.look_at = position, target


def _textured(shape: Shape) -> trimesh.Trimesh:
    assert shape.texture is not None
    corners = shape.vertices[:, :2]
    low, high = corners.min(axis=0), corners.max(axis=0)
    picture = Image.fromarray(texture_color(shape.texture))
    material = PBRMaterial(baseColorTexture=picture, metallicFactor=0.0, roughnessFactor=1.0)
    visual = TextureVisuals(uv=(corners - low) / (high - low), material=material)
    return trimesh.Trimesh(shape.vertices, shape.faces, visual=visual, process=False)
