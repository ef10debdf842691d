"""The learner's side of a run: it executes the run in a thread of its own, and reports what happens."""

import contextlib
import gc
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_core.errors import OigeError, one_line
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.learner.progress import ProgressObserver
from oige_train.stopping import RunStoppedError
from oige_train.supervisor import Supervisor
from oige_train.viewing import StepLoop, attach_viewers

from oige_extension.panel.handover import HandedOverEnv, Handover

if TYPE_CHECKING:
    from oige_core.render.viewer import Viewer

__all__ = ["LearnerThread", "Reports"]

_log = logging.getLogger(__name__)


class Reports:
    """Where a run reports to; the learner's thread calls these methods."""

    def progress(self, text: str) -> None:
        """Show the progress of the run."""

    def epoch(self, epoch: int, reward: float | None) -> None:
        """Note the mean reward of recent episodes after an epoch; None before any episode has ended."""

    def folder(self, folder: Path) -> None:
        """Note the folder of the results."""


class LearnerThread:
    """A run in a thread of its own, which hands the calls of its environment over.

    Args:
        run: the checked run.
        arguments: the overrides that described it.
        env: the environment, which another thread owns and which stays open.
        viewer: its viewer, if any.
        reports: where the run reports to.

    Attributes:
        handover: the calls of the environment.
        error: what ended the run, in one line; empty if it ended as it should.
    """

    def __init__(self, run: Run, arguments: Sequence[str], env: Any, viewer: "Viewer | None", reports: Reports) -> None:
        self.handover = Handover()
        self.error = ""
        self._supervisor = _PanelSupervisor(env, viewer, self.handover, reports)
        self._thread = threading.Thread(target=self._execute, args=(run, arguments), name="oige-learner", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether the run is over and the thread has ended."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Refuse the next step; any thread may call this."""
        self.handover.stop_requested = True
        loop = self._supervisor.loop
        if loop is not None:
            loop.stop()

    def join(self, seconds: float) -> bool:
        """Serve the calls that remain after :meth:`stop` until the thread ends; return whether it has.

        Args:
            seconds: how long to wait for its end.
        """
        return self.handover.serve_until_ended(self._thread, seconds)

    def _execute(self, run: Run, arguments: Sequence[str]) -> None:
        from oige_train.runner import execute

        try:
            execute(run, arguments, self._supervisor)
        except RunStoppedError:  # before the first epoch
            pass
        except OigeError as error:
            self.error = one_line(error)
        except Exception as error:
            _log.exception("the run failed")
            self.error = f"{type(error).__name__}: {one_line(error)}; the log has more."
        finally:
            gc.collect()  # agents are parts of cycles, which keep their memory on the GPU


class _PanelSupervisor(Supervisor):
    """A supervisor whose environment belongs to another thread, and which reports to the panel."""

    def __init__(self, env: Any, viewer: "Viewer | None", handover: Handover, reports: Reports) -> None:
        self._env = env
        self._viewer = viewer
        self._handover = handover
        self._reports = reports
        self.loop: StepLoop | None = None

    @contextlib.contextmanager
    def environment(self, run: Run) -> Iterator[Any]:
        self._env.clone_results = True
        yield HandedOverEnv(self._env, self._handover)

    @contextlib.contextmanager
    def viewers(self, run: Run, env: Any, videos: Path, *, speed: float | None = None) -> Iterator["Viewer | None"]:
        with contextlib.ExitStack() as stack:
            self._handover.call(lambda: stack.enter_context(attach_viewers(run.config, self._env, videos)))
            owned = stack.pop_all()
        try:
            yield self._viewer
        finally:
            self._handover.call(owned.close)

    @contextlib.contextmanager
    def playing(self, viewer: "Viewer | None") -> Iterator[StepLoop]:
        self.loop = StepLoop(viewer, endless=True)
        if self._handover.stop_requested:
            self.loop.stop()
        yield self.loop

    def progress_line(self, *, leads: bool = True) -> ProgressLine:
        return _PanelLine(self._reports.progress)

    def observer(self, line: ProgressLine, problems: Callable[[], Mapping[str, int]]) -> ProgressObserver:
        return _PanelObserver(line, problems, self._reports)

    def opened(self, folder: Path) -> None:
        self._reports.folder(folder)

    def report(self, *lines: str) -> None:
        self._reports.progress(lines[0])
        for line in lines:
            _log.info(line)


class _PanelLine(ProgressLine):
    """Progress that goes to the panel."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def show(self, text: str, *, force: bool = False) -> None:
        self._show(text)

    def say(self, *lines: str) -> None:
        for line in lines:
            _log.warning(line)

    def close(self) -> None:
        pass


class _PanelObserver(ProgressObserver):
    """Progress of training that also goes to the panel as numbers."""

    def __init__(self, line: ProgressLine, problems: Callable[[], Mapping[str, int]], reports: Reports) -> None:
        super().__init__(line, problems)
        self._reports = reports

    def after_print_stats(self, frame: int, epoch_num: int, total_time: float) -> None:
        super().after_print_stats(frame, epoch_num, total_time)
        self._reports.epoch(epoch_num, self.algo.mean_reward())
