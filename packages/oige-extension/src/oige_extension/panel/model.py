"""State and behaviour of the panel; views only show it and call its methods."""

import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_core.errors import ConfigError, OigeError, one_line

from oige_extension.panel.handover import Handover
from oige_extension.panel.host import PanelHost
from oige_extension.panel.learner import LearnerThread, Reports
from oige_extension.panel.messages import MessageHandler
from oige_extension.panel.scene import LoadedScene, open_scene
from oige_extension.panel.sources import SourceWatch
from oige_extension.panel.state import MAX_ENVS, PanelState, Phase, Rendering
from oige_extension.panel.tasks import (
    TaskFiles,
    default_num_envs,
    suggest_checkpoint,
    task_files,
    task_names,
    task_package,
)

if TYPE_CHECKING:
    from oige_train.config import Run

__all__ = ["Panel"]

MAX_MESSAGES = 100
MAX_REWARDS = 1000
END_SECONDS = 60.0  # how long the learner may take to end after Stop when the panel is closed

_log = logging.getLogger(__name__)


class Panel(Reports):
    """Trains and plays the installed tasks, one run at a time.

    The thread that owns the simulation calls :meth:`update` again and again; it alone makes, steps and closes worlds,
    and in Kit it is the main thread. The learner runs in a thread of its own and hands its steps over. Any thread may
    call the other methods, which return at once.

    Args:
        host: the program around the panel.
        overrides: overrides of every run, as ``key=value``.

    Raises:
        OigeError: no task is installed.
    """

    def __init__(self, host: PanelHost, overrides: Sequence[str] = ()) -> None:
        self.host = host
        self.overrides = tuple(overrides)
        self._lock = threading.RLock()
        tasks = task_names(cameras=host.cameras)
        self._state = PanelState(tasks=tasks, task=tasks[0])
        self._rendering: Rendering | None = None  # what the host draws
        self._next: Callable[[], None] | None = None  # what the simulation's thread does
        self._frames = 0  # updates before that
        self._scene: LoadedScene | None = None
        self._sources = SourceWatch()
        self._learner: LearnerThread | None = None
        self._folder: Path | None = None  # of the last run of the selected task
        self._has_suggestion = False  # the checkpoint was not typed
        self._messages = MessageHandler(self._note_message)
        self._messages.attach()
        self.select_task(tasks[0])

    @property
    def state(self) -> PanelState:
        """What the panel shows now."""
        return self._state

    # --- controls ----------------------------------------------------------------------------------------------------

    def select_task(self, name: str) -> None:
        """Select a task, and read its number of worlds from its YAML file."""
        with self._lock:
            if self._refuses("another task"):
                return
            if name not in self._state.tasks:
                self._change(error=f"task={name}: expected one of {', '.join(self._state.tasks)}.")
                return
            self._folder = None
            self._change(task=name, error="")
            try:
                self._change(num_envs=min(default_num_envs(name), MAX_ENVS))
            except OigeError as error:
                self._change(error=one_line(error))
            if self._has_suggestion:
                self._change(checkpoint="")
                self._suggest()

    def set_num_envs(self, number: int) -> None:
        """Set the number of worlds of the next Load, from 0 to 8192; 0 stands for the number in the YAML file."""
        self._change(num_envs=min(max(int(number), 0), MAX_ENVS))

    def set_rendering(self, rendering: Rendering) -> None:
        """Set how much is drawn, also during a run."""
        self._change(rendering=rendering)

    def set_resume(self, resume: bool) -> None:
        """Set whether Start continues training; this excludes Test."""
        with self._lock:
            self._change(resume=resume)
            if resume:
                self._change(test=False, evaluate=False)
                self._suggest()

    def set_test(self, test: bool) -> None:
        """Set whether Start plays a policy; this excludes Resume."""
        with self._lock:
            self._change(test=test)
            if test:
                self._change(resume=False)
                self._suggest()
            else:
                self._change(evaluate=False)

    def set_evaluate(self, evaluate: bool) -> None:
        """Set whether playing follows a training that goes on; this includes Test."""
        with self._lock:
            self._change(evaluate=evaluate)
            if evaluate:
                self.set_test(True)

    def set_checkpoint(self, path: str) -> None:
        """Set the path of the checkpoint."""
        with self._lock:
            if path != self._state.checkpoint:
                self._has_suggestion = False
                self._change(checkpoint=path)

    def load(self) -> None:
        """Build the scene of the selected task, without starting it; an older scene is closed."""
        with self._lock:
            if not self._refuses("Load"):
                self._change(phase=Phase.LOADING, error="", progress="")
                self._do(self._load, frames=1)

    def start(self) -> None:
        """Train, resume or play; this builds the scene first if the loaded one does not fit."""
        with self._lock:
            if not self._refuses("Start"):
                self._change(phase=Phase.STARTING, error="", progress="", rewards=())
                self._do(self._prepare_run, frames=1)

    def stop(self) -> None:
        """End the run at its next step."""
        with self._lock:
            if not self._state.phase.can_stop:
                return
            self._change(phase=Phase.STOPPING)
            if self._learner is None:
                self._do(lambda: self._change(phase=self._idle_phase()))
            else:
                self._learner.stop()
                self.host.let_go()

    def open_source(self) -> None:
        """Open the module of the task's class in an editor."""
        self._open(lambda files: files.source)

    def open_task_config(self) -> None:
        """Open the YAML file of the task in an editor."""
        self._open(lambda files: files.task)

    def open_train_config(self) -> None:
        """Open the YAML file of the task's training in an editor."""
        self._open(lambda files: files.train)

    # --- the simulation's thread -------------------------------------------------------------------------------------

    def update(self, wait: float = 0.0) -> None:
        """Do what is due: load, start, take the next step of a run, clean up after one.

        Args:
            wait: how long to wait for the learner to ask for a step, in seconds.
        """
        if self._rendering is not self._state.rendering:
            self._rendering = self._state.rendering
            self.host.set_rendering(self._rendering)
        action = self._due()
        if action is not None:
            self._try(action)
        learner = self._learner
        if learner is not None:
            if self.host.is_lost():
                self.stop()
            self._serve(learner.handover, wait)
            if learner.has_ended:
                self._end_run(learner)
        elif self._state.phase is Phase.LOADED and self.host.is_lost():
            self._close_scene()
            self._change(phase=Phase.EMPTY)
            _log.info("the simulation was stopped outside of the panel; Load or Start builds the scene again")

    def close(self) -> None:
        """End a run that goes on, and close the scene; called by the simulation's thread."""
        learner = self._learner
        if learner is not None:
            learner.stop()
            self.host.let_go()
            if not learner.join(END_SECONDS):
                _log.error(f"the learner has not ended {END_SECONDS:.0f} s after Stop; it is left behind.")
            self._end_run(learner)
        self._close_scene()
        self._messages.detach()

    def _serve(self, handover: Handover, wait: float) -> None:
        if self.host.is_paused() and not handover.stop_requested:
            return
        for _ in range(self._state.rendering.steps_per_update):
            if not handover.serve(wait):
                return

    def _due(self) -> Callable[[], None] | None:
        """Return the action whose time has come, and forget it."""
        with self._lock:
            if self._frames > 0:
                self._frames -= 1
                return None
            action, self._next = self._next, None
            return action

    def _do(self, action: Callable[[], None], *, frames: int = 0) -> None:
        """Let the simulation's thread do something after some updates, in which views show the new phase."""
        self._next, self._frames = action, frames

    def _try(self, action: Callable[[], None]) -> None:
        """Do something; an error is shown in one line, and the panel stays usable."""
        try:
            action()
        except OigeError as error:
            self._change(error=one_line(error), phase=self._idle_phase())
        except Exception as error:
            _log.exception("the panel failed")
            self._change(
                error=f"{type(error).__name__}: {one_line(error)}; the log has more.", phase=self._idle_phase()
            )

    def _load(self) -> None:
        self._open_scene(self._resolve(self._scene_arguments()))
        self._change(phase=Phase.LOADED)

    def _prepare_run(self) -> None:
        state = self._state
        arguments = [*self._scene_arguments(), *_run_arguments(state)]
        run = self._resolve(arguments)
        if self._scene is None or not self._scene.fits(run):
            self._open_scene(run)
        assert self._scene is not None
        self._scene.restore()
        self.host.before_run(playing=state.test)
        with self._lock:
            if self._state.phase is Phase.STARTING:  # Stop may have been pressed meanwhile
                self._do(lambda: self._start_learner(run, arguments), frames=self.host.frames_before_run)

    def _start_learner(self, run: "Run", arguments: Sequence[str]) -> None:
        assert self._scene is not None
        with self._lock:
            if self._state.phase is not Phase.STARTING:
                self._change(phase=self._idle_phase())
                return
            self._learner = LearnerThread(run, arguments, self._scene.env, self._scene.viewer, self)
            self._change(phase=Phase.RUNNING)

    def _end_run(self, learner: LearnerThread) -> None:
        with self._lock:
            self._learner = None
            self._change(phase=self._idle_phase(), error=learner.error)
            if self._has_suggestion:
                self._suggest()

    def _resolve(self, arguments: Sequence[str]) -> "Run":
        """Return the checked run; changed code and configuration are read again."""
        from oige_train.cli.common import checked_run

        package = task_package(self._state.task)
        if self._sources.forget_changed(package):
            _log.info(f"{package} has changed and is imported again")
            self._close_scene()
        run = checked_run(list(arguments))
        self._sources.note(package)
        return run

    def _open_scene(self, run: "Run") -> None:
        self.host.before_load()
        self._close_scene()
        self._scene = open_scene(run, self.host)
        self._sources.note(task_package(run.task.name))
        self._change(loaded=f"{run.task.name}, {self._scene.env.num_envs} worlds")

    def _close_scene(self) -> None:
        scene, self._scene = self._scene, None
        self._change(loaded="")
        if scene is not None:
            scene.close()

    def _idle_phase(self) -> Phase:
        return Phase.EMPTY if self._scene is None else Phase.LOADED

    def _scene_arguments(self) -> list[str]:
        state = self._state
        number = [f"num_envs={state.num_envs}"] if state.num_envs else []
        return [f"task={state.task}", *number, *self.host.overrides, *self.overrides]

    # --- reports of the learner's thread -----------------------------------------------------------------------------

    def progress(self, text: str) -> None:
        """Show the progress of the run."""
        self._change(progress=text)

    def epoch(self, epoch: int, reward: float | None) -> None:
        """Note the mean reward of recent episodes after an epoch."""
        if reward is None:
            return
        rewards = self._state.rewards
        if len(rewards) >= MAX_REWARDS:
            rewards = rewards[::2]
        self._change(rewards=(*rewards, (epoch, reward)))

    def folder(self, folder: Path) -> None:
        """Note the folder of the results, for the next checkpoint."""
        self._folder = folder

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _refuses(self, what: str) -> bool:
        """Whether the panel is busy; the error then says so."""
        phase = self._state.phase
        if phase.is_busy:
            advice = "press Stop first" if phase.can_stop else "wait"
            self._change(error=f"{what}: not while the panel is {phase.value}; {advice}.")
        return phase.is_busy

    def _suggest(self) -> None:
        """Fill in the checkpoint if Resume or Test needs one and the user has typed none."""
        state = self._state
        if not (state.resume or state.test) or (state.checkpoint.strip() and not self._has_suggestion):
            return
        self._has_suggestion = True
        self._change(checkpoint=suggest_checkpoint(state.task, self._folder, test=state.test))

    def _open(self, choose: Callable[[TaskFiles], Path]) -> None:
        try:
            self.host.open_file(choose(task_files(self._state.task)))
        except OigeError as error:
            self._change(error=one_line(error))

    def _note_message(self, message: str) -> None:
        self._change(messages=(*self._state.messages[1 - MAX_MESSAGES :], message))

    def _change(self, **fields: Any) -> None:
        with self._lock:
            self._state = dataclasses.replace(self._state, **fields)


def _run_arguments(state: PanelState) -> list[str]:
    """Return the overrides that choose between training, resuming and playing.

    Raises:
        ConfigError: a checkpoint is needed, and there is none.
    """
    if not (state.resume or state.test):
        return []
    path = state.checkpoint.strip()
    if not path:
        raise ConfigError("checkpoint: expected the path of a file, because Resume or Test is ticked.")
    arguments = [f"checkpoint={path}"]
    if state.test:
        arguments.append("test=True")
    if state.evaluate:
        arguments.append("evaluation=True")
    return arguments
