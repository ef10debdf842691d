"""A panel whose updates the test calls itself, as a program's main thread does."""

import time
from collections.abc import Callable
from typing import Any

from oige_extension.panel import Panel, PanelHost, PanelState

#: One thread each, so that tests can run side by side.
OVERRIDES = ("sim_device=cpu", "num_threads=1", "train.params.torch_threads=1")


class RecordingHost(PanelHost):
    """Notes what the panel asks for, and counts the steps of the worlds."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.opened: list[Any] = []
        self.envs: list[Any] = []
        self.steps = 0

    def open_file(self, file: Any) -> None:
        self.opened.append(file)

    def before_load(self) -> None:
        self.calls.append("before_load")

    def show(self, env: Any) -> None:
        self.calls.append("show")
        self.envs.append(env)
        env.step_hooks.append(self._count)

    def hide(self) -> None:
        self.calls.append("hide")

    def before_run(self, *, playing: bool) -> None:
        self.calls.append(f"before_run playing={playing}")

    def set_rendering(self, rendering: Any) -> None:
        self.calls.append(rendering)

    def let_go(self) -> None:
        self.calls.append("let_go")

    def _count(self) -> None:
        self.steps += 1


class Driver:
    """A panel and its host.

    Args:
        host: the program around the panel.
        overrides: more overrides of every run.
    """

    def __init__(self, *overrides: str, host: RecordingHost | None = None) -> None:
        self.host = host or RecordingHost()
        self.panel = Panel(self.host, [*OVERRIDES, *overrides])

    @property
    def state(self) -> PanelState:
        return self.panel.state

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        """Update the panel until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.state
            self.panel.update(0.05)

    def until_idle(self) -> None:
        self.until(lambda: not self.state.phase.is_busy)

    def load(self, task: str = "Cartpole", num_envs: int = 8) -> None:
        """Select a task and load it."""
        self.panel.select_task(task)
        self.panel.set_num_envs(num_envs)
        self.panel.load()
        self.until_idle()

    def start(self) -> None:
        """Start a run and wait for its first step, or its end."""
        steps = self.host.steps
        self.panel.start()
        self.until(lambda: self.host.steps > steps or not self.state.phase.is_busy)

    def run(self) -> None:
        """Start a run and wait for its end."""
        self.panel.start()
        self.until_idle()

    def stop(self) -> None:
        self.panel.stop()
        self.until_idle()
