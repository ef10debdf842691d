"""Runs code written for OmniIsaacGymEnvs and Isaac Sim on the embedded engine."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("oige-compat")
