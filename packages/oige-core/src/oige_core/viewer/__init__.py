"""Worlds in a browser."""

from oige_core.viewer.pace import SPEEDS, Pace
from oige_core.viewer.viewer import Viewer

__all__ = ["SPEEDS", "Pace", "Viewer"]
