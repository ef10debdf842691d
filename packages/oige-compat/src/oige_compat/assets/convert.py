"""``oige-compat convert``: write a robot of a USD, URDF or MJCF file as MJCF and Python."""

import math
from pathlib import Path

from oige_core.errors import ConfigError, OigeError, reason
from oige_core.scene.assets import ArticulationAsset, Drive

from oige_compat.assets.files import load_robot

__all__ = ["convert", "settings_of", "source_of"]

_USAGE = "expected FILE OUT.xml [prim=/path] [variant.<set>=<selection> …]"


def convert(arguments: list[str]) -> int:
    """Convert a robot, print what differs, and the asset that describes the result.

    Args:
        arguments: the file, the MJCF file to write, and ``prim=`` and ``variant.<set>=``.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, the robot cannot be expressed, or the file cannot be written.
    """
    files = [word for word in arguments if "=" not in word]
    prim, variants = None, {}
    for word in arguments:
        key, equals, value = word.partition("=")
        if not equals:
            continue
        if key == "prim":
            prim = value
        elif key.startswith("variant."):
            variants[key.removeprefix("variant.")] = value
        else:
            raise ConfigError(f"oige-compat convert {word}: {_USAGE}.")
    if len(files) != 2 or Path(files[1]).suffix != ".xml":
        raise ConfigError(f"oige-compat convert {' '.join(arguments)}: {_USAGE}.")
    source, target = Path(files[0]), Path(files[1])
    if target.exists():
        raise ConfigError(f"{target}: exists already; give another name, or remove it.")
    as_it_is = f"{source}: is a file that OIGE reads as it is; give its path to ArticulationAsset"
    if source.suffix.lower() == ".urdf" and source.is_file():
        raise ConfigError(f"{as_it_is}, with floating=False if its base is fixed.")
    asset, report = load_robot(source, prim, variants=variants)
    if isinstance(asset.mjcf, Path):
        raise ConfigError(f"{as_it_is}.")
    try:
        target.write_text(asset.mjcf, encoding="utf-8")
    except OSError as error:
        raise OigeError(f"{target}: cannot be written: {reason(error)}.") from error
    for line in report.lines():
        print(line)
    print(f"wrote {target}; its asset:\n\n{source_of(asset, target)}")
    return 0


def source_of(asset: ArticulationAsset, file: Path) -> str:
    """Return Python code of an asset whose MJCF is in a file."""
    return "\n".join(["ArticulationAsset(", f"    mjcf=Path({str(file)!r}),", *settings_of(asset), ")"])


def settings_of(asset: ArticulationAsset) -> list[str]:
    """Return the arguments of an asset beside its MJCF, as lines of Python code."""
    lines = []
    if asset.drives:
        drives = (f"        {name!r}: {_drive(drive)}," for name, drive in asset.drives.items())
        lines += ["    drives={", *drives, "    },"]
    if asset.joint_positions:
        positions = (f"        {name!r}: {position:.9g}," for name, position in asset.joint_positions.items())
        lines += ["    joint_positions={", *positions, "    },"]
    return lines


def _drive(drive: Drive) -> str:
    values = [f"{name}={getattr(drive, name):.9g}" for name in ("stiffness", "damping") if getattr(drive, name)]
    if math.isfinite(drive.max_effort):
        values.append(f"max_effort={drive.max_effort:.9g}")
    return f"Drive({', '.join(values)})"
