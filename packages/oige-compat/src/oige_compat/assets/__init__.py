"""Robots and objects of other projects' files: USD, URDF and MJCF."""

from oige_compat.assets.files import load_robot
from oige_compat.assets.report import Note, NoteKind, Report
from oige_compat.assets.usd import load_rigid_usd, load_usd

__all__ = ["Note", "NoteKind", "Report", "load_rigid_usd", "load_robot", "load_usd"]
