"""Geometry for the viewer: meshes of shapes and height fields, and poses of the simulation."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from oige_core import make_vec
from oige_core.render.geometry import robot_radius
from oige_core.render.height_field_mesh import height_field_mesh
from oige_core.scene import ArticulationAsset, Scene

TURNED = (math.cos(0.4), 0.0, 0.0, math.sin(0.4))  # by 0.8 rad about z

# A wedge whose centre of mass and principal axes are not those of its vertices; MuJoCo moves and turns it.
WEDGE = np.array([[0, 0, 0], [0.4, 0, 0], [0, 0.2, 0], [0, 0, 0.1], [0.4, 0, 0.1], [0, 0.2, 0.1]])
ROBOT = f"""
<mujoco>
  <asset><mesh name="wedge" vertex="{" ".join(map(str, WEDGE.ravel()))}"/></asset>
  <worldbody>
    <body name="base">
      <geom type="box" size="0.1 0.1 0.1" rgba="1 0 0 1"/>
      <body name="arm" pos="0 0 0.3">
        <joint name="hinge" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0 0 0.5" size="0.05" rgba="0 1 0 1"/>
        <geom type="sphere" size="0.9" group="3"/>
        <geom type="mesh" mesh="wedge" pos="0 0 0.5" rgba="0 0 1 0.5"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""


def bumpy(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.0, 1.0, (rows, columns))


def heights_of(vertices: np.ndarray, faces: np.ndarray, x: float, y: float) -> list[float]:
    """Heights of all triangles above a point of the horizontal plane."""
    corners = vertices[faces].astype(np.float64)
    origin, first, second = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    u = ((x - origin[:, 0]) * second[:, 1] - (y - origin[:, 1]) * second[:, 0]) / area
    v = (first[:, 0] * (y - origin[:, 1]) - first[:, 1] * (x - origin[:, 0])) / area
    inside = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6)
    return list((origin[:, 2] + u * first[:, 2] + v * second[:, 2])[inside])


@pytest.mark.parametrize(
    ("heights", "triangles"),
    [
        (np.full((65, 65), 0.3), 2),  # one square of 64 x 64 cells
        (np.add.outer(0.1 * np.arange(65), 0.2 * np.arange(65)), 2),  # a slope is as flat
        (np.where(np.arange(65) < 32, 0.0, 0.5)[:, None].repeat(65, 1), 3 * 2),  # a step: below, its edge, above
        (np.add.outer(np.where(np.arange(9) < 4, 0.0, 0.5), 0.1 * np.arange(7)), 3 * 2),  # the same on a slope
        (4e-6 * np.arange(129.0)[:, None].repeat(3, 1) ** 2, 2 * 128 * 2),  # bends that add up to 4 mm in 64 cells
        (np.array([[0.0, 0.1], [0.2, 0.3]]), 2),
        (np.outer(np.arange(9.0), np.arange(9.0)), 2 * 8 * 8),  # a saddle is flat nowhere
        (bumpy(20, 33), 2 * 19 * 32),
    ],
)
def test_height_field_passes_through_its_samples(heights: np.ndarray, triangles: int) -> None:
    vertices, faces = height_field_mesh(heights, (0.1, 0.2))
    rows, columns = heights.shape
    corners = vertices[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] > 0).all()  # seen from above
    # Seen from above, triangles cover the whole field once.
    assert 0.5 * normals[:, 2].sum() == pytest.approx(0.1 * (rows - 1) * 0.2 * (columns - 1))
    for i in range(0, rows, 3):
        for j in range(0, columns, 3):
            found = heights_of(vertices, faces, 0.1 * i, 0.2 * j)
            assert found
            assert found == pytest.approx([heights[i, j]] * len(found), abs=1.1e-3)
    assert len(faces) == triangles


