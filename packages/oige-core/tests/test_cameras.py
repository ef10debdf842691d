"""Cameras: positions in an image by the pinhole model, depth and segmentation, on both executors."""

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from oige_core.config import SimConfig
from oige_core.errors import OigeError
from oige_core.scene import ArticulationAsset, Material, Scene
from oige_core.selections import as_on_gpu
from oige_core.views import CameraOutput

WIDTH, HEIGHT = 48, 32
FOV = math.pi / 2  # so that the focal length is half the width, 24 pixels
FOCAL = WIDTH / 2
PITCH = math.radians(30.0)
RED, GREEN = (1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 1.0)
DOWN_BY_30_DEGREES = (math.cos(PITCH / 2), 0.0, math.sin(PITCH / 2), 0.0)

TURRET = ArticulationAsset(
    mjcf="""
    <mujoco>
      <worldbody>
        <body name="base">
          <geom type="cylinder" size="0.1 0.05"/>
          <body name="head" pos="0 0 0.2">
            <joint name="yaw" type="hinge" axis="0 0 1"/>
            <geom type="box" size="0.05 0.05 0.05" group="3"/>
          </body>
        </body>
      </worldbody>
    </mujoco>
    """,
    usd="",
)


def set_up(scene: Scene) -> dict[str, Any]:
    """A red ball and a green box over a plane, seen from the origin, from above and from a turret at (0, −5, 1)."""
    scene.add_ground_plane(height=-1.0)
    images: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "horizontal_fov": FOV}
    everything: Sequence[CameraOutput] = ("rgb", "depth", "segmentation")
    return {
        "ball": scene.add_sphere("ball", radius=0.2, kinematic=True, collision=False, material=Material(color=RED)),
        "box": scene.add_box(
            "box", size=(0.4, 1.0, 0.5), position=(4.2, 0, 0), kinematic=True, material=Material(color=GREEN)
        ),
        "front": scene.add_camera("front", **images, outputs=everything),
        "tilted": scene.add_camera("tilted", **images, orientation=DOWN_BY_30_DEGREES, outputs=["depth"]),
        "turret": scene.add_articulation("turret", TURRET, position=(0.0, -5.0, 0.8)),
        "eye": scene.add_camera("eye", **images, parent="turret/head", position=(0.06, 0, 0), outputs=["segmentation"]),
    }


@pytest.fixture(scope="module")
def world(build: Callable[..., Any], executor: str) -> Any:
    return build(set_up, num_envs=3, executor=executor)


BALLS = [[2.0, 0.5, 0.3], [3.0, -1.2, 0.6], [2.5, 0.0, -0.7]]


def put_balls(world: Any) -> None:
    world.engine.reset()
    world.ball.set_world_poses(world.tensor(BALLS))


def centroid(mask: torch.Tensor) -> tuple[float, float]:
    """Return mean column and row of the pixels of a mask (height, width), from the image's top left corner."""
    rows, columns = mask.nonzero().double().add(0.5).mean(dim=0).tolist()
    return columns, rows


def test_bodies_appear_at_their_pinhole_projection(world: Any):
    put_balls(world)
    red = world.front.get_rgb().cpu().int()
    assert red.shape == (3, HEIGHT, WIDTH, 3)
    red = (red[..., 0] > 80) & (red[..., 1] < 20)
    labelled = (world.front.get_segmentation() == world.front.segmentation_ids["ball"]).squeeze(-1).cpu()
    for mask in (red, labelled):
        for image, (x, y, z) in zip(mask, BALLS, strict=True):
            # y points to the left of the image, z upwards; a ball's outline is hardly shifted outwards.
            column, row = WIDTH / 2 - FOCAL * y / x, HEIGHT / 2 - FOCAL * z / x
            assert centroid(image) == pytest.approx((column, row), abs=0.4)
            distance = math.sqrt(x * x + y * y + z * z)
            area = math.pi * (FOCAL * 0.2 / x) ** 2 * distance / x
            assert int(image.sum()) == pytest.approx(area, rel=0.25)


