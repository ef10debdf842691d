"""Robots and scenes as USD stages for PhysX. Only modules that write stages import ``pxr``."""

__all__ = []
