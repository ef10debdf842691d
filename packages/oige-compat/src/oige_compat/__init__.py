"""Runs code written for OmniIsaacGymEnvs and Isaac Sim on the embedded engine."""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """Return the version when it is asked for: reading it takes time in which Ctrl-C would show a traceback."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("oige-compat")
