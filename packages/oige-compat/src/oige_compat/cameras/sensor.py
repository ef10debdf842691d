"""``omni.isaac.sensor.Camera``: a camera as an object, of which the lens can be set."""

from typing import Any

from pxr import Gf, UsdGeom

from oige_compat.objects import XFormPrim
from oige_compat.session import session
from oige_compat.stage import first_world_path

__all__ = ["Camera"]

TENTHS = 10.0
"""USD's lengths of lenses are in tenths of the unit of the stage."""


class Camera(XFormPrim):
    """A camera's prim.

    The cameras of all worlds are that of the first one.

    Args:
        prim_path: path of the prim, in any world.
        name: name in the scene.
        resolution: width and height of images, in pixels.
        further: see :class:`~oige_compat.objects.XFormPrim`.
    """

    def __init__(
        self,
        prim_path: str,
        name: str = "camera",
        frequency: int | None = None,
        dt: float | None = None,
        resolution: tuple[int, int] | None = None,
        **further: Any,
    ) -> None:
        self.resolution = resolution
        super().__init__(first_world_path(prim_path), name, **further)

    def _define(self) -> Any:
        return session().stage.DefinePrim(self.prim_path, "Camera")

    @property
    def _camera(self) -> UsdGeom.Camera:
        return UsdGeom.Camera(self.prim)

    def get_focal_length(self) -> float:
        """Return the focal length, in tenths of what the prim has."""
        return self._camera.GetFocalLengthAttr().Get() / TENTHS

    def set_focal_length(self, value: float) -> None:
        """Set the focal length, in tenths of what the prim gets."""
        self._camera.CreateFocalLengthAttr(float(value) * TENTHS)

    def get_horizontal_aperture(self) -> float:
        """Return the width of the sensor, in tenths of what the prim has."""
        return self._camera.GetHorizontalApertureAttr().Get() / TENTHS

    def set_horizontal_aperture(self, value: float) -> None:
        """Set the width of the sensor, in tenths of what the prim gets."""
        self._camera.CreateHorizontalApertureAttr(float(value) * TENTHS)

    def get_clipping_range(self) -> tuple[float, float]:
        """Return the nearest and the farthest distance that images show, in m."""
        near, far = self._camera.GetClippingRangeAttr().Get()
        return near, far

    def set_clipping_range(self, near_distance: float | None = None, far_distance: float | None = None) -> None:
        """Set the nearest and the farthest distance that images show, in m; the nearest has no effect."""
        near, far = self.get_clipping_range()
        chosen = near if near_distance is None else near_distance, far if far_distance is None else far_distance
        self._camera.CreateClippingRangeAttr(Gf.Vec2f(*chosen))
