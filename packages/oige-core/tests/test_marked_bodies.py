"""Faces of boxes have colours of their own, and transparent bodies let what is behind them show."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import viser
from oige_core.errors import OigeError
from oige_core.render import Camera
from oige_core.render.viewer.viser_scene import ViserScene
from oige_core.scene import Material, Scene
from scene_helpers import new_scene, raises

FACES: Any = [(1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)]
FACES += [(1.0, 1.0, 0.0, 1.0), (0.0, 1.0, 1.0, 1.0), (1.0, 0.0, 1.0, 1.0)]
SIZE = (0.2, 0.4, 0.6)


def test_each_face_has_its_colour_and_the_frame_that_of_the_material(build: Callable[..., Any]) -> None:
    material = Material(color=(0.5, 0.25, 0.25, 1.0))
    world = build(
        lambda scene: {"box": scene.add_box("box", size=SIZE, face_colors=FACES, material=material, mass=2.0)}
    )
    shapes = {shape.color: shape.vertices for shape in world.engine.create_geometry().shapes}
    assert np.abs(shapes[material.color]).max(axis=0) == pytest.approx([0.1, 0.2, 0.3], abs=1e-6)
    for face, color in enumerate(FACES):
        axis, sign = face // 2, (1, -1)[face % 2]
        low, high = shapes[color].min(axis=0), shapes[color].max(axis=0)
        middle = [0.0, 0.0, 0.0]
        middle[axis] = sign * SIZE[axis] / 2
        assert (low + high) / 2 == pytest.approx(middle, abs=1e-6)
        assert (high - low)[axis] == pytest.approx(0.01 * SIZE[axis], abs=1e-6)  # half of it stands out
        assert sorted(np.delete((high - low) / SIZE, axis)) == pytest.approx([0.84, 0.84], abs=1e-6)
    assert len(shapes) == 7


def test_coloured_faces_neither_weigh_nor_collide(build: Callable[..., Any], executor: str) -> None:
    def scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        return {
            name: scene.add_box(name, size=SIZE, density=500.0, position=(x, 0.0, 0.35), face_colors=faces)
            for name, x, faces in (("plain", 0.0, ()), ("coloured", 5.0, FACES))
        }

    world = build(scene, executor=executor)
    world.close(world.coloured.get_masses(), 500.0 * 0.2 * 0.4 * 0.6, tol=1e-5)
    world.close(world.coloured.get_inertias(), world.plain.get_inertias(), tol=1e-7)
    for _ in range(60):
        world.engine.step()
    plain, coloured = (view.get_world_poses()[0] for view in (world.plain, world.coloured))
    world.close(coloured[:, 2], plain[:, 2], tol=1e-6)


def test_coloured_faces_stay_on_scaled_boxes(build: Callable[..., Any], executor: str) -> None:
    """The coloured area of a box of twice the size, which is seen from afar, is about four times as large."""
    world = build(
        lambda scene: {"box": scene.add_box("box", size=SIZE, kinematic=True, face_colors=FACES)},
        num_envs=2,
        executor=executor,
    )
    world.box.set_local_scales(world.tensor([[2.0, 2.0, 2.0]]), indices=[1])
    camera = Camera((160, 120), position=(-2.0, -2.0, 1.5), target=(0.0, 0.0, 0.0), fov=40.0)
    images = world.engine.create_world_renderer(camera).render()
    spread = np.ptp(np.stack(images).astype(float), axis=-1)
    coloured = (spread > 60.0).sum(axis=(1, 2))
    assert coloured[0] > 100
    assert coloured[1] / coloured[0] == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        (FACES[:5], r"box 'b': 5 face_colors, expected 6: \+x, −x, \+y, −y, \+z, −z\."),
        ([*FACES[:5], (0.0, 0.0, 2.0, 1.0)], r"box 'b': face_colors: \(.*\): expected red, green, blue and opacity.*"),
    ],
)
def test_wrong_face_colours_raise(faces: Any, message: str) -> None:
    _, scene = new_scene()
    with raises(OigeError, message):
        scene.add_box("b", size=SIZE, face_colors=faces)


@pytest.mark.parametrize("opacity", [0.25, 0.5])
def test_pictures_blend_transparent_bodies_with_what_is_behind_them(build: Callable[..., Any], opacity: float) -> None:
    camera = Camera((80, 60), position=(-2.0, -2.0, 1.5), target=(0.0, 0.0, 0.3), fov=40.0)

    def picture(shown: float | None) -> np.ndarray:
        def scene(scene: Scene) -> None:
            scene.add_ground_plane()
            scene.add_sphere("behind", radius=0.3, position=(0.5, 0.5, 0.3), material=Material(color=(0, 0, 1, 1)))
            if shown is not None:
                scene.add_box(
                    "box", size=(0.4, 0.4, 0.6), position=(0, 0, 0.3), material=Material(color=(1, 0, 0, shown))
                )

        renderer = build(scene).engine.create_world_renderer(camera)
        return renderer.render()[0].astype(float)

    without, opaque = picture(None), picture(1.0)
    assert (without != opaque).any(axis=2).mean() > 0.05
    np.testing.assert_allclose(picture(opacity), (1.0 - opacity) * without + opacity * opaque, atol=1.0)


def test_viewer_blends_transparent_bodies(build: Callable[..., Any]) -> None:
    def scene(scene: Scene) -> None:
        for name, opacity in (("ghost", 0.5), ("solid", 1.0)):
            scene.add_box(name, size=SIZE, material=Material(color=(1.0, 0.0, 0.0, opacity)))

    server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    try:
        shown = ViserScene(server, build(scene).engine.create_geometry(), np.zeros((1, 3)))
        assert [handle.opacity for handle, *_ in shown._moving] == [0.5, None]
    finally:
        server.stop()
