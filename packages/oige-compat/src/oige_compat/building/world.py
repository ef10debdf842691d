"""The first world of the stage, from which all worlds are built."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pxr import Gf, Usd, UsdGeom

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
        elements: views of the engine by path of the prim.
        articulations: names of articulations in the scene by path of the prim.
    """

    session: Session
    params: dict[str, Any]
    tasks: Sequence[Any]
    origin: Gf.Matrix4d = field(init=False)
    robots: dict[str, Robot] = field(default_factory=dict)
    elements: dict[str, Any] = field(default_factory=dict)
    articulations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.session.env_paths:
            self.session.env_paths = ["/World/envs/env_0"]
        self.origin = UsdGeom.XformCache().GetLocalToWorldTransform(self.prim)

    @property
    def prim(self) -> Usd.Prim:
        """The prim of the first world."""
        return self.session.stage.GetPrimAtPath(self.session.env_paths[0])

    def new_name(self, path: str) -> str:
        """Return a name for the element of a prim: its last name, or its path in the world if that is in use."""
        name = last_name(path)
        used = {last_name(other) for other in self.elements}
        return path.removeprefix(f"{self.session.env_paths[0]}/").replace("/", ".") if name in used else name

    def authored(self, root: str, name: str) -> dict[str, Any]:
        """Return values of an attribute that the script has set, by path of the prim, for prims below ``root``."""
        layer = self.session.stage.GetRootLayer()
        found = {}
        for prim in Usd.PrimRange(self.session.stage.GetPrimAtPath(root), Usd.TraverseInstanceProxies()):
            spec = layer.GetAttributeAtPath(prim.GetPath().AppendProperty(name))
            if spec is not None and spec.default is not None:
                found[str(prim.GetPath())] = spec.default
        return found

    def pose(self, prim: Usd.Prim) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return position in m and orientation w, x, y, z of a prim in the first world."""
        matrix = UsdGeom.XformCache().GetLocalToWorldTransform(prim) * self.origin.GetInverse()
        rotation = matrix.RemoveScaleShear().ExtractRotationQuat()
        return tuple(matrix.ExtractTranslation()), (rotation.GetReal(), *rotation.GetImaginary())
