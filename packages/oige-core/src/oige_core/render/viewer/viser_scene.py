"""The worlds in viser's scene, each at its position on the grid."""

import threading
from collections.abc import Callable, Iterator

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
from oige_core.render.camera import CAMERA_DIRECTION, FOV, ChaseTarget, CloseUp, chase_position, middle_world
from oige_core.render.geometry import Ground, SceneGeometry, Shape, SoftShape, robot_radius
from oige_core.render.picking import first_hit
from oige_core.render.viewer.tones import (
    AMBIENT_INTENSITY,
    FILL_INTENSITY,
    SUN_INTENSITY,
    lit,
    mesh_color,
    shadow_opacity,
    texture_color,
)

__all__ = ["ViserScene"]

FIXED, MOVING, SOFT = "/fixed", "/moving", "/soft"
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
FIT = 1.0 / np.sin(0.5 * np.radians(FOV))  # distance from which a sphere fills the view, in its radii
NARROW = 0.75  # width of a picture in its heights, below which the camera is farther from a followed robot
CLEARANCE = 0.05  # m; of the camera above the ground


class ViserScene:
    """Shows worlds on the page of a server.

    Colours, lights and the camera are those of videos. To follow a robot, the scene moves in the opposite direction, so
    that users can still turn the camera around it. Cameras stay above the ground.

    Args:
        server: the server of the page.
        geometry: the geometry of the worlds.
        offsets: ``(n, 3)`` positions of the first n worlds on the grid, in metres.
        close_up: what is in the middle of the view instead of the robot of a followed world.

    Attributes:
        followed: number of the world whose robot is followed, or None; initially the one in the middle.
        on_click: called with the number of a world when a user clicks on its robot.
        on_pick: called with the name of the link or object that a user clicks on.
        shift: ``(3,)`` by which the scene is moved to follow a robot, in metres.
        roots: ``(n, 3)`` positions of the robots' roots on the grid at the last update, in metres.
        root_orientations: ``(n, 4)`` of the robots' roots at the last update, w, x, y, z.
        radius: how far a robot reaches around its root, in metres.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        geometry: SceneGeometry,
        offsets: np.ndarray,
        close_up: CloseUp | None = None,
    ) -> None:
        self._server = server
        self._geometry = geometry
        self._offsets = offsets.astype(np.float32)
        self._worlds = range(len(offsets))
        self._lock = threading.Lock()
        server.initial_camera.fov = np.radians(FOV)
        self._frame = server.scene.add_frame(FIXED, show_axes=False)
        self.followed: int | None = middle_world(offsets)
        self._chase = ChaseTarget()
        self._close_up = close_up
        self.on_click: Callable[[int], None] = lambda _: None
        self.on_pick: Callable[[str], None] = lambda _: None
        positions, orientations = self._read()
        self.shift = np.zeros(3)
        self._keep_roots(positions, orientations)
        self._follow_robot()
        self.radius = robot_radius(geometry, positions[0])
        self._places = np.unique(self._offsets, axis=0)
        self._add_lights()
        if geometry.ground is not None:
            self._add_ground(geometry.ground)
        self._moving: list[tuple[viser.BatchedMeshHandle, int, int]] = []  # with body and shape
        for number, shape in enumerate(geometry.shapes):
            self._add(number, shape)
        self._soft = [self._add_soft(*each) for each in zip(geometry.soft_shapes, self._vertices, strict=True)]
        self._place_all()
        server.scene.on_click()(self._clicked)

    def update(self) -> None:
        """Show the current state of the worlds; this waits for the device."""
        positions, orientations = self._read()
        with self._lock, self._server.atomic():
            self._keep_roots(positions, orientations)
            self._follow_robot()
            self._place_all()
        for client in self._server.get_clients().values():
            self.lift(client)

    def follow(self, world: int | None) -> None:
        """Keep the robot of a world in the middle of the view; None: stop following."""
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
        """Point the camera of a page at the followed robot, or at all worlds if none is followed."""
        if self.followed is None:
            self.show_all(client)
            return
        with self._lock:
            target = self._middle(self.followed) + self.shift
        radius = self.radius if self._close_up is None else self._close_up.radius
        _look(client, chase_position(target, radius * max(1.0, NARROW / client.camera.aspect)), target)

    def show_all(self, client: viser.ClientHandle) -> None:
        """Point the camera of a page at all worlds."""
        with self._lock:
            low, high = self.roots.min(axis=0), self.roots.max(axis=0)
            middle = 0.5 * (low + high)
            radius = self.radius + np.linalg.norm(self.roots - middle, axis=1).max()
            target = middle + self.shift
        direction = CAMERA_DIRECTION / np.linalg.norm(CAMERA_DIRECTION)
        _look(client, target + FIT * radius * max(1.0, 1.0 / client.camera.aspect) * direction, target)

    def lift(self, client: viser.ClientHandle) -> None:
        """Move the camera of a page back above the ground."""
        camera = client.camera
        x, y, z = camera.position - self.shift
        floor = max(self._geometry.floor(x - place[0], y - place[1]) for place in self._places) + CLEARANCE
        if z < floor:
            _look(client, camera.position + np.array([0.0, 0.0, floor - z]), camera.look_at)

    def pick(self, origin: np.ndarray, direction: np.ndarray) -> tuple[int, str] | None:
        """Return the world and the name of the link or object that a ray meets first; None: nothing that moves.

        Args:
            origin: ``(3,)`` where the ray begins in the moved scene, in metres.
            direction: ``(3,)`` of the ray.
        """
        with self._lock:
            instances = [(shape, *self._instances(shape)) for shape in self._geometry.shapes]
            hit = first_hit(origin - self.shift, direction, [*instances, *self._soft_instances()])
        if hit is None:
            return None
        number, world = hit
        if number >= len(instances):  # a soft body in one world
            number, world = divmod(number - len(instances), len(self._offsets))
            return world, self._geometry.soft_shapes[number].name
        shape = self._geometry.shapes[number]
        return None if shape.body is None else (world, self._geometry.body_names[shape.body])

    def set_visible(self, visible: bool) -> None:
        """Show or hide the worlds."""
        with self._lock, self._server.atomic():
            self._frame.visible = visible
            for handle in (*(each[0] for each in self._moving), *(each for handles in self._soft for each in handles)):
                handle.visible = visible

    def close(self) -> None:
        """Remove the worlds from the page, which stays open."""
        self._server.scene.remove_click_callback(self._clicked)
        self._server.scene.reset()

    def _instances(self, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions (n, 3) on the grid, in metres, and orientations (n, 4) of a shape."""
        if shape.body is None:  # fixed to the world, and possibly the same for all worlds
            return self._places, np.tile(UPRIGHT, (len(self._places), 1))
        return self._positions[:, shape.body], self._orientations[:, shape.body]

    def _soft_instances(self) -> Iterator[tuple[Shape, np.ndarray, np.ndarray]]:
        """Yield each soft body in each world as a shape at its origin, with the one position and orientation."""
        for shape, worlds in zip(self._geometry.soft_shapes, self._vertices, strict=True):
            for own, offset in zip(worlds, self._offsets, strict=True):
                yield Shape(None, own - offset, shape.faces, shape.color, True), offset[None], UPRIGHT[None]

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of bodies on the grid, and their orientations."""
        self._looks = self._geometry.looks(self._worlds)
        soft = self._geometry.soft_vertices(self._worlds) if self._geometry.soft_shapes else []
        self._vertices = [vertices + self._offsets[:, None] for vertices in soft]
        positions, orientations = self._geometry.poses(self._worlds)
        return positions + self._offsets[:, None], orientations

    def _keep_roots(self, positions: np.ndarray, orientations: np.ndarray) -> None:
        self._positions, self._orientations = positions, orientations
        if self._geometry.robot:
            root = self._geometry.robot[0]
            self.roots, self.root_orientations = positions[:, root], orientations[:, root]
        else:
            self.roots, self.root_orientations = self._offsets, np.tile(UPRIGHT, (len(self._offsets), 1))

    def _follow_robot(self) -> None:
        if self.followed is not None:
            self.shift = -self._chase.update(self._middle(self.followed))

    def _middle(self, world: int) -> np.ndarray:
        """Return the point in the middle of the view of a followed world, in metres."""
        return self.roots[world] if self._close_up is None else self._offsets[world] + self._close_up.target

    def _place_all(self) -> None:
        self._frame.position = self.shift
        shift = self.shift.astype(np.float32)
        for handle, body, shape in self._moving:
            handle.batched_positions = self._positions[:, body] + shift
            handle.batched_wxyzs = self._orientations[:, body]
            if self._looks.scales is not None:
                handle.batched_scales = self._looks.scales[:, shape]
            if self._looks.colors is not None:
                handle.batched_colors = mesh_color(self._looks.colors[:, shape])
        for handles, vertices in zip(self._soft, self._vertices, strict=True):
            for handle, own in zip(handles, vertices, strict=True):
                handle.vertices = own
                handle.position = self.shift

    def _add_lights(self) -> None:
        """Add the lights of videos; a light at the initial position of the camera replaces the headlight."""
        scene = self._server.scene
        scene.configure_default_lights(enabled=False)
        scene.configure_environment_map(None)
        scene.set_background_image(np.full((2, 2, 3), lit(SKY, 1.0), np.uint8), format="png")
        scene.add_light_ambient("/lights/ambient", intensity=AMBIENT_INTENSITY)
        # Directional lights shine from their position to the origin.
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

    def _add(self, number: int, shape: Shape) -> None:
        scene = self._server.scene
        name = f"{FIXED if shape.body is None else MOVING}/{number}"
        positions, wxyzs = self._instances(shape)
        if shape.texture is not None:  # shadows of a terrain on itself would take several more passes over it
            scene.add_batched_meshes_trimesh(name, _textured(shape), wxyzs, positions, lod="off", cast_shadow=False)
            return
        opacity = shape.color[3]
        red, green, blue = map(int, mesh_color(shape.color[:3]))
        handle = scene.add_batched_meshes_simple(
            name,
            shape.vertices,
            shape.faces,
            batched_wxyzs=wxyzs,
            batched_positions=positions,
            batched_colors=(red, green, blue),
            opacity=None if opacity == 1.0 else opacity,
            flat_shading=not shape.smooth,
            lod="off",
        )
        if shape.body is not None:
            self._moving.append((handle, shape.body, number))

    def _add_soft(self, shape: SoftShape, vertices: np.ndarray) -> list[viser.MeshHandle]:
        """Add the surface of a soft body in each world."""
        opacity = shape.color[3]
        red, green, blue = map(int, mesh_color(shape.color[:3]))
        return [
            self._server.scene.add_mesh_simple(
                f"{SOFT}/{shape.name}/{world}",
                own,
                shape.faces,
                color=(red, green, blue),
                opacity=None if opacity == 1.0 else opacity,
            )
            for world, own in enumerate(vertices)
        ]

    def _clicked(self, event: viser.SceneClickEvent) -> None:
        """Find what was clicked on; clicks of viser's own miss turned bodies (1.1.1)."""
        picked = self.pick(np.array(event.ray_origin), np.array(event.ray_direction))
        if picked is not None:
            world, name = picked
            self.on_click(world)
            self.on_pick(name)


def _look(client: viser.ClientHandle, position: np.ndarray, target: np.ndarray) -> None:
    with client.atomic():
        client.camera.position, client.camera.look_at = position, target


def _textured(shape: Shape) -> trimesh.Trimesh:
    assert shape.texture is not None
    corners = shape.vertices[:, :2]
    low, high = corners.min(axis=0), corners.max(axis=0)
    image = Image.fromarray(texture_color(shape.texture))
    material = PBRMaterial(baseColorTexture=image, metallicFactor=0.0, roughnessFactor=1.0)
    visual = TextureVisuals(uv=(corners - low) / (high - low), material=material)
    return trimesh.Trimesh(shape.vertices, shape.faces, visual=visual, process=False)
