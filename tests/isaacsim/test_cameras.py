"""Cameras in Isaac Sim: level 1 of docs/isaac_sim_mapping.md; no image has been rendered by Isaac Sim yet.

The double of the renderer divides its image into tiles as Isaac Sim does. Red is the number of the world, green the row
and blue the column of a pixel; the depth of all pixels is the distance between the camera and the ball.
"""

import math
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
import torch
from body_doubles import BodyHost
from isaacsim_doubles import API, checked
from oige_core.capabilities import CAPABILITIES
from oige_core.config import SimConfig
from oige_core.engines.isaacsim import engine
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import Scene
from pxr import Usd, UsdGeom

WORLDS = 12
WIDTH, HEIGHT = 6, 4
CHANNELS = {"rgb": 3, "distance_to_image_plane": 1}


class CameraHost(BodyHost):
    """Rigid bodies, and a renderer that has drawn nothing in its first frame."""

    capabilities = CAPABILITIES["Isaac Sim"]
    renders = True

    def __init__(self) -> None:
        super().__init__("107.3")
        self.frames = 0
        self.images: dict[str, torch.Tensor] = {}
        self.cameras: list[str] = []

    def render(self) -> None:
        self.frames += 1
        if self.frames > 1:
            self.images = {name: self._draw(name) for name in CHANNELS}

    def _draw(self, annotator: str) -> torch.Tensor:
        rows = round(len(self.cameras) ** 0.5)
        columns = (len(self.cameras) + rows - 1) // rows
        image = torch.zeros(rows * HEIGHT, columns * WIDTH, CHANNELS[annotator])
        for number, path in enumerate(self.cameras):
            row, column = divmod(number, columns)
            tile = image[row * HEIGHT : (row + 1) * HEIGHT, column * WIDTH : (column + 1) * WIDTH]
            tile[:] = self._draw_one(path) if annotator == "rgb" else self._distance(path)
        return image.to(torch.uint8) if annotator == "rgb" else image

    def _draw_one(self, path: str) -> torch.Tensor:
        image = torch.zeros(HEIGHT, WIDTH, 3)
        image[..., 0] = int(path.split("/")[3].removeprefix("env_"))
        image[..., 1] = torch.arange(HEIGHT).unsqueeze(1)
        image[..., 2] = torch.arange(WIDTH)
        return image

    def _distance(self, path: str) -> float:
        pose = UsdGeom.Xformable(self.stage.GetPrimAtPath(path)).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
        ball = next(body for name, body in self.bodies.items() if name.startswith(path[: path.index("/", 13)] + "/"))
        return float((torch.tensor(pose.ExtractTranslation()) - ball.origin).norm())


def install_renderer(monkeypatch: pytest.MonkeyPatch, host: CameraHost) -> None:
    members = API["isaac_sim"]["5.1.0"]["classes"]["isaacsim.sensors.camera.CameraView"]

    class Sensor:
        """``CameraView``, which finds its prims sorted as text."""

        annotators: Sequence[str]
        prim_paths: Sequence[str]

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            def create(prim_paths_expr: Sequence[str], **arguments: Any) -> None:
                assert arguments["camera_resolution"] == (WIDTH, HEIGHT)
                self.annotators = arguments["output_annotators"]
                self.prim_paths = host.cameras = sorted(prim_paths_expr)

            checked("CameraView", members["__init__"], [], create)(*args, **kwargs)

        def get_data(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, dict]:
            def read(annotator_type: str, tiled: bool) -> tuple[torch.Tensor, dict]:
                assert annotator_type in self.annotators
                assert tiled
                return host.images.get(annotator_type, torch.zeros(0)), {}

            return checked("CameraView.get_data", members["get_data"], [], read)(*args, **kwargs)

    sensors = ModuleType("isaacsim.sensors.camera")
    sensors.CameraView = Sensor  # type: ignore[attr-defined]
    warp = ModuleType("warp")
    warp.to_torch = lambda array: array  # type: ignore[attr-defined]
    for module in (ModuleType("isaacsim"), ModuleType("isaacsim.sensors"), sensors, warp):
        monkeypatch.setitem(sys.modules, module.__name__, module)