def test_shapes_are_the_visible_geoms(build: Callable) -> None:
    def scene(scene: Scene) -> dict:
        scene.add_ground_plane(height=-0.2)
        scene.add_articulation("robot", ArticulationAsset(mjcf=ROBOT, usd="/none.usd"))
        return {}

    geometry = build(scene).engine.create_geometry()
    assert geometry.ground is not None
    assert geometry.ground.height == pytest.approx(-0.2)
    assert geometry.ground.color == pytest.approx((0.7, 0.7, 0.7))
    assert geometry.floor(3.0, -2.0) == pytest.approx(-0.2)
    assert geometry.num_bodies == 2
    assert geometry.body_names == ["robot/base", "robot/arm"]
    assert geometry.robot == [1]  # the base is fixed; the arm is the first thing that moves
    box, capsule, wedge = sorted(geometry.shapes, key=lambda shape: shape.color, reverse=True)
    assert (box.color, capsule.color, wedge.color) == ((1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 0.5))
    assert (box.body, capsule.body, wedge.body) == (0, 1, 1)
    assert (box.smooth, capsule.smooth, wedge.smooth) == (False, True, False)
    np.testing.assert_allclose(np.abs(box.vertices), 0.1, rtol=1e-6)
    np.testing.assert_allclose(capsule.vertices.max(axis=0), [0.05, 0.05, 0.55], atol=1e-3)
    np.testing.assert_allclose(capsule.vertices.min(axis=0), [-0.05, -0.05, -0.05], atol=1e-3)
    # The vertices are where the file has them, whatever the compiler made of them. The hidden sphere is not there.
    expected = WEDGE + np.array([0.0, 0.0, 0.5])
    distances = np.linalg.norm(wedge.vertices[:, None] - expected, axis=2)
    assert distances.min(axis=1).max() < 1e-6
    assert distances.min(axis=0).max() < 1e-6
    positions, _ = geometry.poses([0])
    assert robot_radius(geometry, positions[0]) == pytest.approx(np.linalg.norm(expected, axis=1).max())


@pytest.mark.parametrize(
    ("mesh", "smooth"),
    [
        (trimesh.creation.icosphere(subdivisions=3), True),
        (trimesh.creation.cylinder(radius=0.5, height=2.0, sections=32), False),  # its edges stay edges
        (trimesh.creation.box(), False),
    ],
)
def test_meshes_are_smooth_if_they_have_no_edges(mesh: trimesh.Trimesh, smooth: bool, build: Callable) -> None:
    vertices, faces = (" ".join(map(str, values.ravel())) for values in (mesh.vertices, mesh.faces))
    mjcf = f"""<mujoco><asset><mesh name="mesh" vertex="{vertices}" face="{faces}"/></asset>
      <worldbody><body name="base"><geom type="mesh" mesh="mesh"/></body></worldbody></mujoco>"""

    def scene(scene: Scene) -> dict:
        scene.add_articulation("robot", ArticulationAsset(mjcf=mjcf, usd="/none.usd"))
        return {}

    (shape,) = build(scene).engine.create_geometry().shapes
    assert shape.smooth == smooth


def test_terrain_is_coloured_by_height_and_floor_follows_it(build: Callable) -> None:
    heights = np.zeros((31, 21))  # 3 m along x, 2 m along y
    heights[20:, :11] = 0.5  # a plateau from x = 2 m on, up to y = 1 m

    def scene(scene: Scene) -> dict:
        scene.add_height_field("terrain", heights, horizontal_scale=0.1, origin=(-1.0, 0.0, 0.0))
        scene.add_sphere("ball", radius=0.1, position=(0.0, 0.0, 3.0))
        return {}

    geometry = build(scene).engine.create_geometry()
    assert geometry.floor(-0.5, 0.5) == pytest.approx(0.0)
    assert geometry.floor(1.5, 0.5) == pytest.approx(0.5)
    assert geometry.floor(1.5, 1.5) == pytest.approx(0.0)
    assert geometry.floor(9.0, 0.5) == -np.inf
    ((vertices, texture),) = [(s.vertices, s.texture) for s in geometry.shapes if s.texture is not None]
    assert texture is not None
    below = vertices[vertices[:, 2] < -0.01]  # a plane behind the pixels that renderers miss
    np.testing.assert_allclose(np.sort(below[:, 0]), [-1.0, -1.0, 2.0, 2.0], atol=1e-6)
    np.testing.assert_allclose(np.sort(below[:, 1]), [0.0, 0.0, 2.0, 2.0], atol=1e-6)
    assert texture.shape == (21, 31, 3)
    # Seen from above, with y upwards, the plateau is at the lower right; it is the brightest there is.
    bright = texture.mean(axis=2)
    assert bright[11:, 21:].min() > bright[:9].max()
    assert bright[11:, 21:].min() > bright[:, :19].max()


