"""The first world of the stage, from which all worlds are built."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oige_core.engines.isaacsim.usd.description import unused_name
from pxr import Gf, Usd, UsdGeom

from oige_compat.assets.report import Report
from oige_compat.parts import Part
from oige_compat.poses import pose_of
from oige_compat.robots import Robot
from oige_compat.session import Session

__all__ = ["FirstWorld", "last_name"]


def last_name(path: str) -> str:
    """Return the last name of a path."""
    return path.rpartition("/")[2]


@dataclass
class FirstWorld:
    """What the parts of the builder share.

    Attributes:
        session: the session.
        params: parameters of the simulation.
        tasks: tasks of the world.
        origin: pose of the first world on the stage.
        robots: robots of OIGE by path of the prim that refers to them.
        parts: bodies of Isaac Sim's asset folder that OIGE has, too, by path of the prim of the body.
        damped: paths of robots whose links are damped.
        elements: views of the engine by path of the prim.
        articulations: names of articulations in the scene by path of the prim.
        reports: what differs from the stage, by title of a robot or body.
    """

    session: Session
    params: dict[str, Any]
    tasks: Sequence[Any]
    origin: Gf.Matrix4d = field(init=False)
    robots: dict[str, Robot] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    damped: set[str] = field(default_factory=set)
    elements: dict[str, Any] = field(default_factory=dict)
    articulations: dict[str, str] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.session.env_paths:
            self.session.env_paths = ["/World/envs/env_0"]
        self.origin = UsdGeom.XformCache().GetLocalToWorldTransform(self.prim)

    @property
    def prim(self) -> Usd.Prim:
        """The prim of the first world."""
        return self.session.stage.GetPrimAtPath(self.session.env_paths[0])

    def name_of(self, path: str) -> str:
        """Return the name of an element in the scene: the last name of its prim's path, if no other one has it."""
        if path not in self._names:
            self._names[path] = unused_name(last_name(path), set(self._names.values()))
        return self._names[path]

    def report(self) -> Report:
        """Return a new report, whose notes the session prints."""
        self.reports.append(Report())
        return self.reports[-1]

    def robot_above(self, path: str) -> str | None:
        """Return the path of the robot to which a prim belongs."""
        return next((root for root in self.robots if path == root or path.startswith(f"{root}/")), None)

    def is_part(self, path: str) -> bool:
        """Whether a prim belongs to one of the parts."""
        return any(f"{path}/".startswith(f"{part}/") for part in self.parts)

    def uses(self, text: str) -> bool:
        """Whether modules of tasks and views contain a text, such as the name of a method whose service costs time."""
        for kind in {kind for each in (*self.tasks, *self.session.views) for kind in type(each).__mro__}:
            module = sys.modules.get(kind.__module__)
            file = None if module is None else getattr(module, "__file__", None)
            if file and not kind.__module__.startswith("oige_compat") and text in Path(file).read_text("utf-8"):
                return True
        return False

    def authored(self, root: str, name: str) -> dict[str, Any]:
        """Return values of an attribute that the script has set, by path of the prim, for prims below ``root``."""
        layer = self.session.stage.GetRootLayer()
        found = {}
        for prim in Usd.PrimRange(self.session.stage.GetPrimAtPath(root), Usd.TraverseInstanceProxies()):
            spec = layer.GetAttributeAtPath(prim.GetPath().AppendProperty(name))
            if spec is not None and spec.default is not None:
                found[str(prim.GetPath())] = spec.default
        return found

    def values(self, root: str, name: str) -> dict[str, Any]:
        """Return values of an attribute, of the script or of a file, by path of the prim, for prims below ``root``."""
        prims = Usd.PrimRange(self.session.stage.GetPrimAtPath(root), Usd.TraverseInstanceProxies())
        found = {str(prim.GetPath()): prim.GetAttribute(name) for prim in prims if prim.HasAttribute(name)}
        return {path: attribute.Get() for path, attribute in found.items() if attribute.HasAuthoredValue()}

    def matrix(self, prim: Usd.Prim) -> Gf.Matrix4d:
        """Return the transformation, whose rows are axes, from a prim to the first world."""
        return UsdGeom.XformCache().GetLocalToWorldTransform(prim) * self.origin.GetInverse()

    def pose(self, prim: Usd.Prim) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return position in m and orientation w, x, y, z of a prim in the first world."""
        position, orientation = pose_of(self.matrix(prim))
        return tuple(position), tuple(orientation)
