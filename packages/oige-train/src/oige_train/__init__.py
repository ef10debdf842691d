"""Training of OIGE tasks with rl_games."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("oige-train")
