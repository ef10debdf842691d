"""Soft bodies in images of cameras and of recordings, and in the viewer."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import viser
from oige_core.config import MujocoConfig
from oige_core.render import Camera
from oige_core.render.viewer.viser_scene import ViserScene
from oige_core.scene import DeformableAsset, Material, Scene

BLOCK = DeformableAsset.box((0.2, 0.4, 0.2), youngs_modulus=1e5)
BLUE = (0.0, 0.0, 1.0, 1.0)
WIDTH, HEIGHT = 48, 32
FOCAL = WIDTH / 2  # pixels, because the camera sees 90° from left to right


def set_up_scene(scene: Scene) -> dict[str, Any]:
    """A blue block 2 m before a camera at the origin, and another soft body above it that one camera hides."""
    images: Any = {"width": WIDTH, "height": HEIGHT, "horizontal_fov": math.pi / 2}
    return {
        "block": scene.add_deformable("block", BLOCK, position=(2, 0, 0), material=Material(color=BLUE)),
        "lid": scene.add_deformable("lid", BLOCK, position=(2, 0, 0.6)),
        "eye": scene.add_camera("eye", **images, outputs=["rgb", "depth", "segmentation"]),
        "blind": scene.add_camera("blind", **images, outputs=["segmentation"], hidden=["lid"]),
    }


@pytest.fixture(scope="module")
def world(build: Callable[..., Any]) -> Any:
    return build(set_up_scene, 2, dt=0.01, gravity=(0.0, 0.0, 0.0), mujoco=MujocoConfig(integrator="discrete"))


@pytest.fixture(autouse=True)
def moved(world: Any) -> torch.Tensor:
    """Positions of the block's nodes: 0.5 m to the left in world 1, and twice as tall."""
    world.engine.reset()
    nodes = world.block.get_simulation_mesh_nodal_positions([1])
    nodes = nodes * torch.tensor([1.0, 1.0, 2.0]) + torch.tensor([0.0, 0.5, 0.0])
    world.block.set_simulation_mesh_nodal_positions(nodes, [1])
    return world.block.get_simulation_mesh_nodal_positions()


def bounds(mask: torch.Tensor) -> tuple[int, ...]:
    """Return the first and last column, and first and last row, of the pixels of a mask (height, width)."""
    rows, columns = mask.nonzero().unbind(dim=1)
    return int(columns.min()), int(columns.max()), int(rows.min()), int(rows.max())


def test_surface_appears_at_its_pinhole_projection(world: Any) -> None:
    labels, ids = world.eye.get_segmentation()[..., 0], world.eye.segmentation_ids
    assert list(ids) == ["block", "lid"]
    # Its front is 1.9 m away: 0.2 m to both sides are 2.5 pixels, and 0.1 m up and down are 1.3.
    assert bounds(labels[0] == ids["block"]) == (21, 26, 15, 16)
    assert bounds(labels[1] == ids["block"]) == (15, 20, 13, 18)
    blue = world.eye.get_rgb()[0, 16, 24].int()
    assert blue[2] > 100 > 4 * blue[:2].max()
    world.close(world.eye.get_depth()[0, 16, 24], [1.9], tol=1e-3)
    world.close(world.eye.get_depth()[1, 16, 18], [1.9], tol=1e-3)


def test_hidden_soft_body_is_not_rendered(world: Any) -> None:
    ids = world.eye.segmentation_ids
    assert (world.eye.get_segmentation() == ids["lid"]).any()
    labels = world.blind.get_segmentation()
    assert not (labels == ids["lid"]).any()
    assert (labels == ids["block"]).any()


def test_image_of_several_worlds_shows_surfaces_where_they_are(world: Any) -> None:
    camera = Camera(position=(0.0, 1.0, 0.0), target=(1.0, 1.0, 0.0), size=(60, 40), fov=60.0)
    offsets = np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    image = torch.from_numpy(world.engine.create_grid_renderer(camera, offsets).render()[0]).int()
    blue = image[..., 2] > 2 * image[..., :2].amax(dim=-1)
    # The focal length is 20 / tan 30° = 34.6 pixels. Blocks are 1 m to the right and 1.5 m to the left of the camera,
    # their fronts 1.9 m before it, with half widths of 0.2 m.
    columns = blue.any(dim=0).nonzero().squeeze(-1).tolist()
    left, right = [c for c in columns if c < 30], [c for c in columns if c >= 30]
    expected = {left[0]: -1.7 / 1.9, left[-1]: -1.3 / 2.1, right[0]: 0.8 / 2.1, right[-1]: 1.2 / 1.9}
    for column, slope in expected.items():
        assert column == pytest.approx(30 + 34.6 * slope, abs=1.5)


def test_geometry_has_the_surfaces_of_worlds(world: Any, moved: torch.Tensor) -> None:
    geometry = world.engine.create_geometry()
    assert [shape.name for shape in geometry.soft_shapes] == ["block", "lid"]
    assert geometry.soft_shapes[0].color == pytest.approx(BLUE)
    np.testing.assert_array_equal(geometry.soft_shapes[0].faces, BLOCK.triangles)
    assert geometry.num_bodies == 0  # the corners of lattices are not drawn
    np.testing.assert_allclose(geometry.soft_vertices([1, 0])[0], moved.flip(0), atol=1e-6)


@pytest.fixture
def server() -> Iterator[viser.ViserServer]:
    server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    yield server
    server.stop()


def test_viewer_moves_and_picks_surfaces(world: Any, server: viser.ViserServer) -> None:
    shown = ViserScene(server, world.engine.create_geometry(), np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    (_, handle), _ = shown._soft
    np.testing.assert_allclose(handle.vertices[:, 1].mean(), 2.5, atol=1e-5)  # on the grid
    world.engine.reset()
    shown.update()
    np.testing.assert_allclose(handle.vertices[:, 1].mean(), 2.0, atol=1e-5)
    forward = np.array([1.0, 0.0, 0.0])
    for world_number, y in enumerate((0.0, 2.0)):
        assert shown.pick(np.array([0.0, y, 0.0]) + shown.shift, forward) == (world_number, "block")
        assert shown.pick(np.array([0.0, y, 0.6]) + shown.shift, forward) == (world_number, "lid")
    assert shown.pick(np.array([0.0, 1.0, 0.0]) + shown.shift, forward) is None
    shown.set_visible(False)
    assert not handle.visible
