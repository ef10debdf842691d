"""Pictures show what is where; recordings are files that play, at the right speed and of the right length."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from oige_core import VecEnv, make_vec
from oige_core.engines.mujoco.render.offscreen import MujocoRenderer
from oige_core.errors import ConfigError
from oige_core.render import Camera
from oige_core.render.recording import Recorder
from oige_core.scene import ArticulationAsset, Material, Scene

SIZE = (160, 120)
# A box as a mesh, away from its own origin.
MESH = """
<mujoco>
  <asset><mesh name="box" vertex="{}"/></asset>
  <worldbody><body name="base"><geom type="mesh" mesh="box" rgba="0 0 1 1"/></body></worldbody>
</mujoco>
""".format(" ".join(f"{x} {y} {z}" for x in (0.4, 0.8) for y in (-0.1, 0.1) for z in (0.0, 0.6)))


def middle(image: np.ndarray, color: int) -> tuple[float, float]:
    """Column and row of the middle of what is red (0), green (1) or blue (2)."""
    others = [channel for channel in range(3) if channel != color]
    seen = image[..., color] > 2.0 * image[..., others].max(axis=2)
    assert seen.any()
    rows, columns = np.nonzero(seen)
    return float(columns.mean()), float(rows.mean())


def project(camera: Camera, point: tuple[float, float, float]) -> tuple[float, float]:
    """Column and row of a point, as a pinhole camera has it."""
    assert camera.position is not None
    forward = np.subtract(camera.target, camera.position)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    offset = np.subtract(point, camera.position)
    depth = offset @ forward
    width, height = camera.size
    scale = 0.5 * height / np.tan(np.radians(0.5 * camera.fov))
    x, y = offset @ right / depth * scale, offset @ np.cross(right, forward) / depth * scale
    return 0.5 * width - 0.5 + x, 0.5 * height - 0.5 - y


def test_bodies_appear_where_the_camera_projects_them(build: Callable) -> None:
    def scene(scene: Scene) -> dict:
        scene.add_ground_plane()
        red, green = Material(color=(1.0, 0.0, 0.0, 1.0)), Material(color=(0.0, 1.0, 0.0, 1.0))
        return {
            "mesh": scene.add_articulation("mesh", ArticulationAsset(mjcf=MESH, usd="/none.usd")),
            "ball": scene.add_sphere("ball", radius=0.2, material=red),
            "box": scene.add_box("box", size=(0.3, 0.3, 0.3), material=green, position=(-1.0, 0.0, 0.15)),
        }

    world = build(scene, num_envs=2)
    offsets = np.array([[0.0, 1.5, 0.0], [0.0, -1.5, 0.0]])
    camera = Camera(SIZE, position=(-3.0, -7.0, 4.0), target=(0.0, 0.0, 0.5), fov=40.0)
    renderer = world.engine.create_grid_renderer(camera, offsets)
    hidden, up = world.tensor([[0.0, 0.0, -5.0]]), world.tensor([[0.0, 0.0, 1.0]])
    world.box.set_world_poses(hidden, indices=[0])
    for shown in (0, 1):
        world.ball.set_world_poses(up, indices=[shown])
        world.ball.set_world_poses(hidden, indices=[1 - shown])
        image = renderer.render()[0]
        assert image.shape == (120, 160, 3)
        assert image.dtype == np.uint8
        x, y, z = offsets[shown]
        assert middle(image, 0) == pytest.approx(project(camera, (x, y, z + 1.0)), abs=1.0)
    assert middle(image, 1) == pytest.approx(project(camera, (-1.0, -1.5, 0.15)), abs=1.5)
    # A body of another colour in one of the worlds shows it.
    world.ball.set_colors(world.tensor([[0.0, 1.0, 0.0]]), indices=[0])
    world.box.set_colors(world.tensor([[1.0, 0.0, 0.0]]), indices=[1])
    world.ball.set_world_poses(hidden, indices=[1])
    image = renderer.render()[0]
    assert middle(image, 0) == pytest.approx(project(camera, (-1.0, -1.5, 0.15)), abs=1.5)
    world.ball.set_world_poses(up, indices=[0])
    x, y, z = offsets[0]
    assert middle(renderer.render()[0], 1) == pytest.approx(project(camera, (x, y, z + 1.0)), abs=1.0)
    # The mesh is where its vertices are, although the compiler has moved them to their middle.
    world.ball.set_world_poses(hidden.repeat(2, 1))
    world.mesh.set_world_poses(hidden, indices=[0])
    assert middle(renderer.render()[0], 2) == pytest.approx(project(camera, (0.6, -1.5, 0.3)), abs=2.0)


@pytest.fixture
def env() -> Iterator[VecEnv]:
    size = {"task.viewport.viewport_camera_width": SIZE[0], "task.viewport.viewport_camera_height": SIZE[1]}
    env = make_vec("Cartpole", 3, size, num_threads=1)
    env.reset(seed=0)
    yield env
    env.close()


def decode(file: Path) -> tuple[Any, list[np.ndarray]]:
    with av.open(file) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream, frames


def test_clips_have_the_configured_length_and_rate_and_show_motion(env: VecEnv, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "videos"
    folder.mkdir(parents=True)
    (folder / "rl-video-step-0.mp4").write_text("of another run")
    recorder = Recorder(env, folder, interval=12, length=8, fps=24)
    for step in range(40):
        env.step(torch.full((3, 1), 1.0))
        finished = {file.name for file in folder.glob("*.mp4")}
        assert (f"rl-video-step-{step - step % 12}.mp4" in finished) == (step % 12 >= 7 or step < 12)
    recorder.close()
    names = ["rl-video-step-0-2.mp4", "rl-video-step-12.mp4", "rl-video-step-24.mp4", "rl-video-step-36.mp4"]
    assert [file.name for file in recorder.files] == names
    assert (folder / "rl-video-step-0.mp4").read_text() == "of another run"
    assert {file.name for file in folder.iterdir()} == {"rl-video-step-0.mp4", *names}
    for file, length in zip(recorder.files, (8, 8, 8, 4), strict=True):  # the last was cut short
        stream, frames = decode(file)
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 24
        assert float(stream.duration * stream.time_base) == pytest.approx(length / 24)
        assert len(frames) == length
        assert frames[0].shape == (SIZE[1], SIZE[0], 3)
        # Something moves, and most stands still.
        changes = np.abs(frames[-1].astype(int) - frames[0]).max(axis=2)
        assert 0.002 < (changes > 40).mean() < 0.4
    assert not env.step_hooks


def test_camera_of_the_viewport_section_is_used(env: VecEnv, tmp_path: Path) -> None:
    # Looking up, the camera sees only the sky.
    env.task.config.task.viewport.camera_position = [0.0, 1.0, 30.0]
    env.task.config.task.viewport.camera_target = [0.0, 0.0, 40.0]
    recorder = Recorder(env, tmp_path, interval=10, length=1, fps=30)
    env.step(torch.zeros(3, 1))
    recorder.close()
    (frame,) = decode(recorder.files[0])[1]
    assert np.ptp(frame.reshape(-1, 3), axis=0).max() < 8


def test_clip_without_a_frame_leaves_no_file(env: VecEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise KeyboardInterrupt  # the first image takes long

    monkeypatch.setattr(MujocoRenderer, "render", fail)
    recorder = Recorder(env, tmp_path, interval=10, length=4, fps=30)
    with pytest.raises(KeyboardInterrupt):
        env.step(torch.zeros(3, 1))
    recorder.close()
    assert not recorder.files
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
def test_full_disk_ends_recording_and_nothing_else(
    env: VecEnv, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import resource

    recorder = Recorder(env, tmp_path, interval=3, length=2, fps=30)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        for _ in range(8):
            env.step(torch.zeros(3, 1))
        recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caplog.messages == [f"{tmp_path}: videos cannot be written (File too large); no more are recorded"]
    assert not recorder.files
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("viewport_camera_width", 161, "expected an even number of at least 16"),
        ("viewport_camera_height", 8, "expected an even number of at least 16"),
        ("camera_position", [1.0, 2.0], "expected three numbers"),
        ("world_target", [1.0, 2.0], "expected three numbers"),
        ("world_radius", 0.0, "expected a number above 0"),
    ],
)
def test_invalid_viewports_raise(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"task.viewport.{key}=.*{message}"):
        make_vec("Cartpole", 1, {f"task.viewport.{key}": value})


def test_folder_that_cannot_be_created_raises(env: VecEnv, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"recording_dir=.*file/videos: cannot be created"):
        Recorder(env, tmp_path / "file" / "videos", interval=1, length=1, fps=1)