def test_poses_equal_those_of_the_simulation(build: Callable, executor: str) -> None:
    asset = ArticulationAsset(mjcf=ROBOT, usd="/none.usd")

    def scene(scene: Scene) -> dict:
        return {
            "robot": scene.add_articulation("robot", asset, position=(1.0, 0.0, 0.0)),
            "ball": scene.add_sphere("ball", radius=0.3),
            "goal": scene.add_box("goal", size=(0.2, 0.2, 0.2), kinematic=True, collision=False),
        }

    world = build(scene, num_envs=3, executor=executor)
    geometry = world.engine.create_geometry()
    world.robot.set_joint_positions(world.tensor([[0.0], [0.7], [-0.7]]))
    world.robot.set_world_poses(world.tensor([[2.0, 3.0, 4.0]]), world.tensor([TURNED]), indices=[2])
    world.ball.set_world_poses(world.tensor([[0.0, 0.0, 5.0]]), world.tensor([TURNED]), indices=[1])
    world.goal.set_world_poses(world.tensor([[0.0, 6.0, 0.0]]), world.tensor([TURNED]), indices=[0])
    positions, orientations = geometry.poses([2, 1, 0])
    names = ["base", "arm", "ball", "goal"]
    at = {name: index for index, name in enumerate(names)}
    assert geometry.num_bodies == len(names)
    assert geometry.body_names == ["robot/base", "robot/arm", "ball", "goal"]
    close: dict[str, Any] = {"atol": 1e-6}
    np.testing.assert_allclose(positions[0, at["base"]], [2, 3, 4], **close)
    np.testing.assert_allclose(positions[0, at["arm"]], [2, 3, 4.3], **close)
    np.testing.assert_allclose(orientations[0, at["base"]], TURNED, **close)
    np.testing.assert_allclose(positions[1, at["base"]], [1, 0, 0], **close)
    np.testing.assert_allclose(orientations[1, at["arm"]], [math.cos(0.35), 0, math.sin(0.35), 0], **close)
    np.testing.assert_allclose(positions[1, at["ball"]], [0, 0, 5], **close)
    np.testing.assert_allclose(orientations[1, at["ball"]], TURNED, **close)
    np.testing.assert_allclose(positions[2, at["goal"]], [0, 6, 0], **close)
    np.testing.assert_allclose(orientations[2, at["goal"]], TURNED, **close)


def test_reading_poses_has_no_side_effects() -> None:
    states = []
    for watched in (False, True):
        env = make_vec("Ant", 4, num_threads=1)
        env.reset(seed=0)
        geometry = env.task.engine.create_geometry()
        actions = torch.rand(30, 4, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
        for action in actions:
            observations = env.step(action)[0]
            if watched:
                geometry.poses(range(4))
        states.append(observations)
        env.close()
    assert torch.equal(*states)


def test_looks_are_those_of_each_world(build: Callable) -> None:
    def scene(scene: Scene) -> dict:
        alternatives = {"sphere": (0.1,), "cylinder": (0.05, 0.3)}
        return {
            "toy": scene.add_box("toy", size=(0.2, 0.2, 0.2), alternatives=alternatives),
            "ball": scene.add_sphere("ball", radius=0.1, position=(1, 0, 0)),
        }

    world = build(scene, num_envs=2)
    geometry = world.engine.create_geometry()
    assert len(geometry.shapes) == 4, "a box, a ball and a cylinder that a body may be, and another ball"
    hidden = pytest.approx([0, 0, 0], abs=1e-4)
    looks = geometry.looks([0, 1])
    assert looks.colors is None
    assert looks.scales[0].tolist() == [[1, 1, 1], hidden, hidden, [1, 1, 1]]
    world.toy.set_shapes([3], indices=[1])
    world.toy.set_local_scales([[2.0, 2.0, 2.0]])
    world.ball.set_colors([[0.1, 0.2, 0.3]], indices=[0])
    looks = geometry.looks([0, 1])
    assert looks.scales[0].tolist() == [[2, 2, 2], hidden, hidden, [1, 1, 1]]
    assert looks.scales[1].tolist() == [hidden, hidden, [2, 2, 2], [1, 1, 1]]
    assert looks.colors[0, 3].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert looks.colors[1].tolist() == [pytest.approx(shape.color[:3]) for shape in geometry.shapes]
