"""Poses and lenses of cameras, colours and light that differ between worlds, on both executors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.config import SimConfig
from oige_core.errors import CapabilityError, OigeError
from oige_core.render.appearance import SUNLIGHT, terrain_texture
from oige_core.scene import ArticulationAsset, Material, Scene

SIZE = 32
FOV = math.pi / 2  # so that the focal length is half the width
BALL = (2.0, 0.4, 0.2)
GREY, DARK_GREY = 0.8, 0.4
DARK = Material(color=(DARK_GREY, DARK_GREY, DARK_GREY, 1.0))  # also dark enough not to saturate
PAIR = ArticulationAsset(
    mjcf="""
    <mujoco>
      <asset><material name="paint" rgba="0 1 0 1"/></asset>
      <worldbody>
        <body name="left"><geom size="0.2" rgba="1 0 0 1"/><geom size="0.1" pos="0 0 0.3" rgba="0 0 1 1"/>
          <body name="right" pos="0 -0.8 0"><joint name="a"/><geom size="0.2" material="paint"/>
            <body name="bare"><joint name="b" axis="0 1 0"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>
          </body>
        </body>
      </worldbody>
    </mujoco>
    """,
    usd="",
)


def set_up(scene: Scene) -> dict[str, Any]:
    """Return a ball before a camera in the origin, and a camera above a plane that looks down."""
    scene.add_ground_plane(height=-1.0)
    images: dict[str, Any] = {"width": SIZE, "height": SIZE, "horizontal_fov": FOV}
    material = Material(color=(GREY, GREY, GREY, 1.0))
    return {
        "ball": scene.add_sphere("ball", radius=0.1, position=BALL, kinematic=True, material=material),
        "table": scene.add_box("table", size=(2, 2, 0.1), position=(0, 9, 0), kinematic=True, material=DARK),
        "pair": scene.add_articulation("pair", PAIR, position=(4.0, 0.4, 1.5)),
        "front": scene.add_camera("front", **images, outputs=["rgb", "segmentation"]),
        "above": scene.add_camera(
            "above", **images, position=(0, 0, 3), orientation=(math.sqrt(0.5), 0, math.sqrt(0.5), 0), parent="table"
        ),
    }


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], any_executor: str) -> Any:
    return build(set_up, num_envs=2, executor=any_executor)


def center(world: Any, index: int) -> tuple[float, float]:
    """Return the position of the ball in an image, in pixels to the left of and above the middle."""
    shown = world.front.get_segmentation()[index, :, :, 0] == world.front.segmentation_ids["ball"]
    row, column = shown.nonzero().double().add(0.5).mean(dim=0).tolist()
    return SIZE / 2 - column, SIZE / 2 - row


def projection(point: tuple[float, ...], fov: float = FOV) -> tuple[float, float]:
    """Return where a point x ahead, y to the left and z above appears, in pixels left of and above the middle."""
    focal = SIZE / 2 / math.tan(fov / 2)
    return focal * point[1] / point[0], focal * point[2] / point[0]


def test_camera_moves_in_one_world_only(world: Any) -> None:
    before = world.front.get_rgb().clone()
    positions, orientations = world.front.get_local_poses()
    world.close(positions, [[0, 0, 0]] * 2, tol=1e-6)
    world.close(orientations, [[1, 0, 0, 0]] * 2, tol=1e-6)
    yaw = 0.3
    turned = [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]
    world.front.set_local_poses(world.tensor([[0.5, -0.1, -0.2]]), world.tensor([turned]), indices=[1])
    assert torch.equal(world.front.get_rgb()[0], before[0])
    assert center(world, 0) == pytest.approx(projection(BALL), abs=0.4)
    x, y, z = BALL[0] - 0.5, BALL[1] + 0.1, BALL[2] + 0.2
    seen = (x * math.cos(yaw) + y * math.sin(yaw), y * math.cos(yaw) - x * math.sin(yaw), z)
    assert center(world, 1) == pytest.approx(projection(seen), abs=0.4)
    for poses in (world.front.get_local_poses(), world.front.get_world_poses()):
        world.close(poses[0], [[0, 0, 0], [0.5, -0.1, -0.2]], tol=1e-6)
        world.close(poses[1], [[1, 0, 0, 0], turned], tol=1e-6)
    world.front.set_local_poses(orientations=world.tensor([[2.0, 0, 0, 0]]), indices=[1])
    assert center(world, 1) == pytest.approx(projection((x, y, z)), abs=0.4)


def test_local_poses_are_in_the_frame_of_the_parent(world: Any) -> None:
    world.above.set_local_poses(world.tensor([[0.1, 0.2, 4.0]]), indices=[1])
    world.close(world.above.get_local_poses()[0], [[0, 0, 3], [0.1, 0.2, 4]], tol=1e-6)
    world.close(world.above.get_world_poses()[0], [[0, 9, 3], [0.1, 9.2, 4]], tol=1e-5)


def test_field_of_view_differs_between_worlds(world: Any) -> None:
    before = world.front.get_rgb().clone()
    world.close(world.front.get_horizontal_fovs(), [FOV] * 2, tol=1e-6)
    world.front.set_horizontal_fovs(world.tensor([1.0]), indices=[1])
    world.close(world.front.get_horizontal_fovs(), [FOV, 1.0], tol=1e-6)
    assert center(world, 0) == pytest.approx(projection(BALL), abs=0.4)
    assert center(world, 1) == pytest.approx(projection(BALL, fov=1.0), abs=0.5)
    assert (world.front.get_rgb()[0].int() - before[0].int()).abs().max() <= 1
    world.front.set_horizontal_fovs(world.tensor([0.8, 1.2]))
    for index, fov in enumerate((0.8, 1.2)):
        assert center(world, index) == pytest.approx(projection(BALL, fov), abs=0.6)


def test_colour_of_a_body_changes_in_one_world_only(world: Any) -> None:
    before = world.front.get_rgb().clone()
    world.close(world.ball.get_colors(), [[GREY] * 3] * 2, tol=1e-6)
    world.ball.set_colors(world.tensor([[0.1, 0.2, 1.5]]), indices=[1])
    world.close(world.ball.get_colors(), [[GREY] * 3, [0.1, 0.2, 1.0]], tol=1e-6)
    after = world.front.get_rgb()
    assert torch.equal(after[0], before[0])
    shown = (world.front.get_segmentation()[1] == world.front.segmentation_ids["ball"]).squeeze(-1)
    # Light is white: each channel is proportional to the colour, but for highlights.
    change = after[1][shown].double().mean(0) / before[1][shown].double().mean(0)
    world.close(change[:2], [0.1 / GREY, 0.2 / GREY], tol=0.05)
    assert change[2] > 1.15
    assert torch.equal(after[1][~shown], before[1][~shown])


def test_colours_of_links(world: Any) -> None:
    world.close(world.pair.get_body_colors(), [[[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0.5]]] * 2, tol=1e-6)
    colors = world.tensor([[[0, 0, 1], [0.5, 0.5, 0.5], [0, 0, 0]]])
    ids = world.front.segmentation_ids
    world.pair.set_body_colors(colors, indices=[0])
    world.close(world.pair.get_body_colors()[0, :2], colors[0, :2].cpu(), tol=2e-4)
    image, labels = world.front.get_rgb().int(), world.front.get_segmentation().squeeze(-1)
    left, right = (image[0][labels[0] == ids[f"pair/{name}"]] for name in ("left", "right"))
    assert (left[:, 2] > left[:, 0] + 60).all(), "both spheres of the link are blue"
    assert (right.amax(1) - right.amin(1) <= 1).all(), "grey, not the material's green"
    assert (image[1][labels[1] == ids["pair/right"]][:, 1] > 100).all()


def test_shapes_of_a_scaled_robot_appear_at_their_places(world: Any) -> None:
    """The upper sphere of the left link ends 0.4 m above the link's origin, which is 1.5 m above and 4 m ahead."""
    world.pair.set_local_scales(world.tensor([[1.0] * 3, [2.5] * 3]))
    labels = world.front.get_segmentation().squeeze(-1) == world.front.segmentation_ids["pair/left"]
    for shown, scale in zip(labels, (1.0, 2.5), strict=True):
        top_row = int(shown.nonzero()[:, 0].min())
        assert SIZE / 2 - top_row == pytest.approx(projection((4.0, 0.0, 1.5 + 0.4 * scale))[1], abs=0.7)


