"""Builds the worlds of the engine from the stage: one module for each kind of element."""

from oige_compat.building.build import build

__all__ = ["build"]