def test_face_of_a_box_fills_the_expected_pixels(world: Any):
    world.engine.reset()
    world.ball.set_world_poses(world.tensor([[-5.0, 0.0, 0.0]]).expand(3, 3))
    ids = world.front.segmentation_ids
    assert set(ids) == {"ground_plane", "ball", "box", "turret/base", "turret/head"}
    assert sorted(ids.values()) == [1, 2, 3, 4, 5]
    shown = world.front.get_segmentation()[0, :, :, 0].cpu()
    rows, columns = (shown == ids["box"]).nonzero().unbind(-1)
    # The near face is 1 m × 0.5 m, 4 m away: 6 × 3 pixels in the middle.
    assert (columns.min().item(), columns.max().item()) == (21, 26)
    assert len(rows) == pytest.approx(18, abs=6)  # its edges run through the middle of rows 14 and 17
    assert world.front.get_depth()[0, 16, 24, 0].item() == pytest.approx(4.0, abs=1e-4)
    assert (world.front.get_rgb()[0, 16, 24].cpu()[[0, 2]] < 60).all()
    assert (shown[:15, :20] == 0).all(), "above the horizon is the background"
    assert (shown[17:, :20] == ids["ground_plane"]).all()


def test_depth_of_a_plane_matches_the_closed_form(world: Any):
    world.engine.reset()
    world.ball.set_world_poses(world.tensor([[-5.0, 0.0, 0.0]]).expand(3, 3))
    world.box.set_world_poses(world.tensor([[-5.0, 0.0, 0.0]]).expand(3, 3))
    rows = torch.arange(HEIGHT).double().add(0.5)
    slope = (rows - HEIGHT / 2) / FOCAL  # of a pixel's ray below the camera's axis
    # The camera is 1 m above the plane; along a ray, a metre of depth goes down by sin + slope · cos.
    descent = math.sin(PITCH) + slope * math.cos(PITCH)
    expected = torch.where(descent > 0, 1.0 / descent, torch.inf)
    depth = world.tilted.get_depth()
    assert depth.shape == (3, HEIGHT, WIDTH, 1)
    assert torch.isinf(expected).any()
    for column in (0, 23, 47):
        torch.testing.assert_close(depth[1, :, column, 0].cpu().double(), expected, rtol=1e-4, atol=1e-4)


def test_camera_on_a_link_rotates_with_the_link(world: Any):
    put_balls(world)
    yaw = world.tensor([[0.0], [math.pi / 2], [-math.pi / 2]])
    world.turret.set_joint_positions(yaw)
    positions, orientations = world.eye.get_world_poses()
    world.close(positions, [[0.06, -5, 1], [0, -4.94, 1], [0, -5.06, 1]], tol=1e-5)
    half = math.sqrt(0.5)
    world.close(orientations, [[1, 0, 0, 0], [half, 0, 0, half], [half, 0, 0, -half]], tol=1e-5)
    # World 1 looks along y. Box and ball are 4.94 m and about 3.7 m ahead, to the right, where x is.
    shown = world.eye.get_segmentation()[..., 0].cpu()
    ids = world.eye.segmentation_ids
    assert (shown[1] == ids["ball"]).any()
    x, y, z = BALLS[1]
    column, row = centroid(shown[1] == ids["ball"])
    assert column == pytest.approx(WIDTH / 2 + FOCAL * x / (y + 4.94), abs=0.6)
    assert row == pytest.approx(HEIGHT / 2 - FOCAL * (z - 1.0) / (y + 4.94), abs=0.6)
    for image in shown[[0, 2]]:
        assert not (image == ids["ball"]).any()
    assert not (shown == ids["turret/head"]).any(), "collision shapes are not rendered"


def test_images_of_a_world_do_not_depend_on_other_worlds(world: Any, new_engine: Callable[..., Any]):
    put_balls(world)
    together = {name: getattr(world.front, f"get_{name}")() for name in ("rgb", "depth", "segmentation")}
    for index, position in enumerate(BALLS):
        engine = new_engine(world.executor, 1)
        scene = Scene(engine, SimConfig())
        views = set_up(scene)
        engine.build(scene)
        views["ball"].set_world_poses(torch.tensor([position]))
        for name, images in together.items():
            alone = getattr(views["front"], f"get_{name}")()
            assert torch.equal(alone[0].cpu(), images[index].cpu()), (name, index)
        engine.close()


