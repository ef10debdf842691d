"""The program around a run: where its worlds come from, who sees its progress, and who may end it."""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_core import VecEnv, make_env

from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.learner.progress import ProgressObserver
from oige_train.viewing import StepLoop, attach_viewers, until_stopped

if TYPE_CHECKING:
    from oige_core.render.viewer import Viewer

__all__ = ["Supervisor"]


class Supervisor:
    """What a run needs of the program around it.

    This one is a program on a terminal: it makes the worlds and closes them, serves the viewer's page and writes videos
    if the configuration asks for it, and prints. Programs with a user interface override methods. All methods are
    called by the thread that executes the run.
    """

    @contextlib.contextmanager
    def environment(self, run: Run) -> Iterator[Any]:
        """Provide the environment of a run until the block ends.

        Its ``step`` may raise :class:`~oige_train.stopping.RunStoppedError`, which ends the run: training keeps what
        the last whole epoch learned, and playing the episodes finished so far.

        Args:
            run: the checked run.
        """
        env = make_env(run.config)
        try:
            yield env
        finally:
            env.close()

    @contextlib.contextmanager
    def viewers(self, run: Run, env: VecEnv, videos: Path, *, speed: float | None = None) -> Iterator["Viewer | None"]:
        """Show the worlds, and record videos, until the block ends.

        Args:
            run: the checked run.
            env: the environment.
            videos: folder of videos, unless the configuration names another one.
            speed: simulated seconds per second at which a viewer starts; None: no limit.
        """
        with attach_viewers(run.config, env, videos, speed=speed) as viewer:
            yield viewer

    @contextlib.contextmanager
    def playing(self, viewer: "Viewer | None") -> Iterator[StepLoop]:
        """Provide the loop of a policy that is played.

        Args:
            viewer: what :meth:`viewers` provided.
        """
        with until_stopped(viewer) as loop:
            yield loop

    def progress_line(self, *, leads: bool = True) -> ProgressLine:
        """Return the line that shows progress.

        Args:
            leads: whether this is the first of the processes that train together; the others show nothing.
        """
        return ProgressLine(None if leads else io.StringIO())

    def observer(self, line: ProgressLine, problems: Callable[[], Mapping[str, int]]) -> ProgressObserver:
        """Return what sees every step and epoch of training.

        Args:
            line: shows progress.
            problems: returns the number of problems of each kind so far.
        """
        return ProgressObserver(line, problems)

    def opened(self, folder: Path) -> None:
        """Take note of the folder of a run that is about to train."""

    def report(self, *lines: str) -> None:
        """Show the result of a run."""
        for line in lines:
            print(line, flush=True)  # others may read it while the program continues
