"""A page that shows worlds in a browser; it needs the extra ``oige-core[viewer]``."""

from oige_core.extras import needs_extra

with needs_extra("viewer", "the viewer"):
    from oige_core.render.viewer.pace import SPEEDS, Pace
    from oige_core.render.viewer.viewer import Viewer, run_script

__all__ = ["SPEEDS", "Pace", "Viewer", "run_script"]