def top(world: Any) -> list[float]:
    """Return the brightness of the table in the middle of each image, from 0 to 1."""
    return (world.above.get_rgb()[:, 12:20, 12:20].double().mean(dim=(1, 2, 3)) / 255).tolist()


def test_sunlight_has_a_direction_and_an_intensity_in_each_world(world: Any) -> None:
    initial = world.engine.get_light_directions()
    world.close(torch.linalg.vector_norm(initial, dim=-1), [1.0, 1.0], tol=1e-6)
    world.close(world.engine.get_light_intensities(), [1.0, 1.0], tol=0)
    (before, same), incidence = top(world), -initial[0, 2].item()
    assert before == same
    world.engine.set_light_directions(world.tensor([[0.0, 3.0, -4.0]]), indices=[1])  # 0.8 on a level surface
    world.close(world.engine.get_light_directions()[1], [0, 0.6, -0.8], tol=1e-6)
    after = top(world)
    assert after[0] == before
    assert after[1] - before == pytest.approx(DARK_GREY * SUNLIGHT * (0.8 - incidence), abs=0.015)
    world.engine.set_light_intensities(world.tensor([0.5, 0.0]))
    world.close(world.engine.get_light_intensities(), [0.5, 0.0], tol=0)
    dark = top(world)
    assert dark[0] - before == pytest.approx(-0.5 * DARK_GREY * SUNLIGHT * incidence, abs=0.015)
    assert dark[1] - before == pytest.approx(-DARK_GREY * SUNLIGHT * incidence, abs=0.015)


