"""Loads robots of any file that code for Isaac Sim may have."""

import re
from collections.abc import Mapping
from pathlib import Path

from oige_core.errors import OigeError
from oige_core.robot_files import file_report, with_actuators
from oige_core.scene.assets import ArticulationAsset

from oige_compat.assets.report import Report
from oige_compat.assets.usd import load_usd

__all__ = ["USD_SUFFIXES", "load_robot"]

USD_SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")
"""Ends of names of USD files."""

_OTHERS = (".urdf", ".xml", ".mjcf")


def load_robot(
    path: Path | str,
    prim: str | None = None,
    *,
    variants: Mapping[str, str] | None = None,
    floating: bool | None = None,
) -> tuple[ArticulationAsset, Report]:
    """Return the robot of a USD, URDF or MJCF file, and what of it acts otherwise.

    Drives are those of the joints of a USD file, or of the actuators of an MJCF file. A URDF has none.

    Args:
        path: of the file.
        prim: path of the prim of a USD file that holds the robot.
        variants: selections by variant set of a USD file.
        floating: whether the root moves freely; required for a URDF; None: as the file says.

    Raises:
        OigeError: the file is of another kind, does not exist, or cannot be expressed; or an argument does not apply.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix in USD_SUFFIXES:
        if floating is not None:
            raise OigeError(
                f"{path}: floating={floating}: a USD file says itself whether its root is free; leave it out."
            )
        return load_usd(file, prim, variants=variants)
    if suffix not in _OTHERS:
        expected = ", ".join((*USD_SUFFIXES, *_OTHERS))
        raise OigeError(f"{path}: expected a file whose name ends in one of {expected}.")
    if prim is not None or variants:
        raise OigeError(f"{path}: prim and variants are for USD files; leave them out.")
    asset, report = ArticulationAsset(mjcf=file, floating=floating), Report()
    for line in file_report(asset):
        kind, _, text = line.partition(": ")
        report.add("approximated" if kind == "changed" else "lost", path, text)
    if suffix != ".urdf" and re.search("<actuator[ >]", file.read_text(encoding="utf-8", errors="replace")):
        asset = with_actuators(asset)
    return asset, report
