"""Shapes of bodies that differ between worlds, on both executors."""

import math
from collections.abc import Callable
from typing import Any

import mujoco
import pytest
import torch
from oige_core.errors import OigeError
from oige_core.scene import SHAPES, Scene
from oige_core.scene.primitives import size_of_volume, volume

EDGE, MASS = 0.1, 0.3
SIZES = {"box": (EDGE,) * 3, "sphere": (0.06,), "capsule": (0.03, 0.08), "cylinder": (0.05, 0.07)}
SPHERE, BOX, CAPSULE, CYLINDER = range(4)
# Half of the height of each shape that stands, in the order of SHAPES.
HALVES = torch.tensor([0.06, EDGE / 2, 0.04 + 0.03, 0.035], dtype=torch.float64)


def set_up_scene(scene: Scene) -> dict[str, Any]:
    scene.add_ground_plane()
    alternatives = {name: size for name, size in SIZES.items() if name != "box"}
    colors = [(1.0, 0.0, 0.0, 1.0)] * 6
    views: dict[str, Any] = {
        "toy": scene.add_box(
            "toy", size=SIZES["box"], mass=MASS, position=(0, 0, 0.2), alternatives=alternatives, face_colors=colors
        ),
        "plain": scene.add_sphere("plain", radius=0.1, position=(2, 0, 0.2)),
    }
    if "cameras" in scene.views.capabilities:
        views["eye"] = scene.add_camera("eye", width=64, height=64, horizontal_fov=0.5, position=(-1, 0, 0.2))
    return views


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], any_executor: str) -> Any:
    return build(set_up_scene, 4, any_executor)


def unit_inertia(shape: str) -> torch.Tensor:
    """Return the inertia matrix (9,) of a shape of 1 kg, from MuJoCo's compiler."""
    size = SIZES[shape]
    sizes = {"sphere": size, "box": [0.5 * edge for edge in size]}.get(shape, (size[0], 0.5 * size[-1]))
    geom = f'<geom type="{shape}" size="{" ".join(map(str, sizes))}" mass="1"/>'
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody><body><freejoint/>{geom}</body></worldbody></mujoco>")
    assert model.body_iquat[1].tolist() == [1, 0, 0, 0]
    return torch.diag(torch.from_numpy(model.body_inertia[1].copy())).flatten()


def test_bodies_begin_with_their_own_shape(world: Any) -> None:
    assert world.toy.get_shapes().tolist() == [BOX] * 4
    assert world.plain.get_shapes().tolist() == [SPHERE] * 4
    world.close(world.toy.get_masses(), [MASS] * 4, tol=1e-7)
    world.close(world.toy.get_inertias(), MASS * unit_inertia("box").expand(4, 9), tol=1e-8)


def test_bodies_rest_at_the_height_of_their_shape(world: Any) -> None:
    world.toy.set_shapes(world.tensor([SPHERE, CAPSULE, CYLINDER]), indices=[0, 2, 3])
    assert world.toy.get_shapes().tolist() == [SPHERE, BOX, CAPSULE, CYLINDER]
    positions = world.tensor([[0.0, 0.0, 0.0]]).repeat(4, 1)
    positions[:, 2] = (HALVES - 1e-3).to(positions)
    world.toy.set_world_poses(positions)
    world.engine.step(20)
    heights = world.toy.get_world_poses()[0][:, 2].cpu().double()
    assert (heights - HALVES).abs().max() < 2e-3
    # Higher up, none touches the ground.
    positions[:, 2] = (HALVES + 5e-3).to(positions)
    world.toy.set_world_poses(positions)
    world.toy.set_velocities(torch.zeros_like(positions).repeat(1, 2))
    world.engine.step()
    falling = world.toy.get_linear_velocities()[:, 2]
    world.close(falling, [-9.81 * world.engine.physics_dt] * 4, tol=1e-5)


def test_inertia_follows_the_shape_and_the_mass_stays(world: Any) -> None:
    masses = world.tensor([0.3, 0.5, 0.7, 0.9])
    world.toy.set_masses(masses)
    world.toy.set_shapes(world.tensor([SPHERE, BOX, CAPSULE, CYLINDER]))
    world.close(world.toy.get_masses(), masses.cpu(), tol=1e-7)
    for index, shape in enumerate(SHAPES):
        expected = masses[index].item() * unit_inertia(shape)
        world.close(world.toy.get_inertias()[index], expected, tol=1e-8, rel=1e-5)


def test_sphere_rolls_and_box_stays(world: Any) -> None:
    """A horizontal force on a rolling ball: a = F / (m + I / r²), if it is applied at the centre."""
    world.toy.set_shapes(world.tensor([SPHERE] * 2), indices=[0, 1])
    positions = world.tensor([[0.0, 0.0, 0.06]] * 2 + [[0.0, 0.0, 0.05]] * 2)
    world.toy.set_world_poses(positions)
    world.engine.step(20)
    world.toy.set_velocities(torch.zeros(4, 6, device=positions.device))
    steps, dt = 10, world.engine.physics_dt
    for _ in range(steps):
        world.toy.apply_forces(world.everywhere(0.5, 0.0, 0.0))
        world.engine.step()
    speeds = world.toy.get_linear_velocities()[:, 0]
    rolling = 0.5 / (MASS * 1.4) * steps * dt
    world.close(speeds[:2], [rolling] * 2, tol=0.03 * rolling)
    assert speeds[2:].abs().max() < 0.05 * rolling


