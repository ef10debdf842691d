"""The application without a window: ``carb``, ``omni.kit``, ``omni.ui``, ``omni.client`` and ``omni.isaac.kit``.

Nothing here changes physics: there are no windows, extensions are there or raise an error when they are imported, and
settings are stored.
"""

import asyncio
import enum
import logging
import sys
import types
from typing import Any, NamedTuple

from oige_compat.async_tasks import run_tasks
from oige_compat.errors import TellsMissing
from oige_compat.session import session

__all__ = [
    "DockPosition",
    "Float3",
    "Result",
    "SimulationApp",
    "Workspace",
    "add_update_semantics",
    "copy",
    "disable_extension",
    "enable_extension",
    "get_app",
    "get_extension_manager",
    "get_settings",
    "get_timeline_interface",
    "log_error",
    "log_info",
    "log_verbose",
    "log_warn",
    "set_camera_view",
    "settings",
    "stat",
]

_log = logging.getLogger("carb")


def log_error(text: str) -> None:
    """Print an error, whatever the script does with Python's logging."""
    print(f"[Error] {text}", file=sys.stderr, flush=True)


def log_warn(text: str) -> None:
    """Print a warning, whatever the script does with Python's logging."""
    print(f"[Warning] {text}", file=sys.stderr, flush=True)


def log_info(text: str) -> None:
    """Log an information."""
    _log.info(text)


log_verbose = log_info


class Float3(NamedTuple):
    """Three numbers."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


class _Settings(TellsMissing):
    """Settings by path; nothing reads those that tasks set."""

    def set(self, path: str, value: Any) -> None:
        session().settings[path] = value

    set_bool = set_int = set_float = set_string = set_default = set_default_bool = set

    def get(self, path: str) -> Any:
        return session().settings.get(path)

    def get_as_bool(self, path: str) -> bool:
        return bool(self.get(path))

    def get_as_int(self, path: str) -> int:
        return int(self.get(path) or 0)

    def get_as_float(self, path: str) -> float:
        return float(self.get(path) or 0.0)

    def get_as_string(self, path: str) -> str:
        return str(self.get(path) or "")


def get_settings() -> _Settings:
    """Return the settings of the application."""
    return _Settings()


settings = types.SimpleNamespace(get_settings=get_settings)


class _ExtensionManager(TellsMissing):
    def set_extension_enabled(self, name: str, enabled: bool) -> bool:
        return True

    set_extension_enabled_immediate = set_extension_enabled

    def is_extension_enabled(self, name: str) -> bool:
        return True


class _App(TellsMissing):
    def update(self) -> None:
        """Run coroutines of the script; there is no window to draw."""
        run_tasks()

    async def next_update_async(self) -> None:
        """Simulate a physics step, and let other coroutines run."""
        from oige_compat.world import SimulationContext

        world = SimulationContext.instance()
        if world is not None and world.is_playing():
            world.step(render=False)
        await asyncio.sleep(0)

    def is_running(self) -> bool:
        return True

    def get_extension_manager(self) -> _ExtensionManager:
        return _ExtensionManager()


def get_app() -> _App:
    """Return the application."""
    return _App()


def get_extension_manager() -> _ExtensionManager:
    """Return the manager of extensions."""
    return _ExtensionManager()


def enable_extension(extension_name: str) -> bool:
    """Accept an extension; importing a module of it that is not served raises an error."""
    return True


def disable_extension(extension_name: str) -> bool:
    """Accept that an extension is not needed."""
    return True


def add_update_semantics(prim: Any, semantic_label: str, type_label: str = "class", suffix: str = "") -> None:
    """Give a prim a label that segmentation shows; labels of other types than ``class`` have no effect."""
    if type_label == "class":
        session().labels[str(prim.GetPath())] = semantic_label


def set_camera_view(eye: Any, target: Any, camera_prim_path: str = "", viewport_api: Any = None) -> None:
    """Do nothing: there is no window."""


class SimulationApp(TellsMissing):
    """The application that ``isaacsim`` starts; here nothing has to start.

    Args:
        launch_config: options of the application.
        experience: a file of the application.
    """

    def __init__(self, launch_config: dict[str, Any] | None = None, experience: str = "") -> None:
        self.config = dict(launch_config or {})
        if not self.config.get("headless", True):
            session().note("headless=False: there is no window.")

    app = property(lambda self: get_app())

    def update(self) -> None:
        """Do nothing."""

    def is_running(self) -> bool:
        """Whether the application runs."""
        return True

    def is_exiting(self) -> bool:
        """Whether the application ends."""
        return False

    def set_setting(self, setting: str, value: Any) -> None:
        """Set a setting of the application by its path, as the settings of ``carb`` do."""
        get_settings().set(setting, value)

    def close(self, wait_for_replicator: bool = True, skip_cleanup: bool = False) -> None:
        """Free the worlds."""
        if (engine := session().engine) is not None:
            engine.close()


class _Timeline(TellsMissing):
    def play(self) -> None:
        """Do nothing: the simulation plays."""

    pause = stop = commit = play

    def is_playing(self) -> bool:
        return True

    def is_stopped(self) -> bool:
        return False

    def get_timeline_event_stream(self) -> "_EventStream":
        return _EventStream()


class _EventStream(TellsMissing):
    """Events of the timeline, which plays on without any."""

    def create_subscription_to_pop(self, *arguments: Any, **named: Any) -> object:
        return object()

    create_subscription_to_pop_by_type = create_subscription_to_push = create_subscription_to_pop


def get_timeline_interface() -> _Timeline:
    """Return the timeline."""
    return _Timeline()


class DockPosition(enum.Enum):
    """Sides of a window."""

    RIGHT = 0
    LEFT = 1
    TOP = 2
    BOTTOM = 3
    SAME = 4


class Workspace:
    """Windows, of which there are none."""

    @staticmethod
    def get_window(title: str) -> None:
        """Return None."""

    @staticmethod
    def show_window(title: str, show: bool = True) -> bool:
        """Return False."""
        return False


class Result(enum.Enum):
    """Results of ``omni.client``."""

    OK = 0
    ERROR_NOT_FOUND = 1


def stat(url: str) -> tuple[Result, None]:
    """Return that a file of a Nucleus server is not there."""
    return Result.ERROR_NOT_FOUND, None


def copy(source: str, target: str) -> Result:
    """Return that a file of a Nucleus server is not there."""
    return Result.ERROR_NOT_FOUND
