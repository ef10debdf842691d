"""The Kit extension: a menu entry that opens the panel, which Kit's loop drives."""

import logging
from typing import Any

from oige_core.engines.isaacsim.releases import kit_module
from oige_core.errors import OigeError

from oige_extension.kit_host import KitPanelHost
from oige_extension.panel import Panel
from oige_extension.ui import TITLE, PanelWindow

__all__ = ["OigeExtension"]

ext, app, menus = (kit_module(name) for name in ("omni.ext", "omni.kit.app", "omni.kit.menu.utils"))

MENU = "Isaac Examples"
#: How long a frame waits for the learner to ask for a step, in seconds.
WAIT = 0.02

_log = logging.getLogger(__name__)


class OigeExtension(ext.IExt):
    """Started by Kit; the panel is made when its window is opened for the first time."""

    def on_startup(self, ext_id: str) -> None:
        """Add the menu entry.

        Args:
            ext_id: name and version of the extension.
        """
        self._panel: Panel | None = None
        self._window: PanelWindow | None = None
        self._is_updating = False
        self._subscription: Any = None
        # Kit keeps no reference to the entries.
        self._entries = [menus.MenuItemDescription(name=TITLE, onclick_fn=lambda *_: self._toggle())]
        menus.add_menu_items(self._entries, MENU)

    def on_shutdown(self) -> None:
        """End a run that goes on, and remove window and menu entry."""
        menus.remove_menu_items(self._entries, MENU)
        self._subscription = None
        window, self._window = self._window, None
        if window is not None:
            window.destroy()
        panel, self._panel = self._panel, None
        if panel is not None:
            panel.close()

    def _toggle(self) -> None:
        """Open the window, or show or hide it; a run goes on while it is hidden."""
        if self._window is not None:
            self._window.window.visible = not self._window.window.visible
            return
        try:
            self._panel = Panel(KitPanelHost())
        except OigeError as error:
            _log.error("%s cannot be opened: %s", TITLE, error)
            return
        self._window = PanelWindow(self._panel)
        self._subscription = _every_frame(self._update)

    def _update(self, _: Any) -> None:
        """Draw the state of the panel, then do what is due.

        Building a scene may update the application, which calls this again.
        """
        panel, window = self._panel, self._window
        if self._is_updating or panel is None or window is None:
            return
        self._is_updating = True
        try:
            window.refresh()
            panel.update(WAIT)
        finally:
            self._is_updating = False


def _every_frame(function: Any) -> Any:
    """Call a function in each frame of Kit, as long as the returned object lives.

    Kit 107 has replaced the stream of updates by events, and removes it later.
    """
    event = getattr(app, "GLOBAL_EVENT_UPDATE", None)
    if event is None:
        stream = app.get_app().get_update_event_stream()
        return stream.create_subscription_to_pop(function, name=TITLE)
    dispatcher = kit_module("carb.eventdispatcher").get_eventdispatcher()
    return dispatcher.observe_event(event_name=event, on_event=function, observer_name=TITLE)
