"""``omni.importer.urdf`` and its commands: robots of URDF and MJCF files as prims of the stage.

The file is read by MuJoCo and written as USD, from which the worlds are built as from any other USD file.
"""

import enum
import math
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from oige_core.engines.isaacsim.usd.description import RobotDescription, with_base
from oige_core.engines.isaacsim.usd.from_mujoco import describe
from oige_core.engines.isaacsim.usd.prims import make_valid, new_stage
from oige_core.engines.isaacsim.usd.robot import RobotOptions, write_robot
from oige_core.errors import OigeError
from oige_core.scene.assets import Drive

from oige_compat.assets.files import load_robot
from oige_compat.errors import CompatError, caller
from oige_compat.session import session
from oige_compat.stage import add_reference_to_stage, move_prim

__all__ = ["ImportConfig", "UrdfJointTargetType", "acquire_urdf_interface", "execute"]

_OTHERS = {
    "merge_fixed_joints": (False, "joins links that a fixed joint holds; they stay apart"),
    "convex_decomp": (False, "cuts meshes into convex parts; here they collide as their convex hulls"),
    "import_inertia_tensor": (True, "lets shapes determine the inertia of links; here those of the file act"),
    "density": (0.0, "density of links without mass; here 1000 kg/m³"),
    "parse_mimic": (True, "couples joints by mimic; here the file's couplings act"),
}
"""Values of settings that act here in any case, and what another value does in Isaac Sim."""

_NEUTRAL = {
    *("create_physics_scene", "import_sites", "instanceable_usd_path", "make_default_prim", "make_instanceable"),
    *("subdivision_scheme", "up_vector", "visualize_collision_geoms"),
}
"""Settings that change nothing here."""


class UrdfJointTargetType(enum.Enum):
    """What drives of imported joints hold."""

    JOINT_DRIVE_NONE = 0
    JOINT_DRIVE_POSITION = 1
    JOINT_DRIVE_VELOCITY = 2


class ImportConfig(SimpleNamespace):
    """Settings of an import, as attributes, or by ``set_…`` methods.

    Args:
        fix_base: whether the root is fixed.
    """

    def __init__(self, *, fix_base: bool = True) -> None:
        super().__init__(
            fix_base=fix_base,
            self_collision=False,
            default_drive_type=UrdfJointTargetType.JOINT_DRIVE_POSITION,
            default_drive_strength=1e7,
            default_position_drive_damping=1e5,
            distance_scale=1.0,
        )

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("set_"):
            raise AttributeError(name)
        return lambda value: setattr(self, name.removeprefix("set_"), value)


def execute(name: str, **arguments: Any) -> tuple[bool, Any]:
    """Run a command of the application.

    Args:
        name: ``URDFCreateImportConfig``, ``URDFParseAndImportFile``, ``MJCFCreateImportConfig``, ``MJCFCreateAsset`` or
            ``MovePrim``.
        arguments: of the command.

    Returns:
        Whether it succeeded, and its result: settings, the path of the robot's prim, or None.

    Raises:
        OigeError: it is another command, or the file cannot be read.
    """
    if name in ("URDFCreateImportConfig", "MJCFCreateImportConfig"):
        return True, ImportConfig(fix_base=name.startswith("URDF"))
    if name == "MovePrim":
        move_prim(arguments["path_from"], arguments["path_to"])
        return True, None
    if name == "URDFParseAndImportFile":
        file, prim_path = arguments["urdf_path"], ""
    elif name == "MJCFCreateAsset":
        file, prim_path = arguments["mjcf_path"], str(arguments.get("prim_path", ""))
    else:
        raise CompatError(
            f"omni.kit.commands.execute('{name}') (used in {caller()}): oige-compat does not have this command; only "
            "MovePrim and imports of URDF and MJCF files are served."
        )
    config = arguments.get("import_config") or ImportConfig()
    return True, _import(Path(os.path.normpath(file)), config, prim_path, str(arguments.get("dest_path") or ""))


class _UrdfInterface:
    """Reads URDF files in two steps."""

    def parse_urdf(self, asset_root: str, asset_file: str, import_config: ImportConfig) -> Path:
        return Path(asset_root, asset_file)

    def import_robot(
        self, asset_root: str, asset_file: str, robot: Path, import_config: ImportConfig, dest_path: str = "", *_: Any
    ) -> str:
        return _import(robot, import_config, "", dest_path)


def acquire_urdf_interface() -> _UrdfInterface:
    """Return the interface that reads URDF files."""
    return _UrdfInterface()


def _import(file: Path, config: ImportConfig, prim_path: str, target: str) -> str:
    """Write a robot as USD, and refer to it on the stage unless a target is given.

    Returns:
        The path of the robot's prim: on the stage, or in the target.
    """
    _tell_unused(file, config)
    asset, report = load_robot(file, floating=not config.fix_base)
    for line in report.lines():
        session().note(line)
    name = make_valid([file.stem])[file.stem]
    stage, description = new_stage(), with_base(describe(asset, name), not config.fix_base)
    drives = dict(asset.drives) or _drives(description, config)
    options = RobotOptions(drives=drives, self_collisions=bool(config.self_collision))
    write_robot(description, stage, f"/{name}", options)
    stage.SetDefaultPrim(stage.GetPrimAtPath(f"/{name}"))
    if target:
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        stage.GetRootLayer().Export(str(path))
        return f"/{name}"
    place = prim_path or f"/{name}"
    written = session().folder() / f"{name}.usdc"
    stage.GetRootLayer().Export(str(written))
    add_reference_to_stage(str(written), place)
    return place


def _drives(description: RobotDescription, config: ImportConfig) -> dict[str, Drive]:
    """Return drives of all joints in SI units by name; in the settings, angles are in degrees."""
    stiffness, damping = float(config.default_drive_strength), float(config.default_position_drive_damping)
    match getattr(config.default_drive_type, "value", config.default_drive_type):
        case UrdfJointTargetType.JOINT_DRIVE_NONE.value:
            return {}
        case UrdfJointTargetType.JOINT_DRIVE_VELOCITY.value:
            stiffness, damping = 0.0, stiffness
    drives = {}
    for joint in description.joints:
        scale = math.degrees(1.0) if joint.kind == "revolute" else 1.0
        drives[re.escape(joint.name)] = Drive(stiffness=stiffness * scale, damping=damping * scale)
    return drives


def _tell_unused(file: Path, config: ImportConfig) -> None:
    if float(config.distance_scale) != 1.0:
        raise OigeError(f"{file}: distance_scale={config.distance_scale}: expected 1, metres.")
    for name in sorted(vars(config).keys() - vars(ImportConfig()).keys() - _OTHERS.keys() - _NEUTRAL):
        text = "a setting that oige-compat does not know; it has no effect"
        session().note(f"{file}: import_config.{name}={getattr(config, name)}: {text}.")
    for name, (neutral, text) in _OTHERS.items():
        value = getattr(config, name, neutral if name != "import_inertia_tensor" else False)
        if value != neutral:
            session().note(f"{file}: import_config.{name}={value}: {text}.")
