"""Manipulation tasks of OIGE; empty so far."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("oige-tasks-manipulation")
