"""Writes a package of OIGE from a task of OmniIsaacGymEnvs, as far as rules can do it."""

from oige_compat.port.package import Ported, write_package
from oige_compat.port.sources import Source, find_source

__all__ = ["Ported", "Source", "find_source", "write_package"]
