"""Kit extension of OIGE for Isaac Sim, and registries that serve it."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("oige-extension")