def test_scales_apply_to_the_shape_of_each_world(world: Any) -> None:
    world.needs("scales")
    world.toy.set_shapes(world.tensor([SPHERE, CYLINDER]), indices=[0, 3])
    world.toy.set_local_scales(world.everywhere(1.5, 1.5, 1.5))
    shapes = [SPHERE, BOX, BOX, CYLINDER]
    volumes = [1.5**3 * volume(SHAPES[each], SIZES[SHAPES[each]]) for each in shapes]
    world.close(MASS / world.toy.get_densities(), volumes, tol=1e-9, rel=1e-5)
    inertias = torch.stack([MASS * 1.5**2 * unit_inertia(SHAPES[each]) for each in shapes])
    world.close(world.toy.get_inertias(), inertias, tol=1e-8, rel=1e-5)
    world.toy.set_shapes(world.tensor([BOX]), indices=[0])
    world.close(world.toy.get_inertias()[0], inertias[1], tol=1e-8, rel=1e-5)
    assert world.toy.get_shapes().tolist() == [BOX, BOX, BOX, CYLINDER]


def test_images_show_the_shape_of_each_world(world: Any) -> None:
    world.needs("cameras")
    before = world.eye.get_rgb().int()
    is_red = lambda image: (image[..., 0] > image[..., 1] + 60).sum().item()  # noqa: E731
    assert is_red(before[0]) > 50
    world.toy.set_shapes(world.tensor([SPHERE]), indices=[1])
    after = world.eye.get_rgb().int()
    assert torch.equal(after[[0, 2, 3]], before[[0, 2, 3]])
    assert is_red(after[1]) == 0, "marks of faces are those of a box"
    different = (after[1] - before[1]).abs().amax(-1) > 40
    # The ball is wider than the face in the middle, and narrower in the corners of the face.
    rows, columns = different.nonzero().unbind(-1)
    focal = 32 / math.tan(0.25)
    assert (columns.max() - columns.min() + 1).item() == pytest.approx(2 * focal * 0.06, abs=3)
    assert len(rows) > 100


def test_marks_of_faces_grow_with_the_box(world: Any) -> None:
    """A face of 0.84 · 0.1 m, 0.95 m away, and one of twice the size, 0.9 m away."""
    world.needs("cameras")
    focal = 32 / math.tan(0.25)
    for scale, distance in ((1.0, 0.95), (2.0, 0.9)):
        world.toy.set_local_scales(world.everywhere(scale, scale, scale))
        image = world.eye.get_rgb()[2].int()
        rows, columns = (image[..., 0] > image[..., 1] + 60).nonzero().unbind(-1)
        width = focal * 0.84 * EDGE * scale / distance
        for pixels in (rows, columns):
            assert (pixels.max() - pixels.min() + 1).item() == pytest.approx(width, abs=2)


def test_shapes_are_saved(world: Any) -> None:
    world.toy.set_shapes(world.tensor([SPHERE, CAPSULE]), indices=[1, 2])
    world.engine.step(3)
    state = world.engine.state_dict()
    world.engine.step(5)
    after = world.toy.get_world_poses()[0].clone()
    world.engine.load_state_dict(world.initial_state)
    assert world.toy.get_shapes().tolist() == [BOX] * 4
    world.engine.load_state_dict(state)
    assert world.toy.get_shapes().tolist() == [BOX, SPHERE, CAPSULE, BOX]
    world.engine.step(5)
    assert torch.equal(world.toy.get_world_poses()[0], after)


def test_shapes_of_masked_worlds(world: Any) -> None:
    mask = torch.tensor([True, False, False, True], device=world.engine.device)
    world.toy.set_shapes(world.tensor([SPHERE, math.nan, -7, CAPSULE]).nan_to_num(9), indices=mask)
    assert world.toy.get_shapes().tolist() == [SPHERE, BOX, BOX, CAPSULE]


def test_wrong_shapes_raise(build: Callable[..., Any]) -> None:
    world = build(set_up_scene)
    for view, values, message in (
        (world.plain, [BOX], r"set_shapes of 'plain': shapes contain box: expected one of sphere; name alternatives"),
        (world.toy, [4], r"shapes contain 4: expected a number from 0 to 3"),
        (world.toy, [0.5], r"shapes contain 0.5"),
    ):
        with pytest.raises(OigeError, match=message):
            view.set_shapes(values)

    def attempt(**options: Any) -> None:
        build(lambda scene: {"box": scene.add_box("box", size=SIZES["box"], **options)})

    for alternatives, message in (
        ({"ball": (0.1,)}, r"box 'box': alternatives name 'ball', which is no shape\."),
        ({"box": (0.1, 0.1, 0.1)}, "alternatives name its own shape"),
        ({"sphere": (0.1, 0.2)}, r"alternative sphere: size=\(0.1, 0.2\): expected a finite number"),
        ({"sphere": (-0.1,)}, r"alternative sphere of size \(-0.1,\): expected lengths above 0"),
        (["sphere"], r"alternatives=\['sphere'\]: expected sizes by shape"),
    ):
        with pytest.raises(OigeError, match=message):
            attempt(alternatives=alternatives)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_equal_volume(shape: Any) -> None:
    size = size_of_volume(shape, 0.002)
    assert volume(shape, size) == pytest.approx(0.002)
    assert all(length > 0.05 for length in size)
    radius = size[0]
    expected = {
        "sphere": 4 / 3 * math.pi * radius**3,
        "box": radius**3,
        "capsule": math.pi * radius**2 * size[-1] + 4 / 3 * math.pi * radius**3,
        "cylinder": math.pi * radius**2 * size[-1],
    }
    assert expected[shape] == pytest.approx(0.002)
