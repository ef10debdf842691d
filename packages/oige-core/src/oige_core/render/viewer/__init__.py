"""A page that shows worlds in a browser; it needs the extra ``oige-core[viewer]``."""

from oige_core.extras import needs_extra

with needs_extra("viewer", "the viewer"):
    from oige_core.render.viewer.pace import SPEEDS, Pace
    from oige_core.render.viewer.page import Page, run_script
    from oige_core.render.viewer.viewer import Viewer

__all__ = ["SPEEDS", "Pace", "Page", "Viewer", "run_script"]
