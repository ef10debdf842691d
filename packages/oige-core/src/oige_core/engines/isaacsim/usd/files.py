"""USD files of robots, which are beside their MJCF files: a robot is described without MuJoCo where it has one."""

import hashlib
import importlib.metadata
from pathlib import Path

from pxr import Usd

from oige_core.engines.isaacsim.usd.description import BodyDescription, RobotDescription, with_base
from oige_core.engines.isaacsim.usd.prims import make_valid, new_stage
from oige_core.engines.isaacsim.usd.robot import read_description, write_robot
from oige_core.errors import MissingExtraError, OigeError
from oige_core.scene.assets import ArticulationAsset
from oige_core.scene.elements import RigidAssetElement

__all__ = ["describe_asset", "describe_body", "robot_files", "robot_stage", "usd_file", "write_robot_file"]

_SOURCE = "oige_source"
"""Key, in the custom data of a file's robot, of the digest of the MJCF file from which it was made."""


_MUJOCO = 4


def usd_file(mjcf: Path) -> Path:
    """Return the path of the USD file of an MJCF or URDF file: binary if there is such a file, otherwise text."""
    binary = mjcf.with_suffix(".usdc")
    return binary if binary.is_file() else mjcf.with_suffix(".usda")


def robot_files(folder: Path) -> list[Path]:
    """Return the MJCF and URDF files in the folders named ``assets`` below a folder, in alphabetical order."""
    return sorted(path for suffix in ("xml", "urdf") for path in folder.rglob(f"assets/*.{suffix}"))


def robot_stage(mjcf: Path) -> tuple[Usd.Stage, RobotDescription]:
    """Return a stage in memory with the robot of an MJCF or URDF file, its default prim, and its description.

    Raises:
        OigeError: the file has no valid robot, or MuJoCo is not installed.
    """
    from oige_core.engines.isaacsim.usd.from_mujoco import describe

    description = describe(ArticulationAsset(mjcf=mjcf), mjcf.stem)
    stage = new_stage()
    path = f"/{make_valid([mjcf.stem])[mjcf.stem]}"
    write_robot(description, stage, path)
    prim = stage.GetPrimAtPath(path)
    prim.SetCustomDataByKey(_SOURCE, _digest(mjcf))
    stage.SetDefaultPrim(prim)
    stage.GetRootLayer().comment = f"Made from {mjcf.name} by oige-usd --robots; do not edit."
    return stage, description


def write_robot_file(mjcf: Path) -> tuple[Path, RobotDescription]:
    """Write the USD file of an MJCF or URDF file: see :func:`robot_stage`. It is binary if the robot has meshes.

    Returns:
        The path of the file, and what it describes.

    Raises:
        OigeError: the file has no valid robot, or MuJoCo is not installed.
    """
    stage, description = robot_stage(mjcf)
    text, binary = mjcf.with_suffix(".usda"), mjcf.with_suffix(".usdc")
    text.unlink(missing_ok=True)
    binary.unlink(missing_ok=True)
    if description.meshes:
        stage.GetRootLayer().Export(str(binary))
    else:
        text.write_text(stage.GetRootLayer().ExportToString(), encoding="utf-8", newline="\n")
    return usd_file(mjcf), description


def describe_asset(asset: ArticulationAsset, name: str) -> RobotDescription:
    """Return the description of an asset: from the USD file beside its MJCF file, otherwise by MuJoCo.

    Args:
        asset: the asset.
        name: of the articulation in messages.

    Raises:
        OigeError: the asset is invalid, or has no USD file of its present contents and MuJoCo is not installed.
    """
    file = usd_file(asset.mjcf) if isinstance(asset.mjcf, Path) else None
    stale = ""
    if isinstance(asset.mjcf, Path) and file is not None and file.is_file() and asset.mjcf.is_file():
        stage = Usd.Stage.Open(str(file))  # prims are valid only as long as their stage
        prim = stage.GetDefaultPrim()
        if prim and prim.GetCustomDataByKey(_SOURCE) == _digest(asset.mjcf):
            return with_base(read_description(prim), asset.floating)
        stale = f"'{file}' was made from another '{asset.mjcf.name}'"
    if _has_mujoco():
        from oige_core.engines.isaacsim.usd.from_mujoco import describe

        return describe(asset, name)
    if not stale:
        stale = "it is given as text" if isinstance(asset.mjcf, str) else f"'{file}' does not exist"
    raise MissingExtraError(
        f"articulation '{name}': its MJCF has no USD file to go with it, because {stale}, and oige-core[mujoco], which "
        "would read it, is not installed here: run oige-usd --robots PACKAGE where it is."
    )


def describe_body(element: RigidAssetElement) -> BodyDescription:
    """Return the description of a rigid body from a file, by MuJoCo.

    Raises:
        OigeError: the asset is invalid, or MuJoCo is not installed.
        CapabilityError: PhysX lacks something that it needs.
    """
    if not _has_mujoco():
        raise MissingExtraError(
            f"rigid body '{element.name}': oige-core[mujoco], which reads its MJCF, is not installed here: install it."
        )
    from oige_core.engines.isaacsim.usd.rigid_from_mujoco import describe

    return describe(element)


def _has_mujoco() -> bool:
    """Return whether MuJoCo is installed in the version of the embedded engine; Isaac Sim may have an older one."""
    try:
        return int(importlib.metadata.version("mujoco").partition(".")[0]) >= _MUJOCO
    except importlib.metadata.PackageNotFoundError:
        return False


def _digest(mjcf: Path) -> str:
    """Return a digest of a file that does not depend on its line ends."""
    try:
        text = mjcf.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise OigeError(f"{mjcf}: cannot be read: {error}.") from error
    return hashlib.sha256("\n".join(text.splitlines()).encode()).hexdigest()[:16]
