"""Kit extension of OIGE; empty so far."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("oige-extension")
