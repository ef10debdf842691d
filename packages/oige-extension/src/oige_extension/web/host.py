"""The program around the panel of a web page: worlds of the embedded engine, shown beside it."""

import logging
from pathlib import Path
from typing import Any

from oige_core.render.viewer import Page, Viewer

from oige_extension.panel import PanelHost, Rendering
from oige_extension.panel.editor import open_in_editor

__all__ = ["WebHost"]

REAL_TIME = 1.0

_log = logging.getLogger(__name__)


class WebHost(PanelHost):
    """Shows the worlds on the page of the panel, and opens files on the machine of the program.

    Args:
        page: the page.
    """

    # The panel's own page replaces that of the viewer.
    overrides = ("headless=True",)

    def __init__(self, page: Page) -> None:
        self._page = page
        self._viewer: Viewer | None = None
        self._rendering = Rendering.FULL

    def open_file(self, file: Path) -> None:
        """Open a file in an editor on the machine of the program."""
        open_in_editor(file)
        _log.info(f"opened {file} on the machine of the program")

    def show(self, env: Any) -> Viewer:
        """Show the worlds beside the panel."""
        self._viewer = Viewer(env, page=self._page)
        self._viewer.set_draws(self._rendering.draws_worlds)
        self._viewer.welcome()
        return self._viewer

    def hide(self) -> None:
        """Remove the worlds from the page."""
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            viewer.close()

    def before_run(self, *, playing: bool) -> None:
        """Play at the speed of real time, and train without a limit."""
        if self._viewer is not None:
            self._viewer.resume()
            self._viewer.set_speed(REAL_TIME if playing else None)

    def set_rendering(self, rendering: Rendering) -> None:
        """Draw the worlds, or hide them."""
        self._rendering = rendering
        if self._viewer is not None:
            self._viewer.set_draws(rendering.draws_worlds)

    def let_go(self) -> None:
        """Resume worlds that a page has paused."""
        viewer = self._viewer
        if viewer is not None:
            viewer.resume()

    def welcome(self) -> None:
        """Show the worlds to browsers that have opened the page between two steps."""
        if self._viewer is not None:
            self._viewer.welcome()
