"""Whether an engine can start on this machine; imports no engine and no torch before it needs them."""

from oige_core.config import RunConfig
from oige_core.config.fields import engine_of

__all__ = ["check_engine"]


def check_engine(config: RunConfig) -> None:
    """Check that the engine of a validated configuration can start on this machine, without starting it.

    Programs call it before they print or write anything. The embedded engine needs nothing that could be missing.

    Args:
        config: from :func:`oige_core.registry.load_config`.

    Raises:
        CapabilityError: the configuration asks for something that the engine does not have.
        OigeError: Isaac Sim is not installed, or has no experience file for the configuration.
    """
    if engine_of(config.physics_engine) == "isaacsim":
        from oige_core.devices import resolve_devices
        from oige_core.engines.isaacsim.start import check_available

        check_available(config, resolve_devices(config).simulation)
