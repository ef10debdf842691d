"""``omni.kit.viewport.utility`` and ``viewport_legacy``: the viewport of the application, which nothing shows here."""

from typing import Any

__all__ = [
    "ViewportCameraState",
    "get_active_viewport",
    "get_default_viewport_window",
    "get_viewport_from_window_name",
]


class _Viewport:
    """Keeps the path of its camera."""

    def __init__(self) -> None:
        self.camera_path = "/OmniverseKit_Persp"

    def set_active_camera(self, camera_path: Any) -> None:
        self.camera_path = str(camera_path)

    def get_active_camera(self) -> str:
        return self.camera_path

    def set_camera_position(self, camera_path: str, x: float, y: float, z: float, rotate: bool = True) -> bool:
        """Return whether the camera is placed: there is no window."""
        return False

    set_camera_target = set_camera_position


def get_viewport_from_window_name(window_name: str = "Viewport") -> _Viewport:
    """Return a viewport that is not shown."""
    return _Viewport()


def get_active_viewport(usd_context_name: str = "") -> _Viewport:
    """Return a viewport that is not shown."""
    return _Viewport()


def get_default_viewport_window() -> _Viewport:
    """Return a viewport that is not shown."""
    return _Viewport()


class ViewportCameraState:
    """Where the camera of a viewport stands, which nothing shows."""

    def __init__(self, camera_path: str | None = None, viewport: Any = None, *further: Any) -> None:
        self.camera_path = camera_path

    def set_position_world(self, world_position: Any, rotate: bool) -> None:
        """Do nothing: there is no window."""

    set_target_world = set_position_world
