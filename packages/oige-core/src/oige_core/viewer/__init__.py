"""Worlds in a browser."""

from oige_core.viewer.pace import SPEEDS, Pace
from oige_core.viewer.viewer import Viewer, run_script

__all__ = ["SPEEDS", "Pace", "Viewer", "run_script"]
