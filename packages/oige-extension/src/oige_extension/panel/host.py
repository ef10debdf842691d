"""What the panel needs of the program that shows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_extension.panel.state import Rendering

if TYPE_CHECKING:
    from oige_core.render.viewer import Viewer

__all__ = ["PanelHost"]


class PanelHost:
    """The program around the panel. This one shows nothing; programs override what they need.

    The thread that calls :meth:`~oige_extension.panel.Panel.update` calls all methods but :meth:`let_go` and
    :meth:`open_file`, which any thread may call.

    Attributes:
        cameras: whether tasks that observe camera images can run.
        overrides: overrides of every run, as ``key=value``.
        frames_before_run: number of updates between the preparation of a run and its first step.
    """

    cameras = True
    overrides: Sequence[str] = ()
    frames_before_run = 0

    def open_file(self, file: Path) -> None:
        """Open a file in an editor.

        Raises:
            OigeError: there is no editor.
        """

    def before_load(self) -> None:
        """Prepare for another scene: called before the old one is closed."""

    def show(self, env: Any) -> "Viewer | None":
        """Show the worlds of a new environment; return the viewer that may pause them, if any."""
        return None

    def hide(self) -> None:
        """Stop showing the worlds, because they are about to be closed."""

    def before_run(self, *, playing: bool) -> None:
        """Prepare for the first step of a run.

        Args:
            playing: whether a policy is played, at the speed of real time.
        """

    def set_rendering(self, rendering: Rendering) -> None:
        """Draw more or less from now on."""

    def is_paused(self) -> bool:
        """Whether no step may be taken now."""
        return False

    def is_lost(self) -> bool:
        """Whether the worlds can no longer be stepped, because the user has stopped the simulation elsewhere."""
        return False

    def let_go(self) -> None:
        """Let a step end that the user has paused, because the run is to stop."""
