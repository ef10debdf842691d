"""What one run of an application of Isaac Sim holds: the stage, references to robots, views, and the engine."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from pxr import Usd, UsdGeom, UsdPhysics

if TYPE_CHECKING:
    from oige_core.engines.mujoco.engine import MujocoEngine

__all__ = ["BASE", "Ground", "Session", "restart", "session"]

BASE = "/World/envs"
"""The prim below which cloners put the worlds."""


def _new_stage() -> Usd.Stage:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    stage.DefinePrim("/World", "Xform")
    stage.SetDefaultPrim(stage.GetPrimAtPath("/World"))
    UsdPhysics.Scene.Define(stage, "/physicsScene")
    return stage


class Ground(NamedTuple):
    """The ground plane.

    Attributes:
        height: z in m.
        friction: coefficient of friction; None: that of the configuration.
    """

    height: float
    friction: float | None


@dataclass
class Session:
    """State of the application.

    Attributes:
        stage: prims of the first world, and whatever the script adds.
        references: names of USD files by the prim path that refers to them.
        views: views that the script has created.
        env_paths: paths of the worlds' prims.
        offsets: positions of the worlds ``(num_envs, 3)`` in m; views add them to what the engine simulates.
        places: positions of the worlds ``(num_envs, 3)`` in m at which the engine simulates them, on terrain.
        on_terrain: views of the engine of what stands at these places.
        ground: the ground plane, or None without one.
        elements: views of the engine of bodies and articulations, by path of the prim.
        engine: simulates the worlds; None before the first reset of the world.
        contact_paths: expressions of bodies whose contact forces are read.
        backend: ``torch``, or ``warp`` for tasks whose views take and return Warp arrays.
        damped: articulations whose links are damped.
        products: render products of cameras.
        labels: labels of prims that segmentation shows, by path.
        settings: values of ``carb.settings``.
        notes: messages that were printed.
        watcher: tells what a script writes to the stage after the worlds were built.
        randomizer: domain randomisation through Replicator; None until a script sets it up.
    """

    stage: Usd.Stage = field(default_factory=_new_stage)
    references: dict[str, str] = field(default_factory=dict)
    views: list[Any] = field(default_factory=list)
    env_paths: list[str] = field(default_factory=list)
    offsets: torch.Tensor = field(default_factory=lambda: torch.zeros(1, 3))
    places: torch.Tensor = field(default_factory=lambda: torch.zeros(1, 3))
    on_terrain: list[Any] = field(default_factory=list)
    ground: "Ground | None" = None
    elements: dict[str, Any] = field(default_factory=dict)
    engine: "MujocoEngine | None" = None
    backend: str = "torch"
    damped: list[Any] = field(default_factory=list)
    products: list[Any] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    _folder: "tempfile.TemporaryDirectory[str] | None" = None
    randomizer: Any = None
    watcher: Any = None

    @property
    def device(self) -> torch.device:
        """Device of the simulation."""
        return torch.device("cpu") if self.engine is None else self.engine.device

    def folder(self) -> Path:
        """Return a folder for files of this session, which is removed with it."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="oige-compat-")
        return Path(self._folder.name)

    def note(self, text: str) -> None:
        """Print a message once."""
        if text not in self.notes:
            self.notes.add(text)
            print(f"oige-compat: {text}")


_current: list[Session] = []


def session() -> Session:
    """Return the current session."""
    if not _current:
        _current.append(Session())
    return _current[0]


def restart() -> Session:
    """Begin a new session, as an application that starts again."""
    _current.clear()
    return session()