def test_appearance_is_saved_and_restored(world: Any, new_engine: Callable[..., Any]) -> None:
    world.front.set_local_poses(world.tensor([[0.3, 0, 0], [0, 0.2, 0]]))
    world.front.set_horizontal_fovs(world.tensor([1.2, 1.7]))
    world.ball.set_colors(world.tensor([[0.9, 0.1, 0.1]]), indices=[1])
    world.engine.set_light_intensities(world.tensor([0.3]), indices=[0])
    images = world.front.get_rgb().clone()
    assert not torch.equal(images[0], images[1])
    engine = new_engine(world.executor.replace("warp-as-on-gpu", "warp-cpu"), 2)
    scene = Scene(engine, SimConfig())
    views = set_up(scene)
    engine.build(scene)
    views["front"].get_rgb()
    engine.load_state_dict(world.engine.state_dict())
    assert torch.equal(views["front"].get_rgb().cpu(), images.cpu())
    engine.close()


def test_invalid_looks_raise(build: Callable[..., Any]) -> None:
    world = build(set_up)
    for change, message in (
        (lambda: world.front.set_horizontal_fovs([4.0]), "set_horizontal_fovs of 'front': fields of view outside"),
        (lambda: world.front.set_local_poses(orientations=[[0.0] * 4]), "orientations contain a quaternion of zeros"),
        (lambda: world.front.set_local_poses([[0.0, math.nan, 0.0]]), "translations contain nan"),
        (lambda: world.ball.set_colors([[0.1, 0.2]]), r"values of shape \(1, 2\): expected \(1, 3\)"),
        (lambda: world.engine.set_light_directions([[0.0, 0.0, 0.0]]), "directions contain a vector of zeros"),
        (lambda: world.engine.set_light_intensities([-1.0]), "intensities contain -1"),
    ):
        with pytest.raises(OigeError, match=message):
            change()
    dark = build(set_up, add_distant_light=False)
    with pytest.raises(CapabilityError, match=r"no sunlight: .*add_distant_light=True"):
        dark.engine.set_light_intensities([0.5])


def test_terrain_has_contour_lines_between_heights_and_none_on_flat_ground() -> None:
    # Along x: flat at 0, a step of 0.1 m that stays below the first line at 0.125 m, then stairs of 0.25 m.
    heights = np.repeat(np.array([[0.0], [0.0], [0.1], [0.1], [0.35], [0.6], [0.6]]), 3, axis=1)
    color = (0.5, 0.5, 0.5)
    image = terrain_texture(heights, (0.01, 0.01), color)  # all on one checker
    brightness = image[0, :, 1] / (0.5 * (0.79 + heights[:, 0] / 0.6 * (1.22 - 0.79)))
    assert brightness == pytest.approx([1.0, 1.0, 1.0, 0.72, 0.72, 1.0, 1.0])
    # A line between 0.1 and 0.15 m, which is on both sides of 0.125 m, also along y.
    across = terrain_texture(np.array([[0.1, 0.15], [0.1, 0.15]]), (0.01, 0.01), color)[::-1, :, 1]
    assert across[0] == pytest.approx(0.5 * 0.79 * 0.72)
    assert across[1] == pytest.approx(0.5 * 1.22)
    assert terrain_texture(np.zeros((3, 3)), (0.01, 0.01), color)[..., 1] == pytest.approx(0.5 * 0.79)
