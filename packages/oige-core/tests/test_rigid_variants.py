"""Variants of rigid bodies that differ between worlds, on both executors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.engines.mujoco.executors.probe import probe_buffers
from oige_core.errors import CapabilityError, OigeError
from oige_core.render import Camera
from oige_core.scene import RigidAsset, Scene
from oige_core.selections import as_on_gpu
from oige_core.testing import TapeRecorder
from scene_helpers import new_scene, raises

NUM_ENVS = 3
# A ball above a box, both smaller in the first variant; the second one is turned and has another surface.
SMALL = """<mujoco><worldbody><body>
  <geom type="box" size=".05 .06 .04" friction=".6"/>
  <geom size=".03" pos="0 0 .1" rgba="1 0 0 1"/></body></worldbody></mujoco>"""
LARGE = """<mujoco><worldbody><body>
  <geom type="box" size=".1 .08 .12" pos="0 .05 0" euler="0 0 30" density="500" solref=".01 1" friction=".8"/>
  <geom size=".05" pos=".02 0 .3" rgba="0 0 1 1"/></body></worldbody></mujoco>"""
ASSETS = {"small": SMALL, "large": LARGE}
# A kinematic table whose height differs.
TABLE = '<mujoco><worldbody><body><geom type="box" size=".3 .3 {}" {}/></body></worldbody></mujoco>'
BALL = '<mujoco><worldbody><body><geom size=".05" {}/></body></worldbody></mujoco>'
ONLY_TABLES = 'contype="2" conaffinity="2"'  # MuJoCo Warp compiles kernels for each pair of types of shapes
HALF_HEIGHTS = (0.1, 0.2, 0.3)


def rigid(mjcf: str) -> RigidAsset:
    return RigidAsset(mjcf=mjcf)


def place(scene: Scene, *names: str) -> Any:
    assets = [rigid(ASSETS[name]) for name in names]
    return scene.add_rigid_body("tee", assets if len(assets) > 1 else assets[0], position=(0, 0, 0.5))


def set_up_scene(scene: Scene) -> dict[str, Any]:
    scene.add_ground_plane()
    tables = [rigid(TABLE.format(half, ONLY_TABLES)) for half in HALF_HEIGHTS]
    return {
        "tee": place(scene, "small", "large"),
        "table": scene.add_rigid_body("table", tables, position=(4, 0, 0), kinematic=True),
        "ball": scene.add_rigid_body("ball", rigid(BALL.format(ONLY_TABLES)), position=(4, 0, 0.5)),
    }


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build(set_up_scene, NUM_ENVS, executor, dt=2e-3)


@pytest.fixture(scope="module")
def alone(build: Callable[..., Any]) -> dict[str, Any]:
    """Scenes with one asset each, on the C engine."""

    def of(name: str) -> Callable[[Scene], dict[str, Any]]:
        def set_up(scene: Scene) -> dict[str, Any]:
            scene.add_ground_plane()
            return {"tee": place(scene, name)}

        return set_up

    return {name: build(of(name), 1, dt=2e-3) for name in ASSETS}


def restored(world: Any) -> Any:
    world.engine.load_state_dict(world.initial_state)
    return world


def test_worlds_have_variants_by_turns(world: Any) -> None:
    assert (world.tee.num_variants, world.table.num_variants, world.ball.num_variants) == (2, 3, 1)
    assert world.tee.get_variants().tolist() == [0, 1, 0]
    assert world.table.get_variants().tolist() == [0, 1, 2]
    assert world.ball.get_variants().tolist() == [0, 0, 0]


def test_masses_are_those_of_the_asset_alone(world: Any, alone: dict[str, Any]) -> None:
    volumes = [
        8 * 0.05 * 0.06 * 0.04 + 4 / 3 * math.pi * 0.03**3,
        8 * 0.1 * 0.08 * 0.12 / 2 + 4 / 3 * math.pi * 0.05**3,
    ]
    world.close(world.tee.get_masses(), [1000 * volumes[number] for number in (0, 1, 0)], tol=1e-6, rel=1e-6)
    for number, other in enumerate(alone.values()):
        for getter in ("get_masses", "get_inertias", "get_coms", "get_material_properties"):
            of_variant, of_asset = (getattr(each.tee, getter)() for each in (world, restored(other)))
            world.close(of_variant[number], of_asset[0], tol=1e-7, rel=1e-6)


def test_bodies_move_like_the_asset_alone(world: Any, alone: dict[str, Any]) -> None:
    """They fall, turned, onto the ground; both shapes take part in contacts, and in none on the other's surface."""
    others = {name: restored(other) for name, other in alone.items()}
    for scene in (world, *others.values()):
        n = scene.engine.num_envs
        scene.tee.set_world_poses(scene.tensor([[0.0, 0.0, 0.3]] * n), scene.tensor([[0.5, 0.8, 0.1, 0.3]] * n))
        scene.run(0.3)
    poses = [each.tee.get_world_poses() for each in others.values()]
    for world_number, variant in ((0, 0), (1, 1), (2, 0)):
        for mine, theirs in zip(world.tee.get_world_poses(), poses[variant], strict=True):
            world.close(mine[world_number], theirs[0], tol=1e-6 if world.executor == "c" else 1e-4)  # float32
    assert not torch.allclose(poses[0][0], poses[1][0], atol=1e-2)


