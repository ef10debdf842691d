"""Cameras of Isaac Sim's robots, which OIGE's models of them do not have."""

from collections.abc import Mapping

from pxr import Gf, Usd, UsdGeom

__all__ = ["add_mounted_cameras", "mounted_cameras"]

FORWARD = Gf.Quatd(0.5, 0.5, -0.5, -0.5)
"""Orientation of a camera that looks along x, with z up."""

CAMERAS: Mapping[str, Mapping[str, Gf.Vec3d]] = {
    "Robots/Carter/nova_carter.usd": {
        # The right lens of the front stereo camera, as in TargetFollowing.
        "chassis_link/stereo_cam_right/stereo_cam_right_sensor_frame/camera_sensor_right": Gf.Vec3d(
            0.125, -0.075, 0.345
        ),
    },
}
"""Positions in m of cameras in the link at the beginning of their paths, by Isaac Sim's USD file."""


def mounted_cameras(root: str, usd_path: str) -> dict[str, Gf.Vec3d]:
    """Return positions of the cameras of a robot by path.

    Args:
        root: path of the robot's prim.
        usd_path: path of Isaac Sim's USD file.
    """
    known = next((cameras for usd, cameras in CAMERAS.items() if usd_path.endswith(usd)), {})
    return {f"{root}/{path}": position for path, position in known.items()}


def add_mounted_cameras(stage: Usd.Stage, root: str, usd_path: str) -> None:
    """Put the cameras of a robot on the stage."""
    for path, position in mounted_cameras(root, usd_path).items():
        prim = UsdGeom.Xformable(stage.DefinePrim(path, "Camera"))
        prim.AddTranslateOp().Set(position)
        prim.AddOrientOp(UsdGeom.XformOp.PrecisionDouble).Set(FORWARD)
