"""A page on which a failed world is looked at in a browser, moment by moment."""

import html
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np

from oige_core.engines.mujoco.failures.failure import Failure
from oige_core.engines.mujoco.failures.pictures import ShownWorld, moments
from oige_core.engines.mujoco.render.geometry import MujocoSceneGeometry
from oige_core.errors import OigeError
from oige_core.extras import needs_extra

with needs_extra("viewer", "the viewer"):
    import viser

    from oige_core.render.viewer.page import Page
    from oige_core.render.viewer.viser_scene import ViserScene

__all__ = ["FailurePage"]

FRAME_TIME = 0.1  # s; of a solver step while it plays


class FailurePage:
    """Shows a failed world on a page with a slider over its solver steps.

    Args:
        failure: the failure.
        host: address to listen on.
        port: port to listen on; None: the first free one from 8080 on.

    Attributes:
        url: address of the page.
        number: number of the moment that is shown, from 0.
        moments: all moments.

    Raises:
        OigeError: no recorded position of the world is finite and within its bounds.
        ConfigError: the address is not available.
    """

    def __init__(self, failure: Failure, *, host: str = "127.0.0.1", port: int | None = None) -> None:
        self.moments = moments(failure)
        if not self.moments:
            raise OigeError(
                "nothing can be shown: the first recorded positions are not finite, or beyond their bounds."
            )
        self._world = ShownWorld(failure.model)
        self._world.show(self.moments[0].state)
        self._page = Page("OIGE · replay", host=host, port=port)
        self.url = self._page.url
        self.number = 0
        self._playing = False
        self._lock = threading.Lock()
        self._scene = ViserScene(
            self._page.server, MujocoSceneGeometry(self._world.worlds), np.zeros((1, 3), np.float32)
        )
        gui = self._page.server.gui
        notes = "".join(f" · {html.escape(key)} {html.escape(value)}" for key, value in failure.notes.items())
        gui.add_markdown(f"**World {failure.world} {failure.kind}**{notes}")
        last = max(1, len(self.moments) - 1)
        self._slider = gui.add_slider("Solver step", min=0, max=last, step=1, initial_value=0)
        self._play = gui.add_button("Play")
        self._text = gui.add_html("")
        self._slider.on_update(lambda _: self.show(int(self._slider.value)))
        self._play.on_click(lambda _: self._toggle())
        self._page.show(self)
        self.show(0)

    def show(self, number: int) -> None:
        """Show a moment; numbers beyond the last one show the last one."""
        with self._lock:
            self.number = min(number, len(self.moments) - 1)
            moment = self.moments[self.number]
            self._world.show(moment.state)
            self._scene.update()
            lines = [html.escape(line) for line in moment.lines]
            if moment.trouble:
                lines.append(f'<b style="color:#dc2626">{html.escape(moment.trouble)}</b>')
            self._text.content = f'<div style="font-size:0.85em;padding:0 0.8em">{"<br>".join(lines)}</div>'
        if self._slider.value != self.number:
            self._slider.value = self.number

    def run(self, stopped: Callable[[], bool]) -> None:
        """Serve the page until ``stopped``, which is called ten times a second, returns True; then close it."""
        while not stopped():
            if self._playing:
                self.advance()
            time.sleep(FRAME_TIME)
        self._page.close()

    def advance(self) -> None:
        """Show the next moment; after the last one, stop playing."""
        if self.number + 1 < len(self.moments):
            self.show(self.number + 1)
        else:
            self._toggle()

    def _toggle(self) -> None:
        """Play, from the beginning if the last moment is shown, or stop."""
        self._playing = not self._playing
        if self._playing and self.number + 1 >= len(self.moments):
            self.show(0)
        self._play.label = "Stop" if self._playing else "Play"

    # What the page calls

    def page_opened(self, client: viser.ClientHandle, query: Mapping[str, str]) -> None:
        """Aim the camera of a browser that has opened the page."""
        self._scene.aim(client)

    def page_closed(self) -> None:
        """Do nothing; the page is served on."""

    def camera_moved(self, client: viser.ClientHandle) -> None:
        """Keep the camera of a browser above the ground."""
        self._scene.lift(client)