def test_derived_constants_are_those_of_the_asset_alone(world: Any, alone: dict[str, Any]) -> None:
    world.run(0.002)
    for field in ("body_invweight0", "dof_invweight0", "geom_rbound", "geom_aabb"):
        mine = world.engine.executor.model_field(field)
        for number, other in enumerate(alone.values()):
            restored(other).run(0.002)
            theirs = other.engine.executor.model_field(field)
            rows = {"b": slice(1, 2), "d": slice(0, 6), "g": slice(1, 3)}[field[0]]
            world.close(mine[number, rows], theirs[0, rows], tol=1e-7, rel=2e-6)


def test_kinematic_variants_carry_at_their_own_height(world: Any) -> None:
    """The ball starts inside none of the tables, and rests on each; in the air nothing touches it."""
    heights = [0.15, 0.25, 0.35]
    world.ball.set_world_poses(world.tensor([[4.25, 0.25, height + 0.002] for height in heights]))
    world.run(0.3)
    world.close(world.ball.get_world_poses()[0][:, 2], heights, tol=1e-3)


def test_variants_change_at_run_time(world: Any) -> None:
    world.table.set_variants(world.tensor([2, 0]), indices=[0, 2])
    assert world.table.get_variants().tolist() == [2, 1, 0]
    world.ball.set_world_poses(world.tensor([[4.0, 0.0, height + 0.002] for height in (0.35, 0.25, 0.15)]))
    world.run(0.3)
    world.close(world.ball.get_world_poses()[0][:, 2], [0.35, 0.25, 0.15], tol=1e-3)
    mask = torch.tensor([False, True, True], device=world.engine.device)
    world.table.set_variants(world.tensor([1, 0, 2]), indices=mask)
    assert world.table.get_variants().tolist() == [2, 0, 2]
    world.engine.reset()
    assert world.table.get_variants().tolist() == [2, 0, 2]


def test_masked_variants_do_not_wait_for_a_gpu(world: Any) -> None:
    if world.executor == "c":
        pytest.skip("the engine runs on the CPU")
    recorder = world.engine.graph_recorder() or TapeRecorder()
    values = torch.ones(NUM_ENVS, dtype=torch.int64, device=world.engine.device)
    mask = torch.tensor([True, False, True], device=world.engine.device)
    with as_on_gpu(), recorder.watch_waits() as waits:
        world.tee.set_variants(values, indices=mask)
        numbers = world.tee.get_variants()
    assert waits == []
    assert numbers.tolist() == [1, 1, 1]


def test_saved_states_have_variants(world: Any) -> None:
    world.tee.set_variants(world.tensor([1, 1, 1]))
    world.tee.set_masses(world.tensor([7.0, 8.0, 9.0]))
    saved = world.engine.state_dict()
    world.run(0.1)
    poses = world.tee.get_world_poses()[0]
    world.tee.set_variants(world.tensor([0, 1, 0]))
    assert world.tee.get_masses()[0] < 2.0
    world.engine.load_state_dict(saved)
    assert world.tee.get_variants().tolist() == [1, 1, 1]
    world.close(world.tee.get_masses(), [7.0, 8.0, 9.0], tol=1e-6)
    world.run(0.1)
    assert torch.equal(world.tee.get_world_poses()[0], poses)


