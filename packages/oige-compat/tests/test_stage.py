"""Poses that scripts give to prims of the stage."""

import numpy as np
import pytest
from oige_compat.objects import XFormPrim
from oige_compat.session import restart
from oige_compat.stage import set_pose
from pxr import Gf, UsdGeom


@pytest.mark.parametrize("listed", [[], ["xformOp:translate"], ["xformOp:scale"], ["xformOp:rotateZ"]])
def test_translation_is_not_scaled(listed: list[str]) -> None:
    prim = restart().stage.DefinePrim("/World/robot", "Xform")
    xform = UsdGeom.Xformable(prim)
    for name in listed:
        {"translate": xform.AddTranslateOp, "scale": xform.AddScaleOp, "rotateZ": xform.AddRotateZOp}[name[8:]]()
    set_pose(prim, translation=(1.0, 2.0, 3.0), orientation=(0.0, 0.0, 0.0, 1.0), scale=(5.0, 5.0, 5.0))
    matrix = xform.GetLocalTransformation()
    # Half a turn about z: a point at (1, 0, 0) is at −5 along x from the origin of the prim.
    assert Gf.IsClose(matrix.Transform(Gf.Vec3d(1.0, 0.0, 0.0)), Gf.Vec3d(-4.0, 2.0, 3.0), 1e-9)


def test_orientation_of_a_scaled_prim_is_that_it_was_given() -> None:
    restart()
    half = 0.5**0.5
    prim = XFormPrim(
        "/World/robot", translation=(1.0, 2.0, 3.0), orientation=(half, 0.0, 0.0, half), scale=(1.0, 4.0, 9.0)
    )
    position, orientation = prim.get_local_pose()
    np.testing.assert_allclose(position, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(orientation, [half, 0.0, 0.0, half], atol=1e-6)
