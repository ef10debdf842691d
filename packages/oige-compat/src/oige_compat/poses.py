"""``omni.isaac.core.utils.xforms``: poses of prims on the stage."""

from typing import Any

import numpy as np
from pxr import Gf, Usd, UsdGeom

from oige_compat.session import session
from oige_compat.values import as_list

__all__ = ["get_local_pose", "get_world_pose", "local_pose", "pose_of", "pose_on_stage", "world_pose"]


def get_world_pose(prim_path: str, fabric: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return position ``(3,)`` in m and orientation w, x, y, z of a prim on the stage, before anything moves."""
    position, orientation = world_pose(session().stage.GetPrimAtPath(str(prim_path)))
    return np.array(position), np.array(orientation)


def get_local_pose(prim_path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return position ``(3,)`` in m and orientation w, x, y, z of a prim in its parent, before anything moves."""
    prim = session().stage.GetPrimAtPath(str(prim_path))
    position, orientation = pose_of(UsdGeom.Xformable(prim).GetLocalTransformation())
    return np.array(position), np.array(orientation)


def world_pose(prim: Usd.Prim) -> tuple[list[float], list[float]]:
    """Return position in m and orientation w, x, y, z of a prim on the stage."""
    return pose_of(UsdGeom.XformCache().GetLocalToWorldTransform(prim))


def local_pose(prim: Usd.Prim, position: Any, orientation: Any) -> tuple[Any, Any]:
    """Return the pose in the parent of a prim that has this one on the stage; None keeps what it has.

    Args:
        prim: the prim.
        position: ``(3,)`` in m.
        orientation: w, x, y, z.
    """
    return _moved(UsdGeom.XformCache().GetParentToWorldTransform(prim).GetInverse(), position, orientation)


def pose_on_stage(prim: Usd.Prim, translation: Any, orientation: Any) -> tuple[Any, Any]:
    """Return the pose on the stage of a prim that has this one in its parent; None keeps what it has.

    Args:
        prim: the prim.
        translation: ``(3,)`` in m.
        orientation: w, x, y, z.
    """
    return _moved(UsdGeom.XformCache().GetParentToWorldTransform(prim), translation, orientation)


def _moved(matrix: Gf.Matrix4d, position: Any, orientation: Any) -> tuple[Any, Any]:
    if matrix == Gf.Matrix4d(1.0):
        return position, orientation
    if position is not None:
        position = list(matrix.Transform(Gf.Vec3d(*as_list(position))))
    if orientation is not None:
        real, *imaginary = as_list(orientation)
        turned = matrix.RemoveScaleShear().ExtractRotationQuat() * Gf.Quatd(real, *imaginary)
        orientation = [turned.GetReal(), *turned.GetImaginary()]
    return position, orientation


def pose_of(matrix: Gf.Matrix4d) -> tuple[list[float], list[float]]:
    """Return position in m and orientation w, x, y, z of a transformation, without its scale."""
    rotation = matrix.RemoveScaleShear().ExtractRotationQuat()
    return list(matrix.ExtractTranslation()), [rotation.GetReal(), *rotation.GetImaginary()]