@pytest.mark.parametrize("context", [contextlib.nullcontext, as_on_gpu])
def test_only_changed_worlds_are_rendered_again(world: Any, context: Any, monkeypatch: pytest.MonkeyPatch):
    put_balls(world)
    before = world.front.get_rgb()
    rendered: list[list[int] | None] = []
    tracer = world.front._tracer
    render = tracer.render

    def record(geoms: Any, camera: Any, worlds: torch.Tensor | None, looks: Any, vertices: Any) -> None:
        is_mask = worlds is not None and worlds.dtype == torch.bool  # on a GPU
        rendered.append(None if worlds is None else (worlds.nonzero().flatten() if is_mask else worlds).tolist())
        render(geoms, camera, worlds, looks, vertices)

    monkeypatch.setattr(tracer, "render", record)
    world.front.get_rgb()
    world.front.get_depth()
    assert rendered == []
    moved = world.tensor([[2.0, -0.5, 0.3]])
    world.ball.set_world_poses(moved, indices=[2])
    world.ball.set_world_poses(moved, indices=[0])
    with context():
        after = world.front.get_rgb()
    assert rendered == [[0, 2]]
    assert torch.equal(after[1], before[1])
    assert torch.equal(after[0], after[2])
    assert not torch.equal(after[0], before[0])
    assert torch.equal(world.front.get_rgb(indices=[2]), after[2:])
    world.engine.step()
    world.front.get_rgb()
    assert rendered[1:] == [None]


def test_only_worlds_of_a_mask_are_rendered_again(world: Any):
    put_balls(world)
    outputs = ("rgb", "depth", "segmentation")
    before = {name: getattr(world.front, f"get_{name}")() for name in outputs}
    # The image of world 1 is not what its state would give: rendered again, it would change.
    for name in outputs:
        world.front._tracer.images[name][1] += 1
    mask = world.tensor([1.0, 0.0, 1.0]).bool()
    world.ball.set_world_poses(world.tensor([[2.0, -0.5, 0.3]]).expand(3, 3), indices=mask)
    after = {name: getattr(world.front, f"get_{name}")() for name in outputs}
    world.engine.worlds.mark_stale(None)
    for name in outputs:
        expected = getattr(world.front, f"get_{name}")()
        assert torch.equal(after[name][mask], expected[mask]), name
        assert torch.equal(after[name][1], before[name][1] + 1), name
        assert torch.equal(expected[1], before[name][1]), name
        assert not torch.equal(expected[0], before[name][0]), name


def test_images_do_not_depend_on_the_number_of_threads(build: Callable[..., Any], new_engine: Callable[..., Any]):
    images = []
    for threads in (1, 3):
        engine = new_engine("c", 7, threads)
        scene = Scene(engine, SimConfig())
        views = set_up(scene)
        engine.build(scene)
        for step in range(3):
            views["ball"].set_world_poses(torch.tensor([[2.0, -0.6, 0.1 * step]]) + torch.arange(7)[:, None] * 0.2)
            images.append(views["front"].get_rgb())
        views["ball"].set_world_poses(torch.tensor([[3.0, 0.0, 0.0]]).expand(5, 3), indices=[6, 1, 2, 3, 5])
        images.append(views["front"].get_rgb())
        engine.close()
    for one, three in zip(images[:4], images[4:], strict=True):
        assert torch.equal(one, three)


def test_colour_of_a_thin_rod_is_weighted_by_its_coverage(build: Callable[..., Any]):
    def thin(scene: Scene) -> dict[str, Any]:
        # A pixel is 1/12 m wide at 2 m: the rod covers four tenths of column 24, the first right of the middle.
        width = 0.4 / 12
        scene.add_box("rod", size=(0.01, width, 4.0), position=(2.005, -0.5 / 12, 0), material=Material(color=RED))
        options = {"width": WIDTH, "height": HEIGHT, "horizontal_fov": FOV}
        return {f"samples_{n}": scene.add_camera(f"c{n}", **options, samples_per_pixel=n) for n in (1, 10)}

    world = build(thin, add_distant_light=False)
    row = world.samples_10.get_rgb()[0, 16].double()
    background, rod = row[0], world.samples_1.get_rgb()[0, 16, 24].double()
    assert rod[1] < 60 < background[1]
    covered = (row - background)[:, 1] / (rod - background)[1]
    expected = torch.zeros(WIDTH, dtype=torch.float64)
    expected[24] = 0.4
    torch.testing.assert_close(covered, expected, atol=0.02, rtol=0.0)


