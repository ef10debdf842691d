"""Images of Replicator are those of cameras that stand where the stage has them."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from oige_compat.errors import CompatError
from oige_compat.gym_interface import BaseTask, RLTaskInterface, VecEnvBase
from oige_compat.imports import install
from oige_compat.session import restart, session

install()

WIDTH, HEIGHT = 40, 20
ZERO = "/World/envs/env_0"


class _LookTask(RLTaskInterface):
    """A camera 2 m above the ground that looks along x at a red box 4 m ahead, and a blue box behind it."""

    def __init__(self) -> None:
        self._num_envs, self._num_actions, self._num_observations, self._num_states = 2, 1, 1, 0
        BaseTask.__init__(self, name="Look", offset=None)
        self.action_space = self.observation_space = None

    def set_up_scene(self, scene) -> None:
        import omni.replicator.core as rep
        from omni.isaac.cloner import GridCloner
        from omni.isaac.core.objects import FixedCuboid
        from omni.isaac.core.prims import RigidPrimView
        from omni.isaac.core.utils.semantics import add_update_semantics
        from omni.isaac.core.utils.stage import get_current_stage
        from omni.replicator.isaac.scripts.writers.pytorch_listener import PytorchListener
        from pxr import UsdGeom

        stage = get_current_stage()
        mount = UsdGeom.Xform.Define(stage, f"{ZERO}/Mount")
        mount.AddTranslateOp().Set((0.0, 0.0, 2.0))
        camera = stage.DefinePrim(f"{ZERO}/Mount/Camera", "Camera")
        UsdGeom.Xformable(camera).AddRotateXYZOp().Set((90.0, 0.0, -90.0))
        camera.GetAttribute("focalLength").Set(20)
        camera.GetAttribute("horizontalAperture").Set(40)  # as wide as far: 90°
        camera.GetAttribute("clippingRange").Set((0.01, 8.0))
        red = FixedCuboid(
            prim_path=f"{ZERO}/red", size=1.0, translation=np.array([4.5, 1.0, 2.0]), color=np.array([1.0, 0.0, 0.0])
        )
        FixedCuboid(prim_path=f"{ZERO}/far", size=3.0, translation=np.array([20.0, -1.0, 2.0]))
        add_update_semantics(red.prim, "target")
        self.boxes = RigidPrimView(prim_paths_expr="/World/envs/.*/red", name="red")
        scene.add(self.boxes)
        cloner = GridCloner(spacing=30.0)
        cloner.clone(ZERO, cloner.generate_paths("/World/envs/env", 2))
        rep.orchestrator._orchestrator._is_started = True
        products = [
            rep.create.render_product(f"/World/envs/env_{i}/Mount/Camera", resolution=(WIDTH, HEIGHT)) for i in range(2)
        ]
        self.listener = PytorchListener()
        writer = rep.WriterRegistry.get("PytorchWriter")
        writer.initialize(listener=self.listener, device="cuda")
        writer.attach(products)
        self.annotators = {}
        for name in ("instance_segmentation", "semantic_segmentation", "distance_to_image_plane", "distance_to_camera"):
            self.annotators[name] = rep.AnnotatorRegistry.get_annotator(name)
            self.annotators[name].attach([products[1]])

    def pre_physics_step(self, actions) -> None:
        """Do nothing."""

    def post_physics_step(self):
        raise NotImplementedError


@pytest.fixture(scope="module")
def task() -> Iterator[_LookTask]:
    env, task = VecEnvBase(headless=True), _LookTask()
    env.set_task(task, backend="torch", sim_params={"dt": 0.005})
    yield task
    env.close()
    restart()


def _seen(image: torch.Tensor) -> tuple[int, int, int, int]:
    """Return first and last row and column of red pixels of an image ``(3, height, width)``."""
    red = (image[0].int() - image[1].int()) > 60
    rows, columns = red.any(dim=1).nonzero().flatten(), red.any(dim=0).nonzero().flatten()
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def test_box_is_where_the_pinhole_projects_it(task: _LookTask) -> None:
    images = task.listener.get_rgb_data()
    assert images is not None
    assert images.shape == (2, 3, HEIGHT, WIDTH)
    assert images.dtype == torch.uint8
    # The front face is 4 m ahead, where the image is 8 m wide: 5 pixels per metre. It spans 0.5 to 1.5 m to the left,
    # which is 7.5 to 2.5 pixels left of column 20, and ±2.5 pixels about row 10.
    for image in images:
        rows, columns = _seen(image)[:2], _seen(image)[2:]
        assert rows == (8, 12) or rows == (7, 12)
        assert columns[0] in (12, 13)
        assert columns[1] in (16, 17)


def test_segmentation_shows_labelled_prims_of_its_own_world(task: _LookTask) -> None:
    found = task.annotators["instance_segmentation"].get_data()
    labels = {"0": "BACKGROUND", "1": "UNLABELLED", "2": "/World/envs/env_1/red"}
    assert found["info"]["idToLabels"] == labels
    assert found["data"].dtype == np.uint32
    assert found["data"].shape == (HEIGHT, WIDTH)
    assert found["data"][10, 15] == 2
    assert set(np.unique(found["data"])) == {0, 2}  # the other box is beyond the clipping range
    by_class = task.annotators["semantic_segmentation"].get_data()["info"]["idToLabels"]
    assert by_class["2"] == {"class": "target"}


def test_segmentation_on_a_device_is_a_warp_array(task: _LookTask) -> None:
    import warp as wp

    data = task.annotators["instance_segmentation"].get_data(device="cuda")["data"]
    assert wp.to_torch(data.view(wp.int32))[10, 15] == 2


def test_distances_are_along_the_axis_or_the_ray(task: _LookTask) -> None:
    axis = task.annotators["distance_to_image_plane"].get_data()
    ray = task.annotators["distance_to_camera"].get_data()
    assert axis[10, 15] == pytest.approx(4.0, abs=1e-3)
    x, y = (15.5 - 20) / 20, 0.5 / 20  # of the pixel's middle, 1 m ahead
    assert ray[10, 15] == pytest.approx(4.0 * math.sqrt(1 + x**2 + y**2), abs=1e-3)


def test_camera_sets_the_lens_in_tenths() -> None:
    restart()
    from omni.isaac.sensor.scripts.camera import Camera

    camera = Camera(prim_path="/World/envs/env_3/Camera")
    camera.set_focal_length(0.6)
    camera.set_clipping_range(far_distance=25.0)
    prim = session().stage.GetPrimAtPath(f"{ZERO}/Camera")
    assert prim.GetAttribute("focalLength").Get() == pytest.approx(6.0)
    assert camera.get_focal_length() == pytest.approx(0.6)
    assert prim.GetAttribute("clippingRange").Get()[1] == 25.0


def test_annotators_that_are_not_served_raise() -> None:
    import omni.replicator.core as rep

    with pytest.raises(CompatError) as error:
        rep.AnnotatorRegistry.get_annotator("normals")
    expected = (
        "): expected one of rgb, LdrColor, distance_to_image_plane, distance_to_camera, instance_segmentation, "
        "semantic_segmentation."
    )
    assert str(error.value).startswith("annotator 'normals' (used in ")
    assert str(error.value).endswith(expected)


def test_render_product_outside_the_worlds_raises() -> None:
    restart()
    import omni.replicator.core as rep
    from oige_compat.building.cameras import add_cameras
    from oige_compat.building.world import FirstWorld

    session().env_paths = [ZERO]
    session().stage.DefinePrim(ZERO, "Xform")
    rep.create.render_product("/World/Camera", resolution=(8, 8))
    with pytest.raises(CompatError) as error:
        add_cameras(FirstWorld(session(), {}, ()), None)  # pyright: ignore
    assert str(error.value) == "/World/Camera: a camera outside the worlds is not served; add it to each world."


def test_speeds_of_wheels_follow_the_command() -> None:
    from omni.isaac.wheeled_robots.controllers.differential_controller import DifferentialController

    action = DifferentialController("drive", wheel_radius=0.1, wheel_base=0.4).forward([1.0, 0.5])
    np.testing.assert_allclose(action.joint_velocities, [9.0, 11.0])  # (1 ∓ 0.5 · 0.2) / 0.1


def test_tasks_that_name_cuda_get_tensors_on_the_cpu() -> None:
    from oige_compat.devices import _OnTheCpu

    with _OnTheCpu():
        made = torch.zeros(2, device="cuda:0")
        moved = made.to("cuda", dtype=torch.int32)
    assert (made.device.type, moved.device.type, moved.dtype) == ("cpu", "cpu", torch.int32)


class _Scene:
    """Records cameras."""

    def add_camera(self, name: str, **options) -> None:
        self.name, self.options = name, options


def test_camera_of_nova_carter_looks_ahead_from_its_stereo_mount() -> None:
    restart()
    import omni.replicator.core as rep
    from oige_compat.building.cameras import add_cameras
    from oige_compat.building.robots import find_robots
    from oige_compat.building.world import FirstWorld
    from omni.isaac.core.utils.nucleus import get_assets_root_path
    from omni.isaac.core.utils.stage import add_reference_to_stage

    root = f"{ZERO}/Rover"
    add_reference_to_stage(get_assets_root_path() + "/Isaac/Robots/Carter/nova_carter.usd", root)
    session().env_paths = [ZERO]
    sensor = "stereo_cam_right/stereo_cam_right_sensor_frame/camera_sensor_right"
    rep.create.render_product(f"{root}/chassis_link/{sensor}", resolution=(8, 8))
    world, scene = FirstWorld(session(), {}, ()), _Scene()
    find_robots(world)
    world.articulations[root] = "Rover"
    add_cameras(world, scene)  # pyright: ignore[reportArgumentType]
    assert scene.options["parent"] == "Rover/chassis_link"
    assert scene.options["hidden"] == ("Rover",)
    assert scene.options["position"] == pytest.approx((0.125, -0.075, 0.345))
    assert [abs(part) for part in scene.options["orientation"]] == pytest.approx([1.0, 0.0, 0.0, 0.0], abs=1e-9)
    assert scene.options["horizontal_fov"] == pytest.approx(2 * math.atan(20.955 / (2 * 50)), rel=1e-6)
