"""What the panel shows, as plain data."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["MAX_ENVS", "PanelState", "Phase", "Rendering"]

MAX_ENVS = 8192
"""Highest number of worlds that the panel offers."""


class Phase(Enum):
    """What the panel is doing; the value is shown to the user."""

    EMPTY = "no task is loaded"
    LOADING = "loading"
    LOADED = "loaded"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"

    @property
    def is_busy(self) -> bool:
        """Whether the panel accepts no other task, Load or Start."""
        return self not in (Phase.EMPTY, Phase.LOADED)

    @property
    def can_stop(self) -> bool:
        """Whether there is a run to stop."""
        return self in (Phase.STARTING, Phase.RUNNING)


class Rendering(Enum):
    """How much is drawn while the simulation runs; the value is the name on the panel."""

    FULL = "Full render"
    UI_ONLY = "UI only"
    NONE = "None"

    @property
    def draws_worlds(self) -> bool:
        """Whether the worlds are drawn."""
        return self is Rendering.FULL

    @property
    def steps_per_update(self) -> int:
        """Number of control steps between two updates of the user interface."""
        return 10 if self is Rendering.NONE else 1


@dataclass(frozen=True)
class PanelState:
    """Everything that a view of the panel shows.

    Attributes:
        tasks: names of the tasks, sorted.
        task: the selected one.
        num_envs: number of worlds that Load makes.
        rendering: how much is drawn.
        resume: whether Start continues training from the checkpoint.
        test: whether Start plays the checkpoint.
        evaluate: whether playing follows the new checkpoints of a training that goes on.
        checkpoint: path of the checkpoint.
        phase: what the panel is doing.
        loaded: name and number of worlds of the loaded scene; empty if there is none.
        progress: progress of the run, or the result of the last one.
        rewards: epoch and mean episode reward of the run so far, oldest first.
        error: what went wrong last, in one line; empty if nothing did.
        messages: the last messages, oldest first.
    """

    tasks: tuple[str, ...]
    task: str
    num_envs: int = 1
    rendering: Rendering = Rendering.FULL
    resume: bool = False
    test: bool = False
    evaluate: bool = False
    checkpoint: str = ""
    phase: Phase = Phase.EMPTY
    loaded: str = ""
    progress: str = ""
    rewards: tuple[tuple[int, float], ...] = ()
    error: str = ""
    messages: tuple[str, ...] = ()
