"""Worlds in a browser."""

from oige_core.render.viewer.pace import SPEEDS, Pace
from oige_core.render.viewer.viewer import Viewer, run_script

__all__ = ["SPEEDS", "Pace", "Viewer", "run_script"]
