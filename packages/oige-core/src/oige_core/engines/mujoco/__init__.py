"""The embedded engine, MuJoCo; it needs the extra ``oige-core[mujoco]``."""

from oige_core.extras import needs_extra

with needs_extra("mujoco", "the embedded engine"):
    import mujoco  # noqa: F401  (a missing extra is reported here, whichever module of the engine is imported first)

__all__ = []
