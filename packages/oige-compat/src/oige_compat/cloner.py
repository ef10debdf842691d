"""``omni.isaac.cloner``: places the worlds. Every world of the engine is a copy of the first one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from oige_core.math import grid_positions
from pxr import Sdf, Usd

from oige_compat.errors import CompatError, TellsMissing, caller, refuse_parameters
from oige_compat.session import BASE, session
from oige_compat.stage import set_pose
from oige_compat.values import as_list

__all__ = ["Cloner", "GridCloner"]


_NEUTRAL = {"unregister_physics_replication", "enable_env_ids", "clone_in_fabric"}
"""Parameters that change nothing here."""


class Cloner(TellsMissing):
    """Copies the first world."""

    def define_base_env(self, base_env_path: str) -> None:
        """Create the prim above the worlds."""
        session().stage.DefinePrim(base_env_path, "Scope")

    def generate_paths(self, root_path: str, num_paths: int) -> list[str]:
        """Return paths of worlds: the root path with ``_`` and a number."""
        return [f"{root_path}_{number}" for number in range(num_paths)]

    def clone(
        self,
        source_prim_path: str,
        prim_paths: Sequence[str],
        positions: Any = None,
        orientations: Any = None,
        replicate_physics: bool = False,
        base_env_path: str | None = None,
        root_path: str | None = None,
        copy_from_source: bool = False,
        **further: Any,
    ) -> None:
        """Place the worlds: copies of the first one, on positions ``(n, 3)`` in m; or copy a prim of the first world.

        Raises:
            CompatError: the source is not among the paths, worlds are to be turned, or there are other parameters.
        """
        refuse_parameters(type(self), further.keys() - _NEUTRAL)
        if _is_below_world(source_prim_path):
            copy_prims(source_prim_path, prim_paths, positions, orientations)
            return
        if source_prim_path not in prim_paths[:1]:
            raise CompatError(
                f"clone(source_prim_path='{source_prim_path}') (used in {caller()}): expected the first of the paths."
            )
        if orientations is not None:
            raise CompatError(f"clone(orientations=…) (used in {caller()}): turned worlds are not served.")
        current = session()
        count = len(prim_paths)
        rows = np.zeros((count, 3)) if positions is None else np.asarray([as_list(row) for row in positions])
        _define(current.stage, prim_paths)
        for path, row in zip(prim_paths, rows, strict=True):
            set_pose(current.stage.GetPrimAtPath(path), row)
        current.env_paths = list(prim_paths)
        current.offsets = torch.as_tensor(rows, dtype=torch.float32)

    def filter_collisions(
        self,
        physicsscene_path: str,
        collision_root_path: str,
        prim_paths: Sequence[str],
        global_paths: Sequence[str] = (),
    ) -> None:
        """Do nothing: worlds of the engine never touch each other."""

    def replicate_physics(self, *arguments: Any, **further: Any) -> None:
        """Do nothing: worlds of the engine are copies."""


class GridCloner(Cloner):
    """Places worlds on a square grid.

    Args:
        spacing: distance between neighbours, in m.
        num_per_row: worlds per row.

    Raises:
        CompatError: ``num_per_row`` is given.
    """

    def __init__(self, spacing: float, num_per_row: int = -1, stage: Any = None) -> None:
        if num_per_row > 0:
            raise CompatError(
                f"GridCloner(num_per_row={num_per_row}) (used in {caller()}): only square grids are served."
            )
        self._spacing = spacing

    def get_clone_transforms(
        self, num_clones: int, position_offsets: Any = None, orientation_offsets: Any = None
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return positions in m and orientations w, x, y, z of the worlds.

        Raises:
            CompatError: there is no world.
        """
        if num_clones < 1:
            raise CompatError(f"{num_clones} worlds (used in {caller()}): expected at least one; set num_envs.")
        positions = grid_positions(num_clones, self._spacing).numpy().astype(float)
        if position_offsets is not None:
            positions = positions + np.asarray(position_offsets)
        return list(positions), [np.array([1.0, 0.0, 0.0, 0.0])] * num_clones

    def clone(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        source_prim_path: str,
        prim_paths: Sequence[str],
        position_offsets: Any = None,
        orientation_offsets: Any = None,
        replicate_physics: bool = False,
        base_env_path: str | None = None,
        root_path: str | None = None,
        copy_from_source: bool = False,
        **further: Any,
    ) -> list[np.ndarray]:
        """Place the worlds and return their positions in m."""
        positions, _ = self.get_clone_transforms(len(prim_paths), position_offsets)
        super().clone(source_prim_path, prim_paths, positions, orientation_offsets, **further)
        return positions


def _is_below_world(path: str) -> bool:
    return path.startswith(f"{BASE}/") and "/" in path[len(BASE) + 1 :]


def copy_prims(source: str, paths: Sequence[str], positions: Any = None, orientations: Any = None) -> None:
    """Copy a prim with everything below it, and the USD files to which it refers.

    Args:
        source: its path.
        paths: those of the copies; the source may be among them.
        positions: local positions ``(n, 3)`` in m; None keeps that of the source.
        orientations: local orientations ``(n, 4)``, w, x, y, z; None keeps that of the source.
    """
    current = session()
    layer = current.stage.GetRootLayer()
    below = {key[len(source) :]: file for key, file in current.references.items() if f"{key}/".startswith(f"{source}/")}
    for number, path in enumerate(paths):
        if path != source:
            Sdf.CreatePrimInLayer(layer, path)
            Sdf.CopySpec(layer, source, layer, path)
            current.references.update({f"{path}{suffix}": file for suffix, file in below.items()})
        position = None if positions is None else positions[number]
        orientation = None if orientations is None else orientations[number]
        set_pose(current.stage.GetPrimAtPath(path), position, orientation)


def _define(stage: Usd.Stage, paths: Sequence[str]) -> None:
    """Create prims, together, which is faster than one by one."""
    layer = stage.GetRootLayer()
    with Sdf.ChangeBlock():
        for path in paths:
            spec = Sdf.CreatePrimInLayer(layer, path)
            spec.specifier = Sdf.SpecifierDef
            spec.typeName = spec.typeName or "Xform"
