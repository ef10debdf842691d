"""Starts Isaac Sim and makes the engine that runs in it."""

from dataclasses import dataclass, field

from oige_core.capabilities import CAPABILITIES, Capability, missing
from oige_core.config import RunConfig
from oige_core.engines.isaacsim.application import (
    ApplicationOptions,
    check_application,
    create_host,
    start_application,
)
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.engines.isaacsim.host_kit import Viewpoint
from oige_core.engines.isaacsim.kit_settings import apply_kit_settings

__all__ = ["application_options", "check_available", "check_supported", "create_engine"]

VIEWER_POSITION = (10.0, 10.0, 3.0)
"""Position of the viewport's camera on the grid of worlds, in m, unless the configuration states one."""


@dataclass(frozen=True)
class _Engine:
    """The engine before it is made, for messages."""

    name: str = IsaacSimEngine.name
    capabilities: frozenset[Capability] = field(default=CAPABILITIES[IsaacSimEngine.name])


def create_engine(config: RunConfig, device: str, render_mode: str | None = None) -> IsaacSimEngine:
    """Return the engine of a configuration, in the application of this process, which is started if need be.

    Args:
        config: the checked configuration.
        device: where physics runs, ``cpu`` or ``cuda:<n>``.
        render_mode: of the environment.

    Raises:
        CapabilityError: the configuration asks for something that the engine does not have.
        OigeError: Isaac Sim is not installed.
    """
    check_supported(config, render_mode)
    application = start_application(application_options(config, device))
    viewport = config.task.viewport
    viewpoint = Viewpoint(tuple(viewport.camera_position or VIEWER_POSITION), tuple(viewport.camera_target))
    host = create_host(application, device, viewpoint)
    return IsaacSimEngine(config.task.env.numEnvs, host, config.task.env.envSpacing, apply_kit_settings)


def check_available(config: RunConfig, device: str) -> None:
    """Check that :func:`create_engine` can make the engine of a configuration, without starting the application.

    Args:
        config: the checked configuration.
        device: where physics runs, ``cpu`` or ``cuda:<n>``.

    Raises:
        CapabilityError: the configuration asks for something that the engine does not have.
        OigeError: Isaac Sim is not installed, or has no experience file for the configuration.
    """
    check_supported(config)
    check_application(application_options(config, device))


def check_supported(config: RunConfig, render_mode: str | None = None) -> None:
    """Raise CapabilityError if a configuration asks for something that the engine does not have."""
    refused: list[tuple[str, bool, Capability, str]] = [
        ("warp=True", config.warp, "warp", "Leave it out: the task's own class runs."),
        ("torch_deterministic=True", config.torch_deterministic, "deterministic", "Leave it out."),
        ("enable_recording=True", getattr(config, "enable_recording", False), "drawing", "Leave it out."),
        (f"render_mode={render_mode!r}", render_mode is not None, "drawing", "Leave it out."),
    ]
    for what, wanted, capability, remedy in refused:
        if wanted:
            raise missing(_Engine(), capability, what, remedy)


def application_options(config: RunConfig, device: str) -> ApplicationOptions:
    """Return what a configuration asks of the application. Those of programs have keys that :func:`make_env`'s lack."""
    viewport, sim = config.task.viewport, config.task.sim
    return ApplicationOptions(
        headless=config.headless,
        livestream=getattr(config, "enable_livestream", False),
        cameras=sim.enable_cameras,
        kit_app=getattr(config, "kit_app", ""),
        extras=tuple(getattr(config, "extras", ())),
        device=device,
        physics=sim.isaacsim.physics,
        width=viewport.viewport_camera_width,
        height=viewport.viewport_camera_height,
    )
