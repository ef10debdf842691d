"""Starts the application of Isaac Sim, once per process, and chooses the host of its release."""

import atexit
import contextlib
import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from oige_core.engines.isaacsim.host import Host
from oige_core.engines.isaacsim.host_kit import KitHost, Viewpoint
from oige_core.engines.isaacsim.releases import (
    NEWEST,
    Installation,
    Release,
    find_installation,
    has_module,
    kit_module,
)
from oige_core.errors import ConfigError, OigeError

__all__ = [
    "Application",
    "ApplicationOptions",
    "check_application",
    "close_application",
    "create_host",
    "join_application",
    "start_application",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ApplicationOptions:
    """What a program asks of the application.

    Attributes:
        headless: open no window.
        livestream: stream the application to other machines.
        cameras: tasks read images of cameras.
        recording: the program records videos.
        kit_app: experience file to use instead of the one that the other options select.
        extras: more arguments for Kit, such as ``--/log/level=info``.
        device: device of physics, ``cpu`` or ``cuda:<n>``; the renderer uses the same GPU.
        physics: physics engine; ``newton`` needs Isaac Sim 6.0.
        width, height: size of the viewport in pixels.
    """

    headless: bool = True
    livestream: bool = False
    cameras: bool = False
    recording: bool = False
    kit_app: str = ""
    extras: tuple[str, ...] = ()
    device: str = "cpu"
    physics: Literal["physx", "newton"] = "physx"
    width: int = 1280
    height: int = 720

    @property
    def renders(self) -> bool:
        """Whether somebody looks at windows, or reads images."""
        return not self.headless or self.livestream or self.cameras or self.recording

    def launch_settings(self) -> dict[str, Any]:
        """Return the settings of ``SimulationApp``."""
        settings: dict[str, Any] = {
            "headless": self.headless or self.livestream,
            "width": self.width,
            "height": self.height,
            "multi_gpu": False,
        }
        if self.livestream:
            settings["hide_ui"] = False
        if not self.renders:
            settings["disable_viewport_updates"] = True
        if self.device != "cpu":
            settings["active_gpu"] = settings["physics_gpu"] = torch.device(self.device).index or 0
        return settings


class Application:
    """The running application of Isaac Sim.

    Attributes:
        release: its release.
        experience: its experience file; None if another program started it.
        renders: whether somebody looks at windows, or reads images.
        has_loop: whether a loop of Kit's own updates it and calls this program, which is an extension.
    """

    has_loop = False

    def __init__(
        self,
        release: Release,
        experience: Path | None,
        renders: bool,
        simulation_app: Any = None,
        options: ApplicationOptions | None = None,
    ) -> None:
        """Keep what is known of an application.

        Args:
            release: its release.
            experience: its experience file.
            renders: whether somebody looks at windows, or reads images.
            simulation_app: its ``SimulationApp``, if this program has started it.
            options: those with which this program has started it.
        """
        self.release = release
        self.experience = experience
        self.renders = renders
        self._simulation_app = simulation_app
        self._options = options

    @property
    def is_ours(self) -> bool:
        """Whether this program has started the application, and must close it."""
        return self._simulation_app is not None

    @property
    def has_viewport(self) -> bool:
        """Whether somebody looks at a viewport, in a window or through a stream."""
        return self._options is None or self._options.livestream or not self._options.headless

    def check(self, options: ApplicationOptions) -> None:
        """Raise ConfigError unless options are those of the running application, which cannot be changed."""
        if self._options is None or self._options == options:
            return
        wanted, given = dataclasses.asdict(options), dataclasses.asdict(self._options)
        differences = [name for name in wanted if wanted[name] != given[name]]
        raise ConfigError(
            f"{', '.join(f'{name}={wanted[name]}' for name in differences)}, but the application of Isaac Sim, of "
            f"which a process has one, runs with {', '.join(f'{name}={given[name]}' for name in differences)}; start "
            "another process."
        )

    def close(self, exit_code: int = 0) -> None:
        """Close the application if this program has started it; this ends the process in most releases.

        Args:
            exit_code: exit code of the process.
        """
        simulation_app, self._simulation_app = self._simulation_app, None
        if simulation_app is None:
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if exit_code:
            # Kit ends the process with code 0.
            os._exit(exit_code)
        simulation_app.close()


_application: Application | None = None


def start_application(options: ApplicationOptions) -> Application:
    """Return the application of this process; start it if it does not run.

    Inside Kit, for example in an extension, it is the application that runs already.

    Raises:
        ConfigError: an option does not fit the release, or differs from that of the running application.
        OigeError: Isaac Sim is not installed.
    """
    global _application
    if _application is None:
        _application = _running_application() or _start(options)
    _application.check(options)
    return _application


def check_application(options: ApplicationOptions) -> None:
    """Raise what :func:`start_application` would raise before it starts anything; start nothing.

    Raises:
        ConfigError: an option does not fit the release, or differs from that of the running application.
        OigeError: Isaac Sim is not installed.
    """
    if _application is not None:
        _application.check(options)
    elif _running_application() is None:
        select_experience(find_installation(), options)


def join_application() -> Application:
    """Let engines run in the application whose own loop calls this program, an extension; return the application.

    Raises:
        OigeError: this program does not run in an application of Isaac Sim.
    """
    global _application
    if _application is None or not _application.has_loop:
        _application = _running_application()
        if _application is None:
            raise OigeError("The extension of OIGE runs inside of Isaac Sim only; enable it there.")
        _application.has_loop = True
    return _application


def close_application(exit_code: int = 0) -> None:
    """Close the application that :func:`start_application` has started; do nothing if there is none.

    Programs call this last, because most releases end the process.

    Args:
        exit_code: exit code of the process.
    """
    global _application
    application, _application = _application, None
    if application is not None:
        application.close(exit_code)


def _close_at_exit() -> None:
    """Close the application of a program that has not done so; code 1 tells of an exception that nobody handled."""
    close_application(1 if getattr(sys, "last_value", None) else 0)


def create_host(application: Application, device: str, viewpoint: Viewpoint | None = None) -> Host:
    """Return the host of the application's release.

    Args:
        application: the running application.
        device: where physics runs, ``cpu`` or ``cuda:<n>``.
        viewpoint: of the camera of the viewport, if there is one.
    """
    release = application.release
    if release.age[:2] > NEWEST.age[:2]:
        _log.warning("%s is newer than OIGE knows; it is used like %s.", release, NEWEST)
    host = _host_class(release)(release, torch.device(device), application.renders, application.has_loop)
    if application.has_viewport:
        host.viewpoint = viewpoint
    return host


def _host_class(release: Release) -> type[KitHost]:
    if release.is_at_least(6) and has_module("isaacsim.core.experimental.prims"):
        from oige_core.engines.isaacsim.host_60 import ExperimentalHost

        return ExperimentalHost
    if release.is_at_least(4, 5):
        from oige_core.engines.isaacsim.host_core import CoreHost

        return CoreHost
    from oige_core.engines.isaacsim.host_omni import OmniHost

    return OmniHost


def _running_application() -> Application | None:
    """Return the application in which this code runs; None outside Kit."""
    module = sys.modules.get("omni.kit.app")
    application = module.get_app() if module is not None and hasattr(module, "get_app") else None
    if application is None or not application.is_running():
        return None
    return Application(_version_of_running(), None, renders=True)


def _version_of_running() -> Release:
    for name in ("isaacsim.core.version", "omni.isaac.version"):
        if has_module(name):
            core, *_ = kit_module(name).get_version()
            return Release.parse(core)
    raise OigeError(
        "The running Kit application has no extension isaacsim.core.version or omni.isaac.version: expected Isaac Sim."
    )


def _start(options: ApplicationOptions) -> Application:
    installation = find_installation()
    experience = select_experience(installation, options)
    with _arguments_for_kit(options.extras), _interrupts_kept():
        simulation_app = installation.application_class(options.launch_settings(), experience=str(experience))
    if options.livestream and not installation.release.is_at_least(4, 5):
        _stream(simulation_app)
    atexit.register(_close_at_exit)
    return Application(installation.release, experience, options.renders, simulation_app, options)


def select_experience(installation: Installation, options: ApplicationOptions) -> Path:
    """Return the experience file that the options select: the first that applies of OmniIsaacGymEnvs' order.

    Raises:
        ConfigError: the release has no such file.
    """
    if options.kit_app:
        path = Path(options.kit_app).expanduser()
        if not path.is_file():
            raise ConfigError(f"kit_app={options.kit_app}: expected an experience file (.kit); there is none.")
        return path
    setting, names = _experience_names(installation.release, options)
    for name in names:
        if (path := installation.experiences / name).is_file():
            return path
    available = ", ".join(sorted(path.name for path in installation.experiences.glob("*.kit"))) or "none"
    raise ConfigError(
        f"{setting}: expected {' or '.join(names)} in {installation.experiences} of {installation.release}; name "
        f"another file by kit_app. Available: {available}."
    )


def _experience_names(release: Release, options: ApplicationOptions) -> tuple[str, tuple[str, ...]]:
    """Return the setting that selects the experience, and the names of its file, the preferred one first."""
    if options.physics == "newton":
        if not release.is_at_least(6):
            raise ConfigError(f"task.sim.isaacsim.physics=newton: expected Isaac Sim 6.0 or newer, not {release}.")
        return "task.sim.isaacsim.physics=newton", ("isaacsim.exp.full.newton.kit",)
    if release.is_at_least(4, 5):
        base = ("isaacsim.exp.base.python.kit",)
        if options.livestream and not options.cameras:
            return "enable_livestream=True", ("isaacsim.exp.full.streaming.kit",)
        return f"headless={options.headless}", base
    if options.cameras:
        names = ("omni.isaac.sim.python.gym.camera.kit", "omni.isaac.sim.python.kit")
        return "task.sim.enable_cameras=True", names
    if options.livestream:
        return "enable_livestream=True", ("omni.isaac.sim.python.gym.livestream.kit", "omni.isaac.sim.python.kit")
    if options.headless and not options.recording:
        return "headless=True", ("omni.isaac.sim.python.gym.headless.kit", "omni.isaac.sim.python.kit")
    return f"headless={options.headless}", ("omni.isaac.sim.python.kit",)


@contextlib.contextmanager
def _arguments_for_kit(extras: tuple[str, ...]) -> Iterator[None]:
    """Context in which Kit, which reads ``sys.argv``, sees its own arguments instead of this program's."""
    arguments = sys.argv
    sys.argv = [*arguments[:1], *extras]
    try:
        yield
    finally:
        sys.argv = arguments


@contextlib.contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Context after which Ctrl-C raises KeyboardInterrupt again, which lets programs save and close."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _stream(simulation_app: Any) -> None:
    """Enable the streaming of releases before 4.5, whose experience files do not."""
    for key, value in (
        ("/app/livestream/enabled", True),
        ("/app/window/drawMouse", True),
        ("/app/livestream/proto", "ws"),
        ("/ngx/enabled", False),
    ):
        simulation_app.set_setting(key, value)
    kit_module("omni.isaac.core.utils.extensions").enable_extension("omni.kit.livestream.native")
