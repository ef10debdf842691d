"""Manipulation tasks of OIGE."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("oige-tasks-manipulation")
