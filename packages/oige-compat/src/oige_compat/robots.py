"""Finds robots of OIGE by the names of Isaac Sim's USD files."""

import dataclasses
import functools
import importlib
import importlib.util
import pkgutil
import types
from pathlib import Path

from oige_core.registry import installed_tasks
from oige_core.scene import ArticulationAsset

from oige_compat.props import find_prop

__all__ = ["Robot", "find_robot", "installed_robots", "reference_file"]


@dataclasses.dataclass(frozen=True)
class Robot:
    """A robot of an installed task package.

    Attributes:
        asset: its description.
        file: its USD file, with the same names of links and joints as in Isaac Sim's; None: it was converted from the
            stage, with everything that the script has set there.
        tasks: names of the tasks of its package folder, whose settings of the simulation fit it.
    """

    asset: ArticulationAsset
    file: Path | None
    tasks: tuple[str, ...]


@functools.cache
def installed_robots() -> dict[str, Robot]:
    """Return robots by the name of Isaac Sim's USD file under its asset root."""
    modules: dict[str, list[str]] = {}
    for name, task in installed_tasks().items():
        modules.setdefault(task.entry_point.module, []).append(name)
    robots: dict[str, Robot] = {}
    for package in sorted({module.partition(".")[0] for module in modules}):
        root = importlib.import_module(package)
        for info in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not info.ispkg:
                for asset in _assets(importlib.import_module(info.name)):
                    folder = info.name.rpartition(".")[0]
                    tasks = tuple(name for module, names in modules.items() if module == folder for name in names)
                    if (robot := _robot(asset, tasks)) is not None and asset.usd is not None:
                        previous = robots.get(asset.usd)
                        robots[asset.usd] = robot if previous is None or (tasks and not previous.tasks) else previous
    return robots


def _assets(module: types.ModuleType) -> list[ArticulationAsset]:
    return [value for value in vars(module).values() if isinstance(value, ArticulationAsset)]


def _robot(asset: ArticulationAsset, tasks: tuple[str, ...]) -> Robot | None:
    if not isinstance(asset.mjcf, Path):
        return None
    files = [asset.mjcf.with_suffix(suffix) for suffix in (".usda", ".usdc")]
    file = next((file for file in files if file.is_file()), None)
    return None if file is None else Robot(asset, file, tasks)


def find_robot(usd_path: str) -> Robot | None:
    """Return the robot whose USD file in Isaac Sim has this path; None: there is none, or the path is a local file."""
    if Path(usd_path).is_file():
        return None
    name = usd_path.replace("\\", "/")
    return next((robot for usd, robot in installed_robots().items() if name.endswith(f"/{usd}")), None)


def reference_file(usd_path: str) -> Path | None:
    """Return the USD file to which a reference leads: a local one, or that of a robot or a prop of OIGE."""
    if Path(usd_path).is_file():
        return Path(usd_path).resolve()
    robot = find_robot(usd_path)
    return find_prop(usd_path) if robot is None else robot.file
