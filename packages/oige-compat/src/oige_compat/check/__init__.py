"""Reads a code base without running it, and says what of it this package serves."""

from oige_compat.check.examine import Examination, examine
from oige_compat.check.findings import Entry, Finding

__all__ = ["Entry", "Examination", "Finding", "examine"]