def test_numbers_that_are_no_variant(world: Any) -> None:
    if world.looks_at_tensors:
        with raises(OigeError, r".*variants contain 2: expected a whole number from 0 to 1\."):
            world.tee.set_variants(world.tensor([0, 2, 1]))
        with raises(OigeError, r".*variants contain 0\.5: .*"):
            world.tee.set_variants([0.5, 0, 0])
    with raises(CapabilityError, r"'ball': has no variants; give add_rigid_body several assets\."):
        world.ball.set_variants(world.tensor([0, 0, 0]))


BODY = "<mujoco><worldbody><body>{}</body></worldbody></mujoco>"
BOX = '<geom name="flat" type="box" size=".1 .1 .1" {}/>'


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (BOX.format("") * 1, BOX.format("") + '<geom size=".1"/>', "has 2 shapes, and asset 0 has 1; all assets .*"),
        (
            BOX.format(""),
            '<geom size=".1"/>',
            "shape 0 is a sphere, and that of asset 0 a box; all assets of a body have the same number of shapes, of "
            "the same types and in the same order.",
        ),
        (
            BOX.format(""),
            BOX.format('priority="2"'),
            "shape 0 'flat' has priority=2, and that of asset 0 0; all worlds share it.",
        ),
        (BOX.format(""), BOX.format('contype="2"'), "shape 0 'flat' has contype=2, .*"),
        (
            BOX.format('friction=".3"'),
            BOX.format(""),
            "only one of shape 0 'flat' and that of asset 0 has a friction .*",
        ),
    ],
)
def test_assets_that_cannot_be_variants(first: str, second: str, problem: str) -> None:
    engine, scene = new_scene()
    scene.add_rigid_body("nut", [rigid(BODY.format(first)), rigid(BODY.format(second))])
    with raises(CapabilityError, rf"rigid body 'nut': asset 1: {problem}"):
        engine.build(scene)


def test_buffers_have_room_for_the_contacts_of_all_variants() -> None:
    """Ten balls that float above the ground, and ten that are in it."""
    bodies = ["".join(f'<geom size=".1" pos="0 0 {height}" mass="1"/>' for _ in range(10)) for height in (9, -1)]
    engine, scene = new_scene(gravity=[0.0, 0.0, 0.0])
    scene.add_ground_plane()
    scene.add_rigid_body("balls", [rigid(BODY.format(body)) for body in bodies])
    engine.build(scene)
    compiled = engine.compiled
    (other,) = compiled.other_models()
    assert probe_buffers(compiled.model)[0] == 8  # the least
    assert probe_buffers(compiled.model, other_models=[other])[0] == 20
    assert other.geom_pos[1:, 2].tolist() == [-1.0] * 10
    assert compiled.model.geom_pos[1:, 2].tolist() == [9.0] * 10


def prism(scale: float) -> str:
    """An L-shaped mesh with faces, of which MuJoCo computes a hull only if it is in use."""
    outline = scale * np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]])
    vertices = [(x, y, z) for z in (0, scale) for x, y in outline]
    ends = [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5)]
    faces = [(a, c, b) for a, b, c in ends] + [(a + 6, b + 6, c + 6) for a, b, c in ends]
    for i in range(6):
        j = (i + 1) % 6
        faces += [(i, j, j + 6), (i, j + 6, i + 6)]
    numbers = lambda values: " ".join(str(value) for value in np.ravel(values))  # noqa: E731
    return (
        f'<mujoco><asset><mesh name="el" vertex="{numbers(vertices)}" face="{numbers(faces)}"/></asset><worldbody>'
        '<body><geom type="{}" mesh="el"/></body></worldbody></mujoco>'
    )


@pytest.mark.parametrize("kind", ["mesh", "sdf"])
@pytest.mark.parametrize(
    "mesh_executor",
    ["c", pytest.param("warp-cpu", marks=pytest.mark.slow), *["warp-cuda"] * torch.cuda.is_available()],
)
def test_meshes_of_variants(build: Callable[..., Any], mesh_executor: str, kind: str) -> None:
    """A body of each size lies on a table like the asset alone."""
    assets = [rigid(prism(scale).format(kind)) for scale in (0.05, 0.1)]

    def set_up(chosen: list[RigidAsset]) -> Callable[[Scene], dict[str, Any]]:
        def set_up_scene(scene: Scene) -> dict[str, Any]:
            scene.add_box("table", size=(2, 2, 0.2), position=(0, 0, -0.1), kinematic=True)
            return {"el": scene.add_rigid_body("el", chosen, position=(0, 0, 0.005))}

        return set_up_scene

    both = build(set_up(assets), 2, mesh_executor, dt=2e-3)
    model = both.engine.compiled.model
    assert model.ngeom == 2
    both.run(0.2)
    for number, asset in enumerate(assets):
        one = build(set_up([asset]), 1, mesh_executor, dt=2e-3)
        both.close(both.el.get_masses()[number], one.el.get_masses()[0], tol=1e-7)
        one.run(0.2)
        for mine, theirs in zip(both.el.get_world_poses(), one.el.get_world_poses(), strict=True):
            both.close(mine[number], theirs[0], tol=1e-6 if mesh_executor == "c" else 1e-4)  # Warp: float32
        both.close(one.el.get_world_poses()[0][0, 2], 0.0, tol=1e-3)


