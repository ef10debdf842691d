"""Writes cameras and the lights of their images."""

import math
from collections.abc import Sequence

import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdLux

from oige_core.engines.isaacsim.usd.description import Pose
from oige_core.engines.isaacsim.usd.prims import set_pose
from oige_core.engines.isaacsim.usd.rotations import multiply
from oige_core.render.appearance import AMBIENT, CAMERA_SUN, SUNLIGHT
from oige_core.scene.elements import CameraElement

__all__ = ["move_camera", "write_camera", "write_lights"]

_CAMERA_AXES = (0.5, 0.5, -0.5, -0.5)  # from USD's frame (x right, y up, z back) to a scene's (x forward, z up)
_FOCAL_LENGTH = 24.0  # in tenths of a unit, as USD has it; only its ratio to the aperture matters
_NEAR, _FAR = 0.01, 1e6  # in metres
_INTENSITY = 1000.0  # of a light that is 1 in the embedded engine's images


def write_camera(element: CameraElement, stage: Usd.Stage, path: str) -> None:
    """Write a camera, whose parent is the prim above ``path``."""
    camera = UsdGeom.Camera.Define(stage, path)
    aperture = 2.0 * _FOCAL_LENGTH * math.tan(0.5 * element.horizontal_fov)
    camera.CreateProjectionAttr(UsdGeom.Tokens.perspective)
    camera.CreateFocalLengthAttr(_FOCAL_LENGTH)
    camera.CreateHorizontalApertureAttr(aperture)
    camera.CreateVerticalApertureAttr(aperture * element.height / element.width)
    camera.CreateClippingRangeAttr(Gf.Vec2f(_NEAR, min(element.far, _FAR)))
    _set_camera_pose(camera.GetPrim(), element.position, element.orientation)


def move_camera(prim: Usd.Prim, position: Sequence[float], orientation: Sequence[float], horizontal_fov: float) -> None:
    """Change the pose and the field of view of a camera.

    Args:
        prim: the camera.
        position: in the frame of its parent, in m.
        orientation: quaternion w, x, y, z of a frame with x forward, y to the left, z up.
        horizontal_fov: angle between the left and the right edge of images, in rad; pixels remain square.
    """
    camera = UsdGeom.Camera(prim)
    aperture = camera.GetHorizontalApertureAttr().Get()
    camera.GetFocalLengthAttr().Set(0.5 * aperture / math.tan(0.5 * horizontal_fov))
    _set_camera_pose(prim, position, orientation)


def _set_camera_pose(prim: Usd.Prim, position: Sequence[float], orientation: Sequence[float]) -> None:
    turned = multiply(orientation, _CAMERA_AXES)
    turned /= np.linalg.norm(turned)
    x, y, z = position
    set_pose(prim, Pose(position=(x, y, z), orientation=tuple(turned.tolist())))


def write_lights(stage: Usd.Stage, path: str, *, sun: bool) -> str | None:
    """Write light from everywhere and, if ``sun``, sunlight.

    Args:
        stage: the stage.
        path: below which the lights are written.
        sun: whether the sun shines.

    Returns:
        the path of the sun, whose light travels along −z of its frame; None if there is none.
    """
    UsdGeom.Scope.Define(stage, path)
    sky = UsdLux.DomeLight.Define(stage, f"{path}/sky")
    sky.CreateIntensityAttr(_INTENSITY * AMBIENT)
    if not sun:
        return None
    light = UsdLux.DistantLight.Define(stage, f"{path}/sun")
    light.CreateIntensityAttr(_INTENSITY * SUNLIGHT)
    light.CreateAngleAttr(0.53)
    direction = np.array(CAMERA_SUN) / np.linalg.norm(CAMERA_SUN)
    turn = Gf.Rotation(Gf.Vec3d(0.0, 0.0, -1.0), Gf.Vec3d(*direction.tolist())).GetQuat()
    set_pose(light.GetPrim(), Pose(orientation=(turn.GetReal(), *turn.GetImaginary())))
    return f"{path}/sun"