def test_bodies_beyond_far_are_not_rendered(build: Callable[..., Any]):
    def far(scene: Scene) -> dict[str, Any]:
        for name, y in (("near", 1.0), ("away", -1.0)):
            x = 3.0 if name == "near" else 5.0
            scene.add_box(name, size=(0.4, 1.0, 1.0), position=(x, y, 0))
        options = {"width": WIDTH, "height": HEIGHT, "horizontal_fov": FOV, "outputs": ("segmentation", "depth")}
        return {"eye": scene.add_camera("eye", far=4.0, **options)}

    world = build(far)
    shown = world.eye.get_segmentation()
    ids = world.eye.segmentation_ids
    assert (shown == ids["near"]).any()
    assert not (shown == ids["away"]).any()
    assert torch.isinf(world.eye.get_depth()[0, 16, 30]).all()


def test_hidden_bodies_are_not_rendered_and_do_not_occlude(build: Callable[..., Any]):
    def partly(scene: Scene) -> dict[str, Any]:
        views = set_up(scene)
        options = {"width": WIDTH, "height": HEIGHT, "horizontal_fov": FOV, "outputs": ["segmentation"]}
        views["one"] = scene.add_camera("one", hidden=["ball", "turret"], **options)
        views["other"] = scene.add_camera("other", hidden=["box", "turret/head"], **options)
        return views

    world = build(partly)
    world.ball.set_world_poses(torch.tensor([[2.0, 0.0, 0.0]]))  # right before the box
    for camera, middle in ((world.front, "ball"), (world.one, "box"), (world.other, "ball")):
        shown = camera.get_segmentation()
        assert shown[0, 16, 24] == camera.segmentation_ids[middle]
    assert not (world.one.get_segmentation() == world.one.segmentation_ids["ball"]).any()
    assert (world.engine.compiled.model.geom_group == [0, 0, 0, 0, 3]).all(), "the shared model is unchanged"


def test_shared_model_is_unchanged_when_creating_a_tracer_fails(
    build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def partly(scene: Scene) -> dict[str, Any]:
        return set_up(scene) | {
            "blind": scene.add_camera("blind", width=8, height=8, horizontal_fov=1, hidden=["ball"])
        }

    world = build(partly)
    groups = world.engine.compiled.model.geom_group.copy()

    def fail(*arguments: Any, **options: Any) -> None:
        raise ValueError("out of memory")

    monkeypatch.setattr("oige_core.engines.mujoco.render.ray_tracer.RayTracer", fail)
    with pytest.raises(ValueError, match="out of memory"):
        world.blind.get_rgb()
    assert (world.engine.compiled.model.geom_group == groups).all()


def test_invalid_camera_arguments_raise(build: Callable[..., Any]):
    options: dict[str, Any] = {"width": 8, "height": 8, "horizontal_fov": 1.0}

    def attempt(**changed: Any) -> None:
        build(lambda scene: set_up(scene) | {"bad": scene.add_camera("bad", **(options | changed))})

    for changed, message in (
        ({"width": 0}, "camera 'bad': 0 × 8 pixels"),
        ({"horizontal_fov": 90.0}, "horizontal_fov=90.0, expected an angle"),
        ({"far": 0.0}, "far=0.0"),
        ({"outputs": ["deep"]}, "unknown output 'deep'.*depth"),
        ({"outputs": []}, "outputs none"),
        ({"outputs": ["depth"], "samples_per_pixel": 2}, "samples_per_pixel=2"),
        ({"parent": "robot/head"}, "no body or link 'robot/head'"),
        ({"hidden": ["boll"]}, r"hidden names 'boll', which is no element or link\. Did you mean ball"),
    ):
        with pytest.raises(OigeError, match=message):
            attempt(**changed)


def test_reading_an_output_not_requested_raises(world: Any):
    with pytest.raises(OigeError, match="camera 'tilted': has no rgb; name it in outputs"):
        world.tilted.get_rgb()
