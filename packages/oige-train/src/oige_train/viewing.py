"""The viewer and the recorder of a program that steps an environment, as configured."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_core import VecEnv

from oige_train.schema import TrainRunConfig
from oige_train.stopping import stop_on_signals
from oige_train.video_list import VideoList

if TYPE_CHECKING:
    from oige_core.render.viewer import Viewer

__all__ = ["StepLoop", "attach_viewers", "open_viewer", "until_stopped"]

_log = logging.getLogger(__name__)


class StepLoop:
    """Decides when a program takes its next step: while a page is open, if there is a viewer, and until Ctrl-C.

    Args:
        viewer: the viewer of the environment; None: steps wait for nothing.
        endless: whether the program continues until stopped; None: if there is a viewer.

    Attributes:
        viewer: the viewer of the environment, if any.
        endless: whether the program continues until stopped.
        stopped: whether Ctrl-C was pressed.
    """

    def __init__(self, viewer: "Viewer | None" = None, *, endless: bool | None = None) -> None:
        self.viewer = viewer
        self.endless = viewer is not None if endless is None else endless
        self.stopped = False

    def wait_for_next_step(self) -> bool:
        """Wait until a page is open, if there is a viewer; return False once stopped."""
        if self.viewer is not None:
            self.viewer.wait_for_page(lambda: self.stopped)
        return not self.stopped

    def stop(self) -> None:
        """Take no further step; a step that a page has paused is finished."""
        self.stopped = True
        if self.viewer is not None:
            self.viewer.pace.resume()


@contextlib.contextmanager
def until_stopped(viewer: "Viewer | None") -> Iterator[StepLoop]:
    """Return a loop that Ctrl-C stops; if there is a viewer, log how to open its page.

    Args:
        viewer: the viewer of the environment, if any.
    """
    loop = StepLoop(viewer)
    if viewer is not None:
        port = viewer.server.get_port()
        _log.info(
            "waiting for this page to be opened; Ctrl-C ends the program\n"
            f"  from another machine: ssh -L {port}:localhost:{port} <this machine>, "
            "or add enable_livestream=True livestream_host=0.0.0.0\n"
            "  without a browser: use headless=True, and enable_recording=True to write videos"
        )
    with stop_on_signals(lambda _: loop.stop()):
        yield loop


@contextlib.contextmanager
def attach_viewers(
    config: TrainRunConfig, env: VecEnv, videos: Path, *, speed: float | None = None
) -> Iterator["Viewer | None"]:
    """Serve the viewer's page and record videos until the block ends, if the configuration asks for it.

    Args:
        config: the checked configuration.
        env: the environment.
        videos: folder of videos, unless ``recording_dir`` names another one.
        speed: simulated seconds per second at which the viewer starts; None: no limit.

    Raises:
        ConfigError: the page's address is in use, or the folder of videos cannot be made.
    """
    with contextlib.ExitStack() as stack:
        recorder = None
        folder = Path(config.recording_dir) if config.recording_dir else videos
        if config.enable_recording:
            from oige_core.render.recording import Recorder

            recorder = Recorder(
                env,
                folder,
                interval=config.recording_interval,
                length=config.recording_length,
                fps=config.recording_fps,
            )
            stack.callback(recorder.close)
            _log.info(f"videos: {folder}")
        viewer = None
        if config.is_shown_in_viewer:
            viewer = open_viewer(config, env, speed=speed)
            stack.callback(viewer.close)
            if recorder is not None:
                VideoList(viewer, recorder, folder)
        yield viewer


def open_viewer(config: TrainRunConfig, env: VecEnv, **options: Any) -> "Viewer":
    """Serve the viewer's page at the configured address, and log that address.

    Args:
        config: the checked configuration.
        env: the environment.
        options: further arguments of the viewer.

    Raises:
        ConfigError: the address is in use.
    """
    from oige_core.render.viewer import Viewer

    host, port = (config.livestream_host, config.livestream_port) if config.enable_livestream else ("127.0.0.1", None)
    viewer = Viewer(env, host=host, port=port, **options)
    _log.info(f"viewer: {viewer.url}")
    return viewer
