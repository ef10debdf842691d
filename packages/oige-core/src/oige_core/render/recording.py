"""Records an environment: clips at regular steps, written as mp4 files, without a screen."""

import contextlib
import logging
from fractions import Fraction
from pathlib import Path

import numpy as np

from oige_core.envs.vec_env import VecEnv
from oige_core.errors import ConfigError, reason
from oige_core.extras import needs_extra
from oige_core.math import grid_positions
from oige_core.render import OffscreenRenderer, viewport_camera

with needs_extra("viewer", "recording"):
    import av

__all__ = ["Recorder", "VideoFile"]

MAX_WORLDS = 16

_log = logging.getLogger(__name__)


class VideoFile:
    """An mp4 file with H.264 video, which browsers and players support.

    The file has the suffix ``.part`` until it is closed, so that a killed program leaves no broken video.

    Args:
        path: of the file.
        size: width and height in pixels, both even.
        fps: frames per second.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: int) -> None:
        self.path = path
        self._part = path.with_suffix(".part")
        self._container = av.open(self._part, "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=Fraction(fps))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "20", "preset": "veryfast"}

    def add(self, frame: np.ndarray) -> None:
        """Append a frame ``(height, width, 3)`` uint8."""
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))

    def close(self) -> None:
        """Finish the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._part.rename(self.path)

    def discard(self) -> None:
        """Remove the file instead of finishing it."""
        with contextlib.suppress(OSError):
            self._container.close()
        self._part.unlink(missing_ok=True)


class Recorder:
    """Records an environment through its ``step_hooks``; between clips, a step costs one comparison.

    A clip begins at every ``interval``-th step, starting with the first, and has one frame for each step. Files are
    named ``rl-video-step-<number of the first step>.mp4``, as upstream. Existing files are kept. The ray tracer of the
    engine renders the frames, so neither a screen nor a GL library is needed. If a file cannot be written, for example
    because the disk is full, one line says so, and no more clips are recorded.

    Args:
        env: the environment.
        folder: of the files; it is created.
        interval: control steps from the start of one clip to the start of the next.
        length: control steps of a clip.
        fps: frames per second of the files.

    Attributes:
        files: the clips finished so far.

    Raises:
        ConfigError: the folder cannot be created.
    """

    def __init__(self, env: VecEnv, folder: Path, *, interval: int, length: int, fps: int) -> None:
        self._env = env
        self._folder = folder
        self._interval, self._length, self._fps = interval, length, fps
        self._step = self._frames = 0
        self._renderer: OffscreenRenderer | None = None
        self._file: VideoFile | None = None
        self._gave_up = False
        self.files: list[Path] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"recording_dir={folder}: cannot be created: {reason(error)}.") from error
        env.step_hooks.append(self._after_step)

    def close(self) -> None:
        """Finish the current clip and stop recording."""
        if self._after_step in self._env.step_hooks:
            self._env.step_hooks.remove(self._after_step)
        try:
            self._finish()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Stop recording, remove the clip that is not complete, and log why."""
        file, self._file = self._file, None
        if file is not None:
            file.discard()
        self._gave_up = True
        _log.warning(f"{self._folder}: videos cannot be written ({reason(error)}); no more are recorded")

    def _after_step(self) -> None:
        if self._gave_up:
            return
        try:
            self._record()
        except OSError as error:
            self._give_up(error)

    def _record(self) -> None:
        if self._file is None and self._step % self._interval == 0:
            self._begin()
        self._step += 1
        if self._file is not None:
            assert self._renderer is not None
            self._file.add(self._renderer.render()[0])
            self._frames += 1
            if self._frames == self._length:
                self._finish()

    def _begin(self) -> None:
        task = self._env.task
        camera = viewport_camera(task.config.task.viewport)
        if self._renderer is None:
            worlds = min(self._env.num_envs, MAX_WORLDS)
            offsets = grid_positions(worlds, task.cfg.envSpacing).numpy()
            self._renderer = task.engine.create_grid_renderer(camera, offsets)
        self._frames = 0
        self._file = VideoFile(_unused(self._folder / f"rl-video-step-{self._step}.mp4"), camera.size, self._fps)

    def _finish(self) -> None:
        if self._file is None:
            return
        if self._frames:
            self._file.close()
            self.files.append(self._file.path)
        self._file = None


def _unused(path: Path) -> Path:
    """Return the path, with a number appended if a file of this name exists."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate
