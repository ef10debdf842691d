"""The controls of the panel on a web page."""

import html
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import viser
from viser import uplot

from oige_extension.panel import MAX_ENVS, Panel, PanelState, Rendering

__all__ = ["PanelPage"]

REFRESH_TIME = 0.1  # s; between two updates of the page
PLOT_HEIGHT = 150  # pixels
FONT = "12px sans-serif"
COLOR = "#2563eb"
OPEN = {"Source": Panel.open_source, "Task": Panel.open_task_config, "Training": Panel.open_train_config}


class PanelPage:
    """Shows the state of a panel on a page, and passes on what users do there.

    Args:
        gui: the controls of the page.
        panel: the panel.
    """

    def __init__(self, gui: viser.GuiApi, panel: Panel) -> None:
        self._panel = panel
        state = panel.state
        self._shown: PanelState | None = None
        self._next_refresh = 0.0
        self._gui = gui
        self._messages: viser.GuiHtmlHandle | None = None
        self._folder = gui.add_folder("RL Examples", order=-1.0)
        with self._folder:
            self._task = gui.add_dropdown("Task", state.tasks, initial_value=state.task)
            self._open = gui.add_button_group("Open", tuple(OPEN), hint="Open the code or a YAML file in an editor")
            self._num_envs = gui.add_number(
                "Environments", state.num_envs, min=0, max=MAX_ENVS, step=1, hint="Number of worlds that Load makes"
            )
            self._load = gui.add_button("Load", hint="Build the worlds without starting them")
            self._rendering = gui.add_dropdown("Rendering", tuple(mode.value for mode in Rendering))
            self._resume = gui.add_checkbox("Resume", initial_value=False, hint="Continue training from the checkpoint")
            self._test = gui.add_checkbox("Test", initial_value=False, hint="Play the policy of the checkpoint")
            self._evaluate = gui.add_checkbox(
                "Evaluate", initial_value=False, hint="Play the new checkpoints of a training that goes on"
            )
            self._checkpoint = gui.add_text("Checkpoint", "", hint="Path of the file")
            self._start = gui.add_button("Start", color="green")
            self._stop = gui.add_button("Stop", color="red")
            self._status = gui.add_html("")
            self._plot = gui.add_uplot(
                (np.zeros(0), np.zeros(0)),
                (uplot.Series(label="epoch"), uplot.Series(label="reward", stroke=COLOR, width=2)),
                title="mean episode reward",
                scales={"x": uplot.Scale(time=False)},
                axes=({"label": "epoch", "labelSize": 18, "size": 28, "labelFont": FONT}, {}),
                legend=uplot.Legend(show=False),
                height=PLOT_HEIGHT,
                visible=False,
            )
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Show the state of the panel, at most ten times a second."""
        state, shown = self._panel.state, self._shown
        now = time.monotonic()
        if state is shown or now < self._next_refresh:
            return
        self._next_refresh, self._shown = now + REFRESH_TIME, state
        self._show_controls(state)
        self._status.content = _status(state)
        if shown is None or state.messages != shown.messages:
            self._show_messages(state.messages)
        if shown is None or state.rewards != shown.rewards:
            self._plot.visible = len(state.rewards) > 1
            epochs, rewards = np.array(state.rewards, dtype=np.float64).reshape(-1, 2).T
            self._plot.data = (epochs, rewards)

    def _connect(self) -> None:
        panel = self._panel
        _on_user(self._task, panel.select_task)
        _on_user(self._num_envs, panel.set_num_envs)
        _on_user(self._rendering, lambda name: panel.set_rendering(Rendering(name)))
        _on_user(self._resume, panel.set_resume)
        _on_user(self._test, panel.set_test)
        _on_user(self._evaluate, panel.set_evaluate)
        _on_user(self._checkpoint, panel.set_checkpoint)
        self._open.on_click(lambda _: OPEN[self._open.value](panel))
        self._load.on_click(lambda _: panel.load())
        self._start.on_click(lambda _: panel.start())
        self._stop.on_click(lambda _: panel.stop())

    def _show_controls(self, state: PanelState) -> None:
        _set(self._task, state.task)
        _set(self._num_envs, state.num_envs)
        _set(self._rendering, state.rendering.value)
        _set(self._resume, state.resume)
        _set(self._test, state.test)
        _set(self._evaluate, state.evaluate)
        _set(self._checkpoint, state.checkpoint)
        busy = state.phase.is_busy
        for control in (self._task, self._num_envs, self._load, self._start, self._resume, self._test, self._evaluate):
            control.disabled = busy
        self._stop.disabled = not state.phase.can_stop

    def _show_messages(self, messages: tuple[str, ...]) -> None:
        """Show messages in a folder, which appears with the first one."""
        if messages and self._messages is None:
            with self._folder, self._gui.add_folder("Messages", expand_by_default=False):
                self._messages = self._gui.add_html("")
        if self._messages is not None:
            self._messages.content = _messages(messages)


def _set(control: Any, value: Any) -> None:
    """Set the value of a control where it differs."""
    if control.value != value:
        control.value = value


def _on_user(control: Any, change: Callable[[Any], None]) -> None:
    """Call ``change`` with the value of a control when a user has changed it, and not when the program has."""

    def changed(event: viser.GuiEvent) -> None:
        if event.client_id is not None:
            change(control.value)

    control.on_update(changed)


def _status(state: PanelState) -> str:
    """Return the status in HTML."""
    lines = [f"<b>{state.phase.value}</b>" + (f" · {html.escape(state.loaded)}" if state.loaded else "")]
    if state.progress:
        lines.append(html.escape(state.progress))
    if state.error:
        lines.append(f"<b>error:</b> {html.escape(state.error)}")
    return _block("0.875em", lines)


def _messages(messages: tuple[str, ...]) -> str:
    """Return messages in HTML, the newest first."""
    return _block("0.75em", [html.escape(message) for message in reversed(messages)])


def _block(size: str, lines: list[str]) -> str:
    """Return lines of HTML that wrap within words, too: paths are long and have no spaces."""
    body = "".join(f"<div>{line}</div>" for line in lines)
    return f'<div style="font-size: {size}; overflow-wrap: anywhere; padding: 0.5em 1em">{body}</div>'
