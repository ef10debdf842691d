"""The window of the panel in Kit; it only shows the panel's state and calls its methods."""

from collections.abc import Callable
from typing import Any

from oige_core.engines.isaacsim.releases import kit_module

from oige_extension.panel import MAX_ENVS, Panel, PanelState, Rendering

__all__ = ["TITLE", "PanelWindow"]

ui = kit_module("omni.ui")

TITLE = "RL Examples"
WIDTH = 550
LABEL_WIDTH = 160
SPACING = 5
RENDERINGS = tuple(Rendering)


class PanelWindow:
    """A window docked at the lower left, with the controls of OmniIsaacGymEnvs' extension.

    All methods belong to Kit's main thread.

    Args:
        panel: the panel.

    Attributes:
        window: the window.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._shown: PanelState | None = None
        self._is_refreshing = False
        self.window = ui.Window(
            TITLE, width=WIDTH, height=0, visible=True, dockPreference=ui.DockPreference.LEFT_BOTTOM
        )
        with self.window.frame, ui.VStack(spacing=SPACING, height=0):
            self._build_task(panel.state)
            self._build_run()
            self._build_status()
        self.refresh()

    def refresh(self) -> None:
        """Show the state of the panel."""
        state = self._panel.state
        if state is self._shown:
            return
        self._shown = state
        self._is_refreshing = True
        try:
            self._show(state)
        finally:
            self._is_refreshing = False

    def destroy(self) -> None:
        """Remove the window."""
        self.window.visible = False
        self.window.destroy()

    # --- widgets -----------------------------------------------------------------------------------------------------

    def _build_task(self, state: PanelState) -> None:
        panel = self._panel
        with _row("Select Task", "The task to load"):
            self._task = ui.ComboBox(state.tasks.index(state.task), *state.tasks)
            self._task.model.add_item_changed_fn(
                lambda model, _: self._by_user(panel.select_task, panel.state.tasks[_index(model)])
            )
            ui.Button("Code", width=50, tooltip="Open the source code of the task", clicked_fn=panel.open_source)
            ui.Button("Task", width=50, tooltip="Open the task's YAML file", clicked_fn=panel.open_task_config)
            ui.Button("Train", width=50, tooltip="Open the training's YAML file", clicked_fn=panel.open_train_config)
        with _row("Number of environments", "The number of environments that Load makes"):
            self._num_envs = ui.IntDrag(min=0, max=MAX_ENVS)
            self._num_envs.model.add_value_changed_fn(
                lambda model: self._by_user(panel.set_num_envs, model.get_value_as_int())
            )
        with _row("Load Environment", "Build the scene without starting the simulation"):
            self._load = ui.Button("Load", clicked_fn=panel.load)
        with _row("Rendering Mode", "How much is drawn, also during a run"):
            self._rendering = ui.ComboBox(0, *(rendering.value for rendering in RENDERINGS))
            self._rendering.model.add_item_changed_fn(
                lambda model, _: self._by_user(panel.set_rendering, RENDERINGS[_index(model)])
            )

    def _build_run(self) -> None:
        panel = self._panel
        with _row("Configure Training", "What Start does with the checkpoint"):
            self._resume = self._check_box("Resume from Checkpoint", panel.set_resume)
            self._test = self._check_box("Test", panel.set_test)
            self._evaluate = self._check_box("Evaluate", panel.set_evaluate)
        with _row("Load Checkpoint", "Path of the checkpoint"):
            self._checkpoint = ui.StringField()
            self._checkpoint.model.add_value_changed_fn(
                lambda model: self._by_user(panel.set_checkpoint, model.get_value_as_string())
            )
        with _row("Train/Test", "Start or stop a run"):
            self._start = ui.Button("Start", clicked_fn=panel.start)
            self._stop = ui.Button("Stop", clicked_fn=panel.stop)

    def _build_status(self) -> None:
        self._status = ui.Label("", word_wrap=True)
        self._progress = ui.Label("", word_wrap=True)
        self._error = ui.Label("", word_wrap=True)
        self._message = ui.Label("", word_wrap=True)

    def _check_box(self, label: str, change: Callable[[bool], None]) -> Any:
        box = ui.CheckBox(width=20)
        box.model.add_value_changed_fn(lambda model: self._by_user(change, model.get_value_as_bool()))
        ui.Label(label, width=0)
        return box

    def _by_user(self, change: Callable[[Any], None], value: Any) -> None:
        """Pass a value on if the user has changed it, and not :meth:`refresh`."""
        if not self._is_refreshing:
            change(value)

    # --- state -------------------------------------------------------------------------------------------------------

    def _show(self, state: PanelState) -> None:
        _select(self._task, state.tasks.index(state.task))
        _set(self._num_envs, state.num_envs, "get_value_as_int")
        _select(self._rendering, RENDERINGS.index(state.rendering))
        _set(self._resume, state.resume, "get_value_as_bool")
        _set(self._test, state.test, "get_value_as_bool")
        _set(self._evaluate, state.evaluate, "get_value_as_bool")
        _set(self._checkpoint, state.checkpoint, "get_value_as_string")
        for widget in (self._task, self._num_envs, self._load, self._resume, self._test, self._evaluate, self._start):
            widget.enabled = not state.phase.is_busy
        self._stop.enabled = state.phase.can_stop
        self._status.text = f"{state.phase.value}: {state.loaded}" if state.loaded else state.phase.value
        self._progress.text = state.progress
        self._error.text = f"error: {state.error}" if state.error else ""
        self._message.text = state.messages[-1] if state.messages else ""


def _row(label: str, tooltip: str) -> Any:
    """Return a row that begins with a label; widgets are added in its ``with`` block."""
    row = ui.HStack(spacing=SPACING, height=0)
    with row:
        ui.Label(label, width=LABEL_WIDTH, tooltip=tooltip)
    return row


def _index(model: Any) -> int:
    """Return the number of the item that a combo box shows."""
    return model.get_item_value_model().get_value_as_int()


def _select(box: Any, index: int) -> None:
    if _index(box.model) != index:
        box.model.get_item_value_model().set_value(index)


def _set(field: Any, value: Any, read: str) -> None:
    """Set the value of a field where it differs.

    Args:
        field: the widget.
        value: its new value.
        read: name of the model's method that reads it.
    """
    if getattr(field.model, read)() != value:
        field.model.set_value(value)
