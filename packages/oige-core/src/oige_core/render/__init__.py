"""How worlds are shown: their geometry, images without a screen, the viewer's page and recordings.

:mod:`oige_core.render.viewer` and :mod:`oige_core.render.recording` need the extra ``oige-core[viewer]``.
"""

from oige_core.render.camera import Camera, viewport_camera
from oige_core.render.geometry import Ground, SceneGeometry, Shape
from oige_core.render.offscreen import OffscreenRenderer

__all__ = ["Camera", "Ground", "OffscreenRenderer", "SceneGeometry", "Shape", "viewport_camera"]
