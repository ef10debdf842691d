"""Writes what all worlds stand on."""

from pxr import Gf, Usd, UsdGeom, UsdPhysics

from oige_core.engines.isaacsim.usd.rigid import set_color
from oige_core.engines.isaacsim.usd.stage import place
from oige_core.scene.elements import GroundPlaneElement

__all__ = ["write_ground_plane"]

_DRAWN = 500.0  # half the edge of the square that is drawn, in metres


def write_ground_plane(element: GroundPlaneElement, stage: Usd.Stage, path: str) -> Usd.Prim:
    """Write an infinite plane for collisions and a large square that is drawn.

    Args:
        element: the plane.
        stage: the stage.
        path: of the new prim, which holds both.

    Returns:
        the prim with the collider.
    """
    ground = UsdGeom.Xform.Define(stage, path).GetPrim()
    place(ground, (0.0, 0.0, element.height), (1.0, 0.0, 0.0, 0.0))
    plane = UsdGeom.Plane.Define(stage, f"{path}/collider")
    plane.CreateAxisAttr(UsdGeom.Tokens.z)
    plane.CreatePurposeAttr(UsdGeom.Tokens.guide)
    UsdPhysics.CollisionAPI.Apply(plane.GetPrim())
    square = UsdGeom.Mesh.Define(stage, f"{path}/surface")
    corners = [Gf.Vec3f(x, y, 0.0) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    points = [_DRAWN * corner for corner in corners]
    square.CreatePointsAttr(points)
    square.CreateFaceVertexCountsAttr([4])
    square.CreateFaceVertexIndicesAttr([0, 1, 2, 3])
    square.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    square.CreateExtentAttr([points[0], points[2]])
    set_color(square.GetPrim(), element.material.color)
    return plane.GetPrim()
