"""The program around the panel inside Isaac Sim: Kit's timeline, viewport and windows."""

from pathlib import Path

from oige_core.engines.isaacsim.application import join_application
from oige_core.engines.isaacsim.releases import kit_module

from oige_extension.panel import PanelHost, Rendering
from oige_extension.panel.editor import open_in_editor

__all__ = ["KitPanelHost"]

VIEWPORT = "Viewport"


class KitPanelHost(PanelHost):
    """Runs tasks on PhysX in the stage of the application.

    Cameras need another experience file, as in OmniIsaacGymEnvs.

    Raises:
        OigeError: the application is not Isaac Sim.
    """

    cameras = False
    overrides = ("physics_engine=isaacsim",)
    frames_before_run = 5

    def __init__(self) -> None:
        join_application()
        self._timeline = kit_module("omni.timeline").get_timeline_interface()
        self._has_started = False

    def open_file(self, file: Path) -> None:
        """Open a file in an editor."""
        open_in_editor(file)

    def before_load(self) -> None:
        """Stop the simulation, because the stage is about to change."""
        self._timeline.stop()
        self._has_started = False

    def set_rendering(self, rendering: Rendering) -> None:
        """Show the viewport, or hide it and stop drawing it."""
        viewport = kit_module("omni.kit.viewport.utility").get_active_viewport()
        if viewport is not None:
            viewport.updates_enabled = rendering.draws_worlds
        window = kit_module("omni.ui").Workspace.get_window(VIEWPORT)
        if window is not None:
            window.visible = rendering.draws_worlds

    def is_paused(self) -> bool:
        """Whether the user has paused the timeline."""
        return not self._timeline.is_playing()

    def is_lost(self) -> bool:
        """Whether the user has stopped the timeline, which ends physics.

        A timeline that the engine has started may only run from the next frame on.
        """
        is_stopped = self._timeline.is_stopped()
        self._has_started |= not is_stopped
        return is_stopped and self._has_started