class Filmed:
    """A ball, and a camera that looks at it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, parent: str | None = None, **camera: Any) -> None:
        self.host = CameraHost()
        install_renderer(monkeypatch, self.host)
        self.engine = IsaacSimEngine(WORLDS, self.host)
        scene = Scene(self.engine, SimConfig(dt=0.01))
        self.ball = scene.add_sphere("ball", radius=0.1, position=(0.0, 0.0, 1.0), mass=1.0)
        arguments = {"width": WIDTH, "height": HEIGHT, "horizontal_fov": 1.0, "position": (0.0, -3.0, 1.0)}
        arguments |= {"outputs": ("rgb", "depth"), "parent": parent, **camera}
        self.camera: Any = scene.add_camera("camera", **arguments)
        self.engine.build(scene)


def test_images_are_those_of_their_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Filmed(monkeypatch).camera.get_rgb()
    assert image.shape == (WORLDS, HEIGHT, WIDTH, 3)
    assert image.dtype == torch.uint8
    for world in range(WORLDS):
        assert image[world, 2, 5].tolist() == [world, 2, 5]
        assert (image[world, ..., 0] == world).all()


def test_images_of_some_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Filmed(monkeypatch).camera
    mask = torch.zeros(WORLDS, dtype=torch.bool)
    mask[10] = True
    assert camera.get_rgb(indices=[10, 2])[:, 0, 0, 0].tolist() == [10, 2]
    assert camera.get_rgb(indices=mask).shape[0] == WORLDS  # getters return all worlds of a mask


def test_image_shows_the_current_state_and_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = Filmed(monkeypatch)
    assert filmed.camera.get_depth()[:, 0, 0, 0].tolist() == pytest.approx([3.0] * WORLDS, abs=1e-5)
    frames = filmed.host.frames
    filmed.camera.get_rgb()
    assert filmed.host.frames == frames
    filmed.ball.set_world_poses(positions=torch.tensor([[0.0, -1.0, 1.0]]), indices=[7])
    depths = filmed.camera.get_depth()[:, 0, 0, 0].tolist()
    assert depths == pytest.approx([3.0] * 7 + [2.0] + [3.0] * 4, abs=1e-5)
    filmed.engine.step(10)
    height = float(filmed.ball.get_world_poses()[0][0, 2])
    assert height < 1.0
    expected = math.hypot(3.0, 1.0 - height)
    assert float(filmed.camera.get_depth()[0, 0, 0, 0]) == pytest.approx(expected, abs=1e-5)


def test_moved_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = Filmed(monkeypatch)
    filmed.camera.set_local_poses(translations=torch.tensor([[0.0, -5.0, 1.0]]), indices=[0])
    assert filmed.camera.get_depth()[:3, 0, 0, 0].tolist() == pytest.approx([5.0, 3.0, 3.0], abs=1e-5)
    positions, orientations = filmed.camera.get_world_poses()
    assert positions[0].tolist() == [0.0, -5.0, 1.0]
    assert orientations[0].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_turned_camera_looks_along_x(monkeypatch: pytest.MonkeyPatch) -> None:
    """A USD camera looks along −z of its frame, and ours along x."""
    filmed = Filmed(monkeypatch)
    half = math.sqrt(0.5)
    filmed.camera.set_local_poses(orientations=torch.tensor([[half, 0.0, 0.0, half]]), indices=[1])
    filmed.camera.get_rgb()
    for world, forward in ((0, (1.0, 0.0, 0.0)), (1, (0.0, 1.0, 0.0))):
        prim = filmed.host.stage.GetPrimAtPath(f"/World/envs/env_{world}/camera")
        pose = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
        assert list(pose.TransformDir((0.0, 0.0, -1.0))) == pytest.approx(forward, abs=1e-6)
        assert list(pose.TransformDir((0.0, 1.0, 0.0))) == pytest.approx((0.0, 0.0, 1.0), abs=1e-6)


def test_field_of_view(monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = Filmed(monkeypatch)
    filmed.camera.set_horizontal_fovs(torch.tensor([0.5]), indices=[3])
    filmed.camera.get_rgb()
    for world, angle in ((0, 1.0), (3, 0.5)):
        camera = UsdGeom.Camera(filmed.host.stage.GetPrimAtPath(f"/World/envs/env_{world}/camera"))
        aperture, focal = camera.GetHorizontalApertureAttr().Get(), camera.GetFocalLengthAttr().Get()
        assert 2 * math.atan(aperture / (2 * focal)) == pytest.approx(angle, abs=1e-6)
    assert filmed.camera.get_horizontal_fovs()[[0, 3]].tolist() == [1.0, 0.5]


def test_camera_on_a_body_moves_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = Filmed(monkeypatch, parent="ball", position=(0.5, 0.0, 0.0))
    half = math.sqrt(0.5)
    filmed.ball.set_world_poses(torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[half, 0.0, 0.0, half]]), indices=[4])
    positions, orientations = filmed.camera.get_world_poses()
    assert positions[4].tolist() == pytest.approx([2.0, 0.5, 1.0], abs=1e-6)
    assert orientations[4].tolist() == pytest.approx([half, 0.0, 0.0, half], abs=1e-6)
    assert positions[5].tolist() == pytest.approx([0.5, 0.0, 1.0], abs=1e-3)


def test_renderer_that_delivers_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = Filmed(monkeypatch)
    monkeypatch.setattr(filmed.host, "_draw", lambda annotator: torch.zeros(0))
    with pytest.raises(OigeError, match="has rendered no rgb in 20 frames"):
        filmed.camera.get_rgb()


def test_state_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = Filmed(monkeypatch)
    state = filmed.engine.state_dict()
    filmed.camera.set_local_poses(translations=torch.full((WORLDS, 3), 9.0))
    filmed.engine.load_state_dict(state)
    assert filmed.camera.get_local_poses()[0][3].tolist() == [0.0, -3.0, 1.0]
    assert float(filmed.camera.get_depth()[3, 0, 0, 0]) == pytest.approx(3.0, abs=1e-5)


def test_application_without_a_renderer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CameraHost, "renders", False)
    monkeypatch.setattr(CameraHost, "exclusive", True)
    monkeypatch.setattr(engine, "_live", [])
    with pytest.raises(ConfigError, match=r"^camera 'camera': set task\.sim\.enable_cameras=True"):
        Filmed(monkeypatch)
    monkeypatch.setattr(CameraHost, "renders", True)
    Filmed(monkeypatch).engine.close()  # the failed engine is not in the way


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": ("rgb", "segmentation")}, "outputs=segmentation: the engine Isaac Sim renders rgb and depth only"),
        ({"hidden": ("ball",)}, "hidden=ball: in Isaac Sim, all cameras see the same"),
    ],
)
def test_what_is_not_rendered_is_refused(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(CapabilityError, match=message):
        Filmed(monkeypatch, **arguments)


def test_output_that_was_not_asked_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Filmed(monkeypatch, outputs=("rgb",)).camera
    with pytest.raises(OigeError, match="has no depth; name it in outputs"):
        camera.get_depth()