def set_up_picture(chosen: list[str], meshes: list[str]) -> Callable[[Scene], dict[str, Any]]:
    def set_up_scene(scene: Scene) -> dict[str, Any]:
        bodies = {"tee": chosen, "el": meshes}
        views: dict[str, Any] = {
            name: scene.add_rigid_body(name, [rigid(mjcf) for mjcf in each], position=(0, 0.4 * i, 0.2))
            for i, (name, each) in enumerate(bodies.items())
        }
        views["eye"] = scene.add_camera(
            "eye", width=64, height=48, horizontal_fov=1.0, position=(-1.2, 0.2, 0.3), outputs=("rgb", "depth")
        )
        return views

    return set_up_scene


@pytest.mark.slow
def test_pictures_are_those_of_the_asset_alone(build: Callable[..., Any]) -> None:
    """Cameras of the scene, and images of recordings, after variants have changed, too."""
    meshes = [prism(0.05).format("sdf"), prism(0.1).format("sdf")]
    camera = Camera(size=(64, 48), position=(-1.0, -0.5, 0.6), target=(0.0, 0.2, 0.2))
    world = build(set_up_picture([SMALL, LARGE], meshes), 2)
    renderer = world.engine.create_world_renderer(camera)
    pictures = {}
    for number in (0, 1):
        alone = build(set_up_picture([[SMALL, LARGE][number]], [meshes[number]]), 1)
        pictures[number] = alone.eye.get_rgb()[0], alone.eye.get_depth()[0], alone.engine.create_world_renderer(camera)
    for numbers in ([0, 1], [1, 0], [1, 1]):
        world.tee.set_variants(world.tensor(numbers))
        world.el.set_variants(world.tensor(numbers))
        images = renderer.render()
        for index, number in enumerate(numbers):
            rgb, depth, other = pictures[number]
            assert (world.eye.get_rgb()[index].int() - rgb.int()).abs().float().mean() < 0.2
            mine = world.eye.get_depth()[index]
            assert torch.equal(mine.isinf(), depth.isinf())
            torch.testing.assert_close(mine, depth, atol=1e-4, rtol=1e-5)
            assert np.abs(images[index].astype(int) - other.render()[0]).mean() < 0.2
    assert not torch.equal(pictures[0][1], pictures[1][1])


def test_viewer_shows_the_variant_of_each_world(build: Callable[..., Any]) -> None:
    world = build(set_up_scene, NUM_ENVS)
    geometry = world.engine.create_geometry()
    own = [number for number, shape in enumerate(geometry.shapes) if geometry.body_names[shape.body] == "tee"]
    extents = [np.ptp(geometry.shapes[number].vertices, axis=0) for number in own]
    # Two shapes of each variant: a box and a ball; the large box is turned by 30 degrees.
    large = [0.2 * math.cos(math.pi / 6) + 0.16 * 0.5, 0.2 * 0.5 + 0.16 * math.cos(math.pi / 6), 0.24]
    for extent, expected in zip(extents, ([0.1, 0.12, 0.08], [0.06] * 3, large, [0.1] * 3), strict=True):
        assert extent == pytest.approx(expected, rel=0.05)
    gone = pytest.approx([0.0] * 3, abs=1e-5)
    small_only, large_only = [[1.0] * 3] * 2 + [gone] * 2, [gone] * 2 + [[1.0] * 3] * 2
    scales = geometry.looks([0, 1, 2]).scales[:, own]
    assert [row.tolist() for row in scales] == [small_only, large_only, small_only]
    world.tee.set_variants([0, 0, 1])
    assert geometry.looks([2]).scales[0, own].tolist() == large_only
    assert [geometry.shapes[number].color[:3] for number in own[1::2]] == [(1, 0, 0), (0, 0, 1)]
