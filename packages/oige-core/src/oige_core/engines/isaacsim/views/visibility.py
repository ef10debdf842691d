"""Which shapes of bodies windows and cameras show."""

from collections.abc import Mapping

import torch

from oige_core.engines.isaacsim.usd.stage_map import path_in_world
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.selections import is_mask

__all__ = ["ShapeVisibility"]


class ShapeVisibility:
    """Shows one of the shapes of a body in each world; the plates on the faces of a box are shown with the box.

    Args:
        worlds: the running worlds.
        body: path of the body in world 0.
        paths: paths of its shapes in world 0, by their numbers.
    """

    def __init__(self, worlds: IsaacWorlds, body: str, paths: Mapping[int, str]) -> None:
        from pxr import UsdGeom

        self._worlds = worlds
        children = worlds.stage.GetPrimAtPath(body).GetChildren()
        drawn = [str(prim.GetPath()) for prim in children if prim.IsA(UsdGeom.Gprim)]
        first = next(iter(paths))
        plates = [path for path in drawn if path not in paths.values()]
        self._paths = {number: [path, *plates] if number == first else [path] for number, path in paths.items()}

    def show(self, numbers: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Show the shapes ``(num_envs,)`` in a selection of worlds, and hide the others."""
        from pxr import Sdf, UsdGeom

        stage, every = self._worlds.stage, range(self._worlds.num_envs)
        if worlds is not None:
            every = (worlds.nonzero().squeeze(-1) if is_mask(worlds) else worlds).tolist()
        present = numbers.tolist()
        with Sdf.ChangeBlock():
            for world in every:
                for number, paths in self._paths.items():
                    token = UsdGeom.Tokens.inherited if number == present[world] else UsdGeom.Tokens.invisible
                    for path in paths:
                        imageable = UsdGeom.Imageable(stage.GetPrimAtPath(path_in_world(path, world)))
                        imageable.CreateVisibilityAttr(token).Set(token)
